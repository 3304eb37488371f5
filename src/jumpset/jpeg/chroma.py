"""Colours in a JPEG file: luma at full resolution, and chroma at full or half resolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import solve_banded
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError

# BT.601 over the full range, as in JPEG files
_LUMA = (0.299, 0.587, 0.114)
_TO_CHROMA = (0.5 / (1 - _LUMA[2]), 0.5 / (1 - _LUMA[0]))  # factors of Cb = B − Y and Cr = R − Y
_CENTRE = 128 / 255  # subtracted from luma


@dataclass(frozen=True)
class ChromaSubsampling:
    r"""Luma unchanged, chroma reduced to half the resolution and back: the linear part of a JPEG file.

    .. math:: A = M^{-1} \, \mathrm{diag}(I, U D, U D) \, M

    with M from RGB to Y, Cb, Cr (BT.601), D means over blocks, and U linear interpolation between the centres
    of the blocks, repeated at the border, as in usual decoders. A gray image passes unchanged.

    Parameters
    ----------
    rows, columns
        Pixels of a block down and across: 2 and 2 is "4:2:0", the most common, 1 and 2 "4:2:2", 1 and 1
        "4:4:4".

    Raises
    ------
    InputError
        Other numbers; at the first use, an image of other than one or three channels.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> js.jpeg.ChromaSubsampling(2, 2)(torch.rand(1, 3, 16, 16)).shape
    torch.Size([1, 3, 16, 16])
    """

    rows: int = 2
    columns: int = 2

    def __post_init__(self) -> None:
        checks.one_of("rows", self.rows, (1, 2))
        checks.one_of("columns", self.columns, (1, 2))

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes along which two pixels share a value."""
        return tuple(axis for axis, factor in ((-2, self.rows), (-1, self.columns)) if factor == 2)

    def __call__(self, u: Tensor) -> Tensor:
        """A u, of the shape of u."""
        if u.shape[1] == 1:
            return u
        if u.shape[1] != 3:
            raise InputError(
                "only colour images have chroma",
                given=f"{u.shape[1]} channels",
                do="pass (B, 3, H, W), or (B, 1, H, W) in gray",
            )
        y = rgb_to_ycbcr(u)
        chroma = y[:, 1:]
        for axis in self.axes:
            chroma = upsample(halve(chroma, axis), axis, u.shape[axis])
        return ycbcr_to_rgb(torch.cat([y[:, :1], chroma], dim=1))

    def adjoint(self, y: Tensor) -> Tensor:
        """Aᵀ y: the gradient of ⟨A u, y⟩ in u."""
        with torch.enable_grad():
            u = torch.zeros_like(y).requires_grad_()
            return torch.autograd.grad((self(u) * y).sum(), u)[0]

    def planes(self, u: Tensor) -> tuple[Tensor, ...]:
        """P u: luma around 0, and chroma as an encoder subsamples it; other than three bands are luma."""
        if u.shape[1] != 3:
            return (u - _CENTRE,)
        y = rgb_to_ycbcr(u)
        chroma = y[:, 1:]
        for axis in self.axes:
            chroma = halve(chroma, axis)
        return y[:, :1] - _CENTRE, chroma

    def decoded_planes(self, f: Tensor) -> tuple[Tensor, ...]:
        """The planes from which a decoder made f, before it interpolated chroma."""
        luma, *chroma = self.planes(f)
        for axis in self.axes:
            chroma = [undo_upsampling(c, axis, f.shape[axis]) for c in chroma]
        return luma, *chroma

    def image(self, planes: tuple[Tensor, ...], height: int, width: int) -> Tensor:
        """What a decoder makes of the planes, which may be padded, without clipping to [0, 1]."""
        luma, *chroma = planes
        luma = luma[..., :height, :width] + _CENTRE
        if not chroma:
            return luma
        c = chroma[0][..., : -(-height // self.rows), : -(-width // self.columns)]
        for axis in self.axes:
            c = upsample(c, axis, (height, width)[axis])
        return ycbcr_to_rgb(torch.cat([luma, c], dim=1))

    def spread(self, changes: list[Tensor], height: int, width: int) -> Tensor:
        """The change of an image by changes of its planes: chroma's on all pixels of a block."""
        luma, *chroma = changes
        if not chroma:
            return luma
        c = chroma[0]
        for axis in self.axes:
            c = c.repeat_interleave(2, dim=axis).narrow(axis, 0, (height, width)[axis])
        return ycbcr_to_rgb(torch.cat([luma, c], dim=1))


def rgb_to_ycbcr(u: Tensor) -> Tensor:
    """Y, Cb, Cr of ``(B, 3, H, W)`` red, green and blue: chroma around 0."""
    red, green, blue = _LUMA
    luma = red * u[:, :1] + green * u[:, 1:2] + blue * u[:, 2:]
    to_blue, to_red = _TO_CHROMA
    return torch.cat([luma, (u[:, 2:] - luma) * to_blue, (u[:, :1] - luma) * to_red], dim=1)


def ycbcr_to_rgb(y: Tensor) -> Tensor:
    """The inverse of :func:`rgb_to_ycbcr`."""
    red, green, blue = _LUMA
    to_blue, to_red = _TO_CHROMA
    luma = y[:, :1]
    b, r = luma + y[:, 1:2] / to_blue, luma + y[:, 2:] / to_red
    return torch.cat([r, (luma - red * r - blue * b) / green, b], dim=1)


def halve(x: Tensor, axis: int) -> Tensor:
    """Means of pairs along a (negative) axis; the last value of an odd number stays."""
    if x.shape[axis] % 2:
        x = torch.cat([x, x.narrow(axis, -1, 1)], dim=axis)
    dim = x.ndim + axis
    return x.unflatten(dim, (-1, 2)).mean(dim=dim + 1)


def upsample(x: Tensor, axis: int, length: int) -> Tensor:
    """Linear interpolation to ``length``, by slices: torch's own gradient is not repeatable on GPUs."""
    n = x.shape[axis]
    before = torch.cat([x.narrow(axis, 0, 1), x.narrow(axis, 0, n - 1)], dim=axis)
    after = torch.cat([x.narrow(axis, 1, n - 1), x.narrow(axis, n - 1, 1)], dim=axis)
    dim = x.ndim + axis
    pairs = torch.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], dim=dim + 1)
    return pairs.flatten(dim, dim + 1).narrow(axis, 0, length)


def undo_upsampling(x: Tensor, axis: int, length: int) -> Tensor:
    """The inverse of ``halve(upsample(·, axis, length), axis)``: one banded solve."""
    n = x.shape[axis]
    if n == 1:
        return x
    bands = np.zeros((3, n))
    bands[0, 1:], bands[1], bands[2, :-1] = 1 / 8, 6 / 8, 1 / 8
    bands[1, 0] = bands[1, -1] = 7 / 8
    if length % 2:  # the last value is one pixel's, nearer to its left neighbour
        bands[1, -1], bands[2, -2] = 3 / 4, 1 / 4
    flat = np.moveaxis(x.detach().cpu().double().numpy(), axis, 0)
    out = solve_banded((1, 1), bands, flat.reshape(n, -1)).reshape(flat.shape)
    return torch.from_numpy(np.moveaxis(out, 0, axis).copy()).to(x)
