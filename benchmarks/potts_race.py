"""Compare the Potts energies and seconds of jumpset's methods, OpenCV and cut pursuit.

    python benchmarks/potts_race.py [--peer PYTHON] [IMAGE ...]

The default image is the scikit-image astronaut (512×512 RGB). The energy is the E_edge of each result with
4 neighbours, weight 1 per edge and intensities in [0, 1]. pycut-pursuit needs a separate interpreter (``pip
install "numpy<2" pycut-pursuit``), which ``--peer`` names; its seconds are those of the call alone, in
float32, on two threads. OpenCV's closest method, l0Smooth, minimises another energy (which counts pixels
instead of edges with a jump) and rounds to 8 bits. Seconds are the minimum of 5 runs after one that
compiles; Potts-ADMM, which takes several seconds, runs once.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage import data
from timing import measure

import jumpset as js

WEIGHTS = (0.005, 0.01, 0.02, 0.05)
METHODS = {
    "region-fusion": {"levels": 10},
    "region-fusion 100": {},
    "potts-descent": {},
    "potts-descent 1 step": {"max_steps": 1},
    "potts": {},
}
PEER = Path(__file__).parent / "potts" / "cut_pursuit_worker.py"


def peer(python: str, image: np.ndarray, weight: float) -> tuple[np.ndarray, float]:
    """Return labels and seconds of pycut-pursuit."""
    with tempfile.TemporaryDirectory() as folder:
        source, answer = Path(folder) / "image.npy", Path(folder) / "answer.npy"
        np.save(source, image)
        command = [python, str(PEER), str(source), str(weight), str(answer)]
        out = subprocess.run(command, input="go\n" * 5, capture_output=True, text=True, check=True).stdout
        lines = [line.split() for line in out.splitlines()]
        return np.load(answer), min(float(words[1]) for words in lines if words[:1] == ["done"])


def opencv(pixels: np.ndarray, weight: float) -> np.ndarray:
    """Return ``l0Smooth`` of an 8-bit image, in [0, 1]."""
    return cv2.ximgproc.l0Smooth(pixels, None, weight, 2.0) / 255


def energy_of_labels(labels: np.ndarray, image: np.ndarray, weight: float) -> float:
    """Return the energy, in float64, of the image whose regions have the means of ``image``."""
    flat, size = labels.ravel(), np.bincount(labels.ravel())
    means = np.stack([np.bincount(flat, c) / np.maximum(size, 1) for c in image.reshape(flat.size, -1).T], -1)
    return js.metrics.energy_edge(means[labels], image, weight)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", help="a Python that has pycut-pursuit")
    parser.add_argument("images", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    images = {p: js.io.read_picture(p).pixels for p in arguments.images} or {"astronaut": data.astronaut()}
    for name, pixels in images.items():
        image = pixels.reshape(*pixels.shape[:2], -1) / 255
        print(f"{name} {image.shape}\n{'weight':>8s}  {'method':22s}{'E_edge':>10s}   seconds")
        for weight in WEIGHTS:
            if arguments.peer:
                labels, seconds = peer(arguments.peer, image, weight)
                energy = energy_of_labels(labels, image, weight)
                print(f"{weight:8.3f}  {'pycut-pursuit':22s}{energy:10.1f}   {seconds:.3f}")
            if pixels.dtype == np.uint8:
                energy = js.metrics.energy_edge(opencv(pixels, weight), image, weight)
                seconds = min(measure(lambda p=pixels, w=weight: opencv(p, w), repeats=3).runs)
                print(f"{weight:8.3f}  {'OpenCV l0Smooth':22s}{energy:10.1f}   {seconds:.3f}")
            for method, settings in METHODS.items():

                def solve(image=image, method=method, settings=settings, weight=weight):
                    return js.smooth(image, method.split()[0], weight=weight, **settings)

                energy = js.metrics.energy_edge(solve(), image, weight)
                repeats = 1 if method == "potts" else 5
                seconds = min(measure(solve, repeats=repeats).runs)
                print(f"{weight:8.3f}  {method:22s}{energy:10.1f}   {seconds:.3f}")


if __name__ == "__main__":
    main()
