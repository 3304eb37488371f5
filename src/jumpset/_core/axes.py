"""The names of an array's axes: t for a batch of images, c for channels, z, y and x in space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from torch import Tensor

from jumpset._core.errors import InputError

_ORDER = "tczyx"  # of the axes of a ``(B, C, *spatial)`` tensor
_SPACES = ("x", "yx", "zyx")
Array = TypeVar("Array")


def check_axes(axes: Any, ndim: int, name: str = "axes") -> str:
    """Return the names of the axes of an array; raise unless there is one for each axis.

    Raises
    ------
    InputError
        The names are not distinct letters out of t, c, z, y and x, do not end space at x, or are not as many
        as the array has axes.
    """
    is_text = isinstance(axes, str)
    if not is_text or len(set(axes)) != len(axes) or set(axes) - set(_ORDER) or spatial(axes) not in _SPACES:
        raise InputError(
            f"{name} names each axis by one letter: t for a batch, c for channels, z, y, x in space",
            given=repr(axes),
            do="pass e.g. 'yx', 'yxc', 'tyx' for separate images, 'zyx' for a volume, or 'tzyxc'",
        )
    if len(axes) != ndim:
        raise InputError(
            f"{name} has one letter for each axis of the array",
            given=f"{axes!r} for {ndim} axes",
            do=f"pass {ndim} letters out of t, c, z, y, x",
        )
    return axes


def spatial(axes: str) -> str:
    """Return the names of the spatial axes, in the order of a tensor: 'yx' for 'xyc'."""
    return "".join(name for name in _ORDER[2:] if name in axes)


def axes_of(ndim: int, axes: str | None, channel_axis: int | None) -> str | None:
    """Return the names of the axes of an array: those given, or those of an image; None where it has none.

    An image is ``(H, W)``, or ``(H, W, C)`` with ``channel_axis``.

    Raises
    ------
    InputError
        ``axes`` that do not fit the array, or given together with a ``channel_axis``.
    """
    if axes is not None:
        names = check_axes(axes, ndim)
        if channel_axis != -1:
            raise InputError(
                "axes says where the channels are",
                given=f"axes={axes!r} and channel_axis={channel_axis}",
                do="pass axes alone, with the letter c",
            )
        return names
    is_image = ndim == 2 or (ndim == 3 and channel_axis is not None and -3 <= channel_axis < 3)
    return names_of(ndim, channel_axis) if is_image else None


def names_of(ndim: int, channel_axis: int | None) -> str:
    """Return the names of the axes of a NumPy image, ``(H, W)``, or ``(H, W, C)`` with ``channel_axis``."""
    if ndim == 2:
        return "yx"
    names = ["y", "x"]
    names.insert(channel_axis % 3, "c")  # type: ignore[operator]
    return "".join(names)


def to_batch(array: Array, axes: str) -> Array:
    """Return a view ``(B, C, *spatial)`` of an array or tensor with these axes."""
    present = [name for name in _ORDER if name in axes]
    view = _permuted(array, [axes.index(name) for name in present])
    return view[tuple(slice(None) if name in axes else None for name in "tc" + spatial(axes))]


def from_batch(batch: Any, axes: str) -> Any:
    """Return a view of ``(B, C, *spatial)`` with these axes; channels come last if ``axes`` has no place."""
    if batch.ndim != 2 + len(spatial(axes)):  # the image of an operator whose data are in another space
        first = batch[0]
        return first[0] if len(first) == 1 else _permuted(first, [*range(1, first.ndim), 0])
    if "t" not in axes:
        batch = batch[0]
    if "c" not in axes:
        if batch.shape["t" in axes] == 1:
            batch = batch[:, 0] if "t" in axes else batch[0]
        else:
            axes += "c"
    present = [name for name in _ORDER if name in axes]
    return _permuted(batch, [present.index(name) for name in axes])


def like(axes: str, shape: Sequence[int], other: Any) -> str | None:
    """Return the axes of an array that belongs to an image, but may lack t or c, or have c as its last axis.

    The image has ``axes`` and ``shape``. None: no such axes fit the shape of ``other``.
    """
    size = dict(zip(axes, shape, strict=True))
    short = axes.replace("c", "")
    for names in (axes, short, axes.replace("t", ""), short.replace("t", ""), short + "c"):
        fits = len(names) == other.ndim
        if fits and all(name == "c" or other.shape[k] == size[name] for k, name in enumerate(names)):
            return names
    return None


def _permuted(array: Any, order: list[int]) -> Any:
    return array.permute(order) if isinstance(array, Tensor) else array.transpose(order)
