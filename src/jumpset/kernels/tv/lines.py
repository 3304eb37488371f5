"""Exact total variation of lines: ``argmin_u Σ ½ c_j (u_j − v_j)² + Σ w_j |u_{j+1} − u_j|`` in linear time.

A line of pixels runs along an axis or a diagonal of an image of any number of axes: it has a first pixel, a
length, and a stride in the flattened image. Lines of one direction share no pixel, so that bands of them run
on threads (:mod:`jumpset.kernels.threads`). All arithmetic is in float64.

Two algorithms give the same answer. For equal weights: L. Condat's direct algorithm (IEEE SPL 2013), which
goes back to the last jump when a new one is certain. It visits a pixel about twice in images, but takes
quadratic time for contrived lines, so it stops after ``_VISITS`` visits per pixel. For such lines, and for
unequal weights: the taut string (P. Davies, A. Kovac, Ann. Statist. 2001) as a funnel (D. Lee, F. Preparata,
Networks 1984). In the plane of ``X_j = Σ c`` and ``Y_j = Σ c v``, u is the slope of the shortest path from
end to end of the tube ``Y_j ± w_j``. Each point enters and leaves the two chains of the funnel at most once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

LEAST_BAND = 1 << 14  # pixels per thread at least
_VISITS = 8  # visits per pixel after which the direct algorithm stops
_BLOCK = 16  # lines gathered together: neighbouring lines of an image share cache lines
# No fast mathematics: the funnel compares slopes, and the path must pass exactly through a point of weight 0.
EXACT: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}


class Lines(NamedTuple):
    """All lines of one direction in a flattened image; each pixel is on one line."""

    starts: np.ndarray  # int64, first pixel of each line
    lengths: np.ndarray  # int64, number of pixels of each line
    stride: int  # from a pixel to the next


def lines_along(shape: Sequence[int], offset: Sequence[int]) -> Lines:
    """Return the lines of an image in the direction ``offset``: −1, 0 or 1 for each axis of ``shape``."""
    strides = [int(np.prod(shape[a + 1 :], dtype=np.int64)) for a in range(len(shape))]
    moving = [a for a, o in enumerate(offset) if o]
    starts, lengths = [], []
    for k, face in enumerate(
        moving
    ):  # a line starts where one of its axes starts; it belongs to the first such
        ranges = [np.arange(n, dtype=np.int64) for n in shape]
        for a in moving[:k]:
            ranges[a] = ranges[a][1:] if offset[a] > 0 else ranges[a][:-1]
        ranges[face] = ranges[face][:1] if offset[face] > 0 else ranges[face][-1:]
        places = np.meshgrid(*ranges, indexing="ij", sparse=True)
        first, count = np.zeros(np.broadcast_shapes(*(p.shape for p in places)), np.int64), None
        for a, place in enumerate(places):
            first = first + strides[a] * place
            if offset[a]:
                left = shape[a] - place if offset[a] > 0 else place + 1
                count = left if count is None else np.minimum(count, left)
        starts.append(first.ravel())
        lengths.append(np.broadcast_to(count, first.shape).ravel())  # type: ignore[arg-type]
    stride = sum(o * s for o, s in zip(offset, strides, strict=True))
    return Lines(np.concatenate(starts), np.concatenate(lengths), stride)


def tv_lines(
    v: np.ndarray,
    lines: Lines,
    weights: np.ndarray,
    *,
    out: np.ndarray,
    edges: np.ndarray | None = None,
    data: np.ndarray | None = None,
) -> None:
    """Solve every line of every image exactly.

    Parameters
    ----------
    v
        ``(P, N)``, flattened images, C-contiguous, float32 or float64.
    lines
        From :func:`lines_along`.
    weights
        ``(P,)`` float64, at least 0: weight of each image.
    out
        Array like ``v`` for u; may be ``v`` itself.
    edges
        Optional ``(P, N)`` float64, at least 0: multiplies the weight of the edge that leaves each pixel; 0
        cuts the line. The entry of a line's last pixel is ignored.
    data
        Optional ``(P, N)`` float64, above 0: the data weights c.
    """
    _call(v, 1.0, None, weights, lines, out, None, edges, data)


def tv_lines_ahead(
    base: np.ndarray,
    scale: float,
    ahead: tuple[np.ndarray, np.ndarray, np.ndarray, float],
    lines: Lines,
    weights: np.ndarray,
    *,
    out: np.ndarray,
    pull: np.ndarray | None = None,
    edges: np.ndarray | None = None,
) -> None:
    """Solve as :func:`tv_lines` for ``v = scale · base + sign · (a + momentum (a − old))`` without storing v.

    Parameters
    ----------
    base
        ``(P, N)`` float64.
    ahead
        ``a, old, momentum, sign``: two arrays like ``base``, ``(P,)``, and a number.
    pull
        Optional array like ``base`` for ``u − v``; may be a or old.
    """
    _call(base, scale, ahead, weights, lines, out, pull, edges, None)


def tv_lines_sums(u: np.ndarray, f: np.ndarray, lines: Lines, edges: np.ndarray | None = None) -> np.ndarray:
    """Return ``(P, 3)``: ``Σ e |u_{j+1} − u_j|`` along the lines, ``Σ (u − f)²`` and ``Σ u (u − f)``."""
    blocks = -(-len(lines.starts) // _BLOCK)
    sums = np.zeros((len(u) * blocks, 3))
    weights = np.empty((0, 0)) if edges is None else edges
    arguments = (u, f, weights, lines.starts, lines.lengths, lines.stride, sums)
    parallel_rows(_sum, len(sums), *arguments, least=_least(lines))
    return sums.reshape(len(u), blocks, 3).sum(axis=1)


def _call(
    base: np.ndarray,
    scale: float,
    ahead: tuple[np.ndarray, np.ndarray, np.ndarray, float] | None,
    weights: np.ndarray,
    lines: Lines,
    out: np.ndarray,
    pull: np.ndarray | None,
    edges: np.ndarray | None,
    data: np.ndarray | None,
) -> None:
    none = np.empty((0, 0))
    a, old, momentum, sign = (none, none, none[0:0].ravel(), 0.0) if ahead is None else ahead
    fields = [none if x is None else x for x in (pull, edges, data)]
    count = len(base) * -(-len(lines.starts) // _BLOCK)
    parallel_rows(_solve, count, base, float(scale), a, old, momentum, float(sign), out, *fields, weights,
             lines.starts, lines.lengths, lines.stride, least=_least(lines))  # fmt: skip


def _least(lines: Lines) -> int:
    """Return the least number of blocks of lines per thread."""
    return -(-LEAST_BAND // (int(lines.lengths.max(initial=1)) * _BLOCK))


@njit(**EXACT)
def _solve(first, last, base, scale, a, old, momentum, sign, out, pull, edges, data, weights,
           starts, lengths, stride):  # fmt: skip
    blocks = -(-len(starts) // _BLOCK)
    longest = lengths.max()
    v = np.empty((_BLOCK, longest))
    u = np.empty((_BLOCK, longest))
    c = np.empty((_BLOCK, longest if len(data) else 0))
    w = np.empty((_BLOCK, longest))
    chains = np.empty((4, longest + 2))
    for number in range(first, last):
        k, block = number // blocks, number % blocks
        here = starts[block * _BLOCK : (block + 1) * _BLOCK]
        length = lengths[block * _BLOCK : (block + 1) * _BLOCK]
        if len(a):
            _gather_ahead(base[k], scale, a[k], old[k], momentum[k], sign, here, length, stride, v)
        else:
            _gather(base[k], here, length, stride, v)
        if len(data):
            _gather(data[k], here, length, stride, c)
        if len(edges):
            _gather(edges[k], here, length, stride, w)
        for i in range(len(here)):
            n = length[i]
            if len(edges) or len(data):
                for j in range(n - 1):
                    w[i, j] = weights[k] * w[i, j] if len(edges) else weights[k]
                _taut_string(v[i, :n], c[i, :n], w[i], u[i], chains)
            elif not _direct(v[i, :n], weights[k], u[i]):
                w[i] = weights[k]
                _taut_string(v[i, :n], c[i, :0], w[i], u[i], chains)
        _scatter(u, here, length, stride, out[k])
        if len(pull):
            for i in range(len(here)):
                for j in range(length[i]):
                    u[i, j] -= v[i, j]
            _scatter(u, here, length, stride, pull[k])


@njit(**EXACT)
def _sum(first, last, u, f, edges, starts, lengths, stride, sums):
    blocks = -(-len(starts) // _BLOCK)
    for number in range(first, last):
        k, block = number // blocks, number % blocks
        here = starts[block * _BLOCK : (block + 1) * _BLOCK]
        length = lengths[block * _BLOCK : (block + 1) * _BLOCK]
        variation = squares = product = 0.0
        for j in range(length.max()):
            for i in range(len(here)):
                if j < length[i]:
                    place = here[i] + j * stride
                    rest = u[k, place] - f[k, place]
                    squares += rest * rest
                    product += u[k, place] * rest
                    if j + 1 < length[i]:
                        jump = abs(u[k, place + stride] - u[k, place])
                        variation += edges[k, place] * jump if len(edges) else jump
        sums[number, 0], sums[number, 1], sums[number, 2] = variation, squares, product


@njit(**EXACT)
def _gather_ahead(base, scale, a, old, momentum, sign, starts, lengths, stride, v):
    for j in range(lengths.max()):
        for i in range(len(starts)):
            if j < lengths[i]:
                place = starts[i] + j * stride
                ahead = a[place] + momentum * (a[place] - old[place])
                v[i, j] = scale * base[place] + sign * ahead


@njit(**EXACT)
def _gather(image, starts, lengths, stride, x):
    for j in range(lengths.max()):
        for i in range(len(starts)):
            if j < lengths[i]:
                x[i, j] = image[starts[i] + j * stride]


@njit(**EXACT)
def _scatter(x, starts, lengths, stride, image):
    for j in range(lengths.max()):
        for i in range(len(starts)):
            if j < lengths[i]:
                image[starts[i] + j * stride] = x[i, j]


@njit(**EXACT)
def _direct(v, w, u):
    """Compute u for equal weights; return False if that takes too long, with u undefined.

    Since the last jump, at ``start``, the path may have any value from ``low`` to ``high``. Their dual fields
    are ``below`` and ``above``, kept within ±w. ``fall`` and ``rise`` are where they last touched the bound:
    the path jumps down or up there if the next pixel leaves no possible value.
    """
    n = len(v)
    if n == 1 or w == 0.0:
        for j in range(n):
            u[j] = v[j]
        return True
    k = start = fall = rise = visits = 0
    low, high, below, above = v[0] - w, v[0] + w, w, -w
    while True:
        visits += 1
        if visits > _VISITS * n:
            return False
        if k == n - 1:
            if below < 0.0:  # low is too high for the remaining pixels: jump down
                for j in range(start, fall + 1):
                    u[j] = low
                k = start = fall = fall + 1
                low, below, above = v[k], w, v[k] + w - high
            elif above > 0.0:
                for j in range(start, rise + 1):
                    u[j] = high
                k = start = rise = rise + 1
                high, above, below = v[k], -w, v[k] - w - low
            else:
                value = low + below / (k - start + 1)
                for j in range(start, n):
                    u[j] = value
                return True
            continue
        below += v[k + 1] - low
        above += v[k + 1] - high
        if below < -w:
            for j in range(start, fall + 1):
                u[j] = low
            k = start = fall = rise = fall + 1
            low, high, below, above = v[k], v[k] + 2.0 * w, w, -w
        elif above > w:
            for j in range(start, rise + 1):
                u[j] = high
            k = start = fall = rise = rise + 1
            low, high, below, above = v[k] - 2.0 * w, v[k], w, -w
        else:
            k += 1
            if below >= w:
                fall = k
                low += (below - w) / (k - start + 1)
                below = w
            if above <= -w:
                rise = k
                high += (above + w) / (k - start + 1)
                above = -w


@njit(**EXACT)
def _taut_string(v, c, w, u, chains):
    """Compute u; ``w`` are the weights of the edges, ``c`` the data weights or an empty array.

    From the apex on, the path bends along one of two chains: ``under`` (the lower ends of the tube, slopes
    falling) or ``over`` (the upper ends, slopes rising). ``done`` is the number of pixels before the apex.
    """
    n = len(v)
    over_x, over_y, under_x, under_y = chains[0], chains[1], chains[2], chains[3]
    over = over_end = under = under_end = done = 0
    over_x[0] = over_y[0] = under_x[0] = under_y[0] = 0.0
    middle = v.mean()  # heights near zero lose fewer digits
    x = y = behind = 0.0  # `behind`: X up to which pixels have their values
    for i in range(1, n + 1):
        weight = c[i - 1] if len(c) else 1.0
        x += weight
        y += weight * (v[i - 1] - middle)
        radius = w[i - 1] if i < n else 0.0
        top, bottom = y + radius, y - radius
        while over_end > over and not _bends_up(over_x, over_y, over_end, x, top):
            over_end -= 1
        if over_end == over:
            while under_end > under and _above(under_x, under_y, under, x, top):
                under += 1
                slope = (under_y[under] - under_y[under - 1]) / (under_x[under] - under_x[under - 1])
                behind, done = _assign(u, c, slope + middle, under_x[under], behind, done, n)
            over_x[over_end], over_y[over_end] = under_x[under], under_y[under]
        over_end += 1
        over_x[over_end], over_y[over_end] = x, top
        if i == n:
            break
        while under_end > under and not _bends_down(under_x, under_y, under_end, x, bottom):
            under_end -= 1
        if under_end == under:
            while over_end > over and _below(over_x, over_y, over, x, bottom):
                over += 1
                slope = (over_y[over] - over_y[over - 1]) / (over_x[over] - over_x[over - 1])
                behind, done = _assign(u, c, slope + middle, over_x[over], behind, done, n)
            under_x[under_end], under_y[under_end] = over_x[over], over_y[over]
        under_end += 1
        under_x[under_end], under_y[under_end] = x, bottom
    while over < over_end:
        over += 1
        slope = (over_y[over] - over_y[over - 1]) / (over_x[over] - over_x[over - 1])
        behind, done = _assign(u, c, slope + middle, over_x[over], behind, done, n)


@njit(**EXACT)
def _bends_up(xs, ys, end, x, y):
    """Return whether the slope to (x, y) is above the slope of the chain's last segment."""
    return (y - ys[end]) * (xs[end] - xs[end - 1]) > (ys[end] - ys[end - 1]) * (x - xs[end])


@njit(**EXACT)
def _bends_down(xs, ys, end, x, y):
    return (y - ys[end]) * (xs[end] - xs[end - 1]) < (ys[end] - ys[end - 1]) * (x - xs[end])


@njit(**EXACT)
def _above(xs, ys, apex, x, y):
    """Return whether the chain's first segment, extended from the apex, runs above (x, y)."""
    return (ys[apex + 1] - ys[apex]) * (x - xs[apex]) >= (y - ys[apex]) * (xs[apex + 1] - xs[apex])


@njit(**EXACT)
def _below(xs, ys, apex, x, y):
    return (ys[apex + 1] - ys[apex]) * (x - xs[apex]) <= (y - ys[apex]) * (xs[apex + 1] - xs[apex])


@njit(**EXACT)
def _assign(u, c, value, stop, behind, done, n):
    """Set the pixels up to abscissa ``stop``; X is summed in the same order, so that it agrees exactly."""
    while done < n and behind < stop:
        behind += c[done] if len(c) else 1.0
        u[done] = value
        done += 1
    return behind, done
