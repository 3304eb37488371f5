"""A small U-Net on 2 × 2 blocks of pixels; a feature vector scales its channels; no batch norm."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class UNet(nn.Module):
    """A U-Net on 2 × 2 blocks of pixels, from any number of planes to three."""

    def __init__(self, inputs: int, widths: Sequence[int], blocks: Sequence[int], features: int) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.first = nn.Conv2d(inputs, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(
            _Stage(w, n, features) for w, n in zip(widths[:-1], blocks, strict=False)
        )
        self.downs = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairs)
        self.middle = _Stage(widths[-1], blocks[-1], features)
        self.ups = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in pairs)
        self.decoders = nn.ModuleList(
            _Stage(w, n, features) for w, n in zip(widths[:-1], blocks, strict=False)
        )
        self.last = nn.Conv2d(widths[0], 12, 3, padding=1)
        nn.init.zeros_(self.last.weight)  # the output starts at 0
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, planes: Tensor, features: Tensor | None) -> Tensor:
        x = self.first(nn.functional.pixel_unshuffle(planes, 2))
        skips = []
        for encode, down in zip(self.encoders, self.downs, strict=True):
            x = encode(x, features)
            skips.append(x)
            x = down(x)
        x = self.middle(x, features)
        for k in reversed(range(len(skips))):
            x = skips[k] + nn.functional.pixel_shuffle(self.ups[k](x), 2)
            x = self.decoders[k](x, features)
        return nn.functional.pixel_shuffle(self.last(x), 2)


class _Stage(nn.Module):
    def __init__(self, width: int, blocks: int, features: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(width, features) for _ in range(blocks))

    def forward(self, x: Tensor, features: Tensor | None) -> Tensor:
        for block in self.blocks:
            x = block(x, features)
        return x


class _Block(nn.Module):
    """Two convolutions and a skip; features, if given, scale the channels between the two."""

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.second.weight, nonlinearity="relu")
        with torch.no_grad():
            self.second.weight.mul_(0.1)  # without normalisation, the sum over many blocks must stay small
        if features:
            self.scale = nn.Linear(features, width)
            nn.init.zeros_(self.scale.weight)
            nn.init.ones_(self.scale.bias)

    def forward(self, x: Tensor, features: Tensor | None) -> Tensor:
        inner = nn.functional.relu(self.first(x), inplace=True)
        if features is not None:
            inner = inner * self.scale(features)[:, :, None, None]
        return x + self.second(inner)


def peak_channels(widths: Sequence[int]) -> float:
    """Channels of the largest activation, per pixel of the image."""
    return max(width / 4 ** (k + 1) for k, width in enumerate(widths))


def receptive_radius(blocks: Sequence[int]) -> int:
    """Largest distance in pixels at which an input pixel affects an output pixel."""
    coarsest = len(blocks) - 1
    radius = 2 * 2 + 4 * 2**coarsest  # the first and the last layer; the blocks of pixels
    for k, n in enumerate(blocks):
        radius += 2 ** (k + 1) * n * (2 if k == coarsest else 4)
    return radius
