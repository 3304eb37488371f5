"""Point-spread functions: of a lens out of focus, and of a motion."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from jumpset._core import checks

_REACH = 4.0  # standard deviations
_SUBPIXELS = 64  # points along the path of a motion, for each pixel


def gaussian_psf(sigma: float, spatial_ndim: int = 2) -> Tensor:
    """A Gaussian of standard deviation ``sigma`` pixels, cut off at four of them; its sum is 1.

    Parameters
    ----------
    sigma
        Standard deviation in pixels, above 0.
    spatial_ndim
        Number of axes.

    Returns
    -------
    Tensor
        float64, of an odd number of entries along each of the ``spatial_ndim`` axes.

    Examples
    --------
    >>> import jumpset as js
    >>> psf = js.operators.gaussian_psf(1.0)
    >>> tuple(psf.shape), round(float(psf.sum()), 6)
    ((9, 9), 1.0)
    """
    checks.real("sigma", sigma, above=0.0)
    checks.integer("spatial_ndim", spatial_ndim, at_least=1, at_most=3)
    radius = max(1, math.ceil(_REACH * sigma))
    place = torch.arange(-radius, radius + 1, dtype=torch.float64)
    line = torch.exp(-0.5 * (place / sigma) ** 2)
    h = line = line / line.sum()
    for _ in range(spatial_ndim - 1):
        h = h[..., None] * line
    return h


def motion_psf(length: float, angle: float = 0.0) -> Tensor:
    """A straight motion at constant speed; its sum is 1.

    Parameters
    ----------
    length
        Pixels, above 0.
    angle
        Degrees, counter-clockwise from the right.

    Returns
    -------
    Tensor
        float64 ``(rows, columns)``, odd numbers: the part of the path inside each pixel.

    Examples
    --------
    >>> import jumpset as js
    >>> psf = js.operators.motion_psf(3.0)
    >>> round(float(psf.sum()), 6)
    1.0
    """
    checks.real("length", length, above=0.0)
    checks.real("angle", angle)
    n = math.ceil(length * _SUBPIXELS)
    place = ((torch.arange(n, dtype=torch.float64) + 0.5) / n - 0.5) * length
    turn = math.radians(angle)
    y, x = (-place * math.sin(turn)).round().long(), (place * math.cos(turn)).round().long()
    rows, columns = int(y.abs().max()), int(x.abs().max())
    h = torch.zeros(2 * rows + 1, 2 * columns + 1, dtype=torch.float64)
    each = torch.full((n,), 1.0 / n, dtype=torch.float64)
    return h.index_put_((y + rows, x + columns), each, accumulate=True)
