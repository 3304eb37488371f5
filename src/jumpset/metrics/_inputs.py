"""Checks of all metrics: real finite arrays, comparable pairs, and the range of a dtype."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.ranges import dtype_range, real_array


def comparable(a: ArrayLike, b: ArrayLike, names: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Return two arrays of the same shape and dtype; two float dtypes, of equal range, may differ."""
    x, y = real_array(a, names[0]), real_array(b, names[1])
    both = f"{names[0]} and {names[1]}"
    if x.shape != y.shape:
        raise InputError(
            f"{both} must have the same shape", given=f"{x.shape} and {y.shape}", do="crop or resize one"
        )
    if x.dtype != y.dtype and not (x.dtype.kind == y.dtype.kind == "f"):
        raise InputError(
            f"{both} must have the same dtype, because each dtype has another range",
            given=f"{x.dtype} and {y.dtype}",
            do="convert one of them",
        )
    return x, y


def span(dtype: np.dtype) -> float:
    """Return white minus black."""
    low, high = dtype_range(dtype)
    return high - low


def span_or(data_range: float | None, dtype: np.dtype) -> float:
    """Return the given range, after a check, or else that of the dtype."""
    if data_range is None:
        return span(dtype)
    checks.real("data_range", data_range, above=0)
    return float(data_range)


def channels_last(x: np.ndarray, channel_axis: int | None, name: str) -> np.ndarray:
    """Return the image as (H, W, C); a 2-D array is gray for any ``channel_axis``."""
    if x.ndim == 2:
        return x[:, :, None]
    if x.ndim == 3 and channel_axis is not None and -3 <= channel_axis < 3:
        return np.moveaxis(x, channel_axis, -1)
    raise InputError(
        f"{name} must be (H, W), or three axes of which channel_axis names the channels",
        given=f"shape {x.shape}, channel_axis={channel_axis}",
        do="pass one image at a time",
    )
