"""Finite differences for any array library and number of spatial axes, with Neumann borders.

The spatial axes of ``(B, C, *spatial)`` are 2, 3, …; a difference that would leave the image, or involves a
pixel outside the mask, is zero.
"""

from __future__ import annotations

from typing import Any

from jumpset.operators.namespaces import namespace


def spatial_axes(x: Any) -> range:
    """Return the axes after batch and channels."""
    return range(2, len(x.shape))


def forward(x: Any, axis: int, mask: Any = None) -> Any:
    """Return ``x[i + 1] − x[i]`` along an axis, zero at the last index; shaped like ``x``."""
    return shifted_difference(x, {axis: 1}, mask)


def around(x: Any, axis: int, mask: Any = None) -> Any:
    """Return ``x[i + 1] − x[i]`` along an axis on which the first pixel follows the last one."""
    xp = namespace(x)
    first, rest = [slice(None)] * len(x.shape), [slice(None)] * len(x.shape)
    first[axis], rest[axis] = slice(0, 1), slice(1, None)
    following = lambda a: xp.concat([a[tuple(rest)], a[tuple(first)]], axis=axis)  # noqa: E731
    difference = following(x) - x
    if mask is None:
        return difference
    mask = mask & (xp.ones_like(x) > 0)
    return xp.where(following(mask) & mask, difference, xp.zeros_like(difference))


def shifted_difference(x: Any, shift: dict[int, int], mask: Any = None) -> Any:
    """Return ``x[p + shift] − x[p]``, zero where ``p + shift`` lies outside; shaped like ``x``.

    Parameters
    ----------
    x
        ``(B, C, *spatial)``.
    shift
        +1 or −1 for each axis, e.g. ``{2: 1, 3: -1}`` for the neighbour below and to the left.
    mask
        Optional bool array that broadcasts to x.
    """
    xp = namespace(x)
    everything = [slice(None)] * len(x.shape)
    here, there = list(everything), list(everything)
    for axis, offset in shift.items():
        here[axis], there[axis] = (slice(None, -1), slice(1, None))[::offset]  # reversed for −1
    difference = x[tuple(there)] - x[tuple(here)]
    if mask is not None:
        mask = mask & (xp.ones_like(x) > 0)  # broadcasts without a static shape
        inside = mask[tuple(there)] & mask[tuple(here)]
        difference = xp.where(inside, difference, xp.zeros_like(difference))
    axes = list(shift)
    for k in reversed(range(len(axes))):  # restore the slabs that were cut off, as zeros, the last one first
        slab = list(everything)
        for cut in axes[:k]:
            slab[cut] = here[cut]
        slab[axes[k]] = slice(0, 1)
        zeros = xp.zeros_like(x[tuple(slab)])
        parts = [difference, zeros] if shift[axes[k]] > 0 else [zeros, difference]
        difference = xp.concat(parts, axis=axes[k])
    return difference


def second(x: Any, axis: int, other: int, mask: Any = None) -> Any:
    """Return the second difference along two axes, zero if one of its pixels is outside; shaped like ``x``.

    ``x[i+1] − 2 x[i] + x[i−1]`` if both axes are the same, else
    ``x[i+1, j+1] − x[i+1, j] − x[i, j+1] + x[i, j]``.
    """
    first = forward(x, axis, mask)
    complete = _has_next(x, axis, mask)  # where the first difference lies inside
    if axis == other:
        return -shifted_difference(first, {axis: -1}, complete)
    return forward(first, other, complete)


def _has_next(x: Any, axis: int, mask: Any) -> Any:
    """Return a bool map: the pixel and its neighbour along the axis both lie inside image and mask."""
    xp = namespace(x)
    inside = xp.ones_like(x) > 0
    if mask is not None:
        inside = inside & mask
    here, there, last = (
        [slice(None)] * len(x.shape),
        [slice(None)] * len(x.shape),
        [slice(None)] * len(x.shape),
    )
    here[axis], there[axis], last[axis] = slice(None, -1), slice(1, None), slice(-1, None)
    outside = inside[tuple(last)] & ~inside[tuple(last)]
    return xp.concat([inside[tuple(here)] & inside[tuple(there)], outside], axis=axis)
