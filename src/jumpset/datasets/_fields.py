"""Random fields: the raw material of drawn structures and textures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from jumpset._core.optional import needs

Floats = NDArray[np.float32]


def frequencies(height: int, width: int) -> tuple[Floats, Floats]:
    """Cycles per pixel down and across, as two arrays that broadcast to the half spectrum of ``rfft2``."""
    down = fft.fftfreq(height)[:, None].astype(np.float32)
    across = fft.rfftfreq(width)[None, :].astype(np.float32)
    return down, across


def filtered(rng: np.random.Generator, height: int, width: int, gain: Floats, depth: int = 1) -> Floats:
    """White Gaussian noise under a filter: (depth, height, width), each plane of mean 0 and deviation 1.

    ``gain`` is the filter on the half spectrum that :func:`frequencies` describes; the fields are periodic.
    """
    white = rng.standard_normal((depth, height, width), dtype=np.float32)
    return unit(convolved(white, gain))


def convolved(planes: Floats, gain: Floats) -> Floats:
    """Planes under a filter on their half spectrum, periodically."""
    spectrum = np.asarray(fft.rfft2(planes)) * gain
    return np.asarray(fft.irfft2(spectrum, s=planes.shape[-2:]), dtype=np.float32)


def rough(
    rng: np.random.Generator, height: int, width: int, reach: float, slope: float, fine: float = 0.0
) -> Floats:
    """A field (height, width) whose power falls as ``(f² + 1/reach²)^(-slope/2)``: smooth for large slopes.

    Details smaller than about ``fine`` pixels are taken out, as a Gaussian of deviation ``fine/2`` does.
    """
    # Such a field is known from coarser samples, with splines between them.
    spacing = max(1.0, fine / 2)
    high, wide = _knots(height, spacing), _knots(width, spacing)
    down, across = frequencies(high, wide)
    square = (down**2 + across**2) / np.float32(spacing**2)
    gain = (square + np.float32(1 / reach) ** 2) ** np.float32(-slope / 4)
    gain *= np.exp(np.float32(-0.5 * (np.pi * fine) ** 2) * square)
    field = filtered(rng, high, wide, gain)[0]
    return field[:height, :width] if spacing == 1.0 else _between(field, height, width, spacing, 2.0, 2.0)


def smooth(rng: np.random.Generator, height: int, width: int, grain: float) -> Floats:
    """A field that bends about every ``grain`` pixels: cubic splines between independent normal values."""
    grain = max(1.0, grain)
    knots = rng.standard_normal((int(height / grain) + 6, int(width / grain) + 6), dtype=np.float32)
    top, left = 2 + rng.random(2)
    return _between(knots, height, width, grain, top, left)


def unit(values: NDArray[np.floating]) -> Floats:
    """Each plane (the last two axes) at mean 0 and deviation 1; constant planes become 0."""
    planes = values.astype(np.float32)
    planes -= planes.mean(axis=(-2, -1), keepdims=True)
    deviation = planes.std(axis=(-2, -1), keepdims=True)
    return planes / np.where(deviation > 1e-6, deviation, np.float32(np.inf))


def _knots(length: int, spacing: float) -> int:
    # Two knots more on every side than the picture needs, since splines are flat at the ends of a picture;
    # and a multiple of 8, which transforms fast.
    needed = length if spacing == 1.0 else int(length / spacing) + 6
    return -(-needed // 8) * 8


def _between(knots: Floats, height: int, width: int, spacing: float, top: float, left: float) -> Floats:
    """Cubic splines through knots ``spacing`` pixels apart, from the knot (top, left) on."""
    with needs("jumpset[io]"):
        from PIL import Image

    box = (left, top, left + width / spacing, top + height / spacing)
    image = Image.fromarray(np.ascontiguousarray(knots))
    drawn = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(drawn, dtype=np.float32)
