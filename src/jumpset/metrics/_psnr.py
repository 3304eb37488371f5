"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from jumpset.metrics._inputs import comparable, span_or


def psnr(image: ArrayLike, truth: ArrayLike, *, data_range: float | None = None) -> float:
    """Peak signal-to-noise ratio in decibels; larger is closer.

    ``10 log10(L² / MSE)`` with one mean squared error over all pixels *and* channels, and ``L`` the data
    range.

    Parameters
    ----------
    image, truth
        Arrays of the same shape, usually (H, W) or (H, W, C), and the same dtype (two float dtypes may
        differ).
    data_range
        ``L``. Default: 255 for uint8, 65535 for uint16, the range of the dtype for other integers, and 1 for
        floats and booleans. Signed integers of 32 or 64 bits have no default.

    Returns
    -------
    float
        Decibels; ``inf`` if the images are identical.

    Raises
    ------
    InputError
        Shapes or dtypes differ, an array is empty or has non-finite values, the range is not positive, or it
        is not given for int32 or int64.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> round(js.metrics.psnr(np.full((4, 4), 0.6), np.full((4, 4), 0.5)), 2)
    20.0
    """
    x, y = comparable(image, truth, ("image", "truth"))
    peak = span_or(data_range, x.dtype)
    error = (x.astype(np.float64) - y.astype(np.float64)) / peak
    mse = float(np.mean(error * error))
    return -10.0 * math.log10(mse) if mse > 0 else math.inf
