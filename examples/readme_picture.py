"""Draw the figure at the top of the README: four inputs, and below each what the package makes of it.

python examples/readme_picture.py [OUT]

The photograph comes with the package (coffee, CC0); the other images are drawn here. Takes a few seconds.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import jumpset as js

WIDTH, HEIGHT, GAP, HEAD = 300, 192, 10, 34  # pixels
PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
Panels = tuple[str, np.ndarray, str, np.ndarray]


def photograph() -> Panels:
    """Return a part of the photograph, and the same as flat regions."""
    image = js.datasets.coffee()[80:272, 230:530]
    return "photograph", image, "flat in regions", js.smooth(image, "region-fusion", weight=0.04)


def texture() -> Panels:
    """Return shapes under a texture, and the shapes."""
    image, _ = js.datasets.textured(HEIGHT, WIDTH, seed=4)
    return "print on a texture", image, "structure alone", js.smooth(image, "structure-texture")


def logo() -> Panels:
    """Return a JPEG of a logo, and the logo without the traces of the compression, twice as large."""
    large = Image.new("RGB", (2 * WIDTH, 2 * HEIGHT), "#f4f1e8")
    draw = ImageDraw.Draw(large)
    draw.ellipse((40, 60, 300, 320), fill="#0b62c4")
    draw.polygon(((60, 290), (300, 100), (300, 290)), fill="#f2b134")
    draw.text((325, 120), "flat", font=ImageFont.load_default(130), fill="#1b1f24")
    drawn = np.asarray(large.resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.LANCZOS))
    image = js.datasets.jpeg(drawn / np.float32(255), quality=15)
    return (
        "logo, stored as JPEG",
        _enlarged(image, 2),
        "artifacts removed",
        _enlarged(js.smooth(image, "dejpeg"), 2),
    )


def zeros() -> Panels:
    """Return outputs of two trained networks at the same PSNR, from the figure of contiguous_zeros.py."""
    figure = js.io.read_picture(PICTURES / "contiguous_zeros.png").pixels
    gap = np.full((64, 2, 3), 255, dtype=np.uint8)
    panels = []
    for x in (2 * 134, 7 * 134):  # the columns L1 and SlidingGroups, log; its pixels are 2 × 2
        first, second = (figure[y : y + 128 : 2, x : x + 128 : 2] for y in (16, 150))
        panels.append(_enlarged(np.concatenate([first, gap, second[:, :34]], axis=1), 3))
    before, after = panels
    return "zeros (blue) under L1", before, "under SlidingGroups", after


def _enlarged(image: np.ndarray, zoom: int) -> np.ndarray:
    return image.repeat(zoom, axis=0).repeat(zoom, axis=1)


def main() -> None:
    """Put the panels into two rows with a label above each."""
    columns = [photograph(), texture(), logo(), zeros()]
    size = (len(columns) * (WIDTH + GAP) - GAP, 2 * (HEIGHT + HEAD))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for k, (above, first, below, second) in enumerate(columns):
        for row, (label, panel) in enumerate(((above, first), (below, second))):
            x, y = k * (WIDTH + GAP), row * (HEIGHT + HEAD)
            pixels = panel if panel.dtype == np.uint8 else np.rint(255 * panel.clip(0, 1)).astype(np.uint8)
            draw.text((x, y + 4), label, font=ImageFont.load_default(22), fill="#1b1f24")
            sheet.paste(Image.fromarray(pixels), (x, y + HEAD))
    sheet = sheet.quantize(256, dither=Image.Dither.NONE).convert("RGB")  # half the bytes
    js.io.write_picture(sys.argv[1] if len(sys.argv) > 1 else PICTURES / "overview.png", np.asarray(sheet))


if __name__ == "__main__":
    main()
