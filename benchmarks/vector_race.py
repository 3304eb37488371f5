"""Vector output against vtracer and potrace: PSNR after rendering, at equal paths and at equal bytes.

    pip install vtracer resvg-py
    python benchmarks/vector_race.py IMAGE [IMAGE …] [--potrace /usr/bin/potrace]

Each setting of vtracer gives a number of paths P and of bytes B. RegionTree draws P regions; and the numbers
of regions whose drawings have at most B bytes are searched. Two images are drawn here: a screen and a map.
"gaps" counts pixels at fourfold size through which the background shows, with an opacity below 250/255. Times
are CPU seconds, with the tree and without compilation.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import jumpset as js

SETTINGS = (
    {"filter_speckle": 2, "color_precision": 6, "layer_difference": 16},
    {"filter_speckle": 4, "color_precision": 6, "layer_difference": 32},
    {"filter_speckle": 10, "color_precision": 5, "layer_difference": 48},
)


def screen() -> np.ndarray:
    """A window with a title, text and buttons, drawn at fourfold size."""
    image = Image.new("RGB", (4 * 320, 4 * 240), "#dfe3ea")
    draw = ImageDraw.Draw(image)
    draw.rectangle((80, 64, 1200, 880), fill="#ffffff", outline="#5a6270", width=4)
    draw.rectangle((80, 64, 1200, 152), fill="#35507a")
    for k, color in enumerate(("#e0524d", "#e8b13c", "#54b35a")):
        draw.ellipse((104 + 64 * k, 88, 144 + 64 * k, 128), fill=color)
    for k in range(9):
        draw.text((120, 200 + 64 * k), f"{k + 1}. The quick brown fox jumps", fill="#20242c", font_size=52)
    for k, color in enumerate(("#2f74d0", "#d9dde3")):
        draw.rounded_rectangle((560 + 300 * k, 776, 820 + 300 * k, 848), 24, fill=color)
    return np.asarray(image.resize((320, 240), Image.Resampling.BOX))


def plan() -> np.ndarray:
    """Fields, a river and streets with borders, drawn at fourfold size."""
    labels = js.RegionTree(js.datasets.shapes(240, 320, seed=7)).labels(n_regions=40)
    tones = np.random.default_rng(3).integers(150, 240, (41, 3)).astype(np.uint8)
    image = Image.fromarray(tones[labels]).resize((1280, 960), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(image)
    for color, width in (("#ffffff", 28), ("#c0563a", 14)):
        for points in (
            (0, 300, 500, 380, 900, 200, 1280, 260),
            (340, 0, 420, 500, 300, 960),
            (800, 960, 860, 500, 1280, 700),
        ):
            draw.line(points, fill=color, width=width, joint="curve")
    draw.line((0, 800, 300, 700, 640, 760, 900, 640, 1280, 500), fill="#5b93c9", width=44, joint="curve")
    return np.asarray(image.resize((320, 240), Image.Resampling.BOX))


def render(svg: str, scale: int = 1) -> np.ndarray:
    """Return ``(H, W, 4)`` pixels."""
    import resvg_py

    data = resvg_py.svg_to_bytes(svg_string=svg, zoom=scale)
    return np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGBA"))


def scores(svg: str, image: np.ndarray) -> tuple[float, int]:
    """PSNR over white, and the number of gaps at fourfold size."""
    small = render(svg)[: image.shape[0], : image.shape[1]].astype(float)
    share = small[..., 3:] / 255.0
    shown = share * small[..., :3] + 255.0 * (1.0 - share)
    error = np.mean((shown - image.astype(float)) ** 2)
    return -10.0 * np.log10(max(error, 1e-9) / 255.0**2), int((render(svg, 4)[..., 3] < 250).sum())


def vtracer(image: np.ndarray, **settings: int) -> str:
    """Trace with vtracer, with one decimal as here."""
    import vtracer as program

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.png", Path(folder) / "out.svg"
        Image.fromarray(image).save(source)
        program.convert_image_to_svg_py(
            str(source), str(target), colormode="color", path_precision=1, **settings
        )
        return target.read_text()


def potrace(image: np.ndarray, program: str) -> str:
    """Trace one bit a pixel; potrace has no colours."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.pbm", Path(folder) / "out.svg"
        Image.fromarray(image).convert("L").point(lambda v: 255 * (v >= 128)).convert("1").save(source)
        subprocess.run([program, "-s", str(source), "-o", str(target)], check=True)
        return re.sub(r'(width|height)="([0-9.]+)pt"', r'\1="\2"', target.read_text())  # resvg-py has no pt


def within(tree: js.RegionTree, most: int, count: int, size: int) -> str:
    """Return a drawing of at most so many bytes, with about as many regions as possible.

    ``count`` regions need ``size`` bytes.
    """
    count = int(min(max(count * (most / size) ** 1.2, tree.n_parts), tree.n_leaves))
    while True:
        text = tree.to_svg(n_regions=count)
        if len(text.encode()) <= most or count == tree.n_parts:
            return text
        count = max(tree.n_parts, int(count * min(0.95, most / len(text.encode()))))


def main() -> None:
    """Print one row for each image and program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--potrace", default="")
    arguments = parser.parse_args()
    images = {p.stem: np.asarray(Image.open(p).convert("RGB")) for p in arguments.images}
    images |= {"screen": screen(), "map": plan()}
    js.RegionTree(images["map"]).to_svg(n_regions=50)  # compile
    print(f"{'image':12} {'program':22} {'paths':>6} {'bytes':>8} {'PSNR':>6} {'gaps':>6} {'CPU s':>6}")

    def row(name: str, program: str, svg: str, image: np.ndarray, seconds: float) -> None:
        psnr, gaps = scores(svg, image)
        size = len(svg.encode())
        print(
            f"{name:12} {program:22} {svg.count('<path'):6} {size:8} {psnr:6.2f} {gaps:6} {seconds:6.2f}",
            flush=True,
        )

    for name, image in images.items():
        began = time.process_time()
        tree = js.RegionTree(image)
        built = time.process_time() - began
        for k, settings in enumerate(SETTINGS):
            began = time.process_time()
            other = vtracer(image, **settings)
            row(name, f"vtracer {k + 1}", other, image, time.process_time() - began)
            count = min(max(other.count("<path"), tree.n_parts), tree.n_leaves)
            began = time.process_time()
            mine = tree.to_svg(n_regions=count)
            row(name, "jumpset, equal paths", mine, image, built + time.process_time() - began)
            row(
                name,
                "jumpset, equal bytes",
                within(tree, len(other.encode()), count, len(mine.encode())),
                image,
                float("nan"),
            )
        if arguments.potrace:
            gray = np.asarray(Image.fromarray(image).convert("L"))
            bits = np.where(gray >= 128, 255, 0).astype(np.uint8)
            truth = np.dstack([bits] * 3)
            row(name, "potrace, one bit", potrace(truth, arguments.potrace), truth, float("nan"))
            row(name, "jumpset, one bit", js.regions.to_svg(bits, bits), truth, float("nan"))


if __name__ == "__main__":
    main()
