"""Recursions along all rows or all columns of a picture: tridiagonal solves and recursive filters, in place.

Neighbouring lines go side by side, so that the processor's vector units work on several at once and a column
reads memory in order; rows are transposed in small blocks for that.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from jumpset.kernels._threads import in_bands

_LANES = 32  # lines side by side


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
        in_bands(_solve_columns, -(-width // _LANES), u, links, u.dtype.type(scale))


def solve_rows(u: np.ndarray, links: np.ndarray, scale: float) -> None:
    """The same for every row; ``links`` is ``(W − 1, H)``, transposed: to the pixel at the right."""
    _, height, width = u.shape
    if width > 1:
        in_bands(_solve_rows, -(-height // _LANES), u, links, u.dtype.type(scale))


def filter_columns(u: np.ndarray, links: np.ndarray) -> None:
    """Recursive filter down and up every column.

    ``x_i ← x_i + w_{i−1} (x_{i−1} − x_i)`` from the first i to the last, then the same backwards; ``links``
    as in :func:`solve_columns`, within [0, 1].
    """
    _, height, width = u.shape
    if height > 1:
        in_bands(_filter_columns, -(-width // _LANES), u, links)


def filter_rows(u: np.ndarray, links: np.ndarray) -> None:
    """The same for every row; ``links`` is ``(W − 1, H)``."""
    _, height, width = u.shape
    if width > 1:
        in_bands(_filter_rows, -(-height // _LANES), u, links)


def solve_lines_plain(u: np.ndarray, links: np.ndarray, scale: float) -> np.ndarray:
    """The definition of :func:`solve_columns`, as dense algebra; returns a new array."""
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
    turned = np.empty((channels, width, _LANES), u.dtype)
    for block in range(start, stop):
        first = block * _LANES
        lanes = min(_LANES, height - first)
        _turn(u, first, lanes, turned)
        _solve(turned, 0, lanes, links, first, scale, keep)
        _turn_back(turned, first, lanes, u)


@njit(cache=True, nogil=True)
def _filter_columns(start, stop, u, links):
    width = u.shape[2]
    for block in range(start, stop):
        first = block * _LANES
        _filter(u, first, min(_LANES, width - first), links, first)


@njit(cache=True, nogil=True)
def _filter_rows(start, stop, u, links):
    channels, height, width = u.shape
    turned = np.empty((channels, width, _LANES), u.dtype)
    for block in range(start, stop):
        first = block * _LANES
        lanes = min(_LANES, height - first)
        _turn(u, first, lanes, turned)
        _filter(turned, 0, lanes, links, first)
        _turn_back(turned, first, lanes, u)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _solve(u, first, lanes, links, first_link, scale, keep):
    """Elimination down the lines, then substitution back up.

    With b the link below and a the one above, ``x_i = d_i + k_i x_{i+1}``, ``k = b / (1 + b + a e)``, where
    ``e = 1 − k`` of the line above is carried as the sum of positive terms that it is.
    """
    channels, length, _ = u.shape
    one = u.dtype.type(1)
    rest = np.ones(lanes, u.dtype)
    above = np.zeros(lanes, u.dtype)
    inverse = np.empty(lanes, u.dtype)
    for y in range(length):
        factor = keep[y]
        if y + 1 < length:
            below = links[y, first_link : first_link + lanes]
            for i in range(lanes):
                b = scale * below[i]
                s = one + above[i] * rest[i]
                inverse[i] = one / (s + b)
                rest[i] = s * inverse[i]
                factor[i] = b * inverse[i]
        else:
            for i in range(lanes):
                inverse[i] = one / (one + above[i] * rest[i])
        for c in range(channels):
            row = u[c, y, first : first + lanes]
            if y == 0:
                for i in range(lanes):
                    row[i] *= inverse[i]
            else:
                before = u[c, y - 1, first : first + lanes]
                for i in range(lanes):
                    row[i] = (row[i] + above[i] * before[i]) * inverse[i]
        if y + 1 < length:
            below = links[y, first_link : first_link + lanes]
            for i in range(lanes):
                above[i] = scale * below[i]
    for y in range(length - 2, -1, -1):
        factor = keep[y]
        for c in range(channels):
            row, after = u[c, y, first : first + lanes], u[c, y + 1, first : first + lanes]
            for i in range(lanes):
                row[i] += factor[i] * after[i]


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
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
def _turn(u, first, lanes, turned):
    for c in range(u.shape[0]):
        for i in range(lanes):
            row, target = u[c, first + i], turned[c]
            for x in range(len(row)):
                target[x, i] = row[x]


@njit(cache=True, nogil=True)
def _turn_back(turned, first, lanes, u):
    for c in range(u.shape[0]):
        for i in range(lanes):
            row, source = u[c, first + i], turned[c]
            for x in range(len(row)):
                row[x] = source[x, i]
