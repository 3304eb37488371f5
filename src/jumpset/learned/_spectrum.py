"""A texture in a network's eyes: its colours, and its power in windows, told from a residual."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

SIDE = 16  # of a window, in pixels
STEP = 8  # from window to window: every pixel lies in four
COMPONENTS = 3
_BLOCK = 2048  # side of the parts of a picture that are measured one by one
_GRAIN = 0.25 / 255  # deviation below which nothing counts as texture
_OUTLIER = 6.0  # powers above so many times the mean are edges that the guess has missed
_LEAN = 2.0  # most that a component may take of another
_GRAY = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))  # gray first, then hue; rows to be normalised


class Texture(NamedTuple):
    """What :meth:`Spectrum.measure` tells."""

    leans: Tensor
    """``(B, 3)``: what hue 1 takes of gray, hue 2 of gray, hue 2 of hue 1; then they are uncorrelated."""
    power: Tensor
    """``(B, 3, 256)``: mean square of each coefficient of a window, in each component."""

    @property
    def deviations(self) -> Tensor:
        """``(B, 3)``, in units of the picture."""
        return 2.0 * self.power.mean(-1).sqrt()  # a window has a quarter of its pixels' power


class Spectrum(nn.Module):
    r"""Windowed cosine transforms, in colours in which a texture's components are uncorrelated.

    A texture is mostly gray, whatever the colours of the structure are, so that its hue tells where an edge
    runs. With the covariance of the residual's gray and hues, ``components`` takes from each hue what the
    gray predicts of it in the texture. A window is 16 × 16 pixels under :math:`\sin \pi (n + ½) / 16` both
    ways, before and after; the squares of overlapping ones add up to 1, so that ``merge(split(z))`` is z.
    """

    colours: Tensor
    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        colours = torch.tensor(_GRAY, dtype=torch.float64)
        n = torch.arange(SIDE, dtype=torch.float64) + 0.5
        wave = torch.cos(math.pi / SIDE * n * torch.arange(SIDE)[:, None]) * math.sqrt(2 / SIDE)
        wave[0] *= math.sqrt(0.5)
        wave = wave * torch.sin(math.pi / SIDE * n)
        windows = torch.einsum("ay,bx->abyx", wave, wave).reshape(SIDE**2, 1, SIDE, SIDE)
        # as a layer on blocks of 8 × 8 pixels, which is a product of matrices
        kernel = nn.functional.pixel_unshuffle(windows, STEP)
        self.register_buffer("colours", nn.functional.normalize(colours, dim=1).float(), persistent=False)
        self.register_buffer("kernel", kernel.float(), persistent=False)

    def measure(self, residual: Tensor) -> Texture:
        """The texture that ``(B, 3, H, W)`` is nearly, sides by 8; large pictures part by part."""
        planes = self._turned(residual)
        centred = (planes - planes.mean((2, 3), keepdim=True)).flatten(2)
        c = centred @ centred.mT / planes[0, 0].numel()
        small = _GRAIN**2
        first = (c[:, 1, 0] / (c[:, 0, 0] + small)).clamp(-_LEAN, _LEAN)
        second = (c[:, 2, 0] / (c[:, 0, 0] + small)).clamp(-_LEAN, _LEAN)
        own = c[:, 1, 1] - 2 * first * c[:, 1, 0] + first.square() * c[:, 0, 0]
        both = c[:, 2, 1] - first * c[:, 2, 0] - second * c[:, 1, 0] + first * second * c[:, 0, 0]
        third = (both / (own.clamp(min=0.0) + small)).clamp(-_LEAN, _LEAN)
        leans = torch.stack([first, second, third], dim=1)
        parts = [residual]
        if not torch.compiler.is_compiling():  # what is exported takes any size, and is not cut by it
            parts = [x for rows in residual.split(_BLOCK, dim=2) for x in rows.split(_BLOCK, dim=3)]
        shares = [x[0, 0].numel() / residual[0, 0].numel() for x in parts]
        power = sum(
            share * self._power(self.components(x, leans)) for share, x in zip(shares, parts, strict=True)
        )
        return Texture(leans, power)

    def components(self, picture: Tensor, leans: Tensor) -> Tensor:
        """RGB ``(B, 3, H, W)`` to gray and what is left of the hues."""
        gray, first, second = self._turned(picture).unbind(1)
        a, b, c = leans[:, :, None, None].unbind(1)
        first = first - a * gray
        return torch.stack([gray, first, second - b * gray - c * first], dim=1)

    def colour(self, components: Tensor, leans: Tensor) -> Tensor:
        """The inverse of :meth:`components`."""
        gray, first, second = components.unbind(1)
        a, b, c = leans[:, :, None, None].unbind(1)
        turned = torch.stack([gray, first + a * gray, second + b * gray + c * first], dim=1)
        return torch.einsum("kc,bkyx->bcyx", self.colours, turned)

    def split(self, z: Tensor) -> Tensor:
        """``(B, 3, H, W)``, sides by 8, to the windows' coefficients ``(B, 3, 256, H/8 + 1, W/8 + 1)``."""
        padded = nn.functional.pad(z, (STEP,) * 4, mode="replicate")
        blocks = nn.functional.pixel_unshuffle(padded.flatten(0, 1)[:, None], STEP)
        return nn.functional.conv2d(blocks, self.kernel).unflatten(0, (-1, COMPONENTS))

    def merge(self, coefficients: Tensor) -> Tensor:
        """Windows to the picture that they overlap in, ``(B, 3, H, W)``."""
        blocks = nn.functional.conv_transpose2d(coefficients.flatten(0, 1), self.kernel)
        z = nn.functional.pixel_shuffle(blocks, STEP)[:, 0].unflatten(0, (-1, COMPONENTS))
        return z[..., STEP:-STEP, STEP:-STEP]

    def _turned(self, picture: Tensor) -> Tensor:
        return torch.einsum("kc,bcyx->bkyx", self.colours, picture)

    def _power(self, z: Tensor) -> Tensor:
        squares = self.split(z).square()
        mean = squares.mean((3, 4), keepdim=True)
        bounded = torch.minimum(squares, _OUTLIER * mean).mean((3, 4))
        return bounded + 0.25 * _GRAIN**2
