"""Lower bounds of the Potts energy: the energy is divided among the directions of the grid.

For each direction s let A_s ≥ 0 be a share of the pixel weights w, and B_s a slope, with Σ_s A_s = w and
Σ_s B_s = 0. The sum over s of

    D_s = min_u Σ_p A_s ‖u_p − f_p‖² − 2 B_s · (u_p − f_p) + Σ_{edges of s} cost [u_p ≠ u_q]

is at most the least Potts energy, since for one u the terms add up to its energy. Each D_s is a sum over the
lines of pixels of its direction: on each line it is the 1-D Potts problem with data ``g = f + B/A`` and
weights A, whose minimum is found exactly, minus ``Σ ‖B‖² / A``. The minimisers u_s give a supergradient:
``‖u_s − f‖²`` for A_s, and ``−2 (u_s − f)`` for B_s.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jumpset.kernels import threads
from jumpset.kernels.jit import njit
from jumpset.kernels.regions.partitions import Grid
from jumpset.kernels.regions.potts_1d import mean_error


class Lines(NamedTuple):
    """All lines of pixels of one direction that has edges."""

    first: np.ndarray  # (L,) int64: first pixel of each line
    length: np.ndarray  # (L,) int64: number of its pixels
    stride: int  # from each pixel to the next


def grid_lines(grid: Grid) -> tuple[tuple[int, Lines], ...]:
    """Return the lines of each direction with edges, with the direction's number; at least one of them."""
    shape = grid.mass.shape
    places = np.indices(shape)
    found = []
    for d, offset in enumerate(grid.directions):
        if all(abs(step) < n for step, n in zip(offset, shape, strict=True)) or grid.mass.size == 1 > d:
            first, length = np.zeros(shape, bool), np.full(shape, max(shape))
            for place, step, n in zip(places, offset, shape, strict=True):
                if step:
                    first |= (place - step < 0) | (place - step >= n)
                    length = np.minimum(length, n - place if step > 0 else place + 1)
            found.append((d, Lines(np.flatnonzero(first), length[first], int(grid.steps[d]))))
    return tuple(found)


def line_minima(
    grid: Grid, direction: int, lines: Lines, share: np.ndarray, slope: np.ndarray, out: np.ndarray
) -> float:
    """Return D_s, and write ``u_s − f`` into ``out`` ``(N, C)``; ``share`` and ``slope`` are A_s and B_s."""
    n = grid.mass.size
    pixels = grid.pixels.reshape(n, -1).astype(np.float64, copy=False)
    minima = np.empty(len(lines.first))
    threads.parallel_rows(
        _minimize,
        len(minima),
        *lines,
        pixels,
        grid.edges[direction].reshape(n),
        share,
        slope,
        out,
        minima,
        least=max(1, 4096 // int(lines.length.max())),
    )
    return float(minima.sum())


@njit(cache=True, nogil=True)
def _minimize(start, stop, first, length, stride, pixels, edges, share, slope, out, minima):
    """Bellman's recursion with the two rules of :mod:`potts_1d`, for jumps of different costs."""
    channels = pixels.shape[1]
    most = length.max()
    g, shift = np.empty((most, channels)), np.empty(channels)
    mass, moment, square = np.empty(most + 1), np.empty((most + 1, channels)), np.empty(most + 1)
    least, jump = np.empty(most + 1), np.zeros(most + 1)
    begins, below = np.empty(most + 1, np.int64), np.empty(most + 1, np.int64)
    for line in range(start, stop):
        n, p = length[line], first[line]
        cheapest, constant = np.inf, 0.0
        shift[:] = 0.0
        for i in range(n):
            for c in range(channels):
                g[i, c] = pixels[p, c]
                if share[p] > 0.0:
                    g[i, c] += slope[p, c] / share[p]
                    constant += slope[p, c] * slope[p, c] / share[p]
                shift[c] += g[i, c] / n
            if i + 1 < n:
                jump[i + 1] = edges[p]
                cheapest = min(cheapest, edges[p])
            p += stride
        mass[0] = square[0] = 0.0
        moment[0] = 0.0
        p = first[line]
        for i in range(n):
            mass[i + 1] = mass[i] + share[p]
            square[i + 1] = square[i]
            for c in range(channels):
                value = g[i, c] - shift[c]
                moment[i + 1, c] = moment[i, c] + share[p] * value
                square[i + 1] += share[p] * value * value
            p += stride
        jump[n] = cheapest
        newest = np.int64(-1)
        least[0] = 0.0
        for r in range(1, n + 1):
            below[r - 1], newest = newest, np.int64(r - 1)
            best, begin = mean_error(mass, moment, square, 0, r), np.int64(0)
            above, k = np.int64(-1), newest
            while k > 0:
                error = mean_error(mass, moment, square, k, r)
                if error + cheapest >= best:
                    break
                value = least[k] + jump[k] + error
                if value < best:
                    best, begin = value, k
                if value >= best + jump[r]:  # no better than a jump after r, and so for all later r
                    if above < 0:
                        newest = below[k]
                    else:
                        below[above] = below[k]
                else:
                    above = k
                k = below[k]
            least[r], begins[r] = best, begin
        minima[line] = least[n] - constant
        r = n
        while r > 0:
            k = begins[r]
            weight = mass[r] - mass[k]
            for i in range(k, r):
                q = first[line] + i * stride
                for c in range(channels):
                    mean = shift[c]
                    if weight > 0.0:
                        mean += (moment[r, c] - moment[k, c]) / weight
                    out[q, c] = mean - pixels[q, c]
            r = k
