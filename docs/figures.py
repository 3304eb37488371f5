"""Draw the figures of the pages of methods and penalties, each with its caption beside it.

`make docs` keeps them in docs/generated/pictures; remove that folder to draw them again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

import jumpset as js

OUT = Path(__file__).parent / "generated" / "pictures"
STRENGTHS = (0.25, 1.0, 4.0)
SHARES = (0.25, 0.5, 1.0)  # weights of a learned method, which are at most 1
SOLVED = ("LatentGroups", "TGV2")  # their value is itself a minimum, so descent would take minutes
# The parameters of a method, beside its strength, whose effect a page shows.
METHOD_EFFECTS: dict[str, dict[str, tuple[Any, ...]]] = {
    "tv": {"isotropic": (True, False), "channels": ("joint", "separate")},
    "l0": {"kappa": (1.2, 2.0, 4.0)},
    "region-fusion": {"neighbors": (4, 8), "levels": (5, 100)},
    "potts": {"neighbors": (4, 8), "data": ("l2", "l1")},
    "potts-descent": {"neighbors": (4, 8)},
    "l0-projection": {"fraction": (0.05, 0.1, 0.3)},
    "gsf": {"radius": (1, 3, 5), "cutoff": (0.1, 0.3, 1.0)},
    "semi-sparsity": {"slope_weight": (0.2, 2.0, 20.0)},
    "pnls": {"patch": (4, 6, 8)},
    "collaborative": {"threshold": (1.5, 2.7, 4.0)},
    "structure-texture": {"fusion": (4.0, 16.0, 64.0)},
    "whitened": {"prior": ("l0", "tv")},
    "rtv": {"sigma": (1.0, 2.5, 6.0), "sharpness": (0.005, 0.02, 0.1)},
    "wls": {"exponent": (1.0, 2.0, 3.0), "epsilon": (0.1, 0.3, 1.0)},
    "fgs": {"sigma": (0.015, 0.03, 0.06)},
    "sg-wls": {"exponent": (1.5, 2.5, 3.5), "radius": (1, 3, 5)},
    "ils": {"p": (0.3, 0.6, 1.0)},
    "bilateral": {"radius": (1.5, 3.0, 6.0)},
    "guided": {"radius": (2, 4, 8)},
    "rolling-guidance": {"sigma": (0.05, 0.1, 0.2)},
    "domain-transform": {"reach": (5.0, 20.0, 60.0)},
    "jumpset-net": {"fusion": (False, True)},
    "dejpeg": {"kind": ("photograph", "flat")},
}
PENALTY_EFFECTS: dict[str, dict[str, tuple[Any, ...]]] = {
    "AITV": {"alpha": (0.0, 0.5, 1.0)},
    "Cauchy": {"scale": (0.03, 0.1, 0.3)},
    "GraphNet": {"ratio": (0.03, 0.1, 1.0)},
    "HuberTV": {"delta": (0.01, 0.1, 0.5)},
    "LogSum": {"scale": (0.03, 0.1, 0.3)},
    "MCP": {"scale": (0.1, 0.2, 0.6)},
    "QuadtreeGroups": {"levels": (2, 3, 4)},
    "SCAD": {"scale": (0.03, 0.1, 0.3)},
    "SlidingGroups": {"window": (3, 5, 9), "phi": ("identity", "log")},
    "SparseGroup": {"ratio": (0.1, 0.5, 2.0)},
    "SparseTV": {"ratio": (0.1, 0.5, 2.0)},
    "TargetArea": {"fraction": (0.05, 0.1, 0.3)},
    "TiledGroups": {"tile": (2, 4, 8)},
    "TotalVariation": {"beta": (0.7, 1.0, 2.0), "order": (1, 2), "isotropic": (True, False)},
    "TransformedL1": {"a": (0.1, 1.0, 10.0)},
}


def draw(methods: Iterable[str], penalties: Iterable[str]) -> None:
    """Draw what is not there yet, on all cores."""
    OUT.mkdir(parents=True, exist_ok=True)
    jobs: list[Callable[[], None]] = [partial(method_figures, n) for n in methods if not done("method", n)]
    jobs += [partial(penalty_figures, name) for name in penalties if not done("penalty", name)]
    jobs.sort(key=lambda job: not job.args[0].startswith("dip"))  # the slowest first
    if not jobs:
        return
    with ProcessPoolExecutor(
        os.cpu_count(), get_context("spawn"), torch.set_num_threads, (1,)
    ) as pool:  # one thread each
        for job in [pool.submit(job) for job in jobs]:
            job.result()


def done(kind: str, name: str) -> bool:
    """Whether the figures of a page are there."""
    return (OUT / f"{kind}-{name}.txt").exists()


def text(kind: str, name: str) -> str:
    """Return the figures of a page with their captions, as reStructuredText."""
    return (OUT / f"{kind}-{name}.txt").read_text(encoding="utf-8")


def method_figures(name: str) -> None:
    """Draw the results of a method at several strengths, and the effects of its other parameters."""
    image, truth = _input(name)
    info = js.methods()[name]
    weight, slow = info.defaults.get("weight"), name.startswith("dip")
    weights = [s * weight for s in STRENGTHS] if weight and not slow else []
    if name in js.learned.SIZES or name == "dejpeg":
        weights = list(SHARES)
    js.run(image, js.method(name), max_steps=2)  # compiles the kernels
    default = js.run(image, js.method(name))
    results = [js.smooth(image, name, weight=w) for w in weights] or [default.image]
    zoom = 2 if slow else 1
    _save(OUT / f"method-{name}.png", [image, *results], zoom)
    decibels = ", ".join(f"{js.metrics.psnr(one, truth):.1f}" for one in results)
    shown = f"with ``weight`` at {', '.join(f'{w:g}' for w in weights)}" if weights else "at its defaults"
    size = f"{image.shape[0]} × {image.shape[1]}"
    caption = (
        f"A {'JPEG' if name == 'dejpeg' else 'textured'} image ({js.metrics.psnr(image, truth):.1f} dB) and "
        f"the result of ``{name}`` {shown} ({decibels} dB). "
        f"The defaults took {default.elapsed:.2g} s for {size} pixels on one thread."
    )
    parts = [_figure(f"method-{name}", f"Input and results of {name}", caption)]
    for key, values in METHOD_EFFECTS.get(name, {}).items():
        file = f"method-{name}-{key}"
        _save(OUT / f"{file}.png", [js.smooth(image, name, **{key: value}) for value in values], zoom)
        parts.append(_figure(file, f"Effect of {key} on {name}", _effect(key, values)))
    _finish(f"method-{name}", parts)


def _input(name: str) -> tuple[np.ndarray, np.ndarray]:
    if name == "dejpeg":
        truth = js.datasets.shapes(120, 160, seed=4)
        return js.datasets.jpeg(truth, 15), truth
    # the deep image priors take many seconds: a quarter of the pixels
    return js.datasets.textured(*((60, 80) if name.startswith("dip") else (120, 160)), seed=4)


def penalty_figures(name: str) -> None:
    """Draw minimisers of a penalty for several strengths, and the effects of its parameters."""
    cls = getattr(js.penalties, name)
    truth = torch.from_numpy(js.datasets.marks(64, 64, seed=1))[None, None]
    f = truth + 0.15 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    parts = []
    images = [_minimiser(cls(), f, strength) for strength in STRENGTHS]
    if all(image is not None for image in images):
        _save(OUT / f"penalty-{name}.png", [_zeros_blue(image) for image in (f, *images)], zoom=3)
        caption = (
            "A noisy image f, and minimisers of ½‖u − f‖² + τ R(u) for three τ, found by "
            f"{'the proximal operator' if name in SOLVED else 'descent'}; values below 0.03 are blue."
        )
        parts.append(_figure(f"penalty-{name}", f"Minimisers with {name}", caption))
        for key, values in PENALTY_EFFECTS.get(name, {}).items():
            drawn = [_zeros_blue(_minimiser(cls(**{key: value}), f, 1.0)) for value in values]
            _save(OUT / f"penalty-{name}-{key}.png", drawn, zoom=3)
            parts.append(_figure(f"penalty-{name}-{key}", f"Effect of {key} on {name}", _effect(key, values)))
    if name not in SOLVED:
        parts.append(
            f"Value and gradient of (8, 3, 128, 128) took {_milliseconds(cls()):.2g} ms on one thread.\n"
        )
    _finish(f"penalty-{name}", parts)


def _minimiser(penalty: js.Penalty, f: torch.Tensor, strength: float) -> torch.Tensor | None:
    """Return a minimiser, found by gradient descent as in training; None if the gradient is zero."""
    unit = 0.3 * f.square().sum() / penalty.value(f).clamp(min=1e-6)
    if type(penalty).__name__ in SOLVED:
        return penalty.prox(f, strength * float(unit))
    u = f.clone().requires_grad_()
    adam = torch.optim.Adam([u], lr=0.02)
    for step in range(200):
        adam.param_groups[0]["lr"] = 0.02 * (1 - step / 200)
        adam.zero_grad()
        cost = penalty.value(u)
        if not cost.requires_grad:
            return None
        (0.5 * (u - f).square().sum() + strength * (unit * cost).sum()).backward()
        adam.step()
    return u.detach()


def _milliseconds(penalty: js.Penalty) -> float:
    """Return the least time of three calls after one that compiles."""
    x = torch.rand((8, 3, 128, 128), generator=torch.Generator().manual_seed(0)).requires_grad_()
    times = []
    for _ in range(4):
        began = time.perf_counter()
        value = penalty(x)
        if value.requires_grad:
            value.backward()
        times.append(time.perf_counter() - began)
    return 1000 * min(times[1:])


def _effect(key: str, values: tuple[Any, ...]) -> str:
    return (
        f"``{key}`` at {', '.join(str(value) for value in values)}; all other parameters have their defaults."
    )


def _figure(file: str, alt: str, caption: str) -> str:
    return f".. figure:: ../pictures/{file}.png\n   :alt: {alt}\n\n   {caption}\n"


def _finish(file: str, parts: list[str]) -> None:
    (OUT / f"{file}.txt").write_text("\n".join(parts), encoding="utf-8")


def _zeros_blue(image: torch.Tensor) -> np.ndarray:
    gray = image[0, 0].numpy()
    rgb = np.repeat(gray[..., None].clip(0, 1), 3, axis=-1)
    rgb[np.abs(gray) < 0.03] = (0.10, 0.20, 0.55)
    return rgb


def _save(path: Path, images: list[np.ndarray], zoom: int) -> None:
    gap = np.ones((images[0].shape[0], 4 // zoom, 3))
    row = [part for image in images for part in (image, gap)][:-1]
    pixels = np.rint(255 * np.concatenate(row, axis=1).clip(0, 1)).astype(np.uint8)
    js.io.write_picture(path, pixels.repeat(zoom, axis=0).repeat(zoom, axis=1))
