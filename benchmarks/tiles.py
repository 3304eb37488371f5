"""Seconds per megapixel, also of one core, and peak memory of a raster larger than its run may use.

    python benchmarks/tiles.py fgs                      # 100 megapixels, 3 bands of uint8
    python benchmarks/tiles.py tv --set weight=0.02
    python benchmarks/tiles.py fgs --megapixels 1000    # a gigapixel

The raster is drawn into a memory-mapped file, and smoothed into another by ``js.running.smooth_file``. The
peak is the largest resident set without the pages of mapped files, which the system drops when others need
the memory.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import jumpset as js


def draw(path, megapixels, seed=0):
    """A mosaic of flat cells with noise, one band of rows at a time."""
    side = round((megapixels * 1e6) ** 0.5)
    raster = np.lib.format.open_memmap(path, "w+", np.uint8, (side, side, 3))
    rng = np.random.default_rng(seed)
    cells = rng.integers(30, 225, (side // 64 + 2, side // 64 + 2, 3))
    for top in range(0, side, 512):
        rows = np.arange(top, min(top + 512, side))
        flat = cells[(rows // 64)[:, None], (np.arange(side) // 64)[None]]
        noise = rng.normal(0.0, 12.0, flat.shape).astype(np.float32)
        raster[rows] = np.clip(flat + noise, 0, 255).astype(np.uint8)
    raster.flush()
    return raster.shape


class Peak:
    """The largest anonymous memory of this process, read ten times a second."""

    def __enter__(self):
        self.bytes, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        page = os.sysconf("SC_PAGE_SIZE")
        while not self._stop.wait(0.1):
            _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
            self.bytes = max(self.bytes, (resident - shared) * page)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method")
    parser.add_argument("--megapixels", type=float, default=100.0)
    parser.add_argument("--max-memory", type=float, default=2.0, help="gigabytes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tol", type=float, default=1e-3, help="of the tiles")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--folder", help="where the files are, with space for three times the raster")
    options = parser.parse_args()
    settings = {name: json.loads(value) for name, _, value in (text.partition("=") for text in options.set)}
    method = js.method(options.method, **settings)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source, target = Path(folder) / "in.npy", Path(folder) / "out.npy"
        shape = draw(source, options.megapixels)
        with Peak() as peak:
            start, before = time.perf_counter(), time.process_time()
            result = js.running.smooth_file(
                source,
                target,
                method,
                workers=options.workers,
                max_memory=int(options.max_memory * 1e9),
                tol=options.tol,
                progress=lambda done, total: print(f"\r{done}/{total}", end="", flush=True),
            )
            seconds, busy = time.perf_counter() - start, time.process_time() - before
    pixels = shape[0] * shape[1] / 1e6
    print(
        f"\r{options.method}: {pixels:.0f} MP x 3 uint8 in {seconds:.0f} s, {seconds / pixels:.2f} s/MP"
        f" ({busy / pixels:.2f} s/MP of a core),"
        f" peak {peak.bytes / 1e9:.2f} GB of {options.max_memory:g} GB allowed, {result.n_tiles} tiles of"
        f" {result.sides} with a margin of {result.margin}, {options.workers} workers"
    )


if __name__ == "__main__":
    main()
