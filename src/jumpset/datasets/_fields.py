"""Random fields for drawn structures and textures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from jumpset._core.optional import needs

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


def rough_field(
    rng: np.random.Generator, height: int, width: int, reach: float, slope: float, fine: float = 0.0
) -> Floats:
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


def smooth_field(rng: np.random.Generator, height: int, width: int, grain: float) -> Floats:
    """A random field: cubic splines between independent normal values, ``grain`` pixels apart."""
    grain = max(1.0, grain)
    knots = rng.standard_normal((int(height / grain) + 6, int(width / grain) + 6), dtype=np.float32)
    top, left = 2 + rng.random(2)
    return _interpolate(knots, height, width, grain, top, left)


def standardize(values: NDArray[np.floating]) -> Floats:
    """Scale each plane (the last two axes) to mean 0 and standard deviation 1, constant planes to 0."""
    planes = values.astype(np.float32)
    planes -= planes.mean(axis=(-2, -1), keepdims=True)
    deviation = planes.std(axis=(-2, -1), keepdims=True)
    return planes / np.where(deviation > 1e-6, deviation, np.float32(np.inf))


def _knots(length: int, spacing: float) -> int:
    # Two knots more on every side than the field needs, since the splines are flat at the ends of an image;
    # the number is a multiple of 8, for which the FFT is fast.
    needed = length if spacing == 1.0 else int(length / spacing) + 6
    return -(-needed // 8) * 8


def _interpolate(knots: Floats, height: int, width: int, spacing: float, top: float, left: float) -> Floats:
    """Interpolate knots that are ``spacing`` pixels apart by cubic splines, from the knot (top, left) on."""
    with needs("jumpset[io]"):
        from PIL import Image

    box = (left, top, left + width / spacing, top + height / spacing)
    image = Image.fromarray(np.ascontiguousarray(knots))
    resized = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(resized, dtype=np.float32)
