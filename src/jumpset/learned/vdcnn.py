"""The plain deep network of Zhu et al. (2019): twenty convolutions and a skip connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from jumpset.learned.architectures import Network
from jumpset.learned.base import Learned


class VDCNNNetwork(Network):
    """3 × 3 convolutions with ReLU, added to the image.

    Parameters
    ----------
    width
        Channels.
    depth
        Number of convolutions between the first and the last.
    """

    name = "vdcnn"
    small: ClassVar = {"width": 24, "depth": 12}

    def __init__(self, width: int = 64, depth: int = 18) -> None:
        super().__init__()
        self.receptive_radius = depth + 2
        self.peak_channels = width
        layers: list[nn.Module] = []
        for inputs in (3, *[width] * depth):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Conv2d(width, 3, 3, padding=1)
        # torch's default would shrink the signal by a factor of 2.4 a layer
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to the same, both in [0, 1]; the layers work on [-1, 1]."""
        return image + self.last(self.layers(2 * image - 1)) / 2


@dataclass(frozen=True)
class VDCNN(Learned):
    r"""Very deep plain network: one pass of a stack of convolutions trained on pairs.

    .. math:: u = f + \text{weight} \, (g(f) - f), \qquad g(f) = f + \tfrac12 h(2 f - 1)

    with h a stack of 3 × 3 convolutions.

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
    F. Zhu, Z. Liang, X. Jia, L. Zhang, Y. Yu, "A benchmark for edge-preserving image smoothing", IEEE
    Transactions on Image Processing, 2019. Differences from the paper: (1) the shipped weights are of a
    smaller network (24 channels, 12 layers; ``js.learned.SIZES["vdcnn"]``) trained on synthetic pairs with
    one target each; (2) to (6) are those of :class:`ResNet`.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(48, 64, seed=4)
    >>> flat = js.run(image, js.learned.VDCNN()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    name: ClassVar[str] = "vdcnn"
    paper: ClassVar[str] = "Zhu et al., IEEE Trans. Image Processing, 2019"
    network = VDCNNNetwork
