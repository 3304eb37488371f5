"""Checks of real arrays, and the values of black and white of a dtype."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jumpset._core.errors import InputError


def real_array(x: ArrayLike, name: str) -> np.ndarray:
    """Return ``x`` as an array, its dtype kept; raise unless it holds real, finite numbers."""
    array = np.asarray(x)
    if array.dtype.kind not in "buif":
        raise InputError(
            f"{name} must hold real numbers",
            given=f"dtype {array.dtype}",
            do="pass integers, floats or booleans",
        )
    if array.size == 0:
        raise InputError(f"{name} is empty", given=f"shape {array.shape}", do="pass at least one pixel")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise InputError(
            f"{name} must be finite", given=f"{bad} values that are NaN or infinite", do="replace them"
        )
    return array


def dtype_range(dtype: np.dtype) -> tuple[float, float]:
    """Return the values of black and white: 0 and 1 for floats and booleans, else the range of the dtype."""
    if dtype.kind in "bf":
        return 0.0, 1.0
    if dtype.kind == "i" and dtype.itemsize > 2:
        # Mostly 8-bit values after arithmetic: the range of the dtype would give a wrong score silently.
        raise InputError(
            "signed integers of 32 or 64 bits have no agreed range",
            given=f"dtype {dtype}",
            do="convert to uint8, uint16 or floats in [0, 1], or pass data_range where there is one",
        )
    info = np.iinfo(dtype)
    return float(info.min), float(info.max)
