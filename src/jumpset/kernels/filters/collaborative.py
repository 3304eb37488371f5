"""Collaborative filtering: shrink groups of similar blocks in a three-dimensional transform.

A group consists of K = 2^m similar blocks of 8×8 pixels. Each block is transformed by the cosine transform,
then the K values of each of the 64 coefficients by an orthonormal Haar transform; the coefficients are shrunk
according to the variance of the noise in them, and the inverse transforms give an estimate of every block.
The result is the mean of all estimates of a pixel, weighted by the inverse of the noise that remains in them.

The noise is stationary with any autocovariance. ``table[k, d]`` is the covariance of coefficient k between
two blocks at displacement d, so the variance of a Haar coefficient with signs s_a over blocks at p_a is

    1/n Σ_{a,b} s_a s_b table[k, p_a − p_b],

exactly, for overlapping blocks too. Summing pairs of rows and columns of that K×K matrix level by level gives
the variances of all coefficients in about the time of one transform.
"""

from __future__ import annotations

import math

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

SIZE = 8  # side of a block
_AREA = SIZE * SIZE
_BAND = 8  # rows of reference blocks that share one accumulator; fixed, so that sums do not depend on threads


def cosine_basis(size: int = SIZE) -> np.ndarray:
    """Return the ``(size, size)`` orthonormal DCT-II, one basis vector per row."""
    k, n = np.arange(size)[:, None], np.arange(size)[None, :]
    basis = np.cos(math.pi * (2 * n + 1) * k / (2 * size)) * math.sqrt(2.0 / max(size, 1))
    basis[:1] *= math.sqrt(0.5)
    return basis


def covariance_table(autocovariance: np.ndarray, reach: int) -> np.ndarray:
    """Return the covariance of each cosine coefficient between two blocks.

    Parameters
    ----------
    autocovariance
        ``(C, 2 A + 1, 2 A + 1)``: autocovariance of the noise of each channel, lag 0 in the middle; 0
        outside.
    reach
        Largest displacement in the table; blocks further apart count as uncorrelated.

    Returns
    -------
    numpy.ndarray
        ``(C, 2 reach + 1, 2 reach + 1, 64)`` float32.
    """
    basis = cosine_basis()
    channels, lags, _ = autocovariance.shape
    # own[i, a]: autocorrelation of basis vector i at lag a − 7; for blocks at displacement d it meets lag d +
    # a
    own = np.stack([np.correlate(b, b, "full") for b in basis])
    need = reach + SIZE - 1
    r = np.zeros((channels, 2 * need + 1, 2 * need + 1))
    half = min(lags // 2, need)
    mid = lags // 2
    r[:, need - half : need + half + 1, need - half : need + half + 1] = autocovariance[
        :, mid - half : mid + half + 1, mid - half : mid + half + 1
    ]
    shift = np.zeros((SIZE, 2 * reach + 1, 2 * need + 1))
    for d in range(2 * reach + 1):
        shift[:, d, d : d + 2 * SIZE - 1] = own
    table = np.einsum("idp,cpq,jeq->cdeij", shift, r, shift, optimize=True)
    return np.ascontiguousarray(table.reshape(channels, 2 * reach + 1, 2 * reach + 1, _AREA), np.float32)


def grid(length: int, step: int) -> np.ndarray:
    """Return the positions of reference blocks along an axis: every ``step`` pixels, and one at the end."""
    last = length - SIZE
    return np.unique(np.append(np.arange(0, last + 1, step), last)).astype(np.int64)


def search_offsets(radius: int, step: int = 3, *, dense: bool = False) -> np.ndarray:
    """Return ``(N, 2)`` displacements of candidates: the block itself, then others in a fixed random order.

    They lie ``step`` rows and columns apart. If ``dense``, they are all near ones and some far ones, about as
    many as for a step of 3: near blocks are the most alike, but share the noise where it is correlated; and
    on a lattice the edges of all blocks fall together. Among equal candidates the first ones are taken; in
    random order they are scattered, instead of adjacent with nearly the same noise.
    """
    offsets = _lattice(radius, step)
    if dense:
        near = 3 * radius // 10
        far = _lattice(radius, 6)
        offsets = np.concatenate([_lattice(near, 1), far[np.abs(far).max(axis=1) > near]])
    others = offsets[(offsets != 0).any(1)]
    return np.concatenate([np.zeros((1, 2), np.int64), np.random.default_rng(0).permutation(others)])


def _lattice(radius: int, step: int) -> np.ndarray:
    n = radius // step
    steps = np.arange(-n, n + 1) * step
    return np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)


def match(
    guide: np.ndarray, rows: np.ndarray, columns: np.ndarray, offsets: np.ndarray, count: int
) -> np.ndarray:
    """Return ``(rows, columns, count, 2)`` int32: the best blocks for each reference block, best first.

    ``guide`` is ``(C, H, W)``; the best blocks have the least squared difference, and include the block
    itself. Entries are -1 where the image has fewer candidates.
    """
    found = np.full((len(rows), len(columns), count, 2), -1, dtype=np.int32)
    parallel_rows(_match_rows, len(rows), guide, rows, columns, offsets, found)
    return found


def shrink(
    noisy: np.ndarray,
    pilot: np.ndarray | None,
    found: np.ndarray,
    table: np.ndarray,
    threshold: float,
    coupling: float,
) -> np.ndarray:
    """Return the filtered image.

    Parameters
    ----------
    noisy
        ``(C, H, W)`` float32, sides of at least 8.
    pilot
        A cleaner image, whose coefficients p determine the shrinkage as described for ``coupling``. ``None``:
        coefficients below ``threshold`` standard deviations are set to 0, except the mean of the whole group.
    found
        The groups that :func:`match` returned.
    table
        The table that :func:`covariance_table` returned.
    threshold
        Threshold in standard deviations of the noise.
    coupling
        c in ``(1 − c) p_k² / (p_k² + v_k) x_k + c p_k Σ_j (p_j x_j / v_j) / (1 + Σ_j p_j² / v_j)``, the new
        coefficient of channel k, v the variances.
    """
    count = -(-len(found) // _BAND)
    low, high = np.empty(count, np.int64), np.empty(count, np.int64)
    for b in range(count):
        block = found[b * _BAND : (b + 1) * _BAND, :, :, 0]
        low[b], high[b] = block[block >= 0].min(), block.max() + SIZE
    channels, height, width = noisy.shape
    tallest = int((high - low).max())
    sums = np.zeros((count, 2, channels, tallest, width), np.float32)
    parallel_rows(
        _shrink_bands, count, noisy, noisy if pilot is None else pilot, pilot is not None, found, table,
        np.float32(threshold), np.float32(coupling), cosine_basis().astype(np.float32), _window(), low, sums,
    )  # fmt: skip
    total = np.zeros((2, channels, height, width))
    for b in range(count):
        total[:, :, low[b] : high[b]] += sums[b, :, :, : high[b] - low[b]]
    return (total[0] / total[1]).astype(noisy.dtype)


def _window() -> np.ndarray:
    """Return weights of a block's pixels, lower at its border, where the estimates are less exact."""
    w = np.kaiser(SIZE, 2.0)
    return np.outer(w, w).astype(np.float32)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _match_rows(start, stop, guide, rows, columns, offsets, found):
    channels, height, width = guide.shape
    count = found.shape[2]
    n = len(columns)
    best = np.empty((n, count), np.float32)
    squares = np.empty(width, np.float32)
    for r in range(start, stop):
        y = rows[r]
        best[:] = np.inf
        for o in range(len(offsets)):
            dy, dx = offsets[o, 0], offsets[o, 1]
            if y + dy < 0 or y + dy + SIZE > height:
                continue
            left, right = max(0, -dx), min(width, width - dx)
            if right - left < SIZE:
                continue
            squares[left:right] = 0.0
            for c in range(channels):
                for i in range(SIZE):
                    here = guide[c, y + i]
                    there = guide[c, y + dy + i]
                    for x in range(left, right):
                        e = here[x] - there[x + dx]
                        squares[x] += e * e
            for k in range(n):
                x = columns[k]
                if x < left or x + SIZE > right:
                    continue
                d = np.float32(0.0)
                for j in range(SIZE):
                    d += squares[x + j]
                if d >= best[k, count - 1]:
                    continue
                place = count - 1
                while place > 0 and best[k, place - 1] > d:
                    best[k, place] = best[k, place - 1]
                    found[r, k, place, 0] = found[r, k, place - 1, 0]
                    found[r, k, place, 1] = found[r, k, place - 1, 1]
                    place -= 1
                best[k, place] = d
                found[r, k, place, 0] = y + dy
                found[r, k, place, 1] = x + dx


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _transform(group, n, left, spare):
    """Replace each of n blocks B by ``left B leftᵀ``, in place."""
    for k in range(n):
        for i in range(SIZE):
            for x in range(SIZE):
                spare[i, x] = 0.0
            for j in range(SIZE):
                a = left[i, j]
                for x in range(SIZE):
                    spare[i, x] += a * group[k, j * SIZE + x]
        for i in range(SIZE):
            for x in range(SIZE):
                group[k, i * SIZE + x] = 0.0
            for j in range(SIZE):
                a = spare[i, j]
                for x in range(SIZE):
                    group[k, i * SIZE + x] += a * left[x, j]


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _haar(group, n):
    """Apply the orthonormal Haar transform over n blocks in place: mean first, details at stride 2^level."""
    stride = 1
    while stride < n:
        for a in range(0, n, 2 * stride):
            for x in range(_AREA):
                p, q = group[a, x], group[a + stride, x]
                group[a, x] = (p + q) * np.float32(math.sqrt(0.5))
                group[a + stride, x] = (p - q) * np.float32(math.sqrt(0.5))
        stride *= 2


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _unhaar(group, n):
    stride = n // 2
    while stride >= 1:
        for a in range(0, n, 2 * stride):
            for x in range(_AREA):
                p, q = group[a, x], group[a + stride, x]
                group[a, x] = (p + q) * np.float32(math.sqrt(0.5))
                group[a + stride, x] = (p - q) * np.float32(math.sqrt(0.5))
        stride //= 2


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _variances(places, n, table, pairs, variance):
    """Write the variance of each coefficient of the group, in the order of :func:`_haar`."""
    reach = table.shape[0] // 2
    for a in range(n):
        for b in range(a, n):
            dy, dx = places[b, 0] - places[a, 0], places[b, 1] - places[a, 1]
            if abs(dy) > reach or abs(dx) > reach:
                for x in range(_AREA):
                    pairs[a, b, x] = 0.0
            else:
                row = table[reach + dy, reach + dx]
                for x in range(_AREA):
                    pairs[a, b, x] = row[x]
    stride = 1
    while stride < n:
        # half the sum and half the difference: the orthonormal butterfly applied to a covariance
        for a in range(0, n, 2 * stride):
            for x in range(_AREA):
                same = pairs[a, a, x] + pairs[a + stride, a + stride, x]
                cross = 2.0 * pairs[a, a + stride, x]
                variance[a + stride, x] = 0.5 * (same - cross)
                pairs[a, a, x] = 0.5 * (same + cross)
            for b in range(a + 2 * stride, n, 2 * stride):
                for x in range(_AREA):
                    pairs[a, b, x] = 0.5 * (
                        pairs[a, b, x] + pairs[a, b + stride, x]
                        + pairs[a + stride, b, x] + pairs[a + stride, b + stride, x]
                    )  # fmt: skip
        stride *= 2
    for x in range(_AREA):
        variance[0, x] = pairs[0, 0, x]


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _shrink_bands(
    start, stop, noisy, pilot, wiener, found, table, threshold, coupling, basis, window, low, sums
):
    count = found.shape[2]
    channels = noisy.shape[0]
    group = np.empty((channels, count, _AREA), np.float32)
    guide = np.empty((channels, count, _AREA), np.float32)
    variance = np.empty((channels, count, _AREA), np.float32)
    pairs = np.empty((count, count, _AREA), np.float32)
    spare = np.empty((SIZE, SIZE), np.float32)
    left = np.empty(channels, np.float32)
    apart = np.float32(1.0) - coupling
    least = np.float32(1e-12)  # variance of a coefficient without noise
    inverse = np.ascontiguousarray(basis.T)
    for band in range(start, stop):
        top = low[band]
        for r in range(band * _BAND, min(found.shape[0], (band + 1) * _BAND)):
            for k in range(found.shape[1]):
                places = found[r, k]
                n = 1
                while 2 * n <= count and places[2 * n - 1, 0] >= 0:
                    n *= 2
                for c in range(channels):
                    for a in range(n):
                        y, x = places[a, 0], places[a, 1]
                        for i in range(SIZE):
                            for j in range(SIZE):
                                group[c, a, i * SIZE + j] = noisy[c, y + i, x + j]
                                guide[c, a, i * SIZE + j] = pilot[c, y + i, x + j]
                    _transform(group[c], n, basis, spare)
                    _haar(group[c], n)
                    _variances(places, n, table[c], pairs, variance[c])
                    if wiener:
                        _transform(guide[c], n, basis, spare)
                        _haar(guide[c], n)
                left[:] = 0.0
                if wiener:
                    for a in range(n):
                        for x in range(_AREA):
                            power, match = np.float32(0.0), np.float32(0.0)
                            for c in range(channels):
                                p, v = guide[c, a, x], max(variance[c, a, x], least)
                                power += p * p / v
                                match += p * group[c, a, x] / v
                            match *= coupling / (np.float32(1.0) + power)
                            for c in range(channels):
                                p, v = guide[c, a, x], max(variance[c, a, x], least)
                                gain = p * p / (p * p + v)
                                group[c, a, x] = p * match + apart * gain * group[c, a, x]
                                left[c] += v * gain * gain
                else:
                    for c in range(channels):
                        for a in range(n):
                            for x in range(_AREA):
                                v = max(variance[c, a, x], least)
                                # the mean of the group is signal
                                keep = group[c, a, x] ** 2 > threshold * threshold * v or a + x == 0
                                group[c, a, x] = group[c, a, x] if keep else np.float32(0.0)
                                left[c] += v if keep else np.float32(0.0)
                for c in range(channels):
                    _unhaar(group[c], n)
                    _transform(group[c], n, inverse, spare)
                    # A group that the pilot takes for zero keeps no noise. Its weight is at most 100 times
                    # that of its mean alone, so that it does not decide for all groups over its pixels.
                    weight = np.float32(1.0) / max(left[c], np.float32(0.01) * max(variance[c, 0, 0], least))
                    for a in range(n):
                        y, x = places[a, 0] - top, places[a, 1]
                        for i in range(SIZE):
                            for j in range(SIZE):
                                w = weight * window[i, j]
                                sums[band, 0, c, y + i, x + j] += w * group[c, a, i * SIZE + j]
                                sums[band, 1, c, y + i, x + j] += w
