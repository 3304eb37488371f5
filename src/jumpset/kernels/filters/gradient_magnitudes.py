"""Magnitudes of the differences between neighbouring pixels, over all bands together."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

_LEAST = 32  # rows per thread at least


def gradient_magnitudes(x: Tensor, *, squares: bool = True) -> tuple[Tensor, Tensor]:
    """Return the norm over the bands of the difference to the right pixel, and to the pixel below.

    Parameters
    ----------
    x
        ``(B, C, H, W)``.
    squares
        Whether the norm is Euclidean; otherwise it is the sum of magnitudes.

    Returns
    -------
    right, down
        ``(B, H, W − 1)`` and ``(B, H − 1, W)``, of the dtype of ``x``, on the CPU.
    """
    x = x.detach().cpu().contiguous()
    batch, _, height, width = x.shape
    right, down = x.new_empty(batch, height, width - 1), x.new_empty(batch, height - 1, width)
    for source, across, along in zip(x.numpy(), right.numpy(), down.numpy(), strict=True):
        parallel_rows(_rows, height, source, across, along, squares, least=_LEAST)
    return right, down


def gradient_magnitudes_plain(x: Tensor, *, squares: bool = True) -> tuple[Tensor, Tensor]:
    """Compute :func:`gradient_magnitudes` by its definition."""
    order = 2 if squares else 1
    right, down = (torch.linalg.vector_norm(x.diff(dim=axis), ord=order, dim=1) for axis in (-1, -2))
    return right, down


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
