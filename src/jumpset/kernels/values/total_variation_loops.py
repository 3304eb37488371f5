"""Value and gradient of total variation in one pass; called by :mod:`jumpset.kernels.values.total_variation`.

For each row: squares of the differences, their powers and weights, then the flux ``weight · difference``
along both axes; the gradient is the inward minus the outward flux. Only the downward flux of the row above is
kept, so that the image is read once and the gradient is written once.
"""

from __future__ import annotations

import math

import numpy as np

from jumpset.kernels.jit import njit

# Without "nnan" and "ninf": a NaN in an image must reach the value. Division never raises.
_jit = njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp", "afn"}
)


@_jit
def run_rows(start, stop, x, half, factor, isotropic, with_gradient, values, gradient):
    """Compute rows ``start`` to ``stop``, counted through all images: row y of image b is ``b * H + y``.

    Parameters
    ----------
    x
        ``(B, C, H, W)``; the channels of an image share their root.
    half, factor
        β / 2, and the factor of the gradient's weights (β for the gradient itself), both in x's dtype.
    isotropic
        Whether the directions share their root.
    with_gradient
        Whether ``gradient``, shaped like x, is written.
    values
        ``(B * H,)`` float64 for the value of each row, without factor.
    """
    channels, height, width = x.shape[1:]
    # Buffers: squares of both directions, the horizontal flux, and the downward flux of each channel.
    lines = np.zeros((3 + channels, width), x.dtype)
    no_value, no_rows = np.zeros(1), np.zeros((channels, 1, width), x.dtype)
    one_channel = channels == 1 and isotropic
    for b in range(start // height, (stop + height - 1) // height):
        first, last = max(start - b * height, 0), min(stop - b * height, height)
        of_rows = values[b * height + first : b * height + last]
        out = gradient[b] if with_gradient else no_rows
        lines[3:] = 0
        if with_gradient and first > 0:  # the flux out of the row above the band
            _general(
                x[b], first - 1, first, half, factor, isotropic, True, lines, no_value, no_rows, first - 1
            )
        if one_channel and half == 0.5 and with_gradient and width % 32 == 0:
            _root_in_vectors(x[b, 0], first, last, factor, lines, of_rows, out[0])
        elif one_channel and half == 0.5 and with_gradient:
            _root(x[b, 0], first, last, factor, lines, of_rows, out[0])
        elif one_channel and half == 0.5:
            _root_value(x[b, 0], first, last, factor, lines, of_rows, out[0])
        elif one_channel and half == 1.0 and with_gradient:
            _square(x[b, 0], first, last, factor, lines, of_rows, out[0])
        elif one_channel and half == 1.0:
            _square_value(x[b, 0], first, last, factor, lines, of_rows, out[0])
        else:
            _general(x[b], first, last, half, factor, isotropic, with_gradient, lines, of_rows, out, 0)


@_jit
def _general(x, first, last, half, factor, isotropic, with_gradient, lines, values, out, top):
    # ``top`` is the row of the image with which ``out`` starts.
    channels, height, width = x.shape
    horizontal, vertical = lines[0], lines[0 if isotropic else 1]
    across = lines[2]
    for y in range(first, last):
        below = min(y + 1, height - 1)
        lines[:2] = 0
        for c in range(channels):
            for k in range(width - 1):
                d = x[c, y, k + 1] - x[c, y, k]
                horizontal[k] += d * d
            for k in range(width):
                d = x[c, below, k] - x[c, y, k]
                vertical[k] += d * d
        value = _powers(horizontal, half, factor)
        if not isotropic:
            value += _powers(vertical, half, factor)
        values[y - first] = value
        if not with_gradient:
            continue
        for c in range(channels):
            down = lines[3 + c]
            for k in range(width - 1):
                across[k] = horizontal[k] * (x[c, y, k + 1] - x[c, y, k])
            across[width - 1] = 0
            for k in range(width):
                d = vertical[k] * (x[c, below, k] - x[c, y, k])
                out[c, y - top, k] = down[k] - d - across[k]
                down[k] = d
            for k in range(1, width):
                out[c, y - top, k] += across[k - 1]


@_jit
def _powers(squares, half, factor):
    """Return the sum of ``s ** half``; set each s to its weight ``factor · s ** (half − 1)``, 0 for s = 0."""
    tiny = _smallest(squares)
    one, zero = squares.dtype.type(1), squares.dtype.type(0)
    total = zero
    if half == 0.5:
        for k in range(len(squares)):
            s = squares[k]
            weight = zero if s < tiny else one / math.sqrt(s)
            total += s * weight
            squares[k] = factor * weight
    elif half == 1.0:
        for k in range(len(squares)):
            total += squares[k]
            squares[k] = factor
    else:
        for k in range(len(squares)):
            s = squares[k]
            if s != 0:
                power = s**half
                total += power
                squares[k] = zero if s < tiny else factor * (power / s)
    return total


@_jit
def _smallest(like):
    """Return the smallest normal number; smaller squares count as 0: their fast reciprocal root overflows."""
    return np.finfo(like.dtype).tiny


def _specialised(root, with_gradient, carry):
    """Compile ``_general`` for one channel, isotropic, and β = 1 (``root``) or 2, as one loop.

    With ``carry``, the horizontal flux is carried from pixel to pixel, which saves a loop; but the compiler
    then processes the pixels beyond a multiple of 32, four vectors of eight, one by one.
    """

    @_jit
    def one_channel(x, first, last, factor, lines, values, out):
        height, width = x.shape
        across, down = lines[2], lines[3]
        tiny = _smallest(x)
        one, zero = x.dtype.type(1), x.dtype.type(0)
        for y in range(first, last):
            below = min(y + 1, height - 1)
            for k in range(width - 1):
                across[k] = x[y, k + 1] - x[y, k]
            across[width - 1] = 0
            total, left = zero, zero
            for k in range(width):
                h, v = across[k], x[below, k] - x[y, k]
                s = h * h + v * v
                if root:
                    weight = zero if s < tiny else one / math.sqrt(s)
                    total += s * weight
                    weight *= factor
                else:
                    weight = factor
                    total += s
                if with_gradient:
                    h *= weight
                    v *= weight
                    if carry:
                        out[y, k] = down[k] - v - h + left
                        left = h
                    else:
                        out[y, k] = down[k] - v - h
                        across[k] = h
                    down[k] = v
            values[y - first] = total
            if with_gradient and not carry:
                for k in range(1, width):
                    out[y, k] += across[k - 1]

    return one_channel


_root = _specialised(root=True, with_gradient=True, carry=False)
_root_in_vectors = _specialised(root=True, with_gradient=True, carry=True)
_root_value = _specialised(root=True, with_gradient=False, carry=False)
_square = _specialised(root=False, with_gradient=True, carry=False)
_square_value = _specialised(root=False, with_gradient=False, carry=False)
