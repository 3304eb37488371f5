"""Pictures of any dtype as float64 in [0, 1], and back by rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jumpset._core.ranges import dtype_range, real_array


def to_unit(image: ArrayLike) -> np.ndarray:
    """Float64 values, the range of an integer dtype scaled to [0, 1]; floats are taken as they are."""
    array = real_array(image, "image")
    low, high = dtype_range(array.dtype)
    return (array.astype(np.float64) - low) / (high - low)


def from_unit(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values as ``dtype``: integers and booleans are clipped to their range and rounded, floats not."""
    if dtype.kind == "f":
        return values.astype(dtype)
    low, high = dtype_range(dtype)
    return np.rint(low + np.clip(values, 0.0, 1.0) * (high - low)).astype(dtype)
