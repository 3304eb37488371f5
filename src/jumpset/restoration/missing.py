"""Missing data: values that are NaN, equal to a number, or marked; they become zeros under a mask."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from jumpset._core.arrays import equals
from jumpset._core.errors import InputError
from jumpset.operators.algebra import LinearOp
from jumpset.operators.linear import Identity, Mask

Missing = Literal["nan"] | float | np.ndarray | Tensor


def without_missing(
    data: Any, operator: LinearOp, missing: Missing, channel_axis: int | None
) -> tuple[Any, LinearOp]:
    """The data with zeros for what is missing, and the operator behind a mask of the other values.

    Parameters
    ----------
    data
        As :func:`jumpset.restore` takes them, complex ones as well.
    operator
        What gives them.
    missing
        ``"nan"``: values that are NaN; a number: those equal to it; or an array that is not 0 where data are
        missing, of the shape of the data, without its channels, or of another that broadcasts to it.
    channel_axis
        The channel axis of a NumPy image.

    Raises
    ------
    InputError
        Something else; images of a batch that miss different data; no data left.
    """
    if not isinstance(data, np.ndarray | Tensor):
        return data, operator  # `run` says that these are no data
    array = data.detach().cpu().numpy() if isinstance(data, Tensor) else data
    gone = _missing(array, missing, None if isinstance(data, Tensor) else channel_axis)
    if not gone.any():
        return data, operator
    if gone.all():
        raise InputError("all data are missing", given=f"missing={missing!r}", do="pass data with values")
    if isinstance(data, Tensor):
        if bool((gone != gone[:1]).any()):
            raise InputError(
                "the images of a batch miss different data",
                given=f"shape {array.shape}",
                do="pass one image at a time",
            )
        known = torch.from_numpy(~gone[:1])
        data = torch.where(torch.from_numpy(gone).to(data.device), 0, data)
    else:
        known = torch.from_numpy(~_channels_first(gone, channel_axis))
        data = np.where(gone, np.zeros((), array.dtype), array)
    if np.iscomplexobj(array):  # real and imaginary parts are the last axis of the data
        known = known[..., None]
    return data, Mask(known) if isinstance(operator, Identity) else Mask(known) @ operator


def _missing(array: np.ndarray, missing: Missing, channel_axis: int | None) -> np.ndarray:
    """Where data are missing, bool, of the shape of the data."""
    if isinstance(missing, str):
        if missing != "nan":
            raise InputError(
                "missing must be 'nan', a number or an array", given=repr(missing), do="pass missing='nan'"
            )
        return np.isnan(array) if array.dtype.kind in "fc" else np.zeros(array.shape, bool)
    if isinstance(missing, int | float | np.number) and not isinstance(missing, bool):
        return equals(array, missing)  # pyright: ignore[reportReturnType]
    given: Any = missing
    marked = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
    if marked.dtype.kind not in "bui" or marked.ndim == 0:
        raise InputError(
            "missing must be 'nan', a number, or an array of bools or integers",
            given=repr(missing) if marked.ndim == 0 else f"an array of {marked.dtype}",
            do="pass np.isnan(data), say: True where a value is missing",
        )
    if channel_axis is not None and array.ndim == marked.ndim + 1:
        marked = np.expand_dims(marked, channel_axis)
    try:
        return np.broadcast_to(marked != 0, array.shape)
    except ValueError:
        raise InputError(
            "missing does not fit the data",
            given=f"shape {marked.shape} for {array.shape}",
            do="pass an array of the shape of the data, True where a value is missing",
        ) from None


def _channels_first(gone: np.ndarray, channel_axis: int | None) -> np.ndarray:
    """``(1, C, H, W)`` of an array ``(H, W)`` or with channels."""
    if gone.ndim == 2:
        return np.ascontiguousarray(gone[None, None])
    return np.ascontiguousarray(np.moveaxis(gone, -1 if channel_axis is None else channel_axis, 0)[None])
