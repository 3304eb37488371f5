"""The guided filter: means over square windows by running sums, and a small linear system in each pixel."""

from __future__ import annotations

import numpy as np
from numba import njit

from jumpset.kernels._threads import in_bands


def box_means(planes: np.ndarray, products: np.ndarray, radius: int) -> np.ndarray:
    """Means of planes and products of planes over the part of the ``(2 radius + 1)²`` window in the picture.

    Parameters
    ----------
    planes
        ``(P, H, W)``, contiguous.
    products
        ``(M, 2)`` int64: the two planes of each product; −1 as the second for a plane itself.
    radius
        At least 1.

    Returns
    -------
    np.ndarray
        ``(M, H, W)``.
    """
    out = np.empty((len(products), *planes.shape[1:]), planes.dtype)
    in_bands(_means, len(products), planes, products, radius, out)
    return out


def coefficients(
    guide: np.ndarray, f: np.ndarray, squares: np.ndarray, products: np.ndarray, weight: float
) -> np.ndarray:
    """The affine model ``f ≈ Σ_i a_i g_i + b`` of each window, ridge ``weight`` on a; ``((G + 1) C, H, W)``.

    Parameters
    ----------
    guide, f
        Window means of g and f, ``(G, H, W)`` and ``(C, H, W)``.
    squares
        Window means of ``g_i g_j``, i ≥ j, ``(G (G + 1) / 2, H, W)``.
    products
        Window means of ``f_c g_i``, ``(C G, H, W)``.
    weight
        Positive.
    """
    out = np.empty(((len(guide) + 1) * len(f), *guide.shape[1:]), guide.dtype)
    in_bands(_solve_rows, guide.shape[1], guide, squares, f, products, weight, out)
    return out


@njit(cache=True, nogil=True)
def _means(start, stop, planes, products, radius, out):
    """Running sums in double precision, along each row as it enters and then down the columns."""
    _, height, width = planes.shape
    sums = np.empty((height, width), planes.dtype)
    row, totals, share = np.empty(width), np.empty(width), np.empty(width)
    for x in range(width):
        share[x] = 1.0 / (min(x + radius, width - 1) - max(x - radius, 0) + 1)
    for m in range(start, stop):
        first, second = products[m]
        totals[:] = 0.0
        for entering in range(height + radius):
            if entering < height:
                row[:] = planes[first, entering]
                if second >= 0:
                    row *= planes[second, entering]
                _window_sums(row, radius, sums[entering])
                totals += sums[entering]
            y = entering - radius
            if y >= 0:
                target = out[m, y]
                rows = 1.0 / (min(entering, height - 1) - max(y - radius, 0) + 1)
                for x in range(width):
                    target[x] = totals[x] * share[x] * rows
                if y >= radius:
                    totals -= sums[y - radius]


@njit(cache=True, nogil=True)
def _window_sums(row, radius, out):
    """Sums of a row over the window. What enters and leaves is prepared first: only one sum must wait."""
    width = len(row)
    steps = np.zeros(width)
    ahead = max(width - radius, 0)
    for x in range(1, ahead):
        steps[x] = row[x + radius]
    for x in range(radius + 1, width):
        steps[x] -= row[x - radius - 1]
    total = row[: radius + 1].sum()
    out[0] = total
    for x in range(1, width):
        total += steps[x]
        out[x] = total


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _solve_rows(start, stop, guide, squares, f, products, weight, out):
    """(cov(g) + weight) a = cov(g, f) by a Cholesky factor in each pixel, then b = mean f − a · mean g.

    The pixels of a row go side by side: factor and a are rows of double precision.
    """
    bands, channels, width = len(guide), len(f), guide.shape[2]
    factor, a = np.empty((bands, bands, width)), np.empty((bands, width))
    for y in range(start, stop):
        k = 0
        for i in range(bands):
            for j in range(i + 1):
                value, mean, other, square = factor[i, j], guide[i, y], guide[j, y], squares[k, y]
                k += 1
                for x in range(width):
                    value[x] = square[x] - mean[x] * other[x]
                if i == j:
                    for x in range(width):
                        value[x] = max(value[x], 0.0) + weight
                for m in range(j):
                    _subtract(value, factor[i, m], factor[j, m])
                if i == j:  # rounding may leave less than the ridge, which the exact pivot never is
                    for x in range(width):
                        value[x] = 1.0 / np.sqrt(max(value[x], weight))
                else:
                    value *= factor[j, j]
        for c in range(channels):
            b, level = out[c * (bands + 1) + bands, y], f[c, y]
            for i in range(bands):
                value, mean, product = a[i], guide[i, y], products[c * bands + i, y]
                for x in range(width):
                    value[x] = product[x] - level[x] * mean[x]
                for m in range(i):
                    _subtract(value, factor[i, m], a[m])
                value *= factor[i, i]
            b[:] = level
            for i in range(bands - 1, -1, -1):
                value = a[i]
                for m in range(i + 1, bands):
                    _subtract(value, factor[m, i], a[m])
                value *= factor[i, i]
                _subtract(b, value, guide[i, y])
                out[c * (bands + 1) + i, y] = value


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _subtract(value, p, q):
    for x in range(len(value)):
        value[x] -= p[x] * q[x]
