"""jumpset's own network: a small U-Net at half the size, told how strong a texture it may remove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from jumpset.learned._method import Learned

_FEATURES = 3  # of the strength: s, its square and its root
_WAKES = 0.02  # strength from which the whole residual is added; at 0 none is, so that nothing changes


class JumpsetNetwork(nn.Module):
    """A U-Net on 2 × 2 blocks of pixels whose blocks are scaled by the strength; no batch norm.

    Parameters
    ----------
    widths
        Channels at half the size, a quarter, an eighth, and so on.
    blocks
        Residual blocks of two convolutions at each scale, on the way down and again on the way up; the
        coarsest has them once.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 128), blocks: Sequence[int] = (2, 2, 3)) -> None:
        super().__init__()
        self.multiple = 2 ** len(widths)
        self.reach = _reach(blocks)
        self.widest = max(w / 4 ** (k + 1) for k, w in enumerate(widths))  # channels a pixel of the picture
        pairs = list(pairwise(widths))
        self.first = nn.Conv2d(13, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(_Stage(w, n) for w, n in zip(widths[:-1], blocks, strict=False))
        self.downs = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairs)
        self.middle = _Stage(widths[-1], blocks[-1])
        self.ups = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in pairs)
        self.decoders = nn.ModuleList(_Stage(w, n) for w, n in zip(widths[:-1], blocks, strict=False))
        self.last = nn.Conv2d(widths[0], 12, 3, padding=1)
        nn.init.zeros_(self.last.weight)  # it begins as the identity
        nn.init.zeros_(self.last.bias)

    def forward(self, picture: Tensor, strength: Tensor) -> Tensor:
        """``(B, 3, H, W)`` and ``(B,)``, both in [0, 1], to ``(B, 3, H, W)``; sides by :attr:`multiple`."""
        s = strength.to(picture.dtype)
        features = torch.stack([s, s.square(), s.sqrt()], dim=1)
        x = nn.functional.pixel_unshuffle(picture - 0.5, 2)
        plane = (s[:, None, None, None] - 0.5).expand(-1, 1, *x.shape[-2:])
        x = self.first(torch.cat([x, plane], dim=1))
        handed = []
        for encode, down in zip(self.encoders, self.downs, strict=True):
            x = encode(x, features)
            handed.append(x)
            x = down(x)
        x = self.middle(x, features)
        for k in reversed(range(len(handed))):
            x = handed[k] + nn.functional.pixel_shuffle(self.ups[k](x), 2)
            x = self.decoders[k](x, features)
        residual = nn.functional.pixel_shuffle(self.last(x), 2)
        return picture + (s / _WAKES).clamp(max=1.0)[:, None, None, None] * residual


class _Stage(nn.Module):
    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, features)
        return x


class _Block(nn.Module):
    """Two convolutions and a skip; the strength scales the channels between the two."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.scale = nn.Linear(_FEATURES, width)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.second.weight, nonlinearity="relu")
        with torch.no_grad():
            self.second.weight.mul_(0.1)  # nothing normalises: many blocks must not add up
        nn.init.zeros_(self.scale.weight)
        nn.init.ones_(self.scale.bias)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        inner = nn.functional.relu(self.first(x), inplace=True) * self.scale(features)[:, :, None, None]
        return x + self.second(inner)


def _reach(blocks: Sequence[int]) -> int:
    """How many pixels away a pixel is still seen, at most."""
    coarsest = len(blocks) - 1
    reach = 2 * 2 + 4 * 2**coarsest  # the first and the last layer; that blocks of pixels move together
    for k, n in enumerate(blocks):
        reach += 2 ** (k + 1) * n * (2 if k == coarsest else 4)
    return reach


@dataclass(frozen=True)
class JumpsetNet(Learned):
    r"""jumpset-net: one pass of a small network trained on synthetic pairs; texture out, edges kept, fast.

    .. math:: u = f + \min(1, s / 0.02) \, r(f, s), \qquad \text{trained towards }
              f + \min\Bigl(1, \frac{60 s / 255}{\mathrm{rms}(f - S)}\Bigr) (S - f)

    with s the ``weight``, f the picture, S its structure, r a U-Net: a soft threshold on the strength of
    texture. At the default s = 0.5 texture of up to 30/255 (root mean square) vanishes, and what is stronger
    is weakened by as much.

    Parameters
    ----------
    weight
        Strength s, 0 to 1. Larger is smoother; 0 changes nothing. For :func:`jumpset.auto_weight` pass
        ``bounds=(0.01, 1)``.
    weights
        ``"shipped"``, or a ``.safetensors`` file of your own training.
    precision
        Of the layers: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the device has
        instructions for it, which takes half the time and moves the answer by about 0.0003 (root mean
        square).
    tile
        Side in pixels of the parts that a picture is computed in, which overlap so that no seam is left;
        0: as large as a quarter of a gigabyte an activation allows.

    Raises
    ------
    InputError
        A parameter out of range.
    FileError
        A file of weights that is missing, damaged, or of another network.

    Notes
    -----
    Ours. The blocks are scaled by the strength as in E. Perez et al., "FiLM: visual reasoning with a general
    conditioning layer", AAAI 2018, the U-Net is after O. Ronneberger, P. Fischer, T. Brox, MICCAI 2015.
    (1) The picture is continued by 16 mirrored pixels, so that the zeros at the borders of the layers are not
    seen. (2) Gray pictures are seen as three equal bands, and the mean of the answers taken; other numbers of
    bands go one by one. (3) Intensities outside [0, 1] are scaled into it and back. (4) The mean
    of each band is kept: what the network would add to it is taken away again.
    """

    weight: float = 0.5

    name: ClassVar[str] = "jumpset-net"
    paper: ClassVar[str] = "ours, after Perez et al. and Ronneberger et al., 2026"
    network: ClassVar[type[nn.Module]] = JumpsetNetwork

    def answer(self, network: nn.Module, picture: Tensor) -> Tensor:
        """One pass at the strength."""
        return network(picture, picture.new_full((len(picture),), self.weight))

    @property
    def share(self) -> float:
        """All of the answer: the network itself knows the strength."""
        return 1.0
