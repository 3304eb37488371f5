"""The loops of sliding-window groups: rows pass through two box sums, whose buffers stay in the cache.

With squared norms ``s = box(u²)`` the gradient is ``u · boxᵀ(φ'(√s) / √s)``. Along a row a box sum adds a few
sums over 4, 16, … pixels for any width; across the rows it adds up to five rows, or for higher windows joins
sums over blocks of the window's height, three additions per row for any height. Nothing is subtracted: a dark
pixel next to a bright one keeps its digits, and an empty window is exactly zero.
"""

from __future__ import annotations

import numpy as np

from jumpset.kernels.jit import njit

_jit = njit(cache=True, nogil=True, error_model="numpy", fastmath={"arcp", "contract", "nsz", "reassoc"})


@_jit
def run_tasks(start, stop, planes, out, factor, values, with_gradient, reach, phi, parameter):
    """Compute the value, and the gradient if required, of tasks ``start … stop − 1``, bands of rows.

    Parameters
    ----------
    planes, out
        ``(groups, members, H, W)``: the images and their gradients, empty where no gradient is required.
    factor
        Factor of the gradients.
    values
        ``(groups, bands)`` for the values.
    reach
        Numbers of rows above and below, and of columns left and right of a window's centre.
    phi, parameter
        Number of the profile, and its scale or exponent.
    """
    bands = values.shape[1]
    height = planes.shape[2]
    for task in range(start, stop):
        g, b = task // bands, task % bands
        first, last = height * b // bands, height * (b + 1) // bands
        values[g, b] = _band(planes[g], out[g], factor, first, last, with_gradient, reach, phi, parameter)


@_jit
def _band(x, out, factor, first, last, with_gradient, reach, phi, parameter):
    """Return the value of the windows centred on rows first … last − 1; write the gradient of these rows."""
    top, bottom, left, right = reach
    height, width = x.shape[1:]
    rows, columns = top + bottom + 1, left + right + 1
    # row sums of squares and of weights φ'(n)/n: the last rows, sums of the current block, and zeros
    squares = np.zeros((max(rows, 5) + 2, width), dtype=x.dtype)
    weights = np.zeros((max(rows, 5) + 2, width), dtype=x.dtype)
    total = np.zeros(width, dtype=x.dtype)
    depth, terms, offsets = _plan(columns)
    squares_levels = np.zeros((depth + 1, width + columns - 1), dtype=x.dtype)
    weights_levels = np.zeros((depth + 1, width + columns - 1), dtype=x.dtype)
    # the pixels of a row lie between zeros, as many as the window extends beyond it
    inner_squares = squares_levels[0, left : left + width]
    inner_weights = weights_levels[0, right : right + width]
    value = 0.0
    # the gradient of row j needs the windows centred on j − bottom … j + top
    from_centre = max(0, first - bottom) if with_gradient else first
    to_centre = min(height, last + top) if with_gradient else last
    begin = max(0, from_centre - top)
    for y in range(begin, to_centre + bottom):
        r = (y - begin) % rows
        if y < height:
            _square(x, y, inner_squares)
            _box_row(squares_levels, depth, terms, offsets, squares, r)
        else:
            squares[r, :] = 0
        window = _window(squares, rows, r)
        centre = y - bottom
        if centre < from_centre:
            continue
        part = _weigh(squares, window, total, phi, parameter, inner_weights)
        if first <= centre < last:
            value += part
        if with_gradient:
            r = (centre - from_centre) % rows
            _box_row(weights_levels, depth, terms, offsets, weights, r)
            window = _window(weights, rows, r)
            if first <= centre - top:
                _gradient_row(x, out, centre - top, weights, window, total, factor)
    if with_gradient:
        for centre in range(to_centre, last + top):  # there are no windows centred below the image
            r = (centre - from_centre) % rows
            weights[r, :] = 0
            window = _window(weights, rows, r)
            if first <= centre - top:
                _gradient_row(x, out, centre - top, weights, window, total, factor)
    return value


@_jit
def _square(x, y, out):
    """Sum the squares of a row over the members."""
    width = len(out)
    for k in range(width):
        out[k] = x[0, y, k] * x[0, y, k]
    for m in range(1, len(x)):
        for k in range(width):
            out[k] += x[m, y, k] * x[m, y, k]


@_jit
def _plan(size):
    """Compose a window of ``size`` pixels of sums over 1, 4, 16, … pixels (levels 0, 1, 2, …).

    Return the number of levels, and the level and start of each term, padded to a multiple of five with terms
    of the level after the last, which is zero: one pass for 5, 9 and 17 pixels.
    """
    depth, width = 1, 1
    while size // width > 5:
        depth, width = depth + 1, 4 * width
    terms, offsets = np.full(5 * depth, depth, dtype=np.uint64), np.zeros(5 * depth, dtype=np.uint64)
    count, offset = 0, 0
    for level in range(depth - 1, -1, -1):
        while offset + width <= size:
            terms[count], offsets[count] = level, offset
            count, offset = count + 1, offset + width
        width //= 4
    count = 5 * ((count + 4) // 5)
    return depth, terms[:count], offsets[:count]


@_jit
def _box_row(levels, depth, terms, offsets, block, r):
    """Set ``block[r, i]`` to the sum of ``levels[0]`` over a window that starts at i; see :func:`_plan`."""
    # Unsigned indices: the test whether a signed index is negative would prevent vectorisation.
    length, width = levels.shape[1], 1
    for level in range(depth - 1):
        length -= 3 * width
        one, two, three = np.uint64(width), np.uint64(2 * width), np.uint64(3 * width)
        for i in range(length):
            k = np.uint64(i)
            pair = levels[level, k] + levels[level, k + one]
            levels[level + 1, k] = pair + (levels[level, k + two] + levels[level, k + three])
        width *= 4
    for t in range(0, len(terms), 5):
        a, b, c, d, e = terms[t], terms[t + 1], terms[t + 2], terms[t + 3], terms[t + 4]
        f, g, h, u, v = offsets[t], offsets[t + 1], offsets[t + 2], offsets[t + 3], offsets[t + 4]
        if t > 0:
            for i in range(block.shape[1]):
                k = np.uint64(i)
                pair = levels[a, k + f] + levels[b, k + g]
                block[r, k] += pair + (levels[c, k + h] + levels[d, k + u]) + levels[e, k + v]
        else:
            for i in range(block.shape[1]):
                k = np.uint64(i)
                pair = levels[a, k + f] + levels[b, k + g]
                block[r, k] = pair + (levels[c, k + h] + levels[d, k + u]) + levels[e, k + v]


@_jit
def _window(block, size, r):
    """Return the indices of five rows of ``block`` whose sum is the sum of the last ``size`` rows up to r.

    Up to five rows are taken as they are, with zeros. Higher windows take rows in blocks of the window's
    height: a window is the end of one block, whose sums from each row to its end are in ``block``, and the
    start of the next, which is summed in the last row but one of ``block``. The last row is zero.
    """
    prefix, zero = len(block) - 2, len(block) - 1
    if size <= 5:
        return (
            0,
            1 if size > 1 else zero,
            2 if size > 2 else zero,
            3 if size > 3 else zero,
            4 if size > 4 else zero,
        )
    width = block.shape[1]
    if r == 0:
        block[prefix, :] = 0
    for k in range(width):
        block[prefix, k] += block[r, k]
    if r + 1 < size:
        return prefix, r + 1, zero, zero, zero
    for q in range(size - 2, -1, -1):
        for k in range(width):
            block[q, k] += block[q + 1, k]
    return prefix, zero, zero, zero, zero


@_jit
def _add_rows(block, window, total):
    """Set ``total`` to the sum of five rows."""
    a, b, c, d, e = window
    for k in range(len(total)):
        total[k] = (block[a, k] + block[b, k]) + (block[c, k] + block[d, k]) + block[e, k]


@_jit
def _weigh(block, window, squares, phi, parameter, inner):
    """Return the sum of φ(n) and set ``inner`` to φ'(n) / n, for squared norms given as five rows."""
    width = len(squares)
    zero, one = squares.dtype.type(0), squares.dtype.type(1)
    half = squares.dtype.type(0.5)
    # The processor's estimate of 1/√s, which "arcp" permits, is undefined for subnormal numbers.
    least = np.finfo(squares.dtype).tiny
    total = zero
    if phi != 0:
        _add_rows(block, window, squares)
    if phi == 0:
        a, b, c, d, e = window
        for k in range(width):
            s = (block[a, k] + block[b, k]) + (block[c, k] + block[d, k]) + block[e, k]
            inverse = one / np.sqrt(s) if s >= least else zero
            total += s * inverse
            inner[k] = inverse
    elif phi == 1:
        for k in range(width):
            s = squares[k]
            n = np.sqrt(s)
            total += parameter * np.log1p(n / parameter)
            inner[k] = one / (n + s / parameter) if s >= least else zero
    elif phi == 2:
        for k in range(width):
            s = squares[k]
            n = min(np.sqrt(s), parameter)
            total += n - half * n * n / parameter + zero * s  # NaN for NaN and infinity
            inner[k] = one / n - one / parameter if s >= least else zero
    elif phi == 4:
        for k in range(width):
            n = np.sqrt(parameter * parameter + squares[k])
            total += n - parameter
            inner[k] = one / n
    else:
        for k in range(width):
            s = squares[k]
            if s >= least:
                n = np.sqrt(s)
                p = n**parameter
                total += p
                inner[k] = parameter * p / s
            else:
                total += zero * s  # NaN stays
                inner[k] = zero
    return float(total)


@_jit
def _gradient_row(x, out, y, block, window, total, factor):
    """Set row y of ``out`` to ``factor · u · weight``, the weights given as five rows."""
    width = len(total)
    if len(x) == 1:
        a, b, c, d, e = window
        for k in range(width):
            weight = (block[a, k] + block[b, k]) + (block[c, k] + block[d, k]) + block[e, k]
            out[0, y, k] = factor * x[0, y, k] * weight
        return
    _add_rows(block, window, total)
    for m in range(len(x)):
        for k in range(width):
            out[m, y, k] = factor * x[m, y, k] * total[k]
