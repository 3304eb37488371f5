"""The elements of the drawn scenes: outlines, curves, level sets, and a canvas."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jumpset._core.optional import needs
from jumpset.datasets._fields import Floats, rough_field, smooth_field

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]
_Rng = np.random.Generator


def distort(rng: _Rng, image: Pixels, unit: float) -> Pixels:
    """Displace the pixels by a random field, so that straight edges become ragged or wavy."""
    height, width = image.shape[:2]
    distance = unit * rng.uniform(0.8, 8)
    slope, grain = rng.uniform(2.2, 4.5), unit * rng.uniform(8, 80)
    shifts = [np.float32(distance) * rough_field(rng, height, width, grain, slope, unit) for _ in range(2)]
    y = np.clip(np.arange(height, dtype=np.int32)[:, None] + shifts[0].astype(np.int32), 0, height - 1)
    x = np.clip(np.arange(width, dtype=np.int32)[None, :] + shifts[1].astype(np.int32), 0, width - 1)
    return np.take(image.reshape(-1, 3), y * np.int32(width) + x, axis=0)


def random_field(rng: _Rng, height: int, width: int, unit: float) -> Floats:
    """A smooth or ragged random field; sometimes ragged in places only, or stretched along an axis."""
    grain = unit * math.exp(rng.uniform(math.log(15), math.log(200)))
    if rng.random() < 0.35:
        return smooth_field(rng, height, width, grain)
    slope, fine = rng.uniform(2.8, 4.5), unit * math.exp(rng.uniform(math.log(1.3), math.log(8)))
    if rng.random() < 0.3:
        ratio = rng.uniform(2, 5)
        squeezed = rough_field(rng, height, max(1, round(width / ratio)), grain, slope, fine)
        columns = (np.arange(width) / ratio).astype(int)
        drawn = squeezed[:, np.minimum(columns, squeezed.shape[1] - 1)]
    else:
        drawn = rough_field(rng, height, width, grain, slope, fine)
    if rng.random() < 0.25:
        where = np.clip(smooth_field(rng, height, width, 4 * grain), 0, 1.5)
        ragged = rough_field(rng, height, width, 4 * unit, rng.uniform(1.5, 3), 1.5 * unit)
        drawn = drawn + np.float32(rng.uniform(0.2, 0.8)) * where * ragged
    return drawn


def quantize(rng: _Rng, values: Floats, n: int) -> Pixels:
    """Index of the interval of each value, for ``n`` intervals that contain random shares of the values."""
    sample = np.sort(values.ravel()[:: max(1, values.size // 4096)])
    inner = np.cumsum(rng.dirichlet(np.full(n, 2.0)))[:-1]
    limits = sample[(inner * (len(sample) - 1)).astype(int)]
    labels = np.zeros(values.shape, np.uint8)
    for limit in limits:
        labels += values > limit
    return labels


def random_outline(rng: _Rng) -> NDArray[np.float64]:
    """Corners (x, y) of a random shape of radius about 1: blob, ellipse, polygon, star, two leaves, strip."""
    kind = rng.integers(6)
    turn, stretch = rng.uniform(0, 2 * math.pi), math.exp(rng.normal(0, 0.35))
    angles = np.linspace(0, 2 * math.pi, 64, endpoint=False)
    radius = np.ones(64)
    if kind == 0:
        for wave in range(2, 8):
            radius = radius + rng.normal(0, 0.9 / wave**1.2) * np.cos(wave * angles + rng.uniform(0, 6.3)) / 2
        radius = np.maximum(radius, 0.15)
    elif kind == 2:
        angles = np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(3, 9))))
        radius = rng.uniform(0.5, 1.2, len(angles))
    elif kind == 3:
        tips = int(rng.integers(3, 13))
        angles = np.linspace(0, 2 * math.pi, 2 * tips, endpoint=False)
        radius = np.where(np.arange(2 * tips) % 2, rng.uniform(0.3, 0.9), 1.0)
    elif kind == 4:
        radius = np.abs(np.cos(angles)) ** rng.uniform(0.5, 3) + 0.05  # two leaves
    points = np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)
    if kind == 5:
        half = rng.uniform(0.05, 0.9)
        points = np.array([(-1, -half), (1, -half), (1, half), (-1, half)])
    points = points * (stretch, 1 / stretch)
    return points @ np.array([(math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))])


def random_curve(rng: _Rng) -> NDArray[np.float64]:
    """Points (x, y) along a random curve: slowly turning, straight, or with corners."""
    steps, wild = int(rng.integers(2, 40)), rng.choice([0.0, 0.05, 0.15, 0.4, 1.0])
    heading = (
        rng.uniform(0, 2 * math.pi)
        + np.cumsum(rng.normal(0, wild, steps))
        + rng.normal(0, wild / 4) * np.arange(steps)
    )
    length = rng.uniform(0.5, 3) / steps
    return np.cumsum(length * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)


def canvas(height: int, width: int, ground: Pixels) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A copy of an image, or one uniform colour, and its drawing context."""
    with needs("jumpset[io]"):
        from PIL import Image, ImageDraw

    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = ground
    image = Image.fromarray(pixels)
    return image, ImageDraw.Draw(image)


def apply_palette(labels: Pixels, colours: Pixels) -> Pixels:
    """Return ``colours[labels]``, for at most 256 colours."""
    with needs("jumpset[io]"):
        from PIL import Image

    image = Image.fromarray(labels)
    image.putpalette(colours.tobytes())
    return np.asarray(image.convert("RGB"))
