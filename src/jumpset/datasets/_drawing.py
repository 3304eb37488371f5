"""The elements of the drawn scenes: fields, outlines, curves, level sets, a canvas, and downsampling."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from jumpset._core.optional import needs
from jumpset.datasets._fields import Floats, filtered_noise, frequencies

with needs("jumpset[io]"):
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


def rough_field(rng: _Rng, height: int, width: int, reach: float, slope: float, fine: float = 0.0) -> Floats:
    """A random field (height, width) with the power spectrum ``(f² + 1/reach²)^(-slope/2)``.

    Details smaller than about ``fine`` pixels are removed by a Gaussian of standard deviation ``fine/2``.
    """
    # Coarser samples and splines between them then determine the field.
    spacing = max(1.0, fine / 2)
    high, wide = _knots(height, spacing), _knots(width, spacing)
    down, across = frequencies(high, wide)
    square = (down**2 + across**2) / np.float32(spacing**2)
    gain = (square + np.float32(1 / reach) ** 2) ** np.float32(-slope / 4)
    gain *= np.exp(np.float32(-0.5 * (np.pi * fine) ** 2) * square)
    field = filtered_noise(rng, high, wide, gain)[0]
    return field[:height, :width] if spacing == 1.0 else _interpolate(field, height, width, spacing, 2.0, 2.0)


def smooth_field(rng: _Rng, height: int, width: int, grain: float) -> Floats:
    """A random field: cubic splines between independent normal values, ``grain`` pixels apart."""
    grain = max(1.0, grain)
    knots = rng.standard_normal((int(height / grain) + 6, int(width / grain) + 6), dtype=np.float32)
    top, left = 2 + rng.random(2)
    return _interpolate(knots, height, width, grain, top, left)


def _knots(length: int, spacing: float) -> int:
    # Two knots more on every side than the field needs, since the splines are flat at the ends of an image;
    # the number is a multiple of 8, for which the FFT is fast.
    needed = length if spacing == 1.0 else int(length / spacing) + 6
    return -(-needed // 8) * 8


def _interpolate(knots: Floats, height: int, width: int, spacing: float, top: float, left: float) -> Floats:
    """Interpolate knots that are ``spacing`` pixels apart by cubic splines, from the knot (top, left) on."""
    box = (left, top, left + width / spacing, top + height / spacing)
    image = Image.fromarray(np.ascontiguousarray(knots))
    resized = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(resized, dtype=np.float32)


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
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = ground
    image = Image.fromarray(pixels)
    return image, ImageDraw.Draw(image)


def apply_palette(labels: Pixels, colours: Pixels) -> Pixels:
    """Return ``colours[labels]``, for at most 256 colours."""
    image = Image.fromarray(labels)
    image.putpalette(colours.tobytes())
    return np.asarray(image.convert("RGB"))


def shrink(rng: _Rng, large: Image.Image, size: tuple[int, int], parts: int) -> Pixels:
    """Downsample to a size by a box filter, or by a wider filter, which leaves slight ringing at edges."""
    method = Image.Resampling
    filters = (method.BOX, method.BILINEAR, method.BICUBIC, method.LANCZOS)
    first, second = rng.choice(filters, size=2, p=(0.2, 0.1, 0.6, 0.1))
    if parts > 1 and rng.random() < 0.12:
        # an image that was resized twice
        between = rng.uniform(0.75, 1.5)
        large = large.resize((round(between * size[0]) + 1, round(between * size[1]) + 1), method(first))
        second = method.BICUBIC
    return np.asarray(large.resize(size, method(second)))
