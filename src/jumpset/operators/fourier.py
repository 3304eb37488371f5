"""Samples of the Fourier transform: magnetic resonance imaging."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.operators.algebra import LinearOperator


@dataclass(frozen=True)
class Fourier(LinearOperator):
    r"""Samples of the orthonormal Fourier transform over all spatial axes, with one or many coils.

    .. math:: y_j = m \cdot F (s_j u), \qquad j = 1 … J

    Parameters
    ----------
    mask
        m, ``(*spatial)``: where the transform is measured, in the order of ``torch.fft.fftn`` (the mean
        first); bools, integers of which all that are not 0 stand for 1, or floats.
    coils
        s, ``(J, *spatial)``, real or complex sensitivities; None: one coil of sensitivity 1.
    is_complex
        Whether two channels of the image are its real and its imaginary part. False: each channel is a real
        image.

    Raises
    ------
    InputError
        Arrays of different or empty shapes, or that are not finite; at the first use, images of another
        shape.

    Notes
    -----
    The data are real tensors ``(B, C · J, *spatial, 2)``, whose last axis holds real and imaginary parts, as
    ``torch.view_as_real`` gives them; for ``is_complex`` C counts pairs of channels. :func:`jumpset.run` and
    :func:`jumpset.restore` also take complex arrays and tensors ``(B, C · J, *spatial)``.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> mask = torch.ones(4, 4)
    >>> js.operators.Fourier(mask)(torch.ones(1, 1, 4, 4)).shape
    torch.Size([1, 1, 4, 4, 2])
    """

    mask: Tensor
    coils: Tensor | None = None
    is_complex: bool = False

    def __post_init__(self) -> None:
        mask = torch.as_tensor(self.mask)
        mask = mask if mask.is_floating_point() else mask != 0
        coils = None if self.coils is None else torch.as_tensor(self.coils)
        checks.flag("is_complex", self.is_complex)
        if mask.ndim == 0 or mask.numel() == 0 or not bool(torch.isfinite(mask).all()):
            raise InputError(
                "the mask has at least one axis, one entry, and finite values",
                given=f"shape {tuple(mask.shape)}",
                do="pass True where the transform is measured",
            )
        if coils is not None and (
            coils.shape[1:] != mask.shape or len(coils) == 0 or not bool(torch.isfinite(coils).all())
        ):
            raise InputError(
                "the coils must have the shape of the mask, and finite values",
                given=f"{tuple(coils.shape)} for {tuple(mask.shape)}",
                do=f"pass (J, {', '.join(map(str, mask.shape))})",
            )
        object.__setattr__(self, "mask", mask)
        object.__setattr__(self, "coils", coils)

    @cached_property
    def norm(self) -> float | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The largest entry of the mask, without coils."""
        if self.coils is not None:
            return None
        if self.is_complex:
            return float(self.mask.double().abs().max())
        return float(self._squares(torch.float64).max().sqrt())

    def __call__(self, u: Tensor) -> Tensor:
        """``m F(s_j u)``."""
        if tuple(u.shape[2:]) != tuple(self.mask.shape) or (self.is_complex and u.shape[1] % 2):
            raise InputError(
                "the image does not have the shape of the mask",
                given=f"{tuple(u.shape)} for {tuple(self.mask.shape)}",
                do="pass (B, C, *spatial); with is_complex=True, an even number of channels",
            )
        z = self._values(u)
        if self.coils is not None:
            z = (z[:, :, None] * self.coils.to(z.device, _complex(u))).flatten(1, 2)
        y = torch.fft.fftn(z, dim=self._axes, norm="ortho") * self.mask.to(u)
        return torch.view_as_real(y.contiguous())

    def adjoint(self, y: Tensor) -> Tensor:
        """``Σ_j s̄_j F⁻¹(m y_j)``; the real part for real images."""
        if not y.is_complex():
            y = torch.view_as_complex(y.contiguous())
        y = y * self.mask.to(y.device, y.real.dtype)
        z = torch.fft.ifftn(y, dim=self._axes, norm="ortho")
        if self.coils is not None:
            coils = self.coils.to(y.device, y.dtype) if self.coils.is_complex() else self.coils.to(y.real)
            z = (z.unflatten(1, (-1, len(coils))) * coils.conj()).sum(2)
        return self._channels(z)

    def is_direct(self, u: Tensor) -> bool:  # noqa: ARG002
        """With one coil."""
        return self.coils is None

    def solve(self, b: Tensor, rho: Tensor) -> Tensor:
        """In the Fourier transform."""
        z = self._values(b)
        gain = self._squares(b.dtype).to(b.device)
        z = torch.fft.ifftn(torch.fft.fftn(z, dim=self._axes) / (gain + rho), dim=self._axes)
        return self._channels(z)

    def _values(self, u: Tensor) -> Tensor:
        """The image as complex values, where two channels are one of them."""
        if not self.is_complex:
            return u
        return torch.view_as_complex(u.unflatten(1, (-1, 2)).movedim(2, -1).contiguous())

    def _channels(self, z: Tensor) -> Tensor:
        """The inverse of :meth:`_values`; the real part for real images."""
        if not self.is_complex:
            return z.real.contiguous()
        return torch.view_as_real(z).movedim(-1, 2).flatten(1, 2).contiguous()

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-self.mask.ndim, 0))

    def _squares(self, dtype: torch.dtype) -> Tensor:
        """m², for real images averaged with that of the opposite frequency, whose value is the conjugate."""
        m = self.mask.to(dtype).square()
        if self.is_complex:
            return m
        opposite = m
        for axis, n in enumerate(m.shape):
            opposite = opposite.index_select(axis, (-torch.arange(n, device=m.device)) % n)
        return (m + opposite) / 2


def _complex(like: Tensor) -> torch.dtype:
    return torch.complex64 if like.dtype == torch.float32 else torch.complex128
