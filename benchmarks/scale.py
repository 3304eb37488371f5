"""Measure seconds and peak memory per pixel of region fusion, the region tree, FGS and TV on large images.

    python benchmarks/scale.py {region-fusion,tree,fgs,tv} MEGAPIXELS [CHANNELS]

Each task needs a process of its own, since the peak is that of the process. The image is the scikit-image
astronaut, tiled, with noise of 0.01 so that the tiles differ. A small image runs first, to compile.
"""

import math
import resource
import sys
import time

import numpy as np
from skimage import data

import jumpset as js

METHODS = {
    "region-fusion": {"weight": 0.02, "levels": 20},
    "fgs": {},
    "tv": {"weight": 0.05, "tol": 1e-2},
}


def make_image(megapixels: float, channels: int) -> np.ndarray:
    side = round(1000 * math.sqrt(megapixels))
    tile = data.astronaut().astype(np.float32) / 255
    tile = tile.mean(-1, keepdims=True) if channels == 1 else tile
    times = -(-side // 512)
    big = np.tile(tile, (times, times, 1))[:side, :side].copy()
    rng = np.random.default_rng(0)
    for row in big:
        row += 0.01 * rng.standard_normal(row.shape, dtype=np.float32)
    return np.ascontiguousarray(big[..., 0] if channels == 1 else big)


def main() -> None:
    task, megapixels, channels = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1

    def show(done: float) -> None:
        print(f"\r{done:4.0%}", end="", flush=True, file=sys.stderr)

    def work(image: np.ndarray) -> str:
        if task == "tree":
            tree = js.RegionTree(image, progress=show)
            began = time.perf_counter()
            count = tree.labels(weight=0.02).max()
            return f"{count} regions at 0.02, cut in {time.perf_counter() - began:.2f} s"
        method = js.method(task, **METHODS[task])
        result = js.run(image, method, callback=lambda step: show(step.n_steps / step.max_steps))
        last = ", ".join(f"{name} {values[-1]:.6g}" for name, values in result.history.items())
        return f"{result.status.name}, {last}"

    work(make_image(0.05, channels))
    image = make_image(megapixels, channels)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    began, used = time.perf_counter(), time.process_time()
    answer = work(image)
    seconds, used = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    n = image.shape[0] * image.shape[1]
    print(
        f"{task}, {n / 1e6:.1f} MP, {channels} channel(s): {answer}; {seconds:.1f} s, "
        f"{1e6 * seconds / n:.2f} s/MP ({1e6 * used / n:.2f} of a core's time); "
        f"peak {peak / 2**30:.2f} GiB, {(peak - before) / n:.0f} bytes per pixel without the image"
    )


if __name__ == "__main__":
    main()
