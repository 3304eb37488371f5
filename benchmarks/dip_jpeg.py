"""Deep image priors against JPEG artifacts: PSNR and volume SSIM on pairs of images.

    python benchmarks/dip_jpeg.py FOLDER [VARIANT ...] [--names clip1 clip2 ...] [--tables]

FOLDER holds ``input/clip1.jpg`` and its truth ``truth/clip1.png``, whose alpha is composited on black. PSNR
is of the 8-bit rounded answer, from the joint mean squared error of R, G and B. CPU seconds are summed over
threads. With ``--tables`` the methods that take the tables of the files have them.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import jumpset as js
from jumpset.dip import DIPCorrection, DIPl0, architecture
from jumpset.smoothers import RegionFusion

NAMES = ["clip1", "clip2", "clip3", "clip4", "clip5"]
DEFAULT = DIPl0()
JPEG = DIPl0(**DIPl0.presets["jpeg"])
PAPER = DIPl0(**DIPl0.presets["paper-jpeg"])
VARIANTS = {
    "region fusion .01": RegionFusion(weight=0.01),
    "region fusion .025": RegionFusion(weight=0.025),
    "default": DEFAULT,
    "jpeg": JPEG,
    "jpeg, weight .01": replace(JPEG, weight=0.01),
    "jpeg, weight .004": replace(JPEG, weight=0.004),
    "jpeg, rho 4.5, weight .05": replace(JPEG, rho=4.5, weight=0.05),
    "jpeg, 50 outer": replace(JPEG, outer_steps=50),
    "jpeg, 240 outer": replace(JPEG, outer_steps=240),
    "correction": DIPCorrection(),
    "start blend .4": replace(DEFAULT, start_blend=0.4),
    "rho 4.5": replace(DEFAULT, rho=4.5),
    "weight .0125": replace(DEFAULT, weight=0.0125),
    "jpeg network": replace(DEFAULT, network=architecture("jpeg")),
    "noise input, 200 outer": replace(DEFAULT, network_input="noise", outer_steps=200),
    "paper-jpeg, 50 outer": replace(PAPER, outer_steps=50),
    "paper-jpeg": PAPER,
    "paper-jpeg, patience 15": replace(PAPER, patience=15),
    "dejpeg": js.method("dejpeg"),
    "dejpeg best": js.method("dejpeg", preset="best"),
}


def load(folder, name):
    """Input, and truth on black."""
    pixels = js.io.read_picture(folder / f"input/{name}.jpg").pixels
    picture = js.io.read_picture(folder / f"truth/{name}.png")
    opacity = 1.0 if picture.alpha is None else picture.alpha[..., None] / 255
    return pixels, np.rint(picture.pixels * opacity).astype(np.uint8)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("variants", nargs="*", default=["region fusion .01", "default"])
    options.add_argument("--names", nargs="+", default=NAMES)
    options.add_argument("--tables", action="store_true")
    given = options.parse_args()
    unknown = set(given.variants) - set(VARIANTS)
    if unknown:
        options.error(f"no variant {sorted(unknown)}; there are {list(VARIANTS)}")
    pairs = {name: load(given.folder, name) for name in given.names}
    print("| variant | " + " | ".join(pairs) + " | mean PSNR | mean SSIM | CPU s an image |")
    print("|---|" + "---:|" * (len(pairs) + 3))
    for variant in ["input", *given.variants]:
        scores = []
        for name, (picture, truth) in pairs.items():
            method = VARIANTS.get(variant)
            if given.tables:
                method = js.running.registry.for_file(method, given.folder / f"input/{name}.jpg")
            began = time.process_time()
            image = picture if variant == "input" else js.run(picture, method).image
            seconds = time.process_time() - began
            scores.append((js.metrics.psnr(image, truth), js.metrics.ssim_volume(image, truth), seconds))
        psnr, ssim, seconds = np.mean(scores, axis=0)
        cells = " | ".join(f"{s[0]:.2f}" for s in scores)
        print(f"| {variant} | {cells} | {psnr:.2f} | {ssim:.3f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
