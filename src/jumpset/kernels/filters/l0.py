"""Hard thresholding of gradients, and the adjoint difference operator of the result, in two passes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels.jit import njit


def keep_jumps(x: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Zero the small gradients of each pixel, jointly over channels, and apply D⊤ to the rest.

    With forward differences ``(h, v)``, zero across the border, ``g = (h, v)`` where
    ``Σ_c h² + v² ≥ threshold`` and 0 elsewhere.

    Parameters
    ----------
    x
        ``(B, C, H, W)``.
    threshold
        Threshold in squared intensities.

    Returns
    -------
    transposed, kept
        D⊤g, shaped like ``x``, and the number of pixels that keep a nonzero gradient, ``(B,)`` int64.
    """
    if x.device.type != "cpu":
        return keep_jumps_plain(x, threshold)
    out = torch.empty_like(x)
    kept = np.zeros(len(x), dtype=np.int64)
    mask = np.empty(x.shape[-2:], dtype=np.bool_)
    for source, target, k in zip(x.contiguous().numpy(), out.numpy(), range(len(x)), strict=True):
        kept[k] = _mask(source, source.dtype.type(threshold), mask)
        _transpose(source, mask, target)
    return out, torch.from_numpy(kept)


def keep_jumps_plain(x: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Compute :func:`keep_jumps` by its definition."""
    h, v = torch.zeros_like(x), torch.zeros_like(x)
    h[..., :, :-1] = x[..., :, 1:] - x[..., :, :-1]
    v[..., :-1, :] = x[..., 1:, :] - x[..., :-1, :]
    size = (h.square() + v.square()).sum(1, keepdim=True)
    keep = (size >= threshold) & (size > 0)
    h, v = h * keep, v * keep
    out = -h - v
    out[..., :, 1:] += h[..., :, :-1]
    out[..., 1:, :] += v[..., :-1, :]
    return out, keep.sum(dim=(1, 2, 3))


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _mask(x, threshold, mask):
    channels, height, width = x.shape
    size = np.empty(width, dtype=x.dtype)
    kept = 0
    for y in range(height):
        size[:] = 0
        for c in range(channels):
            row = x[c, y]
            for k in range(width - 1):
                difference = row[k + 1] - row[k]
                size[k] += difference * difference
            if y + 1 < height:
                below = x[c, y + 1]
                for k in range(width):
                    difference = below[k] - row[k]
                    size[k] += difference * difference
        for k in range(width):
            keep = size[k] >= threshold and size[k] > 0
            mask[y, k] = keep
            kept += keep
    return kept


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _transpose(x, mask, out):
    channels, height, width = x.shape
    for c in range(channels):
        for y in range(height):
            row, target = x[c, y], out[c, y]
            target[:] = 0
            here = mask[y]
            for k in range(width - 1):
                h = here[k] * (row[k + 1] - row[k])
                target[k] -= h
                target[k + 1] += h
            if y + 1 < height:
                below = x[c, y + 1]
                for k in range(width):
                    target[k] -= here[k] * (below[k] - row[k])
            if y > 0:
                above, there = x[c, y - 1], mask[y - 1]
                for k in range(width):
                    target[k] += there[k] * (row[k] - above[k])
