"""The fixed input of the network: drawn or made once, kept for the whole run."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def noise(channels: int, size: tuple[int, int], *, seed: int) -> Tensor:
    """``(1, channels, H, W)``, float32 on the CPU: uniform in [0, 0.1), as in Ulyanov et al. (2018)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((1, channels, *size), generator=generator) * 0.1


def stacked(images: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Images ``(1, c, H, W)`` as channels of one input, shifted by −0.5 and padded to the canvas ``size``.

    The last row and column are repeated below and to the right, which unlike reflection works for any size.
    """
    stack = torch.cat(list(images), dim=1) - 0.5
    below, right = size[0] - stack.shape[-2], size[1] - stack.shape[-1]
    return nn.functional.pad(stack, (0, right, 0, below), mode="replicate")
