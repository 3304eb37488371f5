"""Random colours: palettes, and ramps whose neighbouring colours may be close."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.uint8]
_GRAY_WEIGHTS = np.array([0.299, 0.587, 0.114])


def palette(rng: np.random.Generator, n: int) -> Colours:
    """``n`` colours (n, 3) of one style: any, pastel, saturated, gray, few hues; perhaps black and white."""
    colours = rng.uniform(0, 255, (n, 3))
    style = rng.random()
    if style < 0.13:
        colours = 255 - rng.uniform(0.15, 0.4) * colours
    elif style < 0.25:
        colours = _scale_saturation(colours, rng.uniform(1.5, 3))
    elif style < 0.37:
        colours = _scale_saturation(colours, 0.0)
    elif style < 0.6:
        colours = _scale_saturation(colours, rng.uniform(0.3, 1))
    elif style < 0.85:
        few = rng.uniform(0, 255, (int(rng.integers(1, 5)), 3))
        colours = (
            few[rng.integers(len(few), size=n)] + rng.uniform(-60, 60, (n, 1)) + rng.normal(0, 8, (n, 3))
        )
    if rng.random() < 0.3:
        extreme = rng.random(n) < 0.25
        colours[extreme] = 255.0 * rng.integers(0, 2, (int(extreme.sum()), 1))
    return _to_uint8(colours)


def ramp(rng: np.random.Generator, n: int, around: Colours | None = None) -> Colours:
    """``n`` colours (n, 3) along a polyline through two to four random colours, or near a given colour."""
    if around is None:
        anchors = _scale_saturation(rng.uniform(0, 255, (int(rng.integers(2, 5)), 3)), rng.uniform(0, 1.1))
        if rng.random() < 0.6:
            # from dark to light, as in shading
            anchors = anchors[np.argsort(anchors @ _GRAY_WEIGHTS)]
        if rng.random() < 0.5:
            # low contrast
            anchors = anchors[0] + (anchors - anchors[0]) * rng.uniform(0.12, 0.5)
    else:
        anchors = around + rng.normal(0, 25, (3, 1)) + rng.normal(0, 10, (3, 3))
    at = np.linspace(0, len(anchors) - 1, n)
    colours = np.stack([np.interp(at, np.arange(len(anchors)), anchors[:, c]) for c in range(3)], axis=1)
    return _to_uint8(colours + rng.normal(0, rng.uniform(0, 5), (n, 3)))


def shade(rng: np.random.Generator, colours: Colours, spread: float) -> Colours:
    """Vary the lightness of each colour by the standard deviation ``spread``, and the hue by a quarter."""
    n = len(colours)
    return _to_uint8(colours + rng.normal(0, spread, (n, 1)) + rng.normal(0, spread / 4, (n, 3)))


def _scale_saturation(colours: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    gray = (colours @ _GRAY_WEIGHTS)[:, None]
    return gray + factor * (colours - gray)


def _to_uint8(colours: NDArray[np.float64]) -> Colours:
    return np.rint(np.clip(colours, 0, 255)).astype(np.uint8)
