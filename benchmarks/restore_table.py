"""The table of docs/restore.rst: tasks of restoration, each with every prior and with other libraries.

    python benchmarks/restore_table.py                          # drawn images, two minutes
    python benchmarks/restore_table.py --images folder --size 512
    python benchmarks/restore_table.py --noise 0,0.02,0.1 --priors potts,l0,tv

Seconds are CPU time of one thread. PSNR and SSIM are means over the images. Without ``--noise``, blur has
noise of 0.01, and the other images have none; ray sums have 20 times the noise of an image.
"""

from __future__ import annotations

import argparse
import io
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

import jumpset as js
from jumpset import operators as O  # noqa: N812

PRIORS = ("potts", "l0", "tv", "sparse-tv", "groups", "tgv", "dip-l0")
EDGE = 24  # pixels beyond the border, which Richardson-Lucy takes as zeros


@dataclass(frozen=True)
class Task:
    """The data, and what else restores them: a name and a function."""

    name: str
    data: torch.Tensor
    operator: Any
    noise: float | None
    truth: torch.Tensor
    given: torch.Tensor | None
    peer: str = ""
    restore: Callable[[], np.ndarray] | None = None


def tasks(x: torch.Tensor, level: float | None = None) -> Iterator[Task]:
    """The tasks of a colour image ``(1, 3, H, W)``; that of tomography is its gray version, in 128²."""
    sharp, soft = (0.0, 0.01) if level is None else (level, level)
    from skimage import restoration
    from skimage.transform import iradon_sart

    height, width = x.shape[2:]
    array = x[0].permute(1, 2, 0).numpy()
    generator = torch.Generator().manual_seed(0)

    def noisy(y: torch.Tensor, sigma: float) -> torch.Tensor:
        return y + sigma * torch.randn(y.shape, generator=generator)

    blocks = torch.ones(height, width, dtype=torch.bool)
    for i in range(16, height - 16, 48):
        for j in range(16, width - 16, 48):
            blocks[i : i + 12, j : j + 12] = False
    masks = {
        "holes, 50 % at random": torch.rand(height, width, generator=generator) < 0.5,
        "text": _text(height, width),
        "blocks of 12 pixels": blocks,
    }
    for name, mask in masks.items():
        y = noisy(x, sharp) * mask
        fill = lambda m=mask, y=y: restoration.inpaint_biharmonic(  # noqa: E731
            y[0].permute(1, 2, 0).numpy(), ~m.numpy(), channel_axis=-1
        )
        yield Task(name, y, O.Mask(mask), sharp, x, y, "biharmonic", fill)
    for factor in (2, 4):
        A = O.Downsample(factor, (height, width), "cubic")
        small = noisy(A(x), sharp)
        big = torch.nn.functional.interpolate(small, size=(height, width), mode="bicubic", antialias=False)
        yield Task(f"{factor} times fewer pixels", small, A, sharp, x, big)
    for name, A in (("Gaussian blur", O.Blur.gaussian(2.0)), ("motion blur", O.Blur.motion(15.0, 30.0))):
        y = noisy(A(x), soft)
        psf, image = A.psf.numpy(), y[0].permute(1, 2, 0).numpy().clip(0, 1)
        wide = np.pad(image, ((EDGE, EDGE), (EDGE, EDGE), (0, 0)), mode="symmetric")

        def lucy(p: np.ndarray = psf, wide: np.ndarray = wide) -> np.ndarray:
            planes = [restoration.richardson_lucy(wide[..., k], p, num_iter=30) for k in range(3)]
            return np.stack(planes, -1)[EDGE:-EDGE, EDGE:-EDGE]

        yield Task(name, y, A, soft, x, y, "Richardson-Lucy", lucy)
    n = min(128, height, width)
    gray = x[:, :, :n, :n].mean(1, keepdim=True)
    angles = np.arange(30) * 6.0
    A = O.Radon(angles, (n, n), detectors=n)
    inside = np.hypot(*(np.mgrid[:n, :n] - n // 2)) < n / 2 - 1
    gray = gray * torch.from_numpy(inside)
    y = noisy(A(gray), 20 * soft)
    sinogram = y[0, 0].numpy().T.astype(np.float64)
    start = iradon_sart(sinogram, theta=angles)
    sart = lambda: iradon_sart(sinogram, theta=angles, image=start)  # noqa: E731
    yield Task("30 angles", y, A, 20 * soft, gray, None, "SART, two rounds", sart)
    if level:  # the noise of a JPEG file is that of its quantization
        return
    file = io.BytesIO()
    Image.fromarray(np.rint(255 * array).astype(np.uint8)).save(file, "jpeg", quality=10)
    file.seek(0)
    decoded = Image.open(file)
    tables = js.jpeg.JPEGTables(*(np.array(decoded.quantization[k], float).reshape(8, 8) for k in (0, 1)))
    pixels = torch.from_numpy(np.asarray(decoded) / np.float32(255)).permute(2, 0, 1)[None].contiguous()
    dejpeg = lambda: js.smooth(pixels, "dejpeg", tables=tables)[0].permute(1, 2, 0).numpy()  # noqa: E731
    yield Task("JPEG, quality 10", pixels, tables, None, x, pixels, "dejpeg", dejpeg)


def _text(height: int, width: int) -> torch.Tensor:
    page = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(page)
    for y in range(4, height, 20):
        draw.text((4, y), "the jump set of an image is the set of its edges " * (1 + width // 200), fill=0)
    return torch.from_numpy(np.asarray(page) > 128)


def images(folder: Path | None, size: int) -> Iterator[torch.Tensor]:
    """The images of a folder, or drawn ones, cropped to ``size`` pixels; in [0, 1]."""
    if folder is None:
        arrays = [js.datasets.shapes(192, 256, seed=seed) for seed in (7, 1003)]
    else:
        arrays = []
        for path in sorted(folder.iterdir()):
            image = Image.open(path).convert("RGBA")
            black = Image.new("RGBA", image.size, (0, 0, 0, 255))
            black.alpha_composite(image)
            arrays.append(np.asarray(black.convert("RGB")) / 255)
    for array in arrays:
        cut = np.ascontiguousarray(np.asarray(array, np.float32)[:size, :size].clip(0, 1))
        yield torch.from_numpy(cut).permute(2, 0, 1)[None].contiguous()


def scores(answer: torch.Tensor, truth: torch.Tensor) -> tuple[float, float]:
    """PSNR and SSIM."""
    a, b = (t[0].permute(1, 2, 0).numpy().astype(np.float32).clip(0, 1) for t in (answer, truth))
    return js.metrics.psnr(a, b), js.metrics.ssim(a, b)


def main() -> None:
    """Print one row for each task and restoration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--priors", default=",".join(PRIORS))
    parser.add_argument("--noise", default="", help="standard deviations, separated by commas")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    small = torch.from_numpy(js.datasets.shapes(32, 32, seed=0)).permute(2, 0, 1)[None]
    js.restore(small, O.Blur.motion(3.0), noise=0.01)  # compiles
    levels = [float(level) for level in options.noise.split(",")] if options.noise else [None]
    chosen = itertools.islice(images(options.images, options.size), options.count)
    for x, level in itertools.product(chosen, levels):
        for task in tasks(x, level):
            label = task.name if level is None else f"{task.name}, noise {level:g}"
            runs: dict[str, Callable[[], Any]] = {}
            if task.given is not None:
                runs["input"] = lambda t=task: t.given
            for prior in options.priors.split(","):
                deep = js.method("dip-l0", preset="fast") if prior == "dip-l0" else prior
                runs[prior] = lambda t=task, p=deep: (
                    js.restore(t.data, t.operator, prior=p, noise=t.noise).image
                )
            if task.restore is not None:
                runs[task.peer] = lambda t=task: torch.from_numpy(
                    np.atleast_3d(t.restore()).astype(np.float32)
                ).permute(2, 0, 1)[None]
            for name, run in runs.items():
                started = time.process_time()
                answer = run()
                seconds = time.process_time() - started
                rows.setdefault((label, name), []).append((*scores(answer, task.truth), seconds))
                _print(label, name, rows[label, name][-1])
    print("means over the images")
    for (task_name, name), values in rows.items():
        _print(task_name, name, np.mean(values, axis=0))


def _print(task: str, name: str, values: Any) -> None:
    psnr, ssim, seconds = values
    print(f"{task:36s}{name:18s}{psnr:7.2f}{ssim:8.4f}{seconds:8.1f}", flush=True)


if __name__ == "__main__":
    main()
