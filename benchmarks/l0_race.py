"""Compare region fusion and L0 with OpenCV's l0Smooth: both energies and seconds.

    python benchmarks/l0_race.py [IMAGE ...]

The default image is the scikit-image astronaut (512×512 RGB). All methods take and return 8-bit images, and
the energies are those of the returned images. Seconds are the median (minimum … maximum) of 7 runs after
one that compiles.

For comparison the program also times a copy of the float32 image. One L0 iteration needs at least 2 cosine
transforms and 2 passes over the image; region fusion must read the 4 edges of each pixel once and write a
label.
"""

import sys

import cv2
import numpy as np
from skimage import data
from timing import measure

import jumpset as js

WEIGHTS = (0.005, 0.01, 0.02, 0.05)


def solvers(image, weight):
    """Return a function that smooths ``image`` for each name."""
    return {
        "opencv l0Smooth": lambda: cv2.ximgproc.l0Smooth(image, None, weight, 2.0),
        "l0": lambda: js.smooth(image, "l0", preset="paper", weight=weight),
        "l0 (sharp)": lambda: js.smooth(image, "l0", preset="sharp", weight=weight),
        "region-fusion": lambda: js.smooth(image, "region-fusion", weight=weight),
        "region-fusion 8": lambda: js.smooth(image, "region-fusion", weight=weight, neighbors=8),
    }


def main() -> None:
    paths = sys.argv[1:]
    images = {p: js.io.read_picture(p).pixels for p in paths} or {"astronaut": data.astronaut()}
    for name, image in images.items():
        floats = image.astype(np.float32) / 255
        copy = measure(lambda x=floats: x.copy(), repeats=50)
        print(f"{name} {image.shape}; one copy of the float image {1e3 * copy.median:.2f} ms")
        print(f"{'weight':>8s}  {'method':18s}{'E_pix':>10s}{'E_edge':>10s}   seconds")
        for weight in WEIGHTS:
            for method, solve in solvers(image, weight).items():
                out = solve()
                pix = js.metrics.energy_pix(out / 255, image / 255, weight)
                edge = js.metrics.energy_edge(out / 255, image / 255, weight)
                print(f"{weight:8.3f}  {method:18s}{pix:10.1f}{edge:10.1f}   {measure(solve, repeats=7)}")


if __name__ == "__main__":
    main()
