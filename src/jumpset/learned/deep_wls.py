"""Deep WLS (2023): a network that was trained, without pairs, to lower a weighted least squares energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from jumpset.learned._method import Learned

_DILATIONS = (4, 16, 1)


class DeepWLSNetwork(nn.Module):
    """Half the size, three residual blocks of wide view, and back to the full size.

    Parameters
    ----------
    width
        Channels.
    """

    multiple: ClassVar[int] = 2

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.reach = 4 * sum(_DILATIONS) + 8
        self.widest = width
        self.layers = nn.Sequential(
            _normed(nn.Conv2d(3, width, 3, padding=1), width),
            _normed(nn.Conv2d(width, width, 3, stride=2, padding=1), width),
            *(_Block(width, dilation) for dilation in _DILATIONS),
            _normed(nn.ConvTranspose2d(width, width, 3, stride=2, padding=1, output_padding=1), width),
            nn.Conv2d(width, 3, 3, padding=1),
        )

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
    outside [0, 1] are scaled into it and back; (5) ``weight``; (6) the mean of each band is kept.
    """

    name: ClassVar[str] = "deep-wls"
    paper: ClassVar[str] = "Deep WLS, Multimedia Tools and Applications, 2023"
    network: ClassVar[type[nn.Module]] = DeepWLSNetwork
