"""Images that are exactly zero except for a few marks."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from jumpset.datasets._ranges import check_sizes
from jumpset.datasets._synthetic import _ellipse

# Ends (y, x) of the seven bars of a digit that is 2 high and 1 wide, and the digits' bars.
_BARS = (
    ((0, 0), (0, 1)), ((0, 0), (1, 0)), ((0, 1), (1, 1)), ((1, 0), (1, 1)),
    ((1, 0), (2, 0)), ((1, 1), (2, 1)), ((2, 0), (2, 1)),
)  # fmt: skip
_DIGITS = ("012456", "25", "02346", "02356", "1235", "01356", "013456", "025", "0123456", "012356")


def marks(height: int = 64, width: int = 64, *, seed: int = 0) -> np.ndarray:
    """A gray image that is exactly zero except for a few bright marks: blobs, strokes and digits.

    Each mark is painted by ``u = max(u, a · brightness)``, with the coverage ``a = clip(1/2 - d, 0, 1)`` at
    the (approximate) signed distance ``d`` of the pixel's centre to the mark, in pixels, and a brightness
    from 0.35 to 1. There is about one mark per 700 pixels; about an eighth of the image is not zero.

    Parameters
    ----------
    height, width, seed
        As in :func:`structure`.

    Returns
    -------
    numpy.ndarray
        float32 in [0, 1], (height, width).

    Raises
    ------
    InputError
        A size or the seed is not a whole number, or too small.

    Examples
    --------
    >>> import jumpset as js
    >>> image = js.datasets.marks(64, 64, seed=0)
    >>> image.shape, bool((image == 0).mean() > 0.5)
    ((64, 64), True)
    """
    check_sizes(seed, height=height, width=width)
    rng = np.random.default_rng([2, seed])
    image = np.zeros((height, width), dtype=np.float32)
    rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width)[None, :] + 0.5
    for _ in range(max(1, round(height * width / 700 * rng.uniform(0.6, 1.4)))):
        points = rows - rng.uniform(0, height), columns - rng.uniform(0, width)
        distance = (_blob, _stroke, _digit)[rng.integers(3)](rng, points)
        cover = np.clip(0.5 - distance, 0.0, 1.0)
        image = np.maximum(image, (cover * rng.uniform(0.35, 1.0)).astype(np.float32))
    return image


def _blob(rng: np.random.Generator, points: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return _ellipse(rng, points, 40)


def _stroke(rng: np.random.Generator, points: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """A polyline of three segments."""
    angle, ends = rng.uniform(0, 2 * math.pi), [np.zeros(2)]
    for _ in range(3):
        angle += rng.uniform(-0.8, 0.8)
        ends.append(ends[-1] + rng.uniform(5, 11) * np.array([math.sin(angle), math.cos(angle)]))
    return _distance_to_segments(points, list(pairwise(ends)), rng.uniform(0.8, 1.8))


def _digit(rng: np.random.Generator, points: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """A slanted seven-segment digit."""
    size, slant = rng.uniform(6, 10), rng.uniform(-0.3, 0.3)
    bars = [_BARS[int(k)] for k in _DIGITS[rng.integers(10)]]
    ends = [[(size * (y - 1), size * (x - 0.5 + slant * (1 - y))) for y, x in bar] for bar in bars]
    return _distance_to_segments(points, ends, rng.uniform(0.8, 1.6))


def _distance_to_segments(points: tuple[np.ndarray, np.ndarray], bars: list, half: float) -> np.ndarray:
    """Distance to the nearest segment (a pair of ends) minus half the thickness."""
    nearest = np.full(np.broadcast_shapes(points[0].shape, points[1].shape), np.inf)
    for begin, end in bars:
        (y, x), (dy, dx) = begin, np.subtract(end, begin)
        along = ((points[0] - y) * dy + (points[1] - x) * dx) / (dy * dy + dx * dx)
        along = np.clip(along, 0.0, 1.0)
        nearest = np.minimum(nearest, np.hypot(points[0] - y - along * dy, points[1] - x - along * dx))
    return nearest - half
