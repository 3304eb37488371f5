"""Sums over sliding windows for any array library, without a subtraction.

Running sums (``cumulative_sum`` and a difference) would lose the digits of a dark window behind bright
pixels, and could even give negative sums of squares. Here a window consists of sums over 1, 2, 4, … pixels,
and the number of additions is logarithmic in its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.operators.differences import spatial_axes
from jumpset.operators.namespaces import lengths, namespace


def sizes_per_axis(name: str, size: int | Sequence[int], n_axes: int) -> tuple[int, ...]:
    """Return a size for each spatial axis, from one size or one per axis.

    Raises
    ------
    InputError
        If the number of sizes is not that of the axes.
    """
    if isinstance(size, int):
        return (size,) * n_axes
    if len(size) != n_axes:
        raise InputError(
            f"{name} does not match the number of spatial axes",
            given=f"{name}={tuple(size)} for {n_axes} axes",
            do="pass one whole number, or one for each axis",
        )
    return tuple(size)


def check_sizes(name: str, size: object) -> None:
    """Raise unless ``size`` is a whole number from 1, or a tuple of such numbers."""
    if isinstance(size, tuple) and size:
        for one in size:
            checks.integer(name, one, at_least=1)
    else:
        checks.integer(name, size, at_least=1)


def box_sums(x: Any, window: Sequence[int], *, transposed: bool = False) -> Any:
    """Compute the sums over the window centred on each pixel, with zeros outside; shaped like ``x``.

    A window of n pixels extends (n − 1) // 2 back and n // 2 ahead; ``transposed`` exchanges the two.
    """
    for axis, size in zip(spatial_axes(x), window, strict=True):
        length = lengths(x)[axis]
        reach = (size - 1) // 2, size // 2
        if isinstance(length, int):  # pixels beyond the border are zeros
            reach = min(reach[0], length - 1), min(reach[1], length - 1)
        back, ahead = reversed(reach) if transposed else reach
        x = window_sums(extend(x, axis, back, ahead), axis, back + ahead + 1)
    return x


def window_sums(x: Any, axis: int, size: int) -> Any:
    """Compute ``x[i] + … + x[i + size − 1]`` along an axis, for every i with the window inside."""
    places = lengths(x)[axis] - size + 1
    total, offset, partial, width = None, 0, x, 1
    while True:
        if size & width:
            part = slab(partial, axis, offset, offset + places)
            total = part if total is None else total + part
            offset += width
        if 2 * width > size:
            return total
        length = lengths(partial)[axis]
        partial = slab(partial, axis, 0, length - width) + slab(partial, axis, width, length)
        width *= 2


def extend(x: Any, axis: int, before: Any, after: Any) -> Any:
    """Append zeros at both ends of an axis: whole numbers, or scalars of TensorFlow."""
    xp, shape = namespace(x), lengths(x)
    parts = [x]
    for count, place in ((before, 0), (after, 2)):
        if not isinstance(count, int) or count:
            one = xp.zeros_like(slab(x, axis, 0, 1))
            parts.insert(place, xp.broadcast_to(one, (*shape[:axis], count, *shape[axis + 1 :])))
    return xp.concat(parts, axis=axis) if len(parts) > 1 else x


def slab(x: Any, axis: int, start: int, stop: int) -> Any:
    """Return ``x[start:stop]`` along an axis."""
    index = [slice(None)] * len(x.shape)
    index[axis] = slice(start, stop)
    return x[tuple(index)]
