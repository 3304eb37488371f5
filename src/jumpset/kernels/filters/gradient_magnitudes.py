"""Magnitudes of the differences between neighbouring pixels, over all bands together."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

_LEAST = 32  # rows per thread at least


def gradient_magnitudes(x: Tensor, *, squares: bool = True) -> tuple[Tensor, ...]:
    """Return the norm over the bands of the difference to the next pixel along each axis, the last first.

    Parameters
    ----------
    x
        ``(B, C, *spatial)`` with one to three spatial axes.
    squares
        Whether the norm is Euclidean; otherwise it is the sum of magnitudes.

    Returns
    -------
    tuple of Tensor
        ``(B, *spatial)`` each, one shorter along its axis, of the dtype of ``x``, on the CPU.
    """
    x = x.detach().cpu().contiguous()
    batch, channels, *spatial = x.shape
    out = tuple(
        x.new_empty(batch, *(n - (a == axis) for a, n in enumerate(spatial)))
        for axis in reversed(range(len(spatial)))
    )
    for k, source in enumerate(x.numpy()):
        right, *others = (magnitude[k].numpy() for magnitude in out)
        if len(spatial) < 3:
            planes = source.reshape(channels, -1, spatial[-1])
            _fill(planes, right if others else right[None], others[0] if others else right[:0, None], squares)
            continue
        for z, right_of_slice in enumerate(right):
            _fill(source[:, z], right_of_slice, others[0][z], squares)
        rest = spatial[1] * spatial[2]
        deep = others[1].reshape(spatial[0] - 1, rest)
        parallel_rows(_next_rows, len(deep), source.reshape(channels, spatial[0], rest), deep, squares)
    return out


def _fill(x: np.ndarray, right: np.ndarray, down: np.ndarray, squares: bool) -> None:
    """Write the magnitudes of ``(C, H, W)`` into ``(H, W − 1)`` and ``(H − 1, W)``."""
    parallel_rows(_rows, x.shape[1], x, right, down, squares, least=_LEAST)


def gradient_magnitudes_plain(x: Tensor, *, squares: bool = True) -> tuple[Tensor, ...]:
    """Compute :func:`gradient_magnitudes` by its definition."""
    order = 2 if squares else 1
    axes = range(x.ndim - 1, 1, -1)
    return tuple(torch.linalg.vector_norm(x.diff(dim=axis), ord=order, dim=1) for axis in axes)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _next_rows(start, stop, x, out, squares):
    for y in range(start, stop):
        _size(x, y, 0, y + 1, 0, out[y], squares)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _rows(start, stop, x, across, along, squares):
    height = x.shape[1]
    for y in range(start, stop):
        _size(x, y, 0, y, 1, across[y], squares)
        if y + 1 < height:
            _size(x, y, 0, y + 1, 0, along[y], squares)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _size(x, row, shift, other_row, other_shift, out, squares):
    out[:] = 0
    for c in range(len(x)):
        p, q = x[c, row, shift:], x[c, other_row, other_shift:]
        if squares:
            for i in range(len(out)):
                out[i] += (p[i] - q[i]) ** 2
        else:
            for i in range(len(out)):
                out[i] += abs(p[i] - q[i])
    if squares:
        for i in range(len(out)):
            out[i] = math.sqrt(out[i])
