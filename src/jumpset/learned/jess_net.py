"""JESS-Net (Feng et al. 2021): edges and structure learned together, edges first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from jumpset.learned.architectures import Network
from jumpset.learned.base import Learned


class JESSNetwork(Network):
    """A descriptor, and three heads on it: an edge map, a smooth picture that sees it, and a correction.

    Parameters
    ----------
    width
        Channels.
    depth
        Blocks of the descriptor, each of three dilated convolutions.
    edge, smooth, refine
        Blocks of the three heads.
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

    def forward(self, picture: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to the same, both in [0, 1]."""
        return self.parts(picture)[2]

    def parts(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the edges ``(B, 1, H, W)``, the coarse picture and the refined one."""
        features = self.descriptor(2 * picture - 1)
        edges = self.edge(features)
        seen = torch.sigmoid(edges)
        coarse = picture + self.smooth(torch.cat([features, seen], dim=1))
        refined = coarse + self.refine(torch.cat([features, seen, coarse], dim=1))
        return edges, coarse, refined


class _Dilated(nn.Module):
    """Three convolutions with dilations 1, 2, 3, so that no pixel of the window is left out, and a skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(_convolved(width, width, dilation) for dilation in (1, 2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _head(inputs: int, width: int, depth: int) -> nn.Sequential:
    blocks = (_Dilated(width) for _ in range(depth))
    return nn.Sequential(_convolved(inputs, width, 1), *blocks, nn.Conv2d(width, 3, 3, padding=1))


def _convolved(inputs: int, outputs: int, dilation: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


@dataclass(frozen=True)
class JESSNet(Learned):
    r"""JESS-Net: a network that finds the edges first and smooths with them in sight.

    .. math:: u = f + \text{weight} \, (g(f) - f), \qquad
              e = \sigma(h_e(\phi)), \quad s = f + h_s(\phi, e), \quad g(f) = s + h_r(\phi, e, s)

    with features φ of the picture f, an edge map e, a coarse picture s and its correction.

    Parameters
    ----------
    weight
        Share of the network's correction, 0 to 1: 1 is the network's answer, 0 changes nothing. The paper has
        none.
    weights, precision, tile
        As in :class:`JumpsetNet`.

    Raises
    ------
    InputError
        A parameter out of range.
    FileError
        A file of weights that is missing, damaged, or of another network.

    Notes
    -----
    Y. Feng, S. Deng, X. Yan, X. Yang, M. Wei, L. Liu, "Easy2Hard: learning to solve the intractables from a
    synthetic dataset for structure-preserving image smoothing", IEEE Transactions on Neural Networks and
    Learning Systems, 2021. Differences from the paper: (1) the shipped weights are of a smaller network (16
    channels, 8 blocks in the descriptor; ``js.learned.SIZES["jess-net"]``) trained on our synthetic pairs;
    (2) which layers between the blocks have batch norm, and that the edge head has a block of its own, is
    inferred from the published number of parameters; (3) the picture is continued by 16 mirrored pixels, so
    that the zeros at the borders of the layers are not seen; (4) gray pictures are seen as three equal bands,
    other numbers of bands one by one; (5) intensities outside [0, 1] are scaled into it and back; (6)
    ``weight``; (7) the mean of each band is kept; (8) the coarse picture is a change of f.
    """

    name: ClassVar[str] = "jess-net"
    paper: ClassVar[str] = "Feng et al., IEEE Trans. Neural Networks and Learning Systems, 2021"
    network = JESSNetwork
