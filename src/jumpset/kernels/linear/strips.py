"""Weighted least squares on overlapping strips of rows, each of which is one banded system."""

from __future__ import annotations

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows


def smooth_strips(
    u: np.ndarray, guide: np.ndarray, radius: int, weight: float, exponent: float, delta: float
) -> np.ndarray:
    """Smooth strips of ``2 radius + 1`` rows, one every ``radius + 1``, and average them where two overlap.

    A strip is one line of samples, column by column, alternately down and up. Each sample is linked to the
    next ``radius`` samples with ``w = weight · exp(−d² / 2 radius²) / (‖g_p − g_q‖^exponent + delta)``, d
    being the distance in the image, and ``(I + L) x = strip`` is solved by exact elimination in double
    precision.

    Parameters
    ----------
    u, guide
        ``(C, H, W)`` and ``(C', H, W)``, contiguous.
    radius
        At least 1.
    weight, exponent, delta
        As above; delta is positive.

    Returns
    -------
    np.ndarray
        Shaped like ``u``.
    """
    channels, height, width = u.shape
    step = radius + 1
    count = max(1, -(-(height - radius) // step))  # the last one ends at or beyond the last row
    # strips of one parity do not overlap, so they may be written in parallel
    layers = np.zeros((2, channels, height, width), u.dtype)
    settings = radius, weight, 0.5 * exponent, delta
    parallel_rows(_strips, count, u, guide, *settings, layers)
    covered = np.zeros(height, np.int64)
    for k in range(count):
        covered[k * step : k * step + 2 * radius + 1] += 1
    return np.add(layers[0], layers[1], out=layers[0]) / covered[:, None].astype(u.dtype)


@njit(cache=True, nogil=True)
def _strips(start, stop, u, guide, radius, weight, half, delta, layers):
    channels, height, width = u.shape
    step = radius + 1
    size = min(2 * radius + 1, height)
    n = size * width
    rows, columns = np.empty(n, np.int64), np.empty(n, np.int64)
    links = np.empty((n, radius))  # to the next samples; then the factors of the elimination
    values = np.empty((n, channels))
    spread = 0.5 / (radius * radius)
    for k in range(start, stop):
        first = k * step
        tall = min(2 * radius + 1, height - first)
        n = tall * width
        for x in range(width):
            for j in range(tall):
                t = x * tall + j
                rows[t] = first + (j if x % 2 == 0 else tall - 1 - j)
                columns[t] = x
        for t in range(n):
            for c in range(channels):
                values[t, c] = u[c, rows[t], columns[t]]
            for j in range(radius):
                s = t + j + 1
                links[t, j] = 0.0
                if s < n:
                    square = 0.0
                    for c in range(len(guide)):
                        square += (guide[c, rows[t], columns[t]] - guide[c, rows[s], columns[s]]) ** 2
                    away = (rows[t] - rows[s]) ** 2 + (columns[t] - columns[s]) ** 2
                    links[t, j] = weight * np.exp(-spread * away) / (square**half + delta)
        _eliminate(links, values, n)
        for t in range(n):
            for c in range(channels):
                layers[k % 2, c, rows[t], columns[t]] = values[t, c]


@njit(cache=True, nogil=True)
def _eliminate(links, values, n):
    """Solve (I + L) x = values in place.

    Elimination of a sample leaves a matrix of the same form, with ``rest`` plus the sum of links on the
    diagonal and minus the links beside it; ``rest`` takes the share of the sample, so that all sums have
    positive terms.
    """
    radius, channels = links.shape[1], values.shape[1]
    rest = np.ones(n)
    for t in range(n):
        reach = min(radius, n - 1 - t)
        total = rest[t]
        for j in range(reach):
            total += links[t, j]
        inverse = 1.0 / total
        for j in range(reach):
            part = links[t, j] * inverse
            rest[t + j + 1] += part * rest[t]
            for i in range(j + 1, reach):
                links[t + j + 1, i - j - 1] += part * links[t, i]
            for c in range(channels):
                values[t + j + 1, c] += part * values[t, c]
        for j in range(reach):
            links[t, j] *= inverse
        for c in range(channels):
            values[t, c] *= inverse
    for t in range(n - 2, -1, -1):
        for j in range(min(radius, n - 1 - t)):
            for c in range(channels):
                values[t, c] += links[t, j] * values[t + j + 1, c]
