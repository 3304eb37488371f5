"""Random fields for drawn structures and textures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Floats = NDArray[np.float32]


def frequencies(height: int, width: int) -> tuple[Floats, Floats]:
    """Vertical and horizontal cycles per pixel, two arrays that broadcast to the spectrum of ``rfft2``."""
    down = fft.fftfreq(height)[:, None].astype(np.float32)
    across = fft.rfftfreq(width)[None, :].astype(np.float32)
    return down, across


def filtered_noise(rng: np.random.Generator, height: int, width: int, gain: Floats, depth: int = 1) -> Floats:
    """Filtered white Gaussian noise (depth, height, width); each plane has mean 0 and standard deviation 1.

    ``gain`` is the filter on the half spectrum of :func:`frequencies`; the fields are periodic.
    """
    white = rng.standard_normal((depth, height, width), dtype=np.float32)
    return standardize(convolve(white, gain))


def convolve(planes: Floats, gain: Floats) -> Floats:
    """Filter planes by a gain on their half spectrum (periodic convolution)."""
    spectrum = np.asarray(fft.rfft2(planes)) * gain
    return np.asarray(fft.irfft2(spectrum, s=planes.shape[-2:]), dtype=np.float32)


def standardize(values: NDArray[np.floating]) -> Floats:
    """Scale each plane (the last two axes) to mean 0 and standard deviation 1, constant planes to 0."""
    planes = values.astype(np.float32)
    planes -= planes.mean(axis=(-2, -1), keepdims=True)
    deviation = planes.std(axis=(-2, -1), keepdims=True)
    return planes / np.where(deviation > 1e-6, deviation, np.float32(np.inf))
