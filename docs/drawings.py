"""Draw the SVG files of the page "Regions as drawings"; `make docs` keeps them in docs/generated/drawings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import jumpset as js

OUT = Path(__file__).parent / "generated" / "drawings"
NUMBERS = (50, 200, 1000)
LOGO = {"weight": 0.1, "min_size": 12}


def write() -> None:
    """Write the drawings and a file to include for each group, unless they exist."""
    OUT.mkdir(parents=True, exist_ok=True)
    if not (OUT / "photograph.txt").exists():
        _photograph()
    if not (OUT / "logo.txt").exists():
        _logo()


def _photograph() -> None:
    image = js.datasets.coffee()
    tree = js.RegionTree(image)
    js.io.write_picture(OUT / "photograph.png", image)
    panels = [("photograph.png", "A photograph, 600 × 400 pixels", f"{image.size / 1000:.0f} kB of pixels")]
    for n in NUMBERS:
        file = OUT / f"photograph-{n}.svg"
        text = tree.to_svg(file, n_regions=n, title=f"A photograph in {n} regions")
        panels.append((file.name, f"{n} regions", _size(text)))
    _include("photograph", panels, width=360)


def _logo() -> None:
    truth = logo()
    damaged = js.datasets.jpeg(truth, quality=10)
    images = {"JPEG": damaged, "dejpeg": js.smooth(damaged, "dejpeg").clip(0, 1), "drawn": truth}
    panels = []
    for name, image in images.items():
        js.io.write_picture(OUT / f"logo-{name}.png", np.rint(255 * image.clip(0, 1)).astype(np.uint8))
        text = js.RegionTree(image.clip(0, 1)).to_svg(OUT / f"logo-{name}.svg", title=f"Logo, {name}", **LOGO)
        title = {"JPEG": "From the JPEG file", "dejpeg": "After dejpeg", "drawn": "From the drawing itself"}
        panels.append((f"logo-{name}.svg", title[name], _size(text)))
    panels.insert(0, ("logo-JPEG.png", "A logo, stored as JPEG of quality 10", "240 × 150 pixels"))
    _include("logo", panels, width=360)


def logo() -> np.ndarray:
    """Return a drawn logo, ``(150, 240, 3)`` in [0, 1]."""
    canvas = Image.new("RGB", (960, 600), "#f4f1e8")
    draw = ImageDraw.Draw(canvas)
    draw.ellipse((60, 105, 450, 495), fill="#0b62c4")
    draw.polygon(((90, 450), (450, 165), (450, 450)), fill="#f2b134")
    draw.text((495, 195), "flat", font=ImageFont.load_default(210), fill="#1b1f24")
    return np.asarray(canvas.resize((240, 150), Image.Resampling.LANCZOS)) / np.float32(255)


def _size(text: str) -> str:
    return f"{text.count('<path')} paths, {len(text) / 1000:.1f} kB"


def _include(name: str, panels: Iterable[tuple[str, str, str]], width: int) -> None:
    figures = (
        f"   .. figure:: /generated/drawings/{file}\n      :alt: {title}\n      :width: {width}px\n\n"
        f"      {title}: {size}\n"
        for file, title, size in panels
    )
    (OUT / f"{name}.txt").write_text("\n".join([".. container:: panels two\n", *figures]), encoding="utf-8")
