"""The search behind the defaults of dip-l0 and dip-correction: PSNR and CPU seconds of their settings.

    python benchmarks/dip_search.py FOLDER [VARIANT ...] [--names S1_T4 S3_T7 ...] [--crop HEIGHT WIDTH]

FOLDER holds the NKS set of textured vector graphics: ``input/S1_T4.png`` is structure 1 with texture 4, and
``truth/S1.png`` its truth. PSNR is of the 8-bit rounded answer, from the joint mean squared error of R, G
and B. CPU seconds are summed over threads, so that other load on the machine does not change them: halve
them for two idle cores. The findings are in dip_search.md.
"""

import argparse
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

import jumpset as js
from jumpset.dip import DIPCorrection, DIPl0, DIPPotts, architecture
from jumpset.smoothers import RegionFusion

NAMES = ["S1_T4", "S3_T7", "S5_T3", "S7_T2", "S9_T10", "S10_T6"]
CORRECTION = DIPCorrection()  # "default" in the parts of dip_search.md about structure-texture
DRAWN = DIPl0(start_blend=0.4)  # "default" in most of dip_search.md
DEFAULT = DIPl0()
VARIANTS = {
    "region fusion .025": RegionFusion(weight=0.025, levels=50),
    "structure-texture": js.method("structure-texture"),
    "dip": js.method("dip"),
    "default": DEFAULT,
    "correction": CORRECTION,
    "correction, patience 20": replace(CORRECTION, patience=20),
    "correction, 50 outer": DIPCorrection(**DIPCorrection.presets["fast"]),
    "fast": DIPl0(**DIPl0.presets["fast"]),
    "start blend .4": DRAWN,
    "200 outer": replace(DEFAULT, outer_steps=200),
    "noise input": replace(DRAWN, network_input="noise"),
    "random start": replace(DRAWN, start="random"),
    "1 Adam step an outer": replace(DRAWN, inner_steps=1, outer_steps=2 * DRAWN.outer_steps),
    "5 Adam steps an outer": replace(DRAWN, inner_steps=5, outer_steps=2 * DRAWN.outer_steps // 5),
    "step size .01": replace(DRAWN, step_size=0.01),
    "step size .04": replace(DRAWN, step_size=0.04),
    "50 levels": replace(DRAWN, solver=RegionFusion(levels=50)),
    "jpeg network": replace(DRAWN, network=architecture("jpeg")),
    "rho 1": replace(DRAWN, rho=1.0),
    "rho 4.5": replace(DRAWN, rho=4.5),
    "400 outer": replace(DRAWN, outer_steps=400),
    "400 outer, patience 60": replace(DRAWN, outer_steps=400, patience=60),
    "full network": replace(DRAWN, network=architecture("full")),
    "potts-descent": DIPPotts(start_blend=0.4),
    "drawn from structure-texture": replace(DRAWN, start=js.method("structure-texture"), outer_steps=60),
    "paper": DIPl0(**DIPl0.presets["paper"]),
}
for prefix, method in {"": DEFAULT, "correction, ": CORRECTION, "start blend .4, ": DRAWN}.items():
    VARIANTS |= {
        f"{prefix}weight {w}, rho {r}": replace(method, weight=w, rho=r)
        for w, r in product((0.0125, 0.025, 0.05), (1.125, 2.25, 4.5))
    }
    VARIANTS |= {f"{prefix}seed {k}": replace(method, seed=k) for k in range(10)}


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
    """PSNR and CPU seconds."""
    began = time.process_time()
    image = js.run(picture, method).image
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
    print("| variant | " + " | ".join(pairs) + " | mean PSNR | CPU s an image |")
    print("|---|" + "---:|" * (len(pairs) + 2))
    for variant in given.variants:
        scores = np.array([score(VARIANTS[variant], *pair) for pair in pairs.values()])
        cells = " | ".join(f"{psnr:.2f}" for psnr in scores[:, 0])
        print(f"| {variant} | {cells} | {scores[:, 0].mean():.2f} | {scores[:, 1].mean():.0f} |", flush=True)


if __name__ == "__main__":
    main()
