"""Hard thresholding of second differences in four directions, and the adjoint operator applied to the result.

The image is mirrored at its borders (half-sample symmetry, as in the cosine transform). A mirrored image has
mirrored second differences, with the two diagonals exchanged: computing them beyond the border on the
mirrored image is exact, and the adjoint operator needs no special rule at the border.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""The directions as (rows, columns): right, down, and the two diagonals."""
_LEAST = 16  # rows per thread at least


def threshold_second_differences(x: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Set small second differences to zero, jointly over channels and directions; apply B⊤ to the others.

    With ``b_o = (x[p + o] − 2 x[p] + x[p − o]) / 4`` for the four offsets o, ``g = b`` where
    ``Σ_c Σ_o b_o² ≥ threshold`` and 0 elsewhere.

    Parameters
    ----------
    x
        ``(B, C, H, W)``.
    threshold
        Threshold in squared intensities.

    Returns
    -------
    transposed, kept
        ``Σ_o B_o⊤ g_o``, shaped like ``x``, and the number of pixels with a nonzero g, ``(B,)`` int64.
    """
    if x.device.type != "cpu":
        return threshold_second_differences_plain(x, threshold)
    height, width = x.shape[-2:]
    mirrored = _mirror(x).numpy()
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    diffs = np.empty((4, x.shape[1], height + 2, width + 2), mirrored.dtype)
    kept = np.zeros((len(x), height + 2), np.int64)
    limit = mirrored.dtype.type(threshold)
    for source, target, count in zip(mirrored, out.numpy(), kept, strict=True):
        parallel_rows(_difference_rows, height + 2, source, limit, diffs, count, least=_LEAST)
        parallel_rows(_transpose_rows, height, diffs, target, least=_LEAST)
    return out, torch.from_numpy(kept[:, 1:-1].sum(1))


def threshold_second_differences_plain(x: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Compute :func:`threshold_second_differences` by its definition."""
    mirrored = _mirror(x)
    diffs = torch.stack([_second(mirrored, offset) for offset in OFFSETS])
    size = diffs.square().sum(dim=(0, 2), keepdim=True)
    keep = (size >= threshold) & (size > 0)
    diffs = diffs * keep
    out = sum(_second(b, offset) for b, offset in zip(diffs, OFFSETS, strict=True))
    assert isinstance(out, Tensor)
    return out, keep[0, :, 0, 1:-1, 1:-1].sum(dim=(1, 2))


def _mirror(x: Tensor) -> Tensor:
    """Add two mirrored pixels on each side: … b a | a b c … ."""
    rows, columns = ((torch.arange(-2, n + 2, device=x.device) + 0.5).remainder(2 * n) for n in x.shape[-2:])
    rows, columns = (torch.minimum(i, 2 * n - i) for i, n in zip((rows, columns), x.shape[-2:], strict=True))
    return x[..., rows.long(), :][..., columns.long()].contiguous()


def _second(x: Tensor, offset: tuple[int, int]) -> Tensor:
    """Return the second difference along an offset, one pixel less on each side."""
    dy, dx = offset
    height, width = x.shape[-2] - 2, x.shape[-1] - 2
    plus = x[..., 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
    minus = x[..., 1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
    return 0.25 * (plus - 2.0 * x[..., 1:-1, 1:-1] + minus)


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _difference_rows(start, stop, x, threshold, diffs, kept):
    channels, width = x.shape[0], diffs.shape[3]
    quarter, half = x.dtype.type(0.25), x.dtype.type(0.5)
    size = np.empty(width, x.dtype)
    for y in range(start, stop):
        size[:] = 0
        for c in range(channels):
            above, row, below = x[c, y], x[c, y + 1], x[c, y + 2]
            right, down, falling, rising = diffs[0, c, y], diffs[1, c, y], diffs[2, c, y], diffs[3, c, y]
            for i in range(width):
                middle = half * row[i + 1]
                right[i] = quarter * (row[i] + row[i + 2]) - middle
                down[i] = quarter * (above[i + 1] + below[i + 1]) - middle
                falling[i] = quarter * (above[i] + below[i + 2]) - middle
                rising[i] = quarter * (above[i + 2] + below[i]) - middle
                size[i] += right[i] ** 2 + down[i] ** 2 + falling[i] ** 2 + rising[i] ** 2
        count = 0
        for i in range(width):
            keep = size[i] >= threshold and size[i] > 0
            size[i] = keep
            count += keep and 0 < i < width - 1
        for d in range(4):
            for c in range(channels):
                row = diffs[d, c, y]
                for i in range(width):
                    row[i] *= size[i]
        kept[y] = count


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _transpose_rows(start, stop, diffs, out):
    channels, width = out.shape[0], out.shape[2]
    quarter, half = out.dtype.type(0.25), out.dtype.type(0.5)
    for y in range(start, stop):
        for c in range(channels):
            target = out[c, y]
            right = diffs[0, c, y + 1]
            above, down, below = diffs[1, c, y], diffs[1, c, y + 1], diffs[1, c, y + 2]
            before, falling, after = diffs[2, c, y], diffs[2, c, y + 1], diffs[2, c, y + 2]
            over, rising, under = diffs[3, c, y], diffs[3, c, y + 1], diffs[3, c, y + 2]
            for i in range(width):
                around = right[i] + right[i + 2] + above[i + 1] + below[i + 1]
                around += before[i] + after[i + 2] + over[i + 2] + under[i]
                middle = right[i + 1] + down[i + 1] + falling[i + 1] + rising[i + 1]
                target[i] = quarter * around - half * middle
