"""The search behind the default of dip-l0: PSNR and CPU seconds of its settings on textured vector pictures.

    python benchmarks/dip_search.py FOLDER [VARIANT ...] [--names S1_T4 S3_T7 ...] [--crop HEIGHT WIDTH]

FOLDER holds the NKS set: ``input/S1_T4.png`` is structure 1 with texture 4, its truth is ``truth/S1.png``.
PSNR is of the 8-bit rounded answer, from the joint mean squared error of R, G and B; region fusion with 50
levels stands beside it. CPU seconds are summed over threads, so that a busy machine does not change them:
halve them for two idle cores. The findings are in dip_search.md.
"""

import argparse
import time
from dataclasses import replace
from inspect import isfunction
from itertools import product
from pathlib import Path

import numpy as np

import jumpset as js
from jumpset.dip import DIPl0, DIPPotts
from jumpset.smoothers import RegionFusion

NAMES = ["S1_T4", "S3_T7", "S5_T3", "S7_T2", "S9_T10", "S10_T6"]
DEFAULT = DIPl0()
DRAWN = DIPl0(start="region-fusion")  # "default" in most of dip_search.md
VARIANTS = {
    "region fusion .025": RegionFusion(weight=0.025, levels=50),
    "structure-texture": js.method("structure-texture"),
    "dip": js.method("dip"),
    "default": DEFAULT,
    "patience 20": replace(DEFAULT, patience=20),
    "fast": DIPl0(**DIPl0.presets["fast"]),
    "from region fusion": DRAWN,
    "anchor 0": replace(DRAWN, anchor=0.0),
    "anchor 0, 200 outer": replace(DRAWN, anchor=0.0, outer_steps=200),
    "noise input": replace(DRAWN, feed="noise"),
    "random start": replace(DRAWN, start="random"),
    "1 Adam step an outer": replace(DRAWN, inner_steps=1, outer_steps=2 * DRAWN.outer_steps),
    "5 Adam steps an outer": replace(DRAWN, inner_steps=5, outer_steps=2 * DRAWN.outer_steps // 5),
    "step size .01": replace(DRAWN, step_size=0.01),
    "step size .04": replace(DRAWN, step_size=0.04),
    "50 levels": replace(DRAWN, levels=50),
    "jpeg network": replace(DRAWN, network="jpeg"),
    "rho 1": replace(DRAWN, rho=1.0),
    "rho 4.5": replace(DRAWN, rho=4.5),
    "400 outer": replace(DRAWN, outer_steps=400),
    "400 outer, patience 60": replace(DRAWN, outer_steps=400, patience=60),
    "full network": replace(DRAWN, network="full"),
    "potts-descent": DIPPotts(start="region-fusion"),
    "drawn from structure-texture": lambda picture: replace(
        DRAWN, start=js.smooth(picture, "structure-texture"), outer_steps=60
    ),
    "paper": DIPl0(**DIPl0.presets["paper"]),
}
for start, method in {"": DEFAULT, "from region fusion, ": DRAWN}.items():
    VARIANTS |= {
        f"{start}weight {w}, rho {r}": replace(method, weight=w, rho=r)
        for w, r in product((0.0125, 0.025, 0.05), (1.125, 2.25, 4.5))
    }
    VARIANTS |= {f"{start}seed {k}": replace(method, seed=k) for k in range(10)}


def load(folder, name, crop):
    """Input and truth, the middle of them if `crop` is given."""
    pair = [
        js.io.read_picture(folder / part).pixels
        for part in (f"input/{name}.png", f"truth/{name.split('_')[0]}.png")
    ]
    if crop is None:
        return pair
    top, left = ((side - c) // 2 for side, c in zip(pair[0].shape, crop, strict=False))
    return [np.ascontiguousarray(p[top : top + crop[0], left : left + crop[1]]) for p in pair]


def score(method, picture, truth):
    """PSNR and CPU seconds; a function makes the method of the picture."""
    began = time.process_time()
    image = js.run(picture, method(picture) if isfunction(method) else method).image
    return js.metrics.psnr(image, truth), time.process_time() - began


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("variants", nargs="*", default=["region fusion .025", "fast", "default"])
    options.add_argument("--names", nargs="+", default=NAMES)
    options.add_argument("--crop", nargs=2, type=int, metavar=("HEIGHT", "WIDTH"))
    given = options.parse_args()
    unknown = set(given.variants) - set(VARIANTS)
    if unknown:
        options.error(f"no variant {sorted(unknown)}; there are {list(VARIANTS)}")
    pairs = {name: load(given.folder, name, given.crop) for name in given.names}
    print("| variant | " + " | ".join(pairs) + " | mean PSNR | CPU s a picture |")
    print("|---|" + "---:|" * (len(pairs) + 2))
    for variant in given.variants:
        scores = np.array([score(VARIANTS[variant], *pair) for pair in pairs.values()])
        cells = " | ".join(f"{psnr:.2f}" for psnr in scores[:, 0])
        print(f"| {variant} | {cells} | {scores[:, 0].mean():.2f} | {scores[:, 1].mean():.0f} |", flush=True)


if __name__ == "__main__":
    main()
