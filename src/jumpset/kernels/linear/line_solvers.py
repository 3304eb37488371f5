"""Recursions along all rows or all columns of an image: tridiagonal solves and recursive filters, in place.

Adjacent lines are processed together, so that the processor's vector units work on several at once and
columns are read in the order of memory; rows are transposed in blocks that fit into the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

_LANES = 128  # lines that are processed together
_STRIP = 256  # samples of eight rows that are transposed at a time
# NumPy's error model has no branch for division by zero, which would prevent vectorisation.
_FAST: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz"},
}


def solve_columns(u: np.ndarray, links: np.ndarray, scale: float) -> None:
    """Replace every column by the solution of ``(I + scale · L) x = column``.

    L is the Laplacian of the chain: ``(L x)_i = w_i (x_i − x_{i+1}) + w_{i−1} (x_i − x_{i−1})``. Every term
    of the elimination is positive, so nothing cancels however large ``scale`` is.

    Parameters
    ----------
    u
        ``(C, H, W)``, contiguous; the channels share the links.
    links
        ``(H − 1, W)``: w, at least 0, from each pixel to the one below.
    scale
        At least 0.
    """
    _, height, width = u.shape
    if height > 1:
        parallel_rows(_solve_columns, -(-width // _LANES), u, links, u.dtype.type(scale))


def solve_rows(u: np.ndarray, links: np.ndarray, scale: float) -> None:
    """Solve every row like :func:`solve_columns`; ``links`` is ``(W − 1, H)``, to the right pixel."""
    _, height, width = u.shape
    if width > 1:
        parallel_rows(_solve_rows, -(-height // _LANES), u, links, u.dtype.type(scale))


def filter_columns(u: np.ndarray, links: np.ndarray) -> None:
    """Apply a recursive filter down and up every column.

    ``x_i ← x_i + w_{i−1} (x_{i−1} − x_i)`` from the first i to the last, then the same backwards; ``links``
    as in :func:`solve_columns`, within [0, 1].
    """
    _, height, width = u.shape
    if height > 1:
        parallel_rows(_filter_columns, -(-width // _LANES), u, links)


def filter_rows(u: np.ndarray, links: np.ndarray) -> None:
    """Filter every row like :func:`filter_columns`; ``links`` is ``(W − 1, H)``."""
    _, height, width = u.shape
    if width > 1:
        parallel_rows(_filter_rows, -(-height // _LANES), u, links)


def arrange_links(links: Sequence[Tensor]) -> tuple[np.ndarray, ...]:
    """Return weights of edges ``(B, *spatial)``, the last axis first, as arrays ``(B, n, lines)``."""
    ndim = links[0].ndim - 1
    axes = (ndim - k for k in range(ndim))
    lines = (w.movedim(axis, 1) for w, axis in zip(links, axes, strict=True))
    return tuple((w.flatten(2) if ndim > 1 else w[..., None]).contiguous().numpy() for w in lines)


def sweep_axes(
    u: np.ndarray,
    links: Sequence[np.ndarray],
    rows: Callable[..., None],
    columns: Callable[..., None],
    factors: Sequence[float] = (),
) -> None:
    """Apply a recursion of this module along every axis of ``(C, *spatial)`` in turn, the last axis first.

    ``links`` are those of :func:`arrange_links`, ``rows`` and ``columns`` e.g. :func:`solve_rows` and
    :func:`solve_columns`; ``factors`` are their last argument for each axis, if they have one.
    """
    channels, last = len(u), u.ndim - 1
    for k, link in enumerate(links):
        scale = factors[k : k + 1]
        if k == 0:
            rows(u.reshape(channels, -1, u.shape[-1]), link, *scale)
            continue
        moved = np.moveaxis(u, last - k, 1)
        lines = np.ascontiguousarray(moved).reshape(channels, moved.shape[1], -1)
        columns(lines, link, *scale)
        if not np.shares_memory(lines, u):
            moved[:] = lines.reshape(moved.shape)


def solve_lines_plain(u: np.ndarray, links: np.ndarray, scale: float) -> np.ndarray:
    """Solve by dense matrices: the definition of :func:`solve_columns`; return a new array."""
    out = np.empty_like(u)
    for x in range(u.shape[2]):
        difference = np.diff(np.eye(u.shape[1]), axis=0)
        matrix = np.eye(u.shape[1]) + scale * difference.T @ (links[:, x, None] * difference)
        out[:, :, x] = np.linalg.solve(matrix, u[:, :, x].T).T
    return out


@njit(cache=True, nogil=True)
def _solve_columns(start, stop, u, links, scale):
    width = u.shape[2]
    keep = np.empty((u.shape[1], _LANES), u.dtype)
    for block in range(start, stop):
        first = block * _LANES
        _solve(u, first, min(_LANES, width - first), links, first, scale, keep)


@njit(cache=True, nogil=True)
def _solve_rows(start, stop, u, links, scale):
    channels, height, width = u.shape
    keep = np.empty((width, _LANES), u.dtype)
    transposed = np.empty((channels, width, _LANES), u.dtype)
    for block in range(start, stop):
        first = block * _LANES
        lanes = min(_LANES, height - first)
        _transpose(u, first, lanes, transposed)
        _solve(transposed, 0, lanes, links, first, scale, keep)
        _transpose_back(transposed, first, lanes, u)


@njit(cache=True, nogil=True)
def _filter_columns(start, stop, u, links):
    width = u.shape[2]
    for block in range(start, stop):
        first = block * _LANES
        _filter(u, first, min(_LANES, width - first), links, first)


@njit(cache=True, nogil=True)
def _filter_rows(start, stop, u, links):
    channels, height, width = u.shape
    transposed = np.empty((channels, width, _LANES), u.dtype)
    for block in range(start, stop):
        first = block * _LANES
        lanes = min(_LANES, height - first)
        _transpose(u, first, lanes, transposed)
        _filter(transposed, 0, lanes, links, first)
        _transpose_back(transposed, first, lanes, u)


@njit(**_FAST)
def _solve(u, first, lanes, links, first_link, scale, keep):
    """Eliminate down the lines, then substitute back up.

    With b the link below and a the link above, ``x_i = d_i + k_i x_{i+1}``, ``k = b / (1 + b + a e)``, where
    ``e = 1 − k`` of the line above is computed as a sum of positive terms. Each loop uses few arrays, since
    the compiler vectorises it only if it can check cheaply that they do not overlap.
    """
    channels, length, _ = u.shape
    one = u.dtype.type(1)
    rest = np.ones(lanes, u.dtype)
    inverse = np.empty(lanes, u.dtype)
    for y in range(length):
        if y > 0:
            above = links[y - 1, first_link : first_link + lanes]
            for i in range(lanes):
                rest[i] = one + scale * above[i] * rest[i]
        if y + 1 < length:
            below, factor = links[y, first_link : first_link + lanes], keep[y]
            for i in range(lanes):
                b = scale * below[i]
                inverse[i] = one / (rest[i] + b)
                rest[i] *= inverse[i]
                factor[i] = b * inverse[i]
        else:
            for i in range(lanes):
                inverse[i] = one / rest[i]
        for c in range(channels):
            row = u[c, y, first : first + lanes]
            if y == 0:
                for i in range(lanes):
                    row[i] *= inverse[i]
            else:
                above = links[y - 1, first_link : first_link + lanes]
                before = u[c, y - 1, first : first + lanes]
                for i in range(lanes):
                    row[i] = (row[i] + scale * above[i] * before[i]) * inverse[i]
    for y in range(length - 2, -1, -1):
        factor = keep[y]
        for c in range(channels):
            row, after = u[c, y, first : first + lanes], u[c, y + 1, first : first + lanes]
            for i in range(lanes):
                row[i] += factor[i] * after[i]


@njit(**_FAST)
def _filter(u, first, lanes, links, first_link):
    channels, length, _ = u.shape
    for y in range(1, length):
        w = links[y - 1, first_link : first_link + lanes]
        for c in range(channels):
            row, before = u[c, y, first : first + lanes], u[c, y - 1, first : first + lanes]
            for i in range(lanes):
                row[i] += w[i] * (before[i] - row[i])
    for y in range(length - 2, -1, -1):
        w = links[y, first_link : first_link + lanes]
        for c in range(channels):
            row, after = u[c, y, first : first + lanes], u[c, y + 1, first : first + lanes]
            for i in range(lanes):
                row[i] += w[i] * (after[i] - row[i])


@njit(cache=True, nogil=True)
def _transpose(u, first, lanes, transposed):
    """Transpose rows ``first`` … of u to columns, eight at a time, which compiles to vector shuffles."""
    width = u.shape[2]
    strip = np.empty(8 * _STRIP, u.dtype)
    for c in range(u.shape[0]):
        source, target = u[c], transposed[c]
        for k in range(0, lanes - 7, 8):
            for left in range(0, width, _STRIP):
                right = min(left + _STRIP, width)
                _interleave(source, first + k, left, right, strip)
                for x in range(left, right):
                    _copy_eight(strip[8 * (x - left) : 8 * (x - left) + 8], target[x, k : k + 8])
        for i in range(lanes // 8 * 8, lanes):
            row = source[first + i]
            for x in range(width):
                target[x, i] = row[x]


@njit(cache=True, nogil=True)
def _transpose_back(transposed, first, lanes, u):
    width = u.shape[2]
    strip = np.empty(8 * _STRIP, u.dtype)
    for c in range(u.shape[0]):
        source, target = transposed[c], u[c]
        for k in range(0, lanes - 7, 8):
            for left in range(0, width, _STRIP):
                right = min(left + _STRIP, width)
                for x in range(left, right):
                    _copy_eight(source[x, k : k + 8], strip[8 * (x - left) : 8 * (x - left) + 8])
                _deinterleave(strip, target, first + k, left, right)
        for i in range(lanes // 8 * 8, lanes):
            row = target[first + i]
            for x in range(width):
                row[x] = source[x, i]


@njit(cache=True, nogil=True)
def _eight_rows(plane, top, left, right):
    return (
        plane[top][left:right],
        plane[top + 1][left:right],
        plane[top + 2][left:right],
        plane[top + 3][left:right],
        plane[top + 4][left:right],
        plane[top + 5][left:right],
        plane[top + 6][left:right],
        plane[top + 7][left:right],
    )


@njit(cache=True, nogil=True)
def _interleave(plane, top, left, right, strip):
    """Set ``strip[8 x + k] = plane[top + k, left + x]``."""
    r0, r1, r2, r3, r4, r5, r6, r7 = _eight_rows(plane, top, left, right)
    for x in range(right - left):
        strip[8 * x] = r0[x]
        strip[8 * x + 1] = r1[x]
        strip[8 * x + 2] = r2[x]
        strip[8 * x + 3] = r3[x]
        strip[8 * x + 4] = r4[x]
        strip[8 * x + 5] = r5[x]
        strip[8 * x + 6] = r6[x]
        strip[8 * x + 7] = r7[x]


@njit(cache=True, nogil=True)
def _deinterleave(strip, plane, top, left, right):
    """Set ``plane[top + k, left + x] = strip[8 x + k]``."""
    r0, r1, r2, r3, r4, r5, r6, r7 = _eight_rows(plane, top, left, right)
    for x in range(right - left):
        r0[x] = strip[8 * x]
        r1[x] = strip[8 * x + 1]
        r2[x] = strip[8 * x + 2]
        r3[x] = strip[8 * x + 3]
        r4[x] = strip[8 * x + 4]
        r5[x] = strip[8 * x + 5]
        r6[x] = strip[8 * x + 6]
        r7[x] = strip[8 * x + 7]


@njit(cache=True, nogil=True, inline="always")
def _copy_eight(p, q):
    """Copy eight values, all read before any is written, so that they compile to one vector."""
    p0, p1, p2, p3, p4, p5, p6, p7 = p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]
    q[0], q[1], q[2], q[3] = p0, p1, p2, p3
    q[4], q[5], q[6], q[7] = p4, p5, p6, p7
