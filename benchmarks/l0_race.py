"""Region fusion and L0 against OpenCV's l0Smooth: both energies and seconds, side by side in one run.

    python benchmarks/l0_race.py [PICTURE ...]

Without arguments the scikit-image astronaut (512×512 RGB). All work on 8-bit pictures and return 8-bit
pictures; energies are of what they return. Seconds: median (least … most) of 7 runs after one that compiles.

The floor: one pass over the float32 picture and a copy of it. One L0 iteration needs 2 cosine transforms and
2 passes; region fusion must at least read each pixel's 4 edges once and write a label.
"""

import sys

import cv2
import numpy as np
from skimage import data
from timing import measure

import jumpset as js

WEIGHTS = (0.005, 0.01, 0.02, 0.05)


def solvers(image, weight):
    """Name to a function that smooths `image`."""
    return {
        "opencv l0Smooth": lambda: cv2.ximgproc.l0Smooth(image, None, weight, 2.0),
        "l0": lambda: js.smooth(image, "l0", preset="paper", weight=weight),
        "l0 (sharp)": lambda: js.smooth(image, "l0", preset="sharp", weight=weight),
        "region-fusion": lambda: js.smooth(image, "region-fusion", weight=weight),
        "region-fusion 8": lambda: js.smooth(image, "region-fusion", weight=weight, neighbors=8),
    }


def main() -> None:
    paths = sys.argv[1:]
    pictures = {p: js.io.read_picture(p).pixels for p in paths} or {"astronaut": data.astronaut()}
    for name, image in pictures.items():
        floats = image.astype(np.float32) / 255
        copy = measure(lambda x=floats: x.copy(), repeats=50)
        print(f"{name} {image.shape}; floor: one copy of the float picture {1e3 * copy.median:.2f} ms")
        print(f"{'weight':>8s}  {'method':18s}{'E_pix':>10s}{'E_edge':>10s}   seconds")
        for weight in WEIGHTS:
            for method, solve in solvers(image, weight).items():
                out = solve()
                pix = js.metrics.energy_pix(out / 255, image / 255, weight)
                edge = js.metrics.energy_edge(out / 255, image / 255, weight)
                print(f"{weight:8.3f}  {method:18s}{pix:10.1f}{edge:10.1f}   {measure(solve, repeats=7)}")


if __name__ == "__main__":
    main()
