"""Images to tensors and back: the result has the kind, shape and dtype of the input."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.axes import axes_of, from_batch, spatial, to_batch
from jumpset._core.errors import InputError, RangeWarning

_WIDE = {"float64", "int32", "uint32", "int64", "uint64"}  # computed in float64, all others in float32
_LITTLE = 1 / 8  # of a range: images that use less come out nearly constant
_NUMERIC = _WIDE | {"bool", "uint8", "int8", "uint16", "int16", "float16", "bfloat16", "float32"}

ValueRange = tuple[float, float] | Literal["data"]


@dataclass(frozen=True)
class Layout:
    """How a ``(B, C, H, W)`` tensor of intensities is converted back to the caller's kind of image."""

    is_tensor: bool
    dtype: str
    """Name of the caller's dtype."""
    axes: str | None
    """The names of the caller's axes (:mod:`jumpset._core.axes`); None for a ``(B, C, *spatial)`` tensor."""
    low: float
    high: float
    """The caller's values for intensities 0 and 1."""
    alpha: Any = None
    """The unchanged alpha channel ``(H, W)``, if the image has one, with the batch and the space of it."""

    def restore(self, tensor: Tensor) -> Any:
        """Return the image in the caller's kind, shape and dtype; integers are rounded and clipped."""
        values = tensor.detach()
        if self.low != 0.0 or self.high != 1.0:
            values = values.to(torch.float64) * (self.high - self.low) + self.low
        if self.is_tensor:
            dtype: torch.dtype = getattr(torch, self.dtype)
            if self.dtype == "bool":
                values = values >= 0.5
            elif not dtype.is_floating_point:
                values = values.round().clamp(*_limits(self.dtype))
            values = values.to(dtype)
            return values if self.axes is None else from_batch(values, self.axes).contiguous()
        array = values.cpu().numpy()
        kind = np.dtype(self.dtype)
        if kind == np.bool_:
            array = array >= 0.5
        elif kind.kind in "iu":
            array = np.rint(array).clip(*_limits(self.dtype))
        array = array.astype(kind, copy=False)
        if self.alpha is not None:
            alpha = np.broadcast_to(self.alpha, (len(array), 1, *array.shape[2:]))
            array = np.concatenate([array, alpha], axis=1)
        return np.ascontiguousarray(from_batch(array, self.axes or ""))


def to_tensor(
    image: Any,
    *,
    channel_axis: int | None = -1,
    axes: str | None = None,
    alpha: bool | None = None,
    value_range: ValueRange | None = None,
    device: str | torch.device | None = None,
    valid: np.ndarray | None = None,
    spatial_ndims: tuple[int, ...] = (2,),
    is_data: bool = False,
) -> tuple[Tensor, Layout]:
    """Convert an image to a ``(B, C, *spatial)`` tensor of intensities in [0, 1]; see :func:`jumpset.run`.

    Parameters
    ----------
    image, channel_axis, axes, alpha, value_range, device
        As in :func:`jumpset.run`.
    valid
        Optional ``(B, 1, *spatial)`` bool, B possibly 1: pixels that are not valid may hold anything; they
        become those of the nearest valid pixel.
    spatial_ndims
        Numbers of spatial axes that the image may have.
    is_data
        Whether ``image`` holds the data of an operator, which are no intensities: numbers of any size, scaled
        by ``value_range`` alone, and not shifted. What belongs to integers without a range is floats.

    Raises
    ------
    InputError
        The image is not an array or tensor, has a wrong number of axes, no pixels, a non-numeric dtype or a
        non-finite pixel, its floats are far outside ``value_range``, or it has integers of 64 bits that use
        less than 1/8 of their dtype's range and no ``value_range``.

    Warns
    -----
    RangeWarning
        Integers of 16 or 32 bits use less than 1/8 of their dtype's range.
    """
    is_tensor = isinstance(image, Tensor)
    if not is_tensor and (not isinstance(image, np.ndarray) or isinstance(image, np.ma.MaskedArray)):
        raise InputError(
            "the image must be a NumPy array or a torch tensor",
            given=type(image).__name__,
            do=_advice(image),
        )
    dtype = str(image.dtype).removeprefix("torch.") if is_tensor else image.dtype.name
    if dtype not in _NUMERIC:
        raise InputError(
            "images of this dtype are not supported", given=dtype, do="convert it to float32 or uint8"
        )
    names = _check_axes(image, is_tensor, channel_axis, axes, spatial_ndims)
    kept_alpha = None
    if isinstance(image, Tensor):
        tensor = torch.as_tensor(image).detach()
        tensor = tensor if names is None else to_batch(tensor, names)
    else:
        array, kept_alpha = _split_alpha(image, names or "", alpha)
        tensor = torch.from_numpy(array)
    # copied, since a method may work in place; arrays were copied above
    wide = torch.float64 if dtype in _WIDE else torch.float32
    tensor = tensor.to(device=checks.device("device", device), dtype=wide, copy=is_tensor)
    if valid is not None:
        tensor = fill_nearest(tensor, valid)
    smallest, largest = _check_finite(tensor)
    low, high = _value_range(dtype, value_range, smallest, largest, is_data=is_data)
    if low != 0.0 or high != 1.0:
        tensor = (tensor - low) / (high - low)
    if is_data:
        if value_range is None and "int" in dtype:  # what fits the data is no integer
            dtype = str(wide).removeprefix("torch.")
    elif dtype.startswith(("float", "bfloat")):
        _check_floats(smallest, largest, low, high)
    elif value_range is None and dtype not in ("bool", "uint8", "int8"):
        _check_range_used(dtype, smallest, largest, low, high)
    return tensor.contiguous(), Layout(is_tensor, dtype, names, low, high, kept_alpha)


def _split_alpha(image: np.ndarray, names: str, alpha: bool | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return a copy of the image as ``(B, C, *spatial)``, and its alpha channel apart."""
    array, kept_alpha = to_batch(image, names), None
    if alpha is None:  # four 8-bit channels of a picture are nearly always RGBA
        alpha = array.dtype == np.uint8 and array.ndim == 4 and array.shape[:2] == (1, 4)
    if alpha:
        if array.shape[1] < 2:
            raise InputError(
                "alpha=True needs a colour channel besides alpha", given=image.shape, do="pass alpha=False"
            )
        array, kept_alpha = array[:, :-1], array[:, -1:].copy()
        kept_alpha = kept_alpha if "t" in names else kept_alpha[0, 0]
    # torch cannot view negative strides, foreign byte orders, or the second of C's equal 64-bit types
    return np.array(array, dtype=image.dtype.name, order="C"), kept_alpha


def _advice(image: Any) -> str:
    if isinstance(image, np.ma.MaskedArray):
        return "pass image.data, with mask=~np.ma.getmaskarray(image) for a method with a mask"
    if isinstance(image, (str, bytes, os.PathLike)):
        return "read the file first: jumpset.io.read_picture(path).pixels"
    return "convert it with np.asarray(image)"


def equals(array: Any, value: float) -> Any:
    """Return where an array has a value, which may be NaN."""
    return np.isnan(array) if np.isnan(value) else array == value


def fill_nearest(image: Tensor, valid: np.ndarray) -> Tensor:
    """Replace the pixels of ``(B, C, *spatial)`` that are not valid by the nearest valid ones.

    ``valid`` is ``(B, 1, *spatial)`` bool, B possibly 1; :func:`check_valid` checks it.
    """
    check_valid(valid, tuple(image.shape))
    from scipy.ndimage import distance_transform_edt  # a third of a second, which most calls need not wait

    filled = image.detach().cpu().numpy().copy()
    for k, one in enumerate(filled):
        known = valid[k % len(valid), 0]
        if not known.all():
            nearest: Any = distance_transform_edt(~known, return_distances=False, return_indices=True)
            one[:] = one[(slice(None), *nearest)]
    return torch.from_numpy(filled).to(image.device)


def check_valid(valid: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise unless ``(B, 1, *spatial)`` bool, B possibly 1, fits images, and each has a valid pixel."""
    if valid.shape not in ((1, 1, *shape[2:]), (shape[0], 1, *shape[2:])):
        each = "" if shape[0] == 1 else f", or {(shape[0], 1, *shape[2:])} for one mask an image"
        raise InputError(
            "mask does not fit the image", given=f"shape {valid.shape}", do=f"pass {shape[2:]}{each}"
        )
    if not valid.reshape(len(valid), -1).any(1).all():
        raise InputError(
            "mask excludes all pixels",
            given="no valid pixel",
            do="pass at least one valid pixel in each image",
        )


def _check_axes(
    image: Any, is_tensor: bool, channel_axis: int | None, axes: str | None, spatial_ndims: tuple[int, ...]
) -> str | None:
    """Return the names of the axes of an array, and of a tensor that the caller has named."""
    shape = tuple(image.shape)
    names = None if is_tensor and axes is None else axes_of(len(shape), axes, channel_axis)
    if axes is not None and names is not None:
        if len(spatial(names)) not in spatial_ndims:
            takes = " or ".join(f"{n}-D" for n in sorted(spatial_ndims))
            slices = names.replace("z", "t") if "z" in names and "t" not in names else "tyx"
            raise InputError(
                f"this method takes {takes} images",
                given=f"axes={axes!r}, {len(spatial(names))}-D",
                do=f"use another method, e.g. 'tv', or pass axes={slices!r} for slices as separate images",
            )
    elif is_tensor:
        if len(shape) - 2 not in spatial_ndims:
            kinds = (f"(B, C, {', '.join('DHW'[-n:])})" for n in sorted(spatial_ndims))
            raise InputError(
                f"a tensor of images must be {' or '.join(kinds)}",
                given=shape,
                do="add the missing axes, x[None, None] for one gray image",
            )
    elif names is None:
        raise InputError(
            "a NumPy image must be (H, W), or (H, W, C) with channel_axis as its channel axis",
            given=f"shape {shape}, channel_axis={channel_axis}",
            do="pass one image at a time, a tensor (B, C, *spatial), or to smooth and run axes='zyx'",
        )
    if 0 in shape:
        raise InputError(
            "the image has no pixels", given=f"shape {shape}", do="pass at least one pixel and one channel"
        )
    return names


def _value_range(
    dtype: str, value_range: Any, smallest: float, largest: float, *, is_data: bool
) -> tuple[float, float]:
    """Return the values of intensity 0 and 1."""
    if isinstance(value_range, str) and value_range == "data":
        low, high = (0.0 if is_data else smallest), largest
        if not np.isfinite(high - low):
            raise InputError(
                "the range of the image is too large", given=f"{low:g} to {high:g}", do="scale it"
            )
        return (low, high) if low < high else (low, low + 1.0)
    if value_range is not None:
        try:
            low, high = (float(v) for v in value_range)
        except (TypeError, ValueError):
            low = high = float("nan")
        if not (np.isfinite(high - low) and low < high):
            raise InputError(
                "value_range must be 'data', or two finite numbers, low < high",
                given=repr(value_range),
                do="pass e.g. (0, 4095), or 'data' for the smallest and the largest value of the image",
            )
        if is_data and low != 0.0:
            raise InputError(
                "the data of an operator can be scaled, but not shifted",
                given=f"value_range={value_range!r}",
                do=f"pass (0, {high:g}), or leave value_range out: floats are then taken as they are",
            )
        return low, high
    if is_data or dtype == "bool" or dtype.startswith(("float", "bfloat")):
        return 0.0, 1.0
    info = np.iinfo(dtype)
    return float(info.min), float(info.max)


def _check_finite(tensor: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest value; raise unless all are finite."""
    smallest, largest = (v.item() for v in tensor.aminmax())
    if not (np.isfinite(smallest) and np.isfinite(largest)):
        bad = int((~torch.isfinite(tensor)).sum())
        raise InputError(
            "the image has non-finite pixels",
            given=f"{bad} NaN or infinite values",
            do="replace them; smooth, run and auto_weight take missing='nan', for methods with a mask",
        )
    return smallest, largest


def _check_floats(smallest: float, largest: float, low: float, high: float) -> None:
    """Raise for values far outside the range: more than noise exceeds it."""
    if smallest < low - (high - low) or largest > high + (high - low):
        raise InputError(
            f"float images are expected within {low:g}…{high:g}",
            given=f"values from {smallest:g} to {largest:g}",
            do="divide by the largest value, or pass value_range='data' or value_range=(low, high)",
        )


def _check_range_used(dtype: str, smallest: float, largest: float, low: float, high: float) -> None:
    """Raise for 64-bit integers that use little of their range, which float64 loses there; else warn."""
    if largest - smallest >= _LITTLE * (high - low):
        return
    if dtype in ("int64", "uint64") and (smallest != 0.0 or largest != 0.0):
        raise InputError(
            "integers of 64 bits have no agreed range",
            given=f"{dtype}, values from {smallest:g} to {largest:g}",
            do="pass value_range=(0, 255) for 8-bit values, or value_range='data', or convert to uint8",
        )
    if smallest < largest:
        warnings.warn(
            f"the image uses {(largest - smallest) / (high - low):.1%} of the range of its dtype, {low:g} to"
            f" {high:g}, to which weights are relative: it may come out flat; pass value_range='data', or"
            " value_range=(0, 4095) for 12-bit data",
            RangeWarning,
            stacklevel=4,
        )


def _limits(dtype: str) -> tuple[float, float]:
    info = np.iinfo(dtype)
    # 2**63 - 1 and 2**64 - 1 are no floats: the next float below converts without overflow
    top = float(info.max) if info.bits <= 32 else float(np.nextafter(float(info.max), 0.0))
    return float(info.min), top
