"""Checks of sizes, and conversion of images of any dtype to float64 in [0, 1] and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jumpset._core.checks import integer
from jumpset._core.ranges import dtype_range, real_array


def check_sizes(seed: object, **sizes: object) -> None:
    """Raise ``InputError`` unless each size is a whole number >= 1, and the seed one >= 0."""
    for name, value in sizes.items():
        integer(name, value, at_least=1)
    integer("seed", seed, at_least=0)


def to_unit(image: ArrayLike) -> np.ndarray:
    """Convert to float64, with the range of an integer dtype scaled to [0, 1]; floats are not scaled."""
    array = real_array(image, "image")
    low, high = dtype_range(array.dtype)
    return (array.astype(np.float64) - low) / (high - low)


def from_unit(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Convert to ``dtype``: integers and booleans are clipped to their range and rounded, floats are not."""
    if dtype.kind == "f":
        return values.astype(dtype)
    low, high = dtype_range(dtype)
    return np.rint(low + np.clip(values, 0.0, 1.0) * (high - low)).astype(dtype)
