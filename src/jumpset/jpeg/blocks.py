"""The cosine transform of JPEG's blocks of 8 × 8 pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

_K, _P = np.mgrid[:8, :8]
COSINES = np.where(_K == 0, 0.5**0.5, 1.0) * 0.5 * np.cos(np.pi * _K * (2 * _P + 1) / 16)  # orthonormal


def block_dct(plane: Tensor) -> Tensor:
    """``(…, H, W)``, sides multiples of 8, to ``(…, H / 8, W / 8, 8, 8)``."""
    cosines = torch.as_tensor(COSINES).to(plane)
    return cosines @ split_blocks(plane) @ cosines.T


def block_idct(c: Tensor) -> Tensor:
    """The inverse of :func:`block_dct`."""
    cosines = torch.as_tensor(COSINES).to(c)
    return (cosines.T @ c @ cosines).transpose(-3, -2).flatten(-4, -3).flatten(-2, -1)


def split_blocks(plane: Tensor) -> Tensor:
    """``(…, H, W)``, sides multiples of 8, to pixels ``(…, H / 8, W / 8, 8, 8)``."""
    return plane.unflatten(-2, (-1, 8)).unflatten(-1, (-1, 8)).transpose(-3, -2)


def pad_to_blocks(plane: Tensor) -> Tensor:
    """The last row and column repeated until the sides are multiples of 8."""
    height, width = plane.shape[-2:]
    return nn.functional.pad(plane, (0, -width % 8, 0, -height % 8), mode="replicate")
