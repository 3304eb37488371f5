"""JESS-Net (Feng et al. 2021): joint learning of edges and structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from jumpset.learned._flat import keep_flat
from jumpset.learned.architectures import Network
from jumpset.learned.base import Learned


class JESSNetwork(Network):
    """A descriptor with three heads: an edge map, a smooth image computed with it, and a correction.

    Parameters
    ----------
    width
        Channels.
    depth
        Number of blocks of the descriptor, each of three dilated convolutions.
    edge, smooth, refine
        Numbers of blocks of the three heads.
    """

    name = "jess-net"
    small: ClassVar = {"width": 16, "depth": 8, "edge": 1, "smooth": 2, "refine": 3}

    def __init__(
        self, width: int = 64, depth: int = 20, edge: int = 1, smooth: int = 3, refine: int = 6
    ) -> None:
        super().__init__()
        self.receptive_radius = 6 * (depth + edge + smooth + refine) + 6
        self.peak_channels = width
        self.descriptor = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), *(_Dilated(width) for _ in range(depth))
        )
        self.edge = nn.Sequential(*(_Dilated(width) for _ in range(edge)), nn.Conv2d(width, 1, 3, padding=1))
        self.smooth = _head(width + 1, width, smooth)
        self.refine = _head(width + 4, width, refine)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to the same, both in [0, 1]."""
        return keep_flat(image, self.parts(image)[2])

    def parts(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the edges ``(B, 1, H, W)``, the coarse image and the refined one."""
        features = self.descriptor(2 * image - 1)
        edges = self.edge(features)
        edge_map = torch.sigmoid(edges)
        coarse = image + self.smooth(torch.cat([features, edge_map], dim=1))
        refined = coarse + self.refine(torch.cat([features, edge_map, coarse], dim=1))
        return edges, coarse, refined


class _Dilated(nn.Module):
    """Three convolutions with dilations 1, 2, 3, which cover every pixel of the window, and a skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(_conv_norm_relu(width, width, dilation) for dilation in (1, 2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _head(inputs: int, width: int, depth: int) -> nn.Sequential:
    blocks = (_Dilated(width) for _ in range(depth))
    return nn.Sequential(_conv_norm_relu(inputs, width, 1), *blocks, nn.Conv2d(width, 3, 3, padding=1))


def _conv_norm_relu(inputs: int, outputs: int, dilation: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


@dataclass(frozen=True)
class JESSNet(Learned):
    r"""JESS-Net: a network that predicts an edge map and smooths with it as an input.

    .. math:: u = f + \text{weight} \, (g(f) - f), \qquad
              e = \sigma(h_e(\phi)), \quad s = f + h_s(\phi, e), \quad g(f) = s + h_r(\phi, e, s)

    with features φ of the image f, an edge map e, a coarse image s and its correction.

    Parameters
    ----------
    weight, weights, precision, tile
        As in :class:`ResNet`.

    Raises
    ------
    InputError, FileError
        As in :class:`JumpsetNet`.

    Notes
    -----
    Y. Feng, S. Deng, X. Yan, X. Yang, M. Wei, L. Liu, "Easy2Hard: learning to solve the intractables from a
    synthetic dataset for structure-preserving image smoothing", IEEE Transactions on Neural Networks and
    Learning Systems, 2021. Differences from the paper: (1) the shipped weights are of a smaller network (16
    channels, 8 blocks in the descriptor; ``js.learned.SIZES["jess-net"]``) trained on our synthetic pairs;
    (2) which layers between the blocks have batch norm, and that the edge head has a separate block, is
    inferred from the published number of parameters; (3) to (7) are (2) to (6) of :class:`ResNet`; (8) the
    coarse image is f plus a correction; (9) regions that are constant within 16 pixels are not changed.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(48, 64, seed=4)
    >>> flat = js.run(image, js.learned.JESSNet()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    name: ClassVar[str] = "jess-net"
    paper: ClassVar[str] = "Feng et al., IEEE Trans. Neural Networks and Learning Systems, 2021"
    network = JESSNetwork
