"""The families of :func:`jumpset.datasets.texture`.

Every family takes a generator, a height and a width, and returns a field of mean 0 and standard deviation 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from jumpset.datasets._fields import Floats, convolve, filtered_noise, frequencies, standardize

_Rng = np.random.Generator


def gaussian(rng: _Rng, height: int, width: int) -> Floats:
    """White noise blurred by one or two Gaussians, isotropic or elongated."""
    gain = _blur(rng, height, width, _log_uniform(rng, 0.35, 2.0))
    if rng.random() < 0.6:
        tail = _blur(rng, height, width, _log_uniform(rng, 1.5, 8))
        gain = np.sqrt(gain**2 + rng.uniform(0.05, 0.6) * tail**2)
    return _transform_values(rng, filtered_noise(rng, height, width, gain)[0])


def power_law(rng: _Rng, height: int, width: int) -> Floats:
    """A power-law spectrum without the lowest frequencies and part of the highest."""
    down, across = frequencies(height, width)
    square = down**2 + across**2
    slope, reach, fine = rng.uniform(0.3, 3.0), _log_uniform(rng, 6, 60), rng.uniform(0, 1.2)
    gain = (square + 1 / reach**2) ** (-slope / 4) * np.exp(-0.5 * (math.pi * fine) ** 2 * square)
    gain = gain * (square * (4 * reach) ** 2 > 1)
    return _transform_values(rng, filtered_noise(rng, height, width, gain)[0])


def band(rng: _Rng, height: int, width: int) -> Floats:
    """Waves of similar length in all directions, or near one direction: leather, ripples, corduroy."""
    down, across = frequencies(height, width)
    radius = np.hypot(down, across)
    centre = 1 / _log_uniform(rng, 3, 16)
    gain = np.exp(-0.5 * ((radius - centre) / (centre * rng.uniform(0.1, 0.5))) ** 2)
    if rng.random() < 0.5:
        angle = rng.uniform(0, math.pi)
        away = np.abs(math.cos(angle) * down - math.sin(angle) * across) / np.maximum(radius, 1e-6)
        gain = gain * np.exp(-0.5 * (away / rng.uniform(0.08, 0.6)) ** 2)
    return _transform_values(rng, filtered_noise(rng, height, width, gain)[0])


def fibres(rng: _Rng, height: int, width: int) -> Floats:
    """Noise elongated along several directions: hair, felt, grass, scratches."""
    planes = int(rng.integers(2, 6))
    spread, main = rng.uniform(0.1, math.pi), rng.uniform(0, math.pi)
    length, thick = _log_uniform(rng, 2.5, 12), rng.uniform(0.4, 1.0)
    total = np.zeros((height, width), np.float32)
    for _ in range(planes):
        gain = _blur(rng, height, width, thick, length, main + rng.uniform(-spread, spread))
        layer = filtered_noise(rng, height, width, gain)[0]
        # a layer of high values covers the others
        total = np.maximum(total, layer) if rng.random() < 0.7 else total + layer
    return standardize(total)


def spots(rng: _Rng, height: int, width: int) -> Floats:
    """Separate bumps or dents of random strength: sand, pores, orange peel, dust."""
    share = _log_uniform(rng, 0.003, 0.15)
    impulses = (rng.random((height, width), dtype=np.float32) < share) * rng.uniform(0.3, 1, (height, width))
    if rng.random() < 0.3:
        impulses *= rng.choice([-1, 1], (height, width))
    gain = _blur(rng, height, width, _log_uniform(rng, 0.4, 2.0))
    return standardize(rng.choice([-1, 1]) * convolve(impulses.astype(np.float32), gain))


def weave(rng: _Rng, height: int, width: int) -> Floats:
    """Woven threads of uneven width and brightness: canvas, linen, knits."""
    across, down = (_log_uniform(rng, 2.5, 12) for _ in range(2))
    y, x = _distorted_grid(rng, height, width, rng.uniform(0, 1.2))
    u, v = x / across, y / down
    kind = rng.integers(4)
    warp, weft = np.cos(2 * math.pi * u), np.cos(2 * math.pi * v)
    if kind == 0:
        over = np.cos(math.pi * u) * np.cos(math.pi * v) > 0
        cloth = np.where(over, warp, weft)
    elif kind == 1:
        cloth = warp * weft
    elif kind == 2:
        cloth = np.maximum(warp, weft)
    else:
        cloth = np.cos(2 * math.pi * (u + 0.35 * np.abs(np.mod(v, 1) - 0.5) * 2)) + 0.5 * weft  # knit
    uneven = np.repeat(rng.standard_normal((height, 1), dtype=np.float32), width, axis=1)
    grain = filtered_noise(rng, height, width, _blur(rng, height, width, rng.uniform(0.3, 0.8)))[0]
    return standardize(standardize(cloth) + rng.uniform(0, 0.5) * uneven + rng.uniform(0.1, 0.9) * grain)


def stripes(rng: _Rng, height: int, width: int) -> Floats:
    """Lines of one or of many widths, straight or distorted: brushed metal, corrugation, wood."""
    y, x = _distorted_grid(rng, height, width, rng.uniform(0, 3))
    angle = rng.choice([0.0, math.pi / 2, rng.uniform(0, math.pi)])
    along = math.cos(angle) * x + math.sin(angle) * y
    if rng.random() < 0.4:
        lines = np.sin(2 * math.pi * along / _log_uniform(rng, 3, 20))
        lines = np.sign(lines) * np.abs(lines) ** rng.uniform(0.3, 2)
    else:
        # a random profile across the lines
        n = int(2 * math.hypot(height, width)) + 64
        profile = filtered_noise(rng, 1, 4 * n, _blur(rng, 1, 4 * n, 4 * _log_uniform(rng, 0.5, 4)))[0, 0]
        lines = profile[np.mod((4 * along).astype(np.int64), 4 * n)]
    elongated = _blur(rng, height, width, rng.uniform(0.4, 1), rng.uniform(3, 20), math.pi / 2 + angle)
    return standardize(
        standardize(lines.astype(np.float32))
        + rng.uniform(0, 1) * filtered_noise(rng, height, width, elongated)[0]
    )


def stone(rng: _Rng, height: int, width: int) -> Floats:
    """Ridges, veins and turbulence: sums of absolute values of fields at several scales; or flecks."""
    total = np.zeros((height, width), np.float32)
    grain, fold = _log_uniform(rng, 0.7, 4), rng.uniform(0, 1)
    octaves = int(rng.integers(1, 4))
    for octave in range(octaves):
        field = filtered_noise(rng, height, width, _blur(rng, height, width, grain * 2**octave))[0]
        total += rng.uniform(0.5, 1) * (fold * np.abs(field) + (1 - fold) * field)
    if rng.random() < 0.4:
        total = np.tanh(rng.uniform(1.5, 6) * (standardize(total) - rng.uniform(-1, 1)))
    return standardize(np.float32(rng.choice([-1, 1])) * total)


def cells(rng: _Rng, height: int, width: int) -> Floats:
    """Functions of the distances to random points, on a repeated tile: pebbles, cracks, scales, paper."""
    from scipy.spatial import KDTree

    side = int(rng.integers(96, 193))
    size = _log_uniform(rng, 4, 14)
    n = max(4, round((side / size) ** 2))
    points = rng.random((n, 2)) * side
    if rng.random() < 0.3:
        # near a lattice, as scales and bricks
        per_side = max(2, round(side / size))
        lattice = np.stack(np.meshgrid(*2 * [np.arange(per_side)], indexing="ij"), -1).reshape(-1, 2)
        shifted = lattice + (0, 0.5) * (lattice[:, :1] % 2) + rng.normal(0, 0.12, lattice.shape)
        points = np.mod(shifted / per_side, 1.0) * side
    tree = KDTree(np.minimum(points, side * (1 - 1e-9)), boxsize=side)
    where = np.stack(np.meshgrid(*2 * [np.arange(side)], indexing="ij"), -1).reshape(-1, 2)
    distance, nearest = map(np.asarray, tree.query(where, k=2))
    kind = rng.integers(4)
    if kind == 0:
        tile = distance[:, 0]
    elif kind == 1:
        tile = np.minimum(distance[:, 1] - distance[:, 0], rng.uniform(1, 4))
    elif kind == 2:
        tile = rng.standard_normal(len(points))[nearest[:, 0]]
    else:
        # facets: each cell has a random gradient
        tilt = rng.standard_normal((len(points), 2))[nearest[:, 0]]
        apart = np.mod(where - points[nearest[:, 0]] + side / 2, side) - side / 2
        tile = (tilt * apart).sum(axis=1)
    tile = tile.reshape(side, side).astype(np.float32)
    turned = np.rot90(tile, int(rng.integers(4)))
    repeats = -(-height // side), -(-width // side)
    tiled = np.tile(turned, repeats)[:height, :width]
    soft = _blur(rng, height, width, rng.uniform(0.2, 0.8))
    return standardize(convolve(standardize(tiled), soft))


def dots(rng: _Rng, height: int, width: int) -> Floats:
    """A lattice of dots or dashes, with soft or hard edges: halftone, perforation, tiles, mesh."""
    y, x = _distorted_grid(rng, height, width, rng.uniform(0, 0.6))
    angle, period, ratio = rng.uniform(0, math.pi), _log_uniform(rng, 3, 14), math.exp(rng.normal(0, 0.25))
    u = (math.cos(angle) * x + math.sin(angle) * y) / (period * ratio)
    v = (math.cos(angle) * y - math.sin(angle) * x) / (period / ratio)
    wave = np.cos(2 * math.pi * u) + np.cos(2 * math.pi * v)
    if rng.random() < 0.3:
        wave = np.maximum(np.cos(2 * math.pi * u), np.cos(2 * math.pi * (v + 0.5 * (np.floor(u) % 2))))
    screen = np.tanh(_log_uniform(rng, 0.3, 3) * (wave - rng.uniform(-1, 1)))
    grain = rng.standard_normal((height, width), dtype=np.float32)
    return standardize(standardize(screen) + rng.uniform(0, 0.5) * grain)


def white(rng: _Rng, height: int, width: int) -> Floats:
    """Independent or weakly correlated values."""
    grain = rng.standard_normal((height, width), dtype=np.float32)
    return standardize(grain + rng.uniform(0, 0.35) * (np.roll(grain, 1, 0) + np.roll(grain, 1, 1)))


FAMILIES: tuple[Callable[[_Rng, int, int], Floats], ...] = (
    gaussian, power_law, band, fibres, spots, weave, stripes, stone, cells, dots, white,
)  # fmt: skip
SHARES = (0.22, 0.09, 0.08, 0.11, 0.07, 0.11, 0.09, 0.08, 0.08, 0.03, 0.04)


def _log_uniform(rng: _Rng, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _blur(
    rng: _Rng, height: int, width: int, sigma: float, along: float | None = None, angle: float | None = None
) -> Floats:
    """The filter of a Gaussian, isotropic or elongated; elongation and direction are random by default."""
    down, across = frequencies(height, width)
    if along is None:
        along = sigma * (math.exp(rng.uniform(0, 1.2)) if rng.random() < 0.4 else 1.0)
    if angle is None:
        angle = rng.uniform(0, math.pi)
    long = math.cos(angle) * across + math.sin(angle) * down
    short = math.cos(angle) * down - math.sin(angle) * across
    # normalise the mean power, so that filtered white noise has variance 1
    gain = np.exp(-2 * math.pi**2 * ((along * long) ** 2 + (sigma * short) ** 2))
    return gain * np.float32(math.sqrt(1e-12 + 1 / max(float(np.square(gain).mean()), 1e-12)))


def _transform_values(rng: _Rng, field: Floats) -> Floats:
    """With probability 1/3, change the distribution of values: skewed, peaked or saturated."""
    kind = rng.random()
    if kind < 0.12:
        field = np.exp(np.float32(rng.uniform(0.3, 0.9)) * field)
    elif kind < 0.22:
        field = np.sign(field) * np.abs(field) ** np.float32(rng.uniform(1.2, 2))
    elif kind < 0.33:
        field = np.tanh(np.float32(rng.uniform(1, 3)) * field)
    return standardize(np.float32(rng.choice([-1, 1])) * field)


def _distorted_grid(rng: _Rng, height: int, width: int, reach: float) -> tuple[Floats, Floats]:
    """Pixel coordinates with random displacements of a few pixels, so that no pattern repeats exactly."""
    slow = _blur(rng, height, width, _log_uniform(rng, 5, 30), None, 0.0)
    shift = np.float32(reach) * filtered_noise(rng, height, width, slow, 2)
    y, x = np.ogrid[:height, :width]
    return (y + shift[0]).astype(np.float32), (x + shift[1]).astype(np.float32)
