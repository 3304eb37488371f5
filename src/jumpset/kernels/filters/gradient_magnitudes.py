"""Magnitudes of the differences between neighbouring pixels, over all bands together."""

from __future__ import annotations

import math

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
        each = [magnitude[k].numpy() for magnitude in out]
        if len(each) == 3:
            deep = each[2].reshape(-1, spatial[1] * spatial[2])
            slices = source.reshape(channels, spatial[0], -1)
            parallel_rows(_next_rows, len(deep), slices, deep, squares)
        for z in range(spatial[0] if len(each) == 3 else 1):
            planes = source[:, z] if len(each) == 3 else source.reshape(channels, -1, spatial[-1])
            across = each[0][z] if len(each) == 3 else each[0].reshape(-1, spatial[-1] - 1)
            along = each[1][z] if len(each) == 3 else each[-1] if len(each) == 2 else across[:0]
            parallel_rows(_rows, planes.shape[1], planes, across, along, squares, least=_LEAST)
    return out


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
