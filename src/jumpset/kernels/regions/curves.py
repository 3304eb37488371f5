"""Few lines and cubic Bézier curves through the vertices of an arc.

1. *Polygon.* The midpoints of an arc's sides are divided into runs, each near a line: dynamic programming
   finds the least ``Σ (squared distances to the runs' lines) + κ · (number of runs)``, the Potts model of a
   curve. The lines of neighbouring runs intersect at the corners of the polygon.
2. *Curves.* Nodes are the corners and the middles of the polygon's edges. Another dynamic program joins nodes
   by lines along the edges and by cubic curves, which have the directions of the edges at their ends; its
   cost is the squared distances plus κ for each point that must be written, plus a cost of bends at joins.

A piece is (x₁, y₁, x₂, y₂, x, y): the control points and the end of a cubic; the control points of a line are
NaN.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.regions.beziers import CORNER, STRICT, join

_NEAR = 0.75  # pixels, on each axis, between a corner of the polygon and its vertex


class Pieces(NamedTuple):
    """Lines and curves of all arcs."""

    piece: np.ndarray  # (P, 6) float64
    start: np.ndarray  # (A + 1,) int64: first piece of each arc
    first: np.ndarray  # (A, 2) float64: where each arc begins
    sides: np.ndarray  # (P, 2) int64: first side of each piece in its arc, and number of its sides


def fit(
    points: np.ndarray,
    middles: np.ndarray,
    turns: np.ndarray,
    start: np.ndarray,
    strict: np.ndarray,
    is_line: np.ndarray,
    kappa: np.ndarray,
    curved: bool,
) -> Pieces:
    """Fit pieces to every arc.

    Parameters
    ----------
    points
        ``(N, 2)`` float64: vertices of all arcs, one arc after the other.
    middles
        ``(N, 2)`` float64: the middle of the side from each vertex to the next one of its arc.
    turns
        ``(N,)`` bool: whether the sides before and after a vertex have different directions.
    start
        ``(A + 1,)`` int64: first vertex of each arc.
    strict
        ``(N,)`` int64, of the side after each vertex: 0; 1 where distances count 16 times; 2 where the piece
        is the side itself.
    is_line
        ``(A,)`` bool: arcs that are one line.
    kappa
        ``(A,)`` float64: κ of each arc, in squared pixels, above 0.
    curved
        Whether to fit curves to the polygons.
    """
    piece, sides = (
        np.empty((len(points) + 2 * len(kappa), 6)),
        np.empty((len(points) + 2 * len(kappa), 2), np.int64),
    )
    begin = np.zeros(len(kappa) + 1, np.int64)
    first = np.empty((len(kappa), 2))
    _fit(points, middles, turns, start, strict, is_line, kappa, curved, piece, begin, first, sides)
    return Pieces(piece[: begin[-1]].copy(), begin, first, sides[: begin[-1]].copy())


@njit(cache=True, nogil=True)
def _fit(points, middles, turns, start, strict, is_line, kappa, curved, piece, begin, first, sides):
    filled = 0
    for a in range(len(kappa)):
        s, e = start[a], start[a + 1] - 1
        v, m, level = points[s : e + 1], middles[s:e], strict[s:e]
        closed = v[0, 0] == v[-1, 0] and v[0, 1] == v[-1, 1]
        shift = 0  # the side at which a closed arc begins
        if is_line[a]:
            at = np.array([0, e - s])
            corner = v[at]
        elif closed:
            m, level, corner, at, shift = _closed(v, m, turns[s : e + 1], level, kappa[a])
        else:
            at = _runs(m, level, kappa[a])
            corner = _corners(v, m, level, at, False)
        first[a] = corner[0]
        filled_before = filled
        if curved and len(at) > 2:
            filled = join(corner, m, level, at, kappa[a], piece, sides, filled)
        else:
            for k in range(1, len(corner)):
                piece[filled, :4] = np.nan
                piece[filled, 4:] = corner[k]
                sides[filled] = at[k - 1], at[k] - at[k - 1]
                filled += 1
        for k in range(filled_before, filled):
            sides[k, 0] = (sides[k, 0] + shift) % (e - s)
        begin[a + 1] = filled


@njit(cache=True, nogil=True)
def _turning(v, turns):
    n = len(v) - 1
    keep = np.empty(n + 1, np.int64)
    count = 0
    for k in range(n + 1):
        if k == 0 or k == n or turns[k]:
            keep[count] = k
            count += 1
    return v[keep[:count]], keep[:count].copy()


@njit(cache=True, nogil=True)
def _closed(v, m, turns, level, kappa):
    """Begin a closed arc at its sharpest corner, or in the middle of its longest edge."""
    n = len(m)
    at = _runs(m, level, kappa)
    shift = at[len(at) // 2] % n
    v, m, level = _rotated(v, shift, n), _rotated(m, shift, n), _rotated(level, shift, n)
    at = _runs(m, level, kappa)
    corner = _corners(v, m, level, at, True)
    if len(at) < 4 or abs(_area(corner) - _area(v)) > 0.25 * abs(_area(v)):
        corner, at = _turning(v, _rotated(turns, shift, n))
        return m, level, corner, at, shift
    edges = len(at) - 1
    sharpest, least, longest, most = 0, 2.0, 0, -1.0
    for k in range(edges):
        x, y = corner[k + 1, 0] - corner[k, 0], corner[k + 1, 1] - corner[k, 1]
        before = k - 1 if k else edges - 1
        p, q = corner[k, 0] - corner[before, 0], corner[k, 1] - corner[before, 1]
        cosine = (x * p + y * q) / max(1e-12, math.hypot(x, y) * math.hypot(p, q))
        if cosine < least:
            sharpest, least = k, cosine
        if math.hypot(x, y) > most:
            longest, most = k, math.hypot(x, y)
    cut = least >= CORNER and at[longest + 1] - at[longest] > 1
    first = longest if cut else sharpest
    middle = (at[first] + at[first + 1]) // 2 if cut else at[first]
    out, where = np.empty((edges + 1 + cut, 2)), np.empty(edges + 1 + cut, np.int64)
    filled = 0
    if cut:
        out[0] = 0.5 * (corner[first] + corner[first + 1])
        where[0] = 0
        filled = 1
    for k in range(edges):
        i = (first + cut + k) % edges
        out[filled] = corner[i]
        where[filled] = (at[i] - middle) % n
        filled += 1
    out[filled], where[filled] = out[0], n
    return _rotated(m, middle, n), _rotated(level, middle, n), out, where, shift + middle


@njit(cache=True, nogil=True)
def _rotated(values, by, n):
    """The n values of a closed arc from entry ``by`` on; where there is one more, it repeats the first."""
    out = np.empty_like(values)
    for k in range(len(values)):
        out[k] = values[(k % n + by) % n]
    return out


@njit(cache=True, nogil=True)
def _area(v):
    total = 0.0
    for k in range(len(v) - 1):
        total += v[k, 0] * v[k + 1, 1] - v[k + 1, 0] * v[k, 1]
    return 0.5 * total


@njit(cache=True, nogil=True)
def _moments(m, level):
    """Prefix sums of w, x, y, x², xy and y², weighted by w, about the first point; and of the exact sides."""
    sums = np.zeros((len(m) + 1, 7))
    for k in range(len(m)):
        x, y = m[k, 0] - m[0, 0], m[k, 1] - m[0, 1]
        w = STRICT if level[k] else 1.0
        sums[k + 1, 0] = sums[k, 0] + w * x
        sums[k + 1, 1] = sums[k, 1] + w * y
        sums[k + 1, 2] = sums[k, 2] + w * x * x
        sums[k + 1, 3] = sums[k, 3] + w * x * y
        sums[k + 1, 4] = sums[k, 4] + w * y * y
        sums[k + 1, 5] = sums[k, 5] + w
        sums[k + 1, 6] = sums[k, 6] + (level[k] > 1)
    return sums


@njit(cache=True, nogil=True, inline="always")
def _scatter(sums, i, j):
    n = sums[j, 5] - sums[i, 5]
    x, y = (sums[j, 0] - sums[i, 0]) / n, (sums[j, 1] - sums[i, 1]) / n
    xx = sums[j, 2] - sums[i, 2] - n * x * x
    xy = sums[j, 3] - sums[i, 3] - n * x * y
    yy = sums[j, 4] - sums[i, 4] - n * y * y
    return x, y, xx, xy, yy


@njit(cache=True, nogil=True, inline="always")
def _squares(sums, i, j):
    """Sum of the squared distances of the middles i … j − 1 to their line: the lesser eigenvalue."""
    if j - i < 2:
        return 0.0
    if sums[j, 6] > sums[i, 6]:
        return np.inf
    _, _, xx, xy, yy = _scatter(sums, i, j)
    return max(0.0, 0.5 * (xx + yy - math.sqrt((xx - yy) * (xx - yy) + 4.0 * xy * xy)))


@njit(cache=True, nogil=True)
def _runs(m, level, kappa):
    """The vertices between the runs of least cost, with both ends."""
    n = len(m)
    sums = _moments(m, level)
    cost, back = np.zeros(n + 1), np.zeros(n + 1, np.int64)
    live, count = np.zeros(n + 1, np.int64), 1
    for j in range(1, n + 1):
        best = np.inf
        for c in range(count):
            i = live[c]
            value = cost[i] + kappa + _squares(sums, i, j)
            if value < best:
                best, back[j] = value, i
        cost[j] = best
        # the squares of a run only grow with it: a start that is beaten now will always be
        kept = 0
        for c in range(count):
            i = live[c]
            if cost[i] + _squares(sums, i, j) <= best:
                live[kept] = i
                kept += 1
        live[kept] = j
        count = kept + 1
    runs, j = 0, n
    while j > 0:
        runs, j = runs + 1, back[j]
    at, j = np.empty(runs + 1, np.int64), n
    for k in range(runs, -1, -1):
        at[k] = j
        j = back[j]
    return at


@njit(cache=True, nogil=True)
def _lines(v, m, level, at):
    """``(K, 4)``: a point and the unit direction of the line of each run."""
    sums = _moments(m, level)
    out = np.empty((len(at) - 1, 4))
    for k in range(len(at) - 1):
        i, j = at[k], at[k + 1]
        x, y, xx, xy, yy = _scatter(sums, i, j)
        p, q = v[j, 0] - v[i, 0], v[j, 1] - v[i, 1]
        if j - i > 1:
            half = 0.5 * math.atan2(2.0 * xy, xx - yy)
            c, s = math.cos(half), math.sin(half)
            if c * p + s * q < 0.0:
                c, s = -c, -s
        else:
            length = max(1e-12, math.hypot(p, q))
            c, s = p / length, q / length
        out[k] = m[0, 0] + x, m[0, 1] + y, c, s
    return out


@njit(cache=True, nogil=True)
def _corners(v, m, level, at, closed):
    """The corners of the polygon: near their vertices, where the lines of two runs intersect."""
    lines, runs = _lines(v, m, level, at), len(at) - 1
    out = v[at]
    for k in range(0 if closed else 1, runs):
        if level[at[k]] > 1 or level[at[k] - 1] > 1:
            continue
        a, b = lines[k - 1], lines[k]
        x, y = out[k]
        cross = a[2] * b[3] - a[3] * b[2]
        p = q = np.inf
        if abs(cross) > 1e-3:
            along = ((b[0] - a[0]) * b[3] - (b[1] - a[1]) * b[2]) / cross
            p, q = a[0] + along * a[2], a[1] + along * a[3]
        if max(abs(p - x), abs(q - y)) > _NEAR:  # the mean of the nearest points of both lines
            f = (x - a[0]) * a[2] + (y - a[1]) * a[3]
            g = (x - b[0]) * b[2] + (y - b[1]) * b[3]
            p, q = 0.5 * (a[0] + f * a[2] + b[0] + g * b[2]), 0.5 * (a[1] + f * a[3] + b[1] + g * b[3])
        out[k] = p, q
    if closed:
        out[runs] = out[0]
    return out
