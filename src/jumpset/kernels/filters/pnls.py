"""One pass of pixel-level non-local smoothing: similar patches, similar pixels of them, Haar thresholding.

For each reference patch, the n most similar patches in a window form a matrix for each channel: a row for
each pixel of the patch, a column for each of the n patches. A Haar transform runs along the rows once. Each
row then forms a group with the rows most similar to it; in a second Haar transform down the group, small
coefficients and the finest differences are set to zero, and only the row itself is transformed back.
"""

from __future__ import annotations

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

_CHUNK = 8  # rows of reference patches that share a sum; fixed, so that threads do not change the result


def smooth_pass(
    u: np.ndarray, *, patch: int, step: int, window: int, matches: int, pixels: int, threshold: float
) -> np.ndarray:
    """Return the image after one pass, ``(C, H, W)`` like ``u``.

    Parameters
    ----------
    u
        ``(C, H, W)``, contiguous.
    patch
        Side of the patches; less where the image is smaller.
    step
        Distance of reference patches; the last row and column of patches are always included.
    window
        Odd side of the square of patch positions that are searched, moved inwards at borders.
    matches
        n, a power of two; halved until the window contains that many patches.
    pixels
        Number of rows in a group, a power of two; halved until the patch has that many pixels.
    threshold
        Coefficients whose root mean square over channels is smaller are set to zero.
    """
    channels, height, width = u.shape
    size = np.array([min(patch, height), min(patch, width)])
    places = np.array([height, width]) - size + 1
    search = np.minimum(window, places)
    matches = _halve(matches, int(search.prod()))
    pixels = _halve(pixels, int(size.prod()))
    rows, columns = (np.append(np.arange(0, n - 1, step), n - 1) for n in places)
    chunks = -(-len(rows) // _CHUNK)
    tops = np.maximum(rows[::_CHUNK] - search[0], 0)
    depth = int(_CHUNK * step + 2 * search[0] + size[0])
    sums = np.zeros((chunks, channels + 1, depth, width), u.dtype)  # the last one holds the weights
    limit = u.dtype.type(min(channels * threshold**2, 1e30))  # more would overflow float32
    parallel_rows(
        _chunk_rows, chunks, u, rows, columns, size, search, matches, pixels, limit, tops, sums, least=1
    )
    total = np.zeros((channels + 1, height + depth, width), u.dtype)
    for top, part in zip(tops, sums, strict=True):
        total[:, top : top + depth] += part
    return np.ascontiguousarray(total[:-1, :height] / total[-1, :height])


def _halve(count: int, limit: int) -> int:
    while count > limit:
        count //= 2
    return count


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _chunk_rows(start, stop, u, rows, columns, size, search, matches, pixels, limit, tops, sums):
    channels, _, width = u.shape
    area = size[0] * size[1]
    found, distances = np.empty(matches, np.int64), np.empty(matches, u.dtype)
    order, nearness = np.empty(pixels, np.int64), np.empty(pixels, u.dtype)
    groups, between = np.empty((area, channels, matches), u.dtype), np.empty((area, area), u.dtype)
    answer, running, other = (
        np.empty((channels, matches), u.dtype),
        np.empty((channels, matches), u.dtype),
        np.empty((channels, matches), u.dtype),
    )
    spare = np.empty(matches, u.dtype)
    for chunk in range(start, stop):
        part, top = sums[chunk], tops[chunk]
        for y in rows[chunk * _CHUNK : (chunk + 1) * _CHUNK]:
            for x in columns:
                _match(u, y, x, size, search, distances, found)
                for i in range(area):
                    dy, dx = i // size[1], i % size[1]
                    for c in range(channels):
                        for m in range(matches):
                            groups[i, c, m] = u[c, found[m] // width + dy, found[m] % width + dx]
                        _haar(groups[i, c], spare)
                _differences(groups, between)
                for i in range(area):
                    count = _enter(nearness, order, 0, u.dtype.type(-1.0), i)  # itself first
                    for j in range(area):
                        if j != i:
                            count = _enter(nearness, order, count, between[i, j], j)
                    kept = _shrink(groups, order, limit, answer, running, other)
                    weight = u.dtype.type(1.0 / kept)
                    dy, dx = i // size[1] - top, i % size[1]
                    for c in range(channels):
                        _unhaar(answer[c], spare)
                    for m in range(matches):
                        row, column = found[m] // width + dy, found[m] % width + dx
                        for c in range(channels):
                            part[c, row, column] += weight * answer[c, m]
                        part[channels, row, column] += weight


@njit(cache=True, nogil=True)
def _enter(keys, values, count, key, value):
    """Keep the smallest keys in order, with their values; the earliest of equal ones. Return their number."""
    if count < len(keys):
        k = count
        count += 1
    elif key < keys[-1]:
        k = len(keys) - 1
    else:
        return count
    while k > 0 and keys[k - 1] > key:
        keys[k], values[k] = keys[k - 1], values[k - 1]
        k -= 1
    keys[k], values[k] = key, value
    return count


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _match(u, y, x, size, search, distances, found):
    """Find the patches most similar to the one at (y, x), itself first, as y · width + x."""
    channels, height, width = u.shape
    top = min(max(y - search[0] // 2, 0), height - size[0] - search[0] + 1)
    left = min(max(x - search[1] // 2, 0), width - size[1] - search[1] + 1)
    count = _enter(distances, found, 0, u.dtype.type(-1.0), y * width + x)
    for v in range(top, top + search[0]):
        for w in range(left, left + search[1]):
            if v == y and w == x:
                continue
            distance = u.dtype.type(0.0)
            for c in range(channels):
                for i in range(size[0]):
                    for j in range(size[1]):
                        difference = u[c, v + i, w + j] - u[c, y + i, x + j]
                        distance += difference * difference
            count = _enter(distances, found, count, distance, v * width + w)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _differences(groups, out):
    """Compute the squared distances between all rows."""
    area, channels, matches = groups.shape
    rows = groups.reshape(area, channels * matches)
    for i in range(area):
        for j in range(i):
            here, there = rows[i], rows[j]
            distance = groups.dtype.type(0.0)
            for m in range(channels * matches):
                difference = here[m] - there[m]
                distance += difference * difference
            out[i, j] = out[j, i] = distance


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _shrink(groups, order, limit, answer, running, other):
    """Threshold the group's Haar coefficients for its first row; return the number of coefficients kept.

    Only the coefficients that involve the first row are needed: the mean of all rows, and on each level the
    difference between the block of rows that contains it and the next. Differences of single rows are set to
    zero, except in the first column, the mean of the patches.
    """
    _, channels, matches = groups.shape
    pixels = len(order)
    kept = 0
    for c in range(channels):
        running[c] = groups[order[0], c]
        answer[c] = 0
    block = 1
    while block <= pixels:
        mean = block == pixels
        norm = groups.dtype.type(1.0 / (block if mean else 2 * block))  # the square of a coefficient's scale
        if not mean:
            for c in range(channels):
                other[c] = 0
                for k in range(block, 2 * block):
                    other[c] += groups[order[k], c]
        for m in range(matches):
            size = groups.dtype.type(0.0)
            for c in range(channels):
                value = running[c, m] if mean else running[c, m] - other[c, m]
                size += value * value
            finest = block == 1 and not mean
            if (mean and m == 0) or (size * norm >= limit and (m == 0 or not finest)):
                kept += 1
                for c in range(channels):
                    answer[c, m] += norm * (running[c, m] if mean else running[c, m] - other[c, m])
        if not mean:
            running += other
        block *= 2
    return kept


@njit(cache=True, nogil=True)
def _haar(row, spare):
    """Apply the orthonormal Haar transform in place: the mean, then differences from coarse to fine."""
    scale = row.dtype.type(0.5**0.5)
    length = len(row)
    while length > 1:
        half = length // 2
        for k in range(half):
            spare[k] = scale * (row[2 * k] + row[2 * k + 1])
            spare[half + k] = scale * (row[2 * k] - row[2 * k + 1])
        row[:length] = spare[:length]
        length = half


@njit(cache=True, nogil=True)
def _unhaar(row, spare):
    """Invert :func:`_haar`."""
    scale = row.dtype.type(0.5**0.5)
    half = 1
    while 2 * half <= len(row):
        for k in range(half):
            spare[2 * k] = scale * (row[k] + row[half + k])
            spare[2 * k + 1] = scale * (row[k] - row[half + k])
        row[: 2 * half] = spare[: 2 * half]
        half *= 2
