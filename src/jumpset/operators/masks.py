"""Masks and weight maps in the layout and the library of the images that they belong to."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset._core.errors import InputError
from jumpset.operators.images import channels_to_front
from jumpset.operators.namespaces import is_of_tensorflow, lengths, namespace
from jumpset.operators.precision import at_least_single


def as_mask(mask: Any, x: Any, channel_axis: int | None = None) -> Any:
    """Return ``mask != 0`` as a bool array of the library and device of ``x``, with as many axes.

    Parameters
    ----------
    mask
        An array, tensor or nested list that broadcasts to the images as they were given: bools, or numbers of
        which those that are not 0 are inside. None stays None.
    x
        ``(B, C, *spatial)``, the images, already in this layout.
    channel_axis
        The layout in which the images were given.

    Raises
    ------
    InputError
        Something else than numbers, or a shape that does not broadcast to the images.
    """
    if mask is None:
        return None
    mask = _spread(_as_array(mask, "mask"), x, "mask", channel_axis)
    if isinstance(mask, np.ndarray):  # before the conversion: torch cannot compare all dtypes of NumPy
        return _like(mask != 0, x)
    mask = mask.to(torch.bool) if isinstance(mask, Tensor) else namespace(mask).astype(mask, "bool")
    return _like(mask, x)


def as_weight_map(weight_map: Any, x: Any, channel_axis: int | None = None) -> Any:
    """Return a weight map as a real array of the library and device of ``x``; see :func:`as_mask`."""
    if weight_map is None:
        return None
    weight_map = _spread(_as_array(weight_map, "weight_map"), x, "weight_map", channel_axis)
    weight_map = _like(weight_map, x)
    if is_of_tensorflow(x):  # which multiplies arrays of one dtype only
        return namespace(x).astype(weight_map, at_least_single(x).dtype)
    return weight_map


def as_edge_weights(edge_weights: Any, x: Any) -> Any:
    """Return weights of edges ``(D, *spatial)`` or ``(B, D, *spatial)`` as ``(B or 1, D, 1, *spatial)``.

    They become a real array of the library and device of the images ``x``, ``(B, C, *spatial)``.
    """
    if edge_weights is None:
        return None
    given = _as_array(edge_weights, "edge_weights")
    shape, target = tuple(given.shape), tuple(x.shape)
    axes = len(target) - 2
    wanted = (axes, *target[2:])
    if shape != wanted and not (
        len(shape) == axes + 2 and shape[0] in (1, target[0]) and shape[1:] == wanted
    ):
        raise InputError(
            "edge_weights has one map per spatial axis",
            given=f"shape {shape} for images (B, C, *spatial) of shape {target}",
            do=f"pass (D, *spatial), {wanted}: the weight of the edge from each pixel to the next one",
        )
    weights = _like(given[None] if len(shape) == axes + 1 else given, x)[:, :, None]
    if is_of_tensorflow(x):
        return namespace(x).astype(weights, at_least_single(x).dtype)
    return weights


def count_pixels(mask: Any, x: Any) -> Any:
    """Return the number of pixels of each mask of :func:`as_mask`, averaged over the channels, at least 1.

    It is computed in float32 at least: a float16 ends at 65 504.

    Returns
    -------
    array ``(B,)``, or ``(1,)`` if all images share one mask
    """
    xp = namespace(x)
    inside = xp.astype(mask, xp.float32 if at_least_single(x) is not x else x.dtype)
    counted = xp.sum(inside, axis=tuple(range(1, len(x.shape))))
    whole, own = lengths(x), lengths(mask)
    counted = counted * _as_float(prod(whole[2:]) / (prod(own[2:]) * own[1]), counted)
    return xp.maximum(counted, xp.ones_like(counted))  # an empty mask gives 0 / 1


def all_pixels(x: Any) -> Any:
    """Return the number of pixels of an image, as a number, or as a scalar of the library."""
    pixels = prod(lengths(x)[2:])
    return float(pixels) if isinstance(pixels, int) else _as_float(pixels, at_least_single(x))


def _as_float(number: Any, like: Any) -> Any:
    return namespace(like).astype(number, like.dtype) if is_of_tensorflow(number) else number


def _as_array(given: Any, name: str) -> Any:
    """Return an array of any library whose entries are real numbers."""
    if not isinstance(given, Tensor) and not hasattr(given, "shape"):
        try:
            given = np.asarray(given)
        except ValueError:
            raise InputError(f"{name} is no array", given=type(given).__name__, do="pass an array") from None
    dtype = str(given.dtype) if isinstance(given, Tensor) else given.dtype.name
    if not dtype.removeprefix("torch.").startswith(("bool", "int", "uint", "float", "bfloat")):
        raise InputError(f"{name} has no real numbers", given=dtype, do="pass bools or real numbers")
    return given


def _spread(given: Any, x: Any, name: str, channel_axis: int | None) -> Any:
    """Return ``given`` with the axes of ``x``, in its layout; raise unless it broadcasts to ``x``."""
    shape, target = tuple(given.shape), tuple(x.shape)
    if len(shape) <= len(target):
        given = given[(None,) * (len(target) - len(shape))]
        if channel_axis:  # 0: the images were one image, and the new axis B is already the first one
            given = channels_to_front(given, channel_axis)
        if all(n == 1 or None in (n, m) or n == m for n, m in zip(given.shape, target, strict=True)):
            return given
    raise InputError(
        f"{name} does not fit the images",
        given=f"shape {shape} for images (B, C, *spatial) of shape {target}",
        do=f"pass a shape that broadcasts to theirs, such as {(1, 1, *target[2:])}",
    )


def _like(given: Any, x: Any) -> Any:
    """Return an array of the library and device of ``x``."""
    if isinstance(x, Tensor):
        if not isinstance(given, Tensor):
            given = torch.from_numpy(np.array(given))  # a copy: torch warns of memory that is read-only
        return given.to(x.device)
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    if isinstance(x, np.ndarray):
        return np.asarray(given)
    xp = namespace(x)
    return given if type(given) is type(x) else xp.asarray(given)
