"""Images to tensors and back: the result has the kind, shape and dtype of the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset._core.errors import InputError

_WIDE = {"float64", "int32", "uint32", "int64", "uint64"}  # computed in float64, all others in float32
_NUMERIC = _WIDE | {"bool", "uint8", "int8", "uint16", "int16", "float16", "bfloat16", "float32"}


@dataclass(frozen=True)
class Layout:
    """How a ``(B, C, H, W)`` tensor of intensities is converted back to the caller's kind of image."""

    is_tensor: bool
    dtype: str
    """Name of the caller's dtype."""
    channel_axis: int | None
    """Position of the channels; ``None`` for a gray ``(H, W)`` array."""
    low: float
    high: float
    """The caller's values for intensities 0 and 1."""
    alpha: Any = None
    """The unchanged alpha channel ``(H, W)``, if the image has one."""

    def restore(self, tensor: Tensor) -> Any:
        """Return the image in the caller's kind, shape and dtype; integers are rounded and clipped."""
        values = tensor.detach()
        if self.low != 0.0 or self.high != 1.0:
            values = values.to(torch.float64) * (self.high - self.low) + self.low
        if self.is_tensor:
            dtype: torch.dtype = getattr(torch, self.dtype)
            if self.dtype == "bool":
                return values >= 0.5
            if not dtype.is_floating_point:
                values = values.round().clamp(*_limits(self.dtype))
            return values.to(dtype)
        array = values[0].cpu().numpy()
        dtype = np.dtype(self.dtype)
        if dtype == np.bool_:
            array = array >= 0.5
        elif dtype.kind in "iu":
            array = np.rint(array).clip(*_limits(self.dtype))
        array = array.astype(dtype, copy=False)
        if self.channel_axis is None:
            return np.ascontiguousarray(array[0])
        if self.alpha is not None:
            array = np.concatenate([array, self.alpha[None]], axis=0)
        return np.ascontiguousarray(np.moveaxis(array, 0, self.channel_axis))


def to_tensor(
    image: Any,
    *,
    channel_axis: int | None = -1,
    alpha: bool | None = None,
    value_range: tuple[float, float] | None = None,
    device: str | torch.device | None = None,
) -> tuple[Tensor, Layout]:
    """Convert an image to a ``(B, C, H, W)`` tensor of intensities in [0, 1]; see :func:`jumpset.run`.

    Raises
    ------
    InputError
        The image is not an array or tensor, has a wrong number of axes, no pixels, a non-numeric dtype or a
        non-finite pixel, or its floats are far outside ``value_range``.
    """
    is_tensor = isinstance(image, Tensor)
    if not is_tensor and (not isinstance(image, np.ndarray) or isinstance(image, np.ma.MaskedArray)):
        raise InputError(
            "the image must be a NumPy array or a torch tensor",
            given=type(image).__name__,
            do="convert it with np.asarray(image), or fill the masked pixels first",
        )
    dtype = str(image.dtype).removeprefix("torch.") if is_tensor else image.dtype.name
    if dtype not in _NUMERIC:
        raise InputError(
            "images of this dtype are not supported", given=dtype, do="convert it to float32 or uint8"
        )
    axis = _check_axes(image, is_tensor, channel_axis)
    low, high = _value_range(dtype, value_range)

    kept_alpha = None
    if isinstance(image, Tensor):
        tensor = torch.as_tensor(image).detach()
    else:
        array = image[None] if axis is None else np.moveaxis(image, axis, 0)
        if alpha is None:  # four 8-bit channels are nearly always RGBA
            alpha = dtype == "uint8" and array.shape[0] == 4
        if alpha:
            if array.shape[0] < 2:
                raise InputError(
                    "alpha=True needs a colour channel besides alpha",
                    given=image.shape,
                    do="pass alpha=False",
                )
            array, kept_alpha = array[:-1], array[-1].copy()
        # torch cannot view negative strides, foreign byte orders, or the second of C's equal 64-bit types
        array = np.array(array, dtype=dtype, order="C")
        tensor = torch.from_numpy(array)[None]
    # copied, since a method may work in place; arrays were copied above
    wide = torch.float64 if dtype in _WIDE else torch.float32
    tensor = tensor.to(device=device, dtype=wide, copy=is_tensor)
    if low != 0.0 or high != 1.0:
        tensor = (tensor - low) / (high - low)
    _check_values(tensor, (low, high), exact=not dtype.startswith(("float", "bfloat")))
    return tensor.contiguous(), Layout(is_tensor, dtype, axis, low, high, kept_alpha)


def _check_axes(image: Any, is_tensor: bool, channel_axis: int | None) -> int | None:
    shape = tuple(image.shape)
    if is_tensor:
        if len(shape) != 4:
            raise InputError(
                "a tensor of images must be (B, C, H, W)",
                given=shape,
                do="add the missing axes, x[None, None] for one gray image",
            )
        axis = 1
    elif len(shape) == 2:
        axis = None
    elif len(shape) == 3 and channel_axis is not None and -3 <= channel_axis < 3:
        axis = channel_axis % 3
    else:
        raise InputError(
            "a NumPy image must be (H, W), or (H, W, C) with channel_axis as its channel axis",
            given=f"shape {shape}, channel_axis={channel_axis}",
            do="pass one image at a time, or a (B, C, H, W) tensor",
        )
    if 0 in shape:
        raise InputError(
            "the image has no pixels", given=f"shape {shape}", do="pass at least one pixel and one channel"
        )
    return axis


def _value_range(dtype: str, value_range: tuple[float, float] | None) -> tuple[float, float]:
    if value_range is not None:
        try:
            low, high = (float(v) for v in value_range)
        except (TypeError, ValueError):
            low = high = float("nan")
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise InputError(
                "value_range must be two finite numbers, low < high",
                given=repr(value_range),
                do="pass e.g. (0, 4095)",
            )
        return low, high
    if dtype == "bool" or dtype.startswith(("float", "bfloat")):
        return 0.0, 1.0
    info = np.iinfo(dtype)
    return float(info.min), float(info.max)


def _check_values(tensor: Tensor, value_range: tuple[float, float], *, exact: bool) -> None:
    smallest, largest = (v.item() for v in tensor.aminmax())
    if not (np.isfinite(smallest) and np.isfinite(largest)):
        bad = int((~torch.isfinite(tensor)).sum())
        raise InputError(
            "the image has non-finite pixels",
            given=f"{bad} NaN or infinite values",
            do="replace them, e.g. with np.nan_to_num",
        )
    if not exact and (smallest < -1.0 or largest > 2.0):  # more than noise exceeds [0, 1]
        low, high = value_range
        scale = high - low
        raise InputError(
            f"float images are expected within {low:g}…{high:g}",
            given=f"values from {smallest * scale + low:g} to {largest * scale + low:g}",
            do="divide by the largest value, or pass value_range=(low, high)",
        )


def _limits(dtype: str) -> tuple[float, float]:
    info = np.iinfo(dtype)
    # 2**63 - 1 and 2**64 - 1 are no floats: the next float below converts without overflow
    top = float(info.max) if info.bits <= 32 else float(np.nextafter(float(info.max), 0.0))
    return float(info.min), top
