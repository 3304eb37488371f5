"""What kind of image it is, and which method suits it."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch

from jumpset._core.arrays import to_tensor
from jumpset.app.workspace import Opened
from jumpset.texture.noise import noise_levels, noise_or_texture

_SIDE = 512  # of the part in the middle that is measured
_FLAT_ART = 0.45  # least share of equal neighbours in a drawing; photographs of JPEG files have up to .36
_NOISY = 4.5 / 255
_STRONG = 0.018  # of a texture; of what photographs have, only a stationary part counts
_GRAY = 0.06  # difference of channels in a scan of a page
_TWO_LEVELS = 0.7  # share of the variance between ink and paper
_STROKES = 0.05  # share of neighbours of which one is ink and one paper, along rows and along columns


class Measures(NamedTuple):
    """What the kinds are told apart by."""

    flat: float
    """Share of neighbours without any difference."""
    noise: float
    """Standard deviation of white noise, in intensity."""
    texture: float
    """Standard deviation of the strongest component of a stationary texture, in intensity; 0 without one."""
    two_levels: float
    """Share of the variance of a gray image that a threshold explains; 0 unless the brighter side is larger,
    and both sides meet as often as in text."""


def advise(opened: Opened) -> dict[str, Any]:
    """Return ``kind``, ``why``, ``method`` and ``settings``; the method "tree" is the slider of regions."""
    m = measure(opened.picture.pixels)
    noise, texture = f"{255 * m.noise:.0f} of 255 levels", f"{255 * m.texture:.0f} of 255 levels"
    same = f"{100 * m.flat:.0f} % of the neighbouring pixels are equal"
    if m.flat >= _FLAT_ART and opened.tables is not None:
        return _advice("flat art from a JPEG", f"{same}, and the file is a JPEG", "dejpeg")
    if m.flat >= _FLAT_ART:
        return _advice("flat art", same, "tree")
    if m.texture >= _STRONG:
        why = f"a texture of {texture} looks alike everywhere"
        return _advice("texture over flat shapes", why, "structure-texture")
    if m.noise >= _NOISY:
        return _advice("noisy", f"white noise of {noise}", "collaborative")
    if m.two_levels >= _TWO_LEVELS:
        return _advice("scan of a page", "gray, with ink and paper", "region-fusion", weight=0.01)
    return _advice("photograph", f"detail of many kinds, noise of {noise}", "tree")


def measure(pixels: np.ndarray) -> Measures:
    """Measure the middle of an image."""
    top, left = (max(0, (side - _SIDE) // 2) for side in pixels.shape[:2])
    part = np.ascontiguousarray(pixels[top : top + _SIDE, left : left + _SIDE])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the range; the run will warn
        tensor = to_tensor(part, alpha=False)[0].double()
    steps = torch.cat([tensor.diff(dim=axis).abs().amax(1).flatten() for axis in (-2, -1)])
    flat = float((steps == 0).double().mean()) if len(steps) else 1.0
    model = noise_or_texture(tensor) if min(tensor.shape[2:]) >= 32 else None
    is_texture = model is not None and model.autocovariance.shape[1] > 1
    texture = float(np.max(model.strength, initial=0.0)) if model is not None and is_texture else 0.0
    noise = float(np.max(noise_levels(tensor), initial=0.0))
    return Measures(flat, noise, texture, _two_levels(tensor[0].numpy()))


def _two_levels(bands: np.ndarray) -> float:
    """Otsu's criterion, relative to the variance."""
    if np.ptp(bands, axis=0).mean() > _GRAY:
        return 0.0
    gray = bands.mean(axis=0)
    levels = np.sort(gray, axis=None)[:: max(1, gray.size // 4096)]
    n = np.arange(1, len(levels))
    sums = np.cumsum(levels)
    below, above = sums[:-1] / n, (sums[-1] - sums[:-1]) / (len(levels) - n)
    between = n * (len(levels) - n) / len(levels) ** 2 * (above - below) ** 2
    best = int(np.argmax(between)) if len(between) else 0
    is_paper = gray > levels[best]
    meet = min(np.mean(np.diff(is_paper, axis=axis)) if gray.shape[axis] > 1 else 0.0 for axis in (0, 1))
    if is_paper.mean() < 0.5 or meet < _STROKES:
        return 0.0
    return float(between[best] / max(levels.var(), 1e-12))


def _advice(kind: str, why: str, method: str, **settings: Any) -> dict[str, Any]:
    return {"kind": kind, "why": why, "method": method, "settings": settings}
