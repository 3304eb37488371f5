"""Random textures: the part of an image that a smoother should remove."""

from __future__ import annotations

import math

import numpy as np
from scipy import fft

from jumpset._core.checks import real
from jumpset.datasets._fields import Floats, filtered_noise, frequencies, standardize
from jumpset.datasets._ranges import check_sizes
from jumpset.datasets._weaves import FAMILIES, SHARES

_MIN_SIDE = 64  # smaller textures are cropped from one of this size


def texture(
    height: int = 256, width: int = 256, *, channels: int = 3, seed: int = 0, std: float | None = None
) -> np.ndarray:
    """A random texture of one of many kinds, of mean zero, to be blended with a structure.

    The seed determines the family: Gaussian fields of many spectra, fibres, spots, weaves, stripes, wood,
    stone, cells, tiles, crumpled paper, dots, white noise; a third of them with additional white noise, one
    in six as a relief under directional light, one in eight of spatially varying strength. A field ``g`` is
    coloured by ``T_c = a_c g + b_c g_c`` with fields ``g_c`` of the same spectrum, so that the channels are
    correlated, mostly by .6 to .997, half of them by more than .95; one in six is gray, one in twenty has
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

    Examples
    --------
    >>> import jumpset as js
    >>> js.datasets.texture(32, 48, seed=0).shape
    (32, 48, 3)
    """
    check_sizes(seed, height=height, width=width, channels=channels)
    if std is not None:
        real("std", std, at_least=0)
    rng = np.random.default_rng([12, seed])
    drawn = random_std(rng)
    planes = random_texture(rng, height, width, channels)
    planes = planes * np.float32(drawn if std is None else std)
    return np.ascontiguousarray(planes[0] if channels == 1 else planes.transpose(1, 2, 0))


def random_std(rng: np.random.Generator) -> float:
    """A standard deviation for intensities in [0, 1]: log-normal around 9.5/255, from 3/255 to 25/255."""
    return float(np.clip(9.5 * math.exp(rng.normal(0, 0.4)), 3, 25)) / 255


def random_texture(rng: np.random.Generator, height: int, width: int, channels: int) -> Floats:
    """Draw a random texture (channels, height, width), planes of mean 0, standard deviation 1 over all."""
    high, wide = max(height, _MIN_SIDE), max(width, _MIN_SIDE)
    family = FAMILIES[rng.choice(len(FAMILIES), p=SHARES)]
    shared = family(rng, high, wide)
    if rng.random() < 1 / 6:
        shared = _relief(rng, shared)
    if rng.random() < 1 / 3:
        grain = rng.standard_normal(shared.shape, dtype=np.float32)
        shared = standardize(shared + np.float32(rng.uniform(0.15, 0.7)) * grain)
    kind = rng.random()
    own_share = 0.0 if kind < 1 / 6 else float(math.exp(rng.uniform(-6, -1))) if kind < 0.95 else 1.0
    planes = np.repeat(shared[None], channels, axis=0)
    if own_share > 0 and channels > 1:
        own = _same_spectrum(rng, shared, channels)
        planes = math.sqrt(1 - own_share) * planes + math.sqrt(own_share) * own
        planes *= np.exp(rng.normal(0, 0.2, (channels, 1, 1))).astype(np.float32)
    if rng.random() < 1 / 8:
        down, across = frequencies(high, wide)
        slow = np.exp(-((rng.uniform(30, 120)) ** 2) * (down**2 + across**2))
        planes *= np.exp(0.5 * filtered_noise(rng, high, wide, slow))
    planes = planes[:, :height, :width]
    planes = planes - planes.mean(axis=(1, 2), keepdims=True)
    deviation = float(planes.std())
    return planes / np.float32(deviation if deviation > 1e-4 else math.inf)


def _same_spectrum(rng: np.random.Generator, field: Floats, depth: int) -> Floats:
    """Gaussian fields of the same spectrum: the amplitudes of a field with random phases."""
    height, width = field.shape
    return filtered_noise(rng, height, width, np.abs(np.asarray(fft.rfft2(field))), depth)


def _relief(rng: np.random.Generator, height: Floats) -> Floats:
    """Shade a height map: differences over one or two pixels in the direction of a light."""
    angle, step = rng.uniform(0, 2 * math.pi), rng.uniform(1, 2)
    shift = round(step * math.sin(angle)), round(step * math.cos(angle))
    shaded = height - np.roll(height, shift if any(shift) else (1, 1), axis=(0, 1))
    return standardize(shaded)
