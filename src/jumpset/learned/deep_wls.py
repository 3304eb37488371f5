"""Deep WLS (2023): a network that was trained, without pairs, to lower a weighted least squares energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from jumpset.learned.architectures import Network
from jumpset.learned.base import Learned

_DILATIONS = (4, 16, 1)
_PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))  # of 2 × 2 pixels: down, across
_LEAST_WIDTH = 12  # for their colours
_KNOTS = 8  # of the inverse of the sigmoid
_ENDS = 0.01  # from black and white, where it is cut


class DeepWLSNetwork(Network):
    """Half the size, three residual blocks of wide view, and back to the full size.

    Parameters
    ----------
    width
        Channels.
    """

    name = "deep-wls"
    small: ClassVar = {"width": 32}
    size_divisor = 2

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.receptive_radius = 4 * sum(_DILATIONS) + 8
        self.peak_channels = width
        self.layers = nn.Sequential(
            _normed(nn.Conv2d(3, width, 3, padding=1), width),
            _normed(nn.Conv2d(width, width, 3, stride=2, padding=1), width),
            *(_Block(width, dilation) for dilation in _DILATIONS),
            _normed(nn.ConvTranspose2d(width, width, 3, stride=2, padding=1, output_padding=1), width),
            nn.Conv2d(width, 3, 3, padding=1),
        )
        if width >= _LEAST_WIDTH:
            _begin_as_identity(self.layers)

    def forward(self, picture: Tensor) -> Tensor:
        """``(B, 3, H, W)`` with even sides to the same, both in [0, 1]."""
        return torch.sigmoid(self.layers(picture))


class _Block(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation) for _ in range(2))
        self.body = nn.Sequential(_normed(first, width), second, nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


@torch.no_grad()
def _begin_as_identity(layers: nn.Sequential) -> None:
    """Fresh weights with which the network answers with its input, up to some levels.

    There is no skip to the picture, and from random weights most of a training goes into learning to copy it:
    colours to channels, blocks of 2 × 2 pixels to channels at half the size and back, and the inverse of the
    sigmoid as a broken line. The other channels are drawn at random, and see the picture from the first step.
    """
    first, halved, *blocks, doubled, last = layers
    for block in blocks:
        nn.init.zeros_(block.body[-1].weight)
    line = _inverse_sigmoid(min(last.in_channels // 3 - 1, _KNOTS) // 2)
    doubled[0].weight[:, : 3 * len(line)] = 0.0
    last.weight.zero_()
    last.bias[:] = -0.5 * line[0][2]  # the middle piece is 0 at ½
    for colour in range(3):
        _copy(first[0], colour, colour, (1, 1))
        for phase, (down, across) in enumerate(_PHASES):
            _copy(halved[0], colour, 3 * phase + colour, (1 + down, 1 + across))
        for k, (sign, knot, bend) in enumerate(line):
            channel = 3 * k + colour
            for phase, (down, across) in enumerate(_PHASES):
                doubled[0].weight[3 * phase + colour, channel, 1 + down, 1 + across] = sign
            doubled[0].bias[channel] = -sign * knot
            last.weight[colour, channel, 1, 1] = bend


def _inverse_sigmoid(n: int) -> list[tuple[float, float, float]]:
    """Sign, knot and bend of each term of ``Σ bend · max(0, sign · (x - knot))``, up to a constant.

    The first is the slope in the middle; then ``n`` bends towards black and ``n`` towards white, and not all
    of them upwards, so that no value is the difference of large ones.
    """
    nodes = 0.5 - 0.5 * torch.cos(torch.pi * torch.arange(2 * n + 2) / (2 * n + 1))
    slopes = torch.logit(nodes, eps=_ENDS).diff() / nodes.diff()
    knots, bends = nodes[1:-1].tolist(), slopes.diff().tolist()
    down = [(-1.0, knot, bend) for knot, bend in zip(knots[:n], bends[:n], strict=True)]
    up = [(1.0, knot, bend) for knot, bend in zip(knots[n:], bends[n:], strict=True)]
    return [(1.0, 0.0, slopes[n].item()), *down, *up]


def _copy(conv: nn.Module, source: int, target: int, tap: tuple[int, int]) -> None:
    """Let a channel be that of the input at one place of the window."""
    conv.weight[target] = 0.0
    conv.bias[target] = 0.0
    conv.weight[(target, source, *tap)] = 1.0


def _normed(conv: nn.Module, width: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


@dataclass(frozen=True)
class DeepWLS(Learned):
    r"""Deep WLS: one pass of a network that was trained, without pairs, to lower the energy of ``wls``.

    .. math:: u = f + \text{weight} \, (g(f) - f), \qquad g \text{ trained to lower } \sum_p (g_p - f_p)^2
              + \sum_{(p,q)} w_{pq} (g_p - g_q)^2, \quad w_{pq} = \lambda e^{-\|f_p - f_q\|^2 / 2 \alpha^2}

    with λ = 10 and α = 0.08, so that smoothness is learned, not solved for.

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
    "Deep WLS", Multimedia Tools and Applications, 2023. Differences from the paper: (1) the shipped weights
    are of a smaller network (32 channels; ``js.learned.SIZES["deep-wls"]``) trained on synthetic pictures;
    (2) the picture is continued by 16 mirrored pixels, so that the zeros at the borders of the layers are not
    seen; (3) gray pictures are seen as three equal bands, other numbers of bands one by one; (4) intensities
    outside [0, 1] are scaled into it and back; (5) ``weight``; (6) the mean of each band is kept; (7) fresh
    weights answer with the picture, and batch norm keeps its statistics, so that the training is spent on
    smoothing and not on copying.
    """

    name: ClassVar[str] = "deep-wls"
    paper: ClassVar[str] = "Deep WLS, Multimedia Tools and Applications, 2023"
    network = DeepWLSNetwork
