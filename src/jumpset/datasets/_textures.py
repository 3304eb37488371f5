"""Textures without end: what a smoother should take away."""

from __future__ import annotations

import math

import numpy as np
from scipy import fft

from jumpset._core.checks import integer, real
from jumpset.datasets._fields import Floats, filtered, frequencies, unit
from jumpset.datasets._weaves import FAMILIES, SHARES

_LEAST_SIDE = 64  # smaller textures are cut from one of this size


def texture(
    height: int = 256,
    width: int = 256,
    *,
    channels: int = 3,
    seed: int = 0,
    std: float | None = None,
) -> np.ndarray:
    """A texture of one of many kinds, of mean zero, to be blended with a structure.

    The seed chooses the family: Gaussian fields of many spectra, fibres, spots, weaves, stripes, wood,
    stone, cells, tiles, crumpled paper, dots, white grain; a third of them with some grain of their own, one
    in six lit from a side as a relief, one in eight stronger in some places than in others. A field ``g``
    gets its colours by ``T_c = a_c g + b_c g_c`` with fields ``g_c`` of the same family, so that the channels
    correlate, mostly by .6 to .997, half of them by more than .95; one in six is gray, one in twenty has
    independent channels.

    Parameters
    ----------
    height, width, channels, seed
        As in :func:`structure`.
    std
        Standard deviation over all values, in intensities in [0, 1]. Default: drawn from 3/255 to 25/255,
        mostly 6/255 to 14/255. A constant texture, such as one of a single pixel, is zero.

    Returns
    -------
    numpy.ndarray
        float32 of mean 0 in each channel: (height, width, channels), or (height, width) for one channel.

    Raises
    ------
    InputError
        As in :func:`structure`, or ``std`` is negative or not finite.
    """
    for name, value in (("height", height), ("width", width), ("channels", channels)):
        integer(name, value, at_least=1)
    integer("seed", seed, at_least=0)
    if std is not None:
        real("std", std, at_least=0)
    rng = np.random.default_rng([12, seed])
    drawn = strength(rng)
    planes = pattern(rng, height, width, channels)
    planes = planes * np.float32(drawn if std is None else std)
    return np.ascontiguousarray(planes[0] if channels == 1 else planes.transpose(1, 2, 0))


def strength(rng: np.random.Generator) -> float:
    """A standard deviation for intensities in [0, 1]: log-normal around 9.5/255, from 3/255 to 25/255."""
    return float(np.clip(9.5 * math.exp(rng.normal(0, 0.4)), 3, 25)) / 255


def pattern(rng: np.random.Generator, height: int, width: int, channels: int) -> Floats:
    """The next texture of a generator: (channels, height, width), planes of mean 0, deviation 1 over all."""
    high, wide = max(height, _LEAST_SIDE), max(width, _LEAST_SIDE)
    family = FAMILIES[rng.choice(len(FAMILIES), p=SHARES)]
    shared = family(rng, high, wide)
    if rng.random() < 1 / 6:
        shared = _lit(rng, shared)
    if rng.random() < 1 / 3:
        grain = rng.standard_normal(shared.shape, dtype=np.float32)
        shared = unit(shared + np.float32(rng.uniform(0.15, 0.7)) * grain)
    kind = rng.random()
    own_share = 0.0 if kind < 1 / 6 else float(math.exp(rng.uniform(-6, -1))) if kind < 0.95 else 1.0
    planes = np.repeat(shared[None], channels, axis=0)
    if own_share > 0 and channels > 1:
        planes = math.sqrt(1 - own_share) * planes + math.sqrt(own_share) * _like(rng, shared, channels)
        planes *= np.exp(rng.normal(0, 0.2, (channels, 1, 1))).astype(np.float32)
    if rng.random() < 1 / 8:
        down, across = frequencies(high, wide)
        slow = np.exp(-((rng.uniform(30, 120)) ** 2) * (down**2 + across**2))
        planes *= np.exp(0.5 * filtered(rng, high, wide, slow))
    planes = planes[:, :height, :width]
    planes = planes - planes.mean(axis=(1, 2), keepdims=True)
    deviation = float(planes.std())
    return planes / np.float32(deviation if deviation > 1e-4 else math.inf)


def _like(rng: np.random.Generator, field: Floats, depth: int) -> Floats:
    """Gaussian fields of the same spectrum: the field's own amplitudes under random phases."""
    height, width = field.shape
    return filtered(rng, height, width, np.abs(np.asarray(fft.rfft2(field))), depth)


def _lit(rng: np.random.Generator, height: Floats) -> Floats:
    """The slope of a relief towards a lamp, over one or two pixels."""
    angle, step = rng.uniform(0, 2 * math.pi), rng.uniform(1, 2)
    shift = round(step * math.sin(angle)), round(step * math.cos(angle))
    lit = height - np.roll(height, shift if any(shift) else (1, 1), axis=(0, 1))
    return unit(lit)
