"""Compare the region tree with Higra's binary partition tree by Mumford-Shah energy.

    python benchmarks/tree_race.py MEGAPIXELS [--higra PYTHON] [--threads 2]

It prints time, memory, and the energies E_edge of cuts of both trees at some weights. PYTHON has
``pip install higra numpy``, in an environment of its own. Each tree is built in a process of its own, after a
small image, and at the priority of this process; the peak memory is that of the process less what it had
before. The image is that of `scale.py`, three bands.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WEIGHTS = (0.005, 0.02, 0.1)


def build_jumpset(image):
    import jumpset as js

    tree = js.RegionTree(image)
    return lambda weight: tree.labels(weight=weight)


def build_higra(image):
    import higra as hg

    graph = hg.get_4_adjacency_graph(image.shape[:2])
    tree, altitudes = hg.binary_partition_tree_MumfordShah_energy(graph, image.astype(np.float64))
    # a boundary belongs to the perimeters of two regions
    return lambda weight: hg.labelisation_horizontal_cut_from_threshold(tree, altitudes, weight / 2)


def work(name, path, out):
    """Build one tree, and write the labels of its cuts."""
    build = {"jumpset": build_jumpset, "higra": build_higra}[name]
    image = np.load(path)
    build(image[:64, :64].copy())(0.02)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, used = time.perf_counter(), time.process_time()
    cut = build(image)
    seconds, used = time.perf_counter() - began, time.process_time() - used
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    np.savez(out, *(cut(weight) for weight in WEIGHTS))
    print(json.dumps({"seconds": seconds, "cpu": used, "peak": peak}))


def energies(image, path):
    """Return E_edge of each cut."""
    flat, found = image.reshape(-1, image.shape[-1]).astype(np.float64), []
    with np.load(path) as cuts:
        for weight, labels in zip(WEIGHTS, (cuts[name] for name in cuts.files), strict=True):
            labels = labels.reshape(image.shape[:2])
            _, index = np.unique(labels, return_inverse=True)
            size = np.bincount(index.ravel())
            sums = np.stack([np.bincount(index.ravel(), band) for band in flat.T], 1)
            squares = (flat**2).sum() - (sums**2 / size[:, None]).sum()
            jumps = sum(np.count_nonzero(np.diff(labels, axis=axis)) for axis in (0, 1))
            found.append(squares + weight * jumps)
    return found


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "--work":
        return work(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("megapixels", type=float)
    parser.add_argument("--higra", metavar="PYTHON", help="an interpreter that has higra")
    parser.add_argument("--threads", default="2")
    options = parser.parse_args()
    from scale import make_image

    image = make_image(options.megapixels, 3)
    n = image[..., 0].size
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "image.npy", image)
        for name, python in (("jumpset", sys.executable), ("higra", options.higra)):
            if python is None:
                continue
            out = str(Path(folder) / f"{name}.npz")
            command = [python, __file__, "--work", name, str(Path(folder) / "image.npy"), out]
            environment = {**os.environ, "OMP_NUM_THREADS": options.threads}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            told = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{name}: {1e6 * told['seconds'] / n:.2f} s/MP, {1e6 * told['cpu'] / n:.2f} CPU s/MP,"
                f" {told['peak'] / n:.0f} bytes a pixel, energies "
                + ", ".join(f"{e:.1f} at {w}" for w, e in zip(WEIGHTS, energies(image, out), strict=True)),
                flush=True,
            )
    return None


if __name__ == "__main__":
    main()
