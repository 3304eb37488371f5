"""Exact piecewise constant fits of lines: the Potts problem in one dimension, for many lines at a time.

For one line f of n samples with weights w, over all signals u,

    Σ_i w_i Σ_c |u_ic − f_ic|^q + γ · (number of i with u_i ≠ u_{i+1}),    q = 2 or 1,

all channels jumping together. With d[l, r] the least error of one constant on the samples l … r, the least
energies of the first r samples obey Bellman's recursion ``P_r = min_l P_{l−1} + γ + d[l, r]``, P_0 = −γ.

Two rules shorten the search over l without losing a minimum. Errors grow with the segment, and only P_0 is
negative: the search goes downwards, and ends once ``d[l, r] + γ`` reaches the best value. And a start l with
``P_{l−1} + d[l, r] ≥ P_r`` is worse than a jump after r for all later r, so it leaves the list of starts (R.
Killick, P. Fearnhead, I. Eckley, JASA 2012). The time is O(n²) at worst, nearly O(n) where there are many
jumps; the memory is O(n). In the loops, k is the number of samples before a segment.

M. Storath, A. Weinmann, "Fast partitioning of vector-valued images", SIAM J. Imaging Sci. 2014; q = 1:
M. Storath, A. Weinmann, M. Unser, "Jump-penalized least absolute values estimation of scalar or circle-valued
signals", Information and Inference 2017.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np

from jumpset.kernels import threads
from jumpset.kernels.jit import njit


def potts_lines(
    values: np.ndarray,
    weight: float | np.ndarray,
    sample_weights: np.ndarray | None = None,
    *,
    data: Literal["l2", "l1"] = "l2",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return the global minimiser of the energy above (no ½) for each line.

    Parameters
    ----------
    values
        ``(L, n, C)`` float32 or float64, with any strides: the columns of an image are a transposed view.
    weight
        γ ≥ 0, the cost of a jump: a number, or ``(L,)``.
    sample_weights
        w ≥ 0, ``(L, n)``, or ``(1, n)`` for all lines; default 1. A sample of weight 0 is missing and takes
        the value of its segment; a line whose weights are all 0 takes its unweighted mean (median).
    data
        ``"l2"``: squared errors, segments take their mean. ``"l1"``: absolute errors, segments take each
        channel's median, the midpoint where there are two.
    out
        Optional ``(L, n, C)`` array for the result; may be ``values`` itself.

    Returns
    -------
    np.ndarray
        ``(L, n, C)``, of the dtype of ``values``.
    """
    lines, n, _ = values.shape
    gamma = np.ascontiguousarray(np.broadcast_to(np.asarray(weight, dtype=np.float64), (lines,)))
    weights = np.ones((1, n)) if sample_weights is None else np.ascontiguousarray(sample_weights, np.float64)
    answer = np.empty(values.shape, values.dtype)
    if lines and n:
        kernel = _mean_lines if data == "l2" else _median_lines
        source = np.ascontiguousarray(values)  # one layout, since Numba compiles each layout separately
        threads.parallel_rows(kernel, lines, source, gamma, weights, answer, least=max(1, 4096 // n))
    if out is None:
        return answer
    out[...] = answer
    return out


def potts_line_plain(
    values: np.ndarray, weight: float, weights: np.ndarray, data: Literal["l2", "l1"] = "l2"
) -> np.ndarray:
    """Solve one ``(n, C)`` line by the full recursion: the definition of :func:`potts_lines`."""
    n = len(values)
    least, begins = np.full(n + 1, np.inf), np.zeros(n + 1, dtype=int)
    least[0] = -weight
    for r in range(1, n + 1):
        for start in range(r):
            error = constant_fit(values[start:r], weights[start:r], data)[1]
            if least[start] + weight + error < least[r]:
                least[r], begins[r] = least[start] + weight + error, start
    ends = [n]
    while ends[-1]:
        ends.append(begins[ends[-1]])
    out = np.empty_like(values)
    for start, stop in pairwise(ends[::-1]):
        out[start:stop] = constant_fit(values[start:stop], weights[start:stop], data)[0]
    return out


def constant_fit(
    values: np.ndarray, weights: np.ndarray, data: Literal["l2", "l1"]
) -> tuple[np.ndarray, float]:
    """Return the best constant of an ``(n, C)`` segment, ``(C,)``, and its error."""
    w = weights if weights.any() else np.ones_like(weights)
    if data == "l2":
        best = np.average(values, axis=0, weights=w)
        return best, float((weights[:, None] * (values - best) ** 2).sum())
    best = np.empty(values.shape[1])
    for c, column in enumerate(values.T):
        order = np.argsort(column)[w[np.argsort(column)] > 0]
        below = np.cumsum(w[order])
        low = order[np.searchsorted(below, 0.5 * below[-1], side="left")]
        high = order[min(np.searchsorted(below, 0.5 * below[-1], side="right"), len(order) - 1)]
        best[c] = 0.5 * (column[low] + column[high])
    return best, float((weights[:, None] * np.abs(values - best)).sum())


@njit(cache=True, nogil=True)
def _mean_lines(start, stop, values, gamma, weights, out):
    n, channels = values.shape[1:]
    shift = np.empty(channels)
    # sums over the samples before r: of w, of w f, of w |f|²
    mass, moment, square = np.empty(n + 1), np.empty((n + 1, channels)), np.empty(n + 1)
    least, begins, below = np.empty(n + 1), np.empty(n + 1, np.int64), np.empty(n + 1, np.int64)
    mass[0] = square[0] = 0.0
    moment[0] = 0.0
    for line in range(start, stop):
        f, w, price = values[line], weights[line % len(weights)], gamma[line]
        if price == 0.0:
            out[line] = f
            continue
        # moments about the line's mean: d is a difference of sums, which would lose digits far from 0
        for c in range(channels):
            total = 0.0
            for i in range(n):
                total += f[i, c]
            shift[c] = total / n
        for i in range(n):
            mass[i + 1] = mass[i] + w[i]
            total = 0.0
            for c in range(channels):
                value = f[i, c] - shift[c]
                moment[i + 1, c] = moment[i, c] + w[i] * value
                total += w[i] * value * value
            square[i + 1] = square[i] + total
        least[0] = -price
        newest = np.int64(-1)  # the list of starts that may still be best, from the last to the first
        for r in range(1, n + 1):
            below[r - 1], newest = newest, np.int64(r - 1)
            best, begin = mean_error(mass, moment, square, 0, r), np.int64(0)
            above = np.int64(-1)
            k = newest
            while k > 0:
                error = mean_error(mass, moment, square, k, r)
                if error + price >= best:
                    break
                if least[k] + price + error < best:
                    best, begin = least[k] + price + error, k
                if least[k] + error >= best:
                    if above < 0:
                        newest = below[k]
                    else:
                        below[above] = below[k]
                else:
                    above = k
                k = below[k]
            least[r], begins[r] = best, begin
        r = n
        while r > 0:
            k = begins[r]
            for c in range(channels):
                top, bottom = 0.0, 0.0
                for i in range(k, r):
                    top += w[i] * f[i, c]
                    bottom += w[i]
                if bottom == 0.0:
                    for i in range(k, r):
                        top += f[i, c]
                    bottom = float(r - k)
                for i in range(k, r):
                    out[line, i, c] = top / bottom
            r = k


@njit(cache=True, nogil=True, inline="always")
def mean_error(mass, moment, square, k, r):
    """Return d[k, r] of the samples k … r − 1, at least 0."""
    weight = mass[r] - mass[k]
    if weight <= 0.0:
        return 0.0
    total = 0.0
    for c in range(moment.shape[1]):
        value = moment[r, c] - moment[k, c]
        total += value * value
    return max(square[r] - square[k] - total / weight, 0.0)


@njit(cache=True, nogil=True)
def _median_lines(start, stop, values, gamma, weights, out):
    n, channels = values.shape[1:]
    f = np.empty((channels, n))
    ordered = np.empty((channels, n), np.int64)  # the samples first … r, by value
    errors = np.empty(n)  # d[k, r] of all starts in the window
    place, after, before = np.empty(n, np.int64), np.empty(n + 1, np.int64), np.empty(n + 1, np.int64)
    least, begins = np.empty(n + 1), np.empty(n + 1, np.int64)
    for line in range(start, stop):
        w, price = weights[line % len(weights)], gamma[line]
        if price == 0.0:
            out[line] = values[line]
            continue
        for c in range(channels):
            # values about the line's median: d is a difference of sums, which would lose digits far from 0
            middle = np.median(values[line, :, c])
            for i in range(n):
                f[c, i] = values[line, i, c] - middle
        least[0] = -price
        first = 0  # the second rule has removed all starts before it
        for r in range(1, n + 1):
            errors[first:r] = 0.0
            for c in range(channels):
                _insert(ordered[c], r - 1 - first, f[c], r - 1)
                _add_errors(ordered[c], first, r, f[c], w, place, after, before, errors)
            best, begin = np.inf, np.int64(0)
            for k in range(first, r):
                if least[k] + price + errors[k] < best:
                    best, begin = least[k] + price + errors[k], np.int64(k)
            least[r], begins[r] = best, begin
            kept = first
            while least[kept] + errors[kept] >= best and kept < r - 1:
                kept += 1
            if kept > first:
                for c in range(channels):
                    _drop(ordered[c], r - first, kept)
                first = kept
        r = n
        while r > 0:
            k = begins[r]
            for c in range(channels):
                value = _median(values[line, k:r, c], w[k:r])
                for i in range(k, r):
                    out[line, i, c] = value
            r = k


@njit(cache=True, nogil=True)
def _insert(ordered, count, f, i):
    """Insert sample i into the first ``count`` entries, which are sorted by value."""
    while count > 0 and f[ordered[count - 1]] > f[i]:
        ordered[count] = ordered[count - 1]
        count -= 1
    ordered[count] = i


@njit(cache=True, nogil=True)
def _drop(ordered, count, first):
    """Remove the samples before ``first`` from the ``count`` entries."""
    kept = 0
    for j in range(count):
        if ordered[j] >= first:
            ordered[kept] = ordered[j]
            kept += 1


@njit(cache=True, nogil=True)
def _add_errors(ordered, first, r, f, w, place, after, before, errors):
    """Add Σ w |f − median| over the samples k … r − 1 to ``errors[k]``, for every k from ``first``.

    The samples of the window form a list in the order of their values, and are removed one by one, the oldest
    first: the median then moves to a neighbour in the list or not at all.
    """
    count = r - first
    mass, moment = 0.0, 0.0  # sums of w and of w f over all samples in the list
    for j in range(count):
        i = ordered[j]
        place[i], after[j], before[j] = j, j + 1, j - 1
        mass += w[i]
        moment += w[i] * f[i]
    m, low_mass, low_moment = 0, 0.0, 0.0  # the median's position; the sums over the samples below it
    for k in range(first, r):
        while 2.0 * low_mass > mass and before[m] >= 0:
            m = before[m]
            low_mass -= w[ordered[m]]
            low_moment -= w[ordered[m]] * f[ordered[m]]
        while 2.0 * (low_mass + w[ordered[m]]) < mass and after[m] < count:
            low_mass += w[ordered[m]]
            low_moment += w[ordered[m]] * f[ordered[m]]
            m = after[m]
        error = moment - 2.0 * low_moment - f[ordered[m]] * (mass - 2.0 * low_mass)
        errors[k] += max(error, 0.0)
        j = place[k]
        mass -= w[k]
        moment -= w[k] * f[k]
        if j < m:
            low_mass -= w[k]
            low_moment -= w[k] * f[k]
        elif j == m:
            m = after[m]
            if m == count:  # it was the largest
                m = before[j]
                if m >= 0:
                    low_mass -= w[ordered[m]]
                    low_moment -= w[ordered[m]] * f[ordered[m]]
        if before[j] >= 0:
            after[before[j]] = after[j]
        if after[j] < count:
            before[after[j]] = before[j]


@njit(cache=True, nogil=True)
def _median(values, w):
    """Return the weighted median, the midpoint where there are two; unweighted if all weights are 0."""
    order = np.argsort(values)
    total = 0.0
    for k in range(len(w)):
        total += w[k]
    low, high, partial = 0.0, 0.0, 0.0
    found = False
    for k in range(len(order)):
        one = w[order[k]] if total > 0.0 else 1.0
        half = 0.5 * (total if total > 0.0 else float(len(order)))
        if one == 0.0:
            continue
        partial += one
        if not found and partial >= half:
            low, found = values[order[k]], True
        high = values[order[k]]
        if partial > half:
            break
    return 0.5 * (low + high)
