"""The residual network of Zhu et al. (2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from jumpset.learned.architectures import Network
from jumpset.learned.base import Learned


class ResNetNetwork(Network):
    """Convolution; residual blocks; two wide convolutions; a bounded correction of the image.

    Parameters
    ----------
    width
        Channels of the residual blocks.
    depth
        Residual blocks, each of two 3 × 3 convolutions with batch norm.
    head
        Channels of the two layers before the last.
    """

    name = "resnet"
    small: ClassVar = {"width": 24, "depth": 8, "head": 64}

    def __init__(self, width: int = 64, depth: int = 16, head: int = 256) -> None:
        super().__init__()
        self.receptive_radius = 2 * depth + 4
        self.peak_channels = max(width, head)
        self.first = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(inplace=True))
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))
        self.after = _conv_norm(width)
        self.head = nn.Sequential(
            nn.Conv2d(width, head, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(head, head, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(head, 3, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to the same, both in [0, 1]; the layers work on [-1, 1]."""
        entry = self.first(2 * image - 1)
        x = entry
        for block in self.blocks:
            x = block(x)
        return image + torch.tanh(self.head(entry + self.after(x))) / 2


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv_norm(width), nn.ReLU(inplace=True), _conv_norm(width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _conv_norm(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))


@dataclass(frozen=True)
class ResNet(Learned):
    r"""Residual network: one pass of a deep network trained on pairs; keeps edges without tuning.

    .. math:: u = f + \text{weight} \, (g(f) - f), \qquad g(f) = f + \tfrac12 \tanh(h(2 f - 1))

    with h a residual network of 3 × 3 convolutions.

    Parameters
    ----------
    weight
        Share of the network's correction, 0 to 1: 1 gives the network's output, 0 changes nothing. The paper
        has no such parameter.
    weights, precision, tile
        As in :class:`JumpsetNet`.

    Raises
    ------
    InputError, FileError
        As in :class:`JumpsetNet`.

    Notes
    -----
    F. Zhu, Z. Liang, X. Jia, L. Zhang, Y. Yu, "A benchmark for edge-preserving image smoothing", IEEE
    Transactions on Image Processing, 2019. Differences from the paper: (1) the shipped weights are of a
    smaller network (24 channels, 8 blocks, 64 channels in the head; ``js.learned.SIZES["resnet"]``) trained
    on synthetic pairs with one target each; (2) to (5) are (1) to (4) of :class:`JumpsetNet`; (6) ``weight``.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(48, 64, seed=4)
    >>> flat = js.run(image, js.learned.ResNet()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    name: ClassVar[str] = "resnet"
    paper: ClassVar[str] = "Zhu et al., IEEE Trans. Image Processing, 2019"
    network = ResNetNetwork
