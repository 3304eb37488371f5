"""Lines and cubic Bézier curves along a polygon, by dynamic programming; the second step of ``curves.py``."""

from __future__ import annotations

import math

import numpy as np

from jumpset.kernels.jit import njit

_REACH = 12  # nodes that a cubic spans at most
_CUBIC = 2.5  # cost of a cubic in lines
_BEND = 6.0  # cost in lines of a join of pieces at a slight bend; none from _CORNER on
CORNER = math.cos(math.radians(55.0))  # cosine of the turn from which on a join is a corner
_LONG = 4.0  # pixels: a corner between two edges of this length is kept
STRICT = 16.0  # weight of the squared distances of strict sides
_FAR = 1.0  # pixels that a midpoint may lie off a cubic


@njit(cache=True, nogil=True)
def join(corner, m, level, at, kappa, piece, sides, filled):
    """Write the pieces of least cost; return the new number of pieces."""
    edges = len(at) - 1
    nodes = 2 * edges + 1
    place, index = np.empty((nodes, 2)), np.empty(nodes, np.int64)
    toward = np.empty((edges, 2))
    for k in range(edges + 1):
        place[2 * k], index[2 * k] = corner[k], at[k]
    for k in range(edges):
        place[2 * k + 1] = 0.5 * (corner[k] + corner[k + 1])
        index[2 * k + 1] = (at[k] + at[k + 1]) // 2
        x, y = corner[k + 1, 0] - corner[k, 0], corner[k + 1, 1] - corner[k, 1]
        length = max(1e-12, math.hypot(x, y))
        toward[k] = x / length, y / length
    cost, back = np.full(nodes, np.inf), np.zeros(nodes, np.int64)
    chosen, best = np.empty((nodes, 4)), np.empty(4)
    cost[0] = 0.0
    exact = np.zeros(len(m) + 1, np.int64)
    for k in range(len(m)):
        exact[k + 1] = exact[k] + (level[k] > 1)
    kept = _kept_corners(corner, toward)
    for b in range(1, nodes):
        for a in range(b - 1, max(-1, b - _REACH), -1):
            if a // 2 == (b - 1) // 2:  # on one edge
                best[:] = np.nan
                value = kappa + _off_line(place[a], place[b], m, level, index[a], index[b])
            elif (
                index[b] - index[a] < 3
                or exact[index[b]] > exact[index[a]]
                or kept[(b + 1) // 2] > kept[a // 2 + 1]
            ):
                continue
            else:
                t, u = toward[a // 2], toward[(b - 1) // 2]
                off = _cubic(place[a], place[b], t, u, m, level, index[a], index[b], best)
                value = _CUBIC * kappa + off
            if a > 0 and a % 2 == 0:
                t, u = toward[a // 2 - 1], toward[a // 2]
                cosine = t[0] * u[0] + t[1] * u[1]
                if cosine > CORNER:
                    value += _BEND * kappa * min(1.0, (1.0 - cosine) / (1.0 - CORNER) * 2.0)
            value += cost[a]
            if value < cost[b]:
                cost[b], back[b] = value, a
                chosen[b] = best
    count, b = 0, nodes - 1
    while b > 0:
        count, b = count + 1, back[b]
    b = nodes - 1
    for k in range(filled + count - 1, filled - 1, -1):
        a = back[b]
        piece[k, :4], piece[k, 4:] = chosen[b], place[b]
        sides[k] = index[a], index[b] - index[a]
        b = a
    return filled + count


@njit(cache=True, nogil=True)
def _kept_corners(corner, toward):
    """Number of the sharp corners between long edges before each corner: no curve replaces these."""
    edges = len(toward)
    out = np.zeros(edges + 2, np.int64)
    for k in range(edges + 1):
        sharp = False
        if 0 < k < edges:
            before = math.hypot(corner[k, 0] - corner[k - 1, 0], corner[k, 1] - corner[k - 1, 1])
            after = math.hypot(corner[k + 1, 0] - corner[k, 0], corner[k + 1, 1] - corner[k, 1])
            cosine = toward[k - 1, 0] * toward[k, 0] + toward[k - 1, 1] * toward[k, 1]
            sharp = cosine < CORNER and min(before, after) > _LONG
        out[k + 1] = out[k] + sharp
    return out


@njit(cache=True, nogil=True)
def _off_line(a, b, m, level, i, j):
    x, y = b[0] - a[0], b[1] - a[1]
    length = max(1e-12, math.hypot(x, y))
    total = 0.0
    for k in range(i, j):
        off = ((m[k, 0] - a[0]) * y - (m[k, 1] - a[1]) * x) / length
        total += off * off * (STRICT if level[k] else 1.0)
    return total


@njit(cache=True, nogil=True)
def _cubic(a, b, t, u, m, level, i, j, out):
    """Fit a cubic from a, with direction t, to b, with direction u, to the middles i … j − 1.

    Return the sum of the squared distances. P. J. Schneider, "An algorithm for automatically fitting
    digitized curves", Graphics Gems, 1990.
    """
    n = j - i
    when = np.empty(n)
    length, x, y = 0.0, a[0], a[1]
    for k in range(n):
        length += math.hypot(m[i + k, 0] - x, m[i + k, 1] - y)
        x, y = m[i + k]
        when[k] = length
    length += math.hypot(b[0] - x, b[1] - y)
    for k in range(n):
        when[k] /= length
    chord = math.hypot(b[0] - a[0], b[1] - a[1])
    total = np.inf
    for _ in range(3):
        tt, uu, tu, tr, ur = 0.0, 0.0, 0.0, 0.0, 0.0
        cosine = t[0] * u[0] + t[1] * u[1]
        for k in range(n):
            s = when[k]
            r = 1.0 - s
            f, g = 3.0 * r * r * s, 3.0 * r * s * s
            p = m[i + k, 0] - (r * r * r + f) * a[0] - (s * s * s + g) * b[0]
            q = m[i + k, 1] - (r * r * r + f) * a[1] - (s * s * s + g) * b[1]
            tt, uu, tu = tt + f * f, uu + g * g, tu - f * g * cosine
            tr, ur = tr + f * (t[0] * p + t[1] * q), ur - g * (u[0] * p + u[1] * q)
        det = tt * uu - tu * tu
        head = tail = chord / 3.0
        if det > 1e-9:
            head, tail = (tr * uu - ur * tu) / det, (ur * tt - tr * tu) / det
        if not (0.05 * chord < head < 1.5 * length and 0.05 * chord < tail < 1.5 * length):
            head = tail = chord / 3.0
        out[0], out[1] = a[0] + head * t[0], a[1] + head * t[1]
        out[2], out[3] = b[0] - tail * u[0], b[1] - tail * u[1]
        total, farthest = 0.0, 0.0
        for k in range(n):
            s = when[k]
            r = 1.0 - s
            p, q = -m[i + k, 0], -m[i + k, 1]
            p += r * r * r * a[0] + 3 * r * r * s * out[0] + 3 * r * s * s * out[2] + s * s * s * b[0]
            q += r * r * r * a[1] + 3 * r * r * s * out[1] + 3 * r * s * s * out[3] + s * s * s * b[1]
            dp = 3 * (r * r * (out[0] - a[0]) + 2 * r * s * (out[2] - out[0]) + s * s * (b[0] - out[2]))
            dq = 3 * (r * r * (out[1] - a[1]) + 2 * r * s * (out[3] - out[1]) + s * s * (b[1] - out[3]))
            speed = max(1e-9, dp * dp + dq * dq)
            off = (p * dq - q * dp) * (p * dq - q * dp) / speed
            total += off * (STRICT if level[i + k] else 1.0)
            farthest = max(farthest, off)
            when[k] = min(1.0, max(0.0, s - (p * dp + q * dq) / speed))
        if farthest > _FAR * _FAR:
            total = np.inf
    return total
