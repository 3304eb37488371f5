"""Hard thresholding of gradients, and the adjoint difference operator of the result, in two passes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels.jit import njit
from jumpset.kernels.tv.dual_general import gradient, primal_plain


def keep_jumps(x: Tensor, threshold: float, scales: Sequence[float] = ()) -> tuple[Tensor, Tensor]:
    """Zero the small gradients of each pixel, jointly over channels, and apply D⊤ to the rest.

    With forward differences d_k along the axes, zero across the border and multiplied by ``scales[k]``,
    ``g = (d_1, d_2, …)`` where ``Σ_c Σ_k d_k² ≥ threshold`` and 0 elsewhere.

    Parameters
    ----------
    x
        ``(B, C, *spatial)`` with one to three spatial axes.
    threshold
        Threshold in squared intensities.
    scales
        One number for each axis; default: ones.

    Returns
    -------
    transposed, kept
        D⊤g, shaped like ``x``, and the number of pixels that keep a nonzero gradient, ``(B,)`` int64.
    """
    if x.device.type != "cpu":
        return keep_jumps_plain(x, threshold, scales)
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    kept = np.zeros(len(x), dtype=np.int64)
    volume = (x.shape[1], *(1,) * (5 - x.ndim), *x.shape[2:])
    squares = np.array([1.0] * (5 - x.ndim) + [s * s for s in scales or (1.0,) * (x.ndim - 2)])
    mask = np.empty(volume[1:], dtype=np.bool_)
    for source, target, k in zip(x.contiguous().numpy(), out.numpy(), range(len(x)), strict=True):
        number = source.dtype.type
        source, target = source.reshape(volume), target.reshape(volume)
        kept[k] = _mask(source, number(threshold), squares.astype(number), mask)
        _transpose(source, mask, squares.astype(number), target)
    return out, torch.from_numpy(kept)


def keep_jumps_plain(x: Tensor, threshold: float, scales: Sequence[float] = ()) -> tuple[Tensor, Tensor]:
    """Compute :func:`keep_jumps` by its definition."""
    g = gradient(x, tuple(scales))
    size = g.square().sum((1, 2), keepdim=True)
    keep = (size >= threshold) & (size > 0)
    return -primal_plain(torch.zeros_like(x), g * keep, scales=tuple(scales)), keep.flatten(1).sum(1)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _mask(x, threshold, squares, mask):
    """Find the pixels whose gradient is kept; ``squares`` multiply the squares of the differences."""
    channels, depth, height, width = x.shape
    size = np.empty(width, dtype=x.dtype)
    kept = 0
    for z in range(depth):
        for y in range(height):
            size[:] = 0
            for c in range(channels):
                row, square = x[c, z, y], squares[2]
                for k in range(width - 1):
                    difference = row[k + 1] - row[k]
                    size[k] += square * (difference * difference)
                if y + 1 < height:
                    _add_squares(x[c, z, y + 1], row, squares[1], size)
                if z + 1 < depth:
                    _add_squares(x[c, z + 1, y], row, squares[0], size)
            for k in range(width):
                keep = size[k] >= threshold and size[k] > 0
                mask[z, y, k] = keep
                kept += keep
    return kept


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _add_squares(there, here, square, size):
    for k in range(len(size)):
        difference = there[k] - here[k]
        size[k] += square * (difference * difference)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _transpose(x, mask, squares, out):
    channels, depth, height, width = x.shape
    for c in range(channels):
        for z in range(depth):
            for y in range(height):
                row, target = x[c, z, y], out[c, z, y]
                target[:] = 0
                here, square = mask[z, y], squares[2]
                for k in range(width - 1):
                    h = here[k] * (square * (row[k + 1] - row[k]))
                    target[k] -= h
                    target[k + 1] += h
                if y + 1 < height:
                    _add_kept(x[c, z, y + 1], row, here, -squares[1], target)
                if y > 0:
                    _add_kept(row, x[c, z, y - 1], mask[z, y - 1], squares[1], target)
                if z + 1 < depth:
                    _add_kept(x[c, z + 1, y], row, here, -squares[0], target)
                if z > 0:
                    _add_kept(row, x[c, z - 1, y], mask[z - 1, y], squares[0], target)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _add_kept(there, here, mask, factor, target):
    for k in range(len(target)):
        target[k] += mask[k] * (factor * (there[k] - here[k]))
