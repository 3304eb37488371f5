"""Deep WLS (2023): a network trained without ground truth to minimise a weighted least squares energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from jumpset.learned._flat import keep_flat
from jumpset.learned.architectures import Network
from jumpset.learned.base import Learned

_DILATIONS = (4, 16, 1)
_PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))  # of 2 × 2 pixels: down, across
_MIN_WIDTH = 12  # channels for the colours of these pixels
_KNOTS = 8  # of the inverse of the sigmoid
_ENDS = 0.01  # distance from black and white at which the inverse is cut off


class DeepWLSNetwork(Network):
    """Downsampling by 2, three residual blocks with dilation, and upsampling by 2.

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
            _conv_norm_relu(nn.Conv2d(3, width, 3, padding=1)),
            _conv_norm_relu(nn.Conv2d(width, width, 3, stride=2, padding=1)),
            *(_Block(width, dilation) for dilation in _DILATIONS),
            _conv_norm_relu(nn.ConvTranspose2d(width, width, 3, stride=2, padding=1, output_padding=1)),
            nn.Conv2d(width, 3, 3, padding=1),
        )
        if width >= _MIN_WIDTH:
            _initialize_as_identity(self.layers)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 3, H, W)`` with even sides to the same, both in [0, 1]."""
        return keep_flat(image, torch.sigmoid(self.layers(image)))


class _Block(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation) for _ in range(2))
        self.body = nn.Sequential(_conv_norm_relu(first), second, nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


@torch.no_grad()
def _initialize_as_identity(layers: Any) -> None:
    """Set weights with which the output of the network is its input, up to some levels of 255.

    The network has no skip connection from the image, and with random weights most of a training would be
    spent on learning the identity. Here colours are copied to channels, blocks of 2 × 2 pixels to channels at
    half the size and back, and the inverse of the sigmoid is a piecewise linear function. The other channels
    keep random weights, which affect the output from the first step.
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

    The first term is the slope in the middle; ``n`` bends towards black and ``n`` towards white follow. The
    signs point away from the middle, so that no value is the difference of large ones.
    """
    nodes = 0.5 - 0.5 * torch.cos(torch.pi * torch.arange(2 * n + 2) / (2 * n + 1))
    slopes = torch.logit(nodes, eps=_ENDS).diff() / nodes.diff()
    knots, bends = nodes[1:-1].tolist(), slopes.diff().tolist()
    down = [(-1.0, knot, bend) for knot, bend in zip(knots[:n], bends[:n], strict=True)]
    up = [(1.0, knot, bend) for knot, bend in zip(knots[n:], bends[n:], strict=True)]
    return [(1.0, 0.0, slopes[n].item()), *down, *up]


def _copy(conv: Any, source: int, target: int, tap: tuple[int, int]) -> None:
    """Make an output channel equal to an input channel at one tap of the kernel."""
    conv.weight[target] = 0.0
    conv.bias[target] = 0.0
    conv.weight[(target, source, *tap)] = 1.0


def _conv_norm_relu(conv: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU(inplace=True))


@dataclass(frozen=True)
class DeepWLS(Learned):
    r"""Deep WLS: one pass of a network trained without ground truth to minimise the energy of ``wls``.

    .. math:: u = f + \text{weight} \, (g(f) - f), \qquad g \text{ trained to minimise } \sum_p (g_p - f_p)^2
              + \sum_{(p,q)} w_{pq} (g_p - g_q)^2, \quad w_{pq} = \lambda e^{-\|f_p - f_q\|^2 / 2 \alpha^2}

    with λ = 10 and α = 0.08: no linear system is solved.

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
    "Deep WLS", Multimedia Tools and Applications, 2023. Differences from the paper: (1) the shipped weights
    are of a smaller network (32 channels; ``js.learned.SIZES["deep-wls"]``) trained on synthetic images;
    (2) to (6) are those of :class:`ResNet`; (7) the initial weights are those of the identity, and batch norm
    keeps its initial statistics, so that the training is spent on smoothing rather than on learning the
    identity; (8) regions that are constant within 16 pixels are not changed.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(48, 64, seed=4)
    >>> flat = js.run(image, js.learned.DeepWLS()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    name: ClassVar[str] = "deep-wls"
    paper: ClassVar[str] = "Deep WLS, Multimedia Tools and Applications, 2023"
    network = DeepWLSNetwork
