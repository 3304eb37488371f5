"""Texture statistics of a residual: colour decorrelation and windowed DCT power."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

SIDE = 16  # of a window, in pixels
STEP = 8  # between windows: every pixel lies in four
COMPONENTS = 3
_BLOCK = 2048  # side of the blocks of an image that are measured one by one
_FLOOR = 0.25 / 255  # standard deviation below which nothing counts as texture
_OUTLIER = 6.0  # powers above this multiple of the mean come from edges that the guess missed
_MAX_SLOPE = 2.0  # largest regression coefficient between components
_GRAY = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))  # gray and two hues, to be normalised


class Texture(NamedTuple):
    """The result of :meth:`Spectrum.measure`."""

    slopes: Tensor
    """``(B, 3)``: regression coefficients of hue 1 on gray, hue 2 on gray, hue 2 on the rest of hue 1."""
    power: Tensor
    """``(B, 3, 256)``: mean square of each DCT coefficient of a window, in each component."""

    @property
    def deviations(self) -> Tensor:
        """``(B, 3)``: standard deviation of each component, in intensities."""
        return 2.0 * self.power.mean(-1).sqrt()  # the window function keeps a quarter of the power


class Spectrum(nn.Module):
    r"""Windowed cosine transforms in colour components that are uncorrelated in a texture.

    A texture is mostly gray, whatever the colours of the structure are, so that the hues show where an edge
    runs. From each hue, ``components`` subtracts its regression on gray, estimated from the covariance of the
    residual. A window is 16 × 16 pixels, weighted by :math:`\sin \pi (n + ½) / 16` along both axes, in
    analysis and in synthesis; the squared weights of overlapping windows add up to 1, so that
    ``merge(split(z))`` is z.
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
        # as a convolution on blocks of 8 × 8 pixels, which is a matrix product
        kernel = nn.functional.pixel_unshuffle(windows, STEP)
        self.register_buffer("colours", nn.functional.normalize(colours, dim=1).float(), persistent=False)
        self.register_buffer("kernel", kernel.float(), persistent=False)

    def measure(self, residual: Tensor) -> Texture:
        """Estimate the texture from a residual ``(B, 3, H, W)``, sides multiples of 8; by blocks if large."""
        planes = self._opponent(residual)
        centred = (planes - planes.mean((2, 3), keepdim=True)).flatten(2)
        c = centred @ centred.mT / planes[0, 0].numel()
        small = _FLOOR**2
        first = (c[:, 1, 0] / (c[:, 0, 0] + small)).clamp(-_MAX_SLOPE, _MAX_SLOPE)
        second = (c[:, 2, 0] / (c[:, 0, 0] + small)).clamp(-_MAX_SLOPE, _MAX_SLOPE)
        variance = c[:, 1, 1] - 2 * first * c[:, 1, 0] + first.square() * c[:, 0, 0]
        covariance = c[:, 2, 1] - first * c[:, 2, 0] - second * c[:, 1, 0] + first * second * c[:, 0, 0]
        third = (covariance / (variance.clamp(min=0.0) + small)).clamp(-_MAX_SLOPE, _MAX_SLOPE)
        slopes = torch.stack([first, second, third], dim=1)
        parts = [residual]
        if not torch.compiler.is_compiling():  # an exported graph must not depend on the size
            parts = [x for rows in residual.split(_BLOCK, dim=2) for x in rows.split(_BLOCK, dim=3)]
        shares = [x[0, 0].numel() / residual[0, 0].numel() for x in parts]
        power: Any = sum(
            share * self._power(self.components(x, slopes)) for share, x in zip(shares, parts, strict=True)
        )
        return Texture(slopes, power)

    def components(self, image: Tensor, slopes: Tensor) -> Tensor:
        """Transform RGB ``(B, 3, H, W)`` to gray and the decorrelated hues."""
        gray, first, second = self._opponent(image).unbind(1)
        a, b, c = slopes[:, :, None, None].unbind(1)
        first = first - a * gray
        return torch.stack([gray, first, second - b * gray - c * first], dim=1)

    def to_rgb(self, components: Tensor, slopes: Tensor) -> Tensor:
        """Invert :meth:`components`."""
        gray, first, second = components.unbind(1)
        a, b, c = slopes[:, :, None, None].unbind(1)
        planes = torch.stack([gray, first + a * gray, second + b * gray + c * first], dim=1)
        return torch.einsum("kc,bkyx->bcyx", self.colours, planes)

    def split(self, z: Tensor) -> Tensor:
        """Transform ``(B, 3, H, W)``, sides multiples of 8, to ``(B, 3, 256, H/8 + 1, W/8 + 1)``."""
        padded = nn.functional.pad(z, (STEP,) * 4, mode="replicate")
        blocks = nn.functional.pixel_unshuffle(padded.flatten(0, 1)[:, None], STEP)
        return nn.functional.conv2d(blocks, self.kernel).unflatten(0, (-1, COMPONENTS))

    def merge(self, coefficients: Tensor) -> Tensor:
        """Overlap and add the windows of :meth:`split`: ``(B, 3, H, W)``."""
        blocks = nn.functional.conv_transpose2d(coefficients.flatten(0, 1), self.kernel)
        z = nn.functional.pixel_shuffle(blocks, STEP)[:, 0].unflatten(0, (-1, COMPONENTS))
        return z[..., STEP:-STEP, STEP:-STEP]

    def _opponent(self, image: Tensor) -> Tensor:
        return torch.einsum("kc,bcyx->bkyx", self.colours, image)

    def _power(self, z: Tensor) -> Tensor:
        squares = self.split(z).square()
        mean = squares.mean((3, 4), keepdim=True)
        bounded = torch.minimum(squares, _OUTLIER * mean).mean((3, 4))
        return bounded + 0.25 * _FLOOR**2
