"""What JPEG does to colours before anything else: it keeps their differences at half the resolution."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError

# BT.601 over the full range, as in JPEG files
_LUMA = (0.299, 0.587, 0.114)
_TO_CHROMA = (0.5 / (1 - _LUMA[2]), 0.5 / (1 - _LUMA[0]))  # Cb = (B − Y) · this, Cr = (R − Y) · that


@dataclass(frozen=True)
class ChromaSubsampling:
    r"""Luma as it is, chroma at half the resolution and back: the linear part of a JPEG file.

    .. math:: A = M^{-1} \, \mathrm{diag}(I, U D, U D) \, M

    with M from RGB to Y, Cb, Cr (BT.601), D means over blocks, and U linear interpolation between the blocks'
    centres, repeated at the border, as usual decoders do it. A gray picture passes unchanged.

    Parameters
    ----------
    rows, columns
        Pixels of a block down and across: 2 and 2 is "4:2:0", which most files have, 1 and 2 "4:2:2", 1 and 1
        "4:4:4".

    Raises
    ------
    InputError
        Other numbers; at the first use, a picture of other than one or three channels.
    """

    rows: int = 2
    columns: int = 2

    def __post_init__(self) -> None:
        checks.one_of("rows", self.rows, (1, 2))
        checks.one_of("columns", self.columns, (1, 2))

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes along which there is one value for two pixels."""
        return tuple(axis for axis, factor in ((-2, self.rows), (-1, self.columns)) if factor == 2)

    def __call__(self, u: Tensor) -> Tensor:
        """A u, of the shape of u."""
        if u.shape[1] == 1:
            return u
        if u.shape[1] != 3:
            raise InputError(
                "only colour pictures have chroma",
                given=f"{u.shape[1]} channels",
                do="pass (B, 3, H, W), or (B, 1, H, W) in gray",
            )
        y = luma_and_chroma(u)
        chroma = y[:, 1:]
        for axis in self.axes:
            chroma = doubled(halved(chroma, axis), axis, u.shape[axis])
        return picture_of(torch.cat([y[:, :1], chroma], dim=1))

    def adjoint(self, y: Tensor) -> Tensor:
        """Aᵀ y: the gradient of ⟨A u, y⟩ in u."""
        with torch.enable_grad():
            u = torch.zeros_like(y).requires_grad_()
            return torch.autograd.grad((self(u) * y).sum(), u)[0]


def luma_and_chroma(u: Tensor) -> Tensor:
    """Y, Cb, Cr of ``(B, 3, H, W)`` red, green and blue: chroma around 0."""
    red, green, blue = _LUMA
    luma = red * u[:, :1] + green * u[:, 1:2] + blue * u[:, 2:]
    to_blue, to_red = _TO_CHROMA
    return torch.cat([luma, (u[:, 2:] - luma) * to_blue, (u[:, :1] - luma) * to_red], dim=1)


def picture_of(y: Tensor) -> Tensor:
    """The inverse of :func:`luma_and_chroma`."""
    red, green, blue = _LUMA
    to_blue, to_red = _TO_CHROMA
    luma = y[:, :1]
    b, r = luma + y[:, 1:2] / to_blue, luma + y[:, 2:] / to_red
    return torch.cat([r, (luma - red * r - blue * b) / green, b], dim=1)


def halved(x: Tensor, axis: int) -> Tensor:
    """Means of pairs; the last pixel of an odd number stands for itself."""
    if x.shape[axis] % 2:
        x = torch.cat([x, x.narrow(axis, -1, 1)], dim=axis)
    dim = x.ndim + axis
    return x.unflatten(dim, (-1, 2)).mean(dim=dim + 1)


def doubled(x: Tensor, axis: int, length: int) -> Tensor:
    """Linear interpolation, by slices: the gradient of torch's own is not repeatable on GPUs."""
    n = x.shape[axis]
    before = torch.cat([x.narrow(axis, 0, 1), x.narrow(axis, 0, n - 1)], dim=axis)
    after = torch.cat([x.narrow(axis, 1, n - 1), x.narrow(axis, n - 1, 1)], dim=axis)
    dim = x.ndim + axis
    pairs = torch.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], dim=dim + 1)
    return pairs.flatten(dim, dim + 1).narrow(axis, 0, length)
