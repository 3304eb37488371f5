"""The guided filter: means over square windows, and a small linear system in each pixel.

Window sums along a row are computed by doubling: sums of 2, 4, 8 … samples from sums of half as many, and the
window sum from the sums that the binary digits of its length select. Unlike in a running sum, no sample
depends on the previous one. Down the columns a running sum in double precision processes all columns
together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jumpset.kernels import buffers
from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

# NumPy's error model has no branch for division by zero, which would prevent vectorisation.
_FAST: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz"},
}


def box_means(planes: np.ndarray, products: np.ndarray, radii: tuple[int, ...]) -> np.ndarray:
    """Return means of planes and of products of planes over windows, cut at the border.

    Parameters
    ----------
    planes
        ``(P, D, H, W)``, contiguous.
    products
        ``(M, 2)`` int64: the two planes of each product; −1 as the second for the plane alone.
    radii
        Of the windows along z, y and x.

    Returns
    -------
    np.ndarray
        ``(M, D, H, W)``.
    """
    _, depth, height, width = planes.shape
    slices = planes.reshape(-1, height, width)
    pairs = products[:, None, :]
    each = np.where(pairs < 0, -1, depth * pairs + np.arange(depth)[:, None]).reshape(-1, 2)
    out = buffers.empty((len(products), *planes.shape[1:]), planes.dtype).numpy()
    parallel_rows(_means, len(each), slices, each, radii[1], radii[2], out.reshape(-1, height, width))
    if radii[0] == 0 or depth == 1:
        return out
    lines, alone = out.reshape(len(out), depth, -1), np.array([(m, -1) for m in range(len(out))])
    total = buffers.empty(out.shape, out.dtype).numpy()
    parallel_rows(_means, len(out), lines, alone, radii[0], 0, total.reshape(lines.shape))
    return total


def coefficients(
    guide: np.ndarray,
    f: np.ndarray,
    squares: np.ndarray,
    products: np.ndarray,
    which: np.ndarray,
    weight: float,
) -> np.ndarray:
    """Return the model ``f ≈ Σ_i a_i g_i + b`` of each window, ridge ``weight`` on a, ``((G + 1) C, H, W)``.

    Parameters
    ----------
    guide, f
        Window means of g and f, ``(G, H, W)`` and ``(C, H, W)``.
    squares
        Window means of ``g_i g_j``, i ≥ j, ``(G (G + 1) / 2, H, W)``.
    products, which
        Window means of ``f_c g_i``, and the index of each pair among them, ``(C, G)`` int64.
    weight
        Positive.
    """
    out = buffers.empty(((len(guide) + 1) * len(f), *guide.shape[1:]), guide.dtype).numpy()
    parallel_rows(_solve_rows, guide.shape[1], guide, squares, f, products, which, weight, out)
    return out


def apply_models(models: np.ndarray, guide: np.ndarray, out: np.ndarray) -> None:
    """Add ``Σ_i a_ci g_i + b_c`` to out_c, for models ``((G + 1) C, H, W)`` and guide ``(G, H, W)``."""
    parallel_rows(_apply_rows, guide.shape[1], models, guide, out, least=16)


@njit(**_FAST)
def _means(start, stop, planes, products, tall, wide, out):
    """Sum windows along each row that enters, and sum these down the columns until the row leaves."""
    _, height, width = planes.shape
    across, down = min(wide, width - 1), min(tall, height - 1)
    # one row more than the window has, since the leaving row is subtracted after the entering row is computed
    sums, nothing = np.empty((2 * down + 2, width), planes.dtype), np.zeros(width, planes.dtype)
    padded, spare = np.zeros(width + 2 * across, planes.dtype), np.empty(width + 2 * across, planes.dtype)
    totals, share = np.empty(width), np.empty(width)
    for x in range(width):
        share[x] = 1.0 / (min(x + wide, width - 1) - max(x - wide, 0) + 1)
    for m in range(start, stop):
        first, second = products[m]
        totals[:] = 0.0
        for entering in range(height + down):
            new = nothing
            if entering < height:
                new = sums[entering % len(sums)]
                padded[:across] = 0.0
                padded[across + width :] = 0.0
                row, source = padded[across : across + width], planes[first, entering]
                if second >= 0:
                    other = planes[second, entering]
                    for x in range(width):
                        row[x] = source[x] * other[x]
                else:
                    row[:] = source
                _window_sums(padded, spare, across, new)
            y = entering - down
            if y < 0:
                for x in range(width):
                    totals[x] += new[x]
                continue
            old = sums[(y - tall - 1) % len(sums)] if y > tall else nothing
            rows = 1.0 / (min(y + tall, height - 1) - max(y - tall, 0) + 1)
            target = out[m, y]
            for x in range(width):
                total = totals[x] + new[x] - old[x]
                totals[x] = total
                target[x] = total * share[x] * rows


@njit(**_FAST)
def _window_sums(padded, spare, radius, out):
    """Set ``out[x] = padded[x] + … + padded[x + 2 radius]``; ``padded`` and ``spare`` are overwritten."""
    width, count = len(out), 2 * radius + 1
    length, size, offset = len(padded), 1, 0  # padded[x] is the sum of ``size`` samples from x on
    out[:] = 0.0
    while True:
        if count & size:
            part = padded[offset : offset + width]
            for x in range(width):
                out[x] += part[x]
            offset += size
        if 2 * size > count:
            break
        length -= size
        ahead = padded[size : size + length]
        for x in range(length):
            spare[x] = padded[x] + ahead[x]
        padded, spare = spare, padded
        size *= 2


@njit(**_FAST)
def _solve_rows(start, stop, guide, squares, f, products, which, weight, out):
    """Solve (cov(g) + weight) a = cov(g, f) by a Cholesky factor in each pixel; set b = mean f − a · mean g.

    The pixels of a row are processed together: the factor and a are rows in double precision.
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
                if i == j:  # the exact pivot is at least the ridge, but rounding may make it smaller
                    for x in range(width):
                        value[x] = 1.0 / np.sqrt(max(value[x], weight))
                else:
                    value *= factor[j, j]
        for c in range(channels):
            b, level = out[c * (bands + 1) + bands, y], f[c, y]
            for i in range(bands):
                value, mean, product = a[i], guide[i, y], products[which[c, i], y]
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


@njit(**_FAST)
def _apply_rows(start, stop, models, guide, out):
    bands, width = len(guide), guide.shape[2]
    for y in range(start, stop):
        for c in range(len(out)):
            target, b = out[c, y], models[c * (bands + 1) + bands, y]
            for x in range(width):
                target[x] += b[x]
            for i in range(bands):
                a, g = models[c * (bands + 1) + i, y], guide[i, y]
                for x in range(width):
                    target[x] += a[x] * g[x]


@njit(**_FAST)
def _subtract(value, p, q):
    for x in range(len(value)):
        value[x] -= p[x] * q[x]
