"""Weights of pixels or edges: checks of arrays from the user."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.arrays import check_valid, fill_nearest
from jumpset._core.axes import check_axes, to_batch
from jumpset._core.errors import InputError


def fill_missing(image: Tensor, mask: Any) -> tuple[Tensor, np.ndarray]:
    """Return images whose missing pixels are those of the nearest valid pixel, and :func:`pixel_weights`."""
    weights = pixel_weights(tuple(image.shape), mask)
    return (image if mask is None else fill_nearest(image, weights[:, None] > 0.0)), weights


def pixel_weights(shape: tuple[int, ...], given: Any = None) -> np.ndarray:
    """Return a mask as the weight of each pixel, ``(B or 1, *spatial)`` float64.

    Parameters
    ----------
    shape
        ``(B, C, *spatial)`` of the images.
    given
        Optional array or tensor ``(*spatial)`` for all images, or ``(B, 1, *spatial)``: True, or an integer that is
        not 0, for a valid pixel; or floats from 0 to 1. Default: all 1.

    Raises
    ------
    InputError
        A wrong shape or dtype, a weight outside 0…1, or an image without a weight above 0.
    """
    if given is None:
        return np.ones((1, *shape[2:]))
    weights = _as_weights(given, len(shape))
    check_valid(weights > 0.0, shape)
    return weights[:, 0]


def is_valid(mask: Any, ndim: int = 4) -> np.ndarray:
    """Return a mask of images ``(B, C, *spatial)`` as ``(B or 1, 1, *spatial)`` bool: where it is not 0."""
    return _as_weights(mask, ndim) > 0.0


def nan_pixels(
    image: Any, channel_axis: int | None, mask: Any, missing: str | None, axes: str | None = None
) -> Any:
    """Return the mask of an image for ``missing`` of :func:`jumpset.run`: where no channel is NaN, too."""
    if missing is None:
        return mask
    checks.one_of("missing", missing, ("nan",))
    if axes is not None:
        check_axes(axes, image.ndim)
        known = ~to_batch(np.isnan(np.asarray(image)), axes).any(1, keepdims=True)
    elif isinstance(image, Tensor):
        known = (~torch.isnan(image.detach()).any(1, keepdim=True)).cpu().numpy()
    else:
        flat: Any = np.isnan(np.asarray(image))
        known = ~(flat if flat.ndim == 2 or channel_axis is None else flat.any(channel_axis))[None, None]
    if mask is None:
        return known
    weights = _as_weights(mask, known.ndim)
    check_valid(weights > 0.0, known.shape)
    return known * weights


def _as_weights(mask: Any, ndim: int) -> np.ndarray:
    """Return a mask of any dtype, of images with ``ndim`` axes, as ``(B or 1, 1, *spatial)`` float64 from 0 to 1."""
    array = np.asarray(mask.detach().cpu() if hasattr(mask, "detach") else mask)
    if array.dtype.kind in "bui":
        array = (array != 0).astype(np.float64)
    if array.dtype.kind != "f":
        raise InputError(
            "mask must be bool, integers or floats", given=f"dtype {array.dtype}", do="pass image > 0, say"
        )
    if not np.isfinite(array).all() or (array < 0.0).any() or (array > 1.0).any():
        raise InputError(
            "the floats of a mask are weights from 0 to 1",
            given=f"values from {array.min():g} to {array.max():g}",
            do="pass mask > 0, where True is a valid pixel",
        )
    return (array if array.ndim >= ndim else array[None, None]).astype(np.float64)


def weights_like(given: Any, shape: tuple[int, ...], name: str, *, misfit: str, zero: str) -> np.ndarray:
    """Return an array or tensor as float64; ``InputError`` unless it has that shape and is finite and ≥ 0.

    ``misfit`` is the message for another shape, ``zero`` the advice for negative numbers.
    """
    if hasattr(given, "detach"):  # a tensor, wherever it is
        given = given.detach().cpu()
    try:
        weights = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be numbers", given=repr(given), do=f"pass {shape}") from None
    if weights.shape != shape:
        raise InputError(misfit, given=f"shape {weights.shape}", do=f"pass {shape}")
    if not np.isfinite(weights).all() or (weights < 0).any():
        least = f"values down to {weights.min():g}"
        raise InputError(f"{name} must be finite and not negative", given=least, do=zero)
    return weights
