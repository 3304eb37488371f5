"""Linear operators from images to data: models of a camera or a scanner.

Each acts on ``(B, C, *spatial)``, on every image and channel alike, and has its exact adjoint. They can be
composed, added, scaled and transposed (:class:`~jumpset.operators.algebra.LinearOperator`). More are in the
neighbouring modules ``sampling``, ``radon``, ``fourier`` and ``foreign``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import Images
from jumpset.operators.algebra import LinearOperator
from jumpset.operators.psf import gaussian_psf, motion_psf

_LARGE = 10  # entries of a point-spread function, from which on Fourier transforms convolve it


@dataclass(frozen=True)
class Identity(LinearOperator):
    """A u = u: denoising.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.rand(1, 1, 4, 4)
    >>> torch.equal(js.solvers.Identity()(x), x)
    True
    """

    norm: float = field(default=1.0, init=False)

    def __call__(self, u: Tensor) -> Tensor:
        """``u``."""
        return u

    def adjoint(self, y: Tensor) -> Tensor:
        """``y``."""
        return y

    def is_direct(self, u: Tensor) -> bool:  # noqa: ARG002
        """Always."""
        return True

    def solve(self, b: Tensor, rho: Tensor) -> Tensor:
        """A division."""
        return b / (1 + rho)


@dataclass(frozen=True)
class Mask(LinearOperator):
    """A u = m u: pixels are missing where m is 0; other values are exposures or reliabilities.

    Parameters
    ----------
    mask
        Tensor or array that broadcasts to ``(B, C, *spatial)``: bools; integers, of which all that are not 0
        stand for 1; or floats.

    Raises
    ------
    InputError
        Non-finite entries; during the run, images that the mask does not fit.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> js.solvers.Mask(torch.tensor([[1.0, 0.0]]))(torch.ones(1, 1, 1, 2)).tolist()
    [[[[1.0, 0.0]]]]
    """

    mask: Tensor

    def __post_init__(self) -> None:
        mask = torch.as_tensor(self.mask)
        object.__setattr__(self, "mask", mask if mask.is_floating_point() else mask != 0)
        if not bool(torch.isfinite(self.mask).all()):
            raise InputError(
                "the mask must be finite", given="NaN or infinity", do="use 0 for missing pixels"
            )

    @property
    def norm(self) -> float:
        """The largest entry."""
        return float(self.mask.double().abs().max())

    def __call__(self, u: Images) -> Images:
        """``m u``."""
        return u * self._fitting(u)

    def adjoint(self, y: Images) -> Images:
        """``m y``."""
        return y * self._fitting(y)

    def is_direct(self, u: Tensor) -> bool:  # noqa: ARG002
        """Always."""
        return True

    def solve(self, b: Tensor, rho: Tensor) -> Tensor:
        """A division."""
        return b / (self._fitting(b).square() + rho)

    def _fitting(self, u: Tensor) -> Tensor:
        shape = tuple(self.mask.shape)
        pairs = zip(shape[::-1], tuple(u.shape)[::-1], strict=False)
        if len(shape) > u.ndim or any(n not in (1, m) for n, m in pairs):
            raise InputError(
                "the mask does not fit the images",
                given=f"shape {shape} for {tuple(u.shape)}",
                do="pass a mask that broadcasts to (B, C, *spatial)",
            )
        return self.mask.to(u)


@dataclass(frozen=True)
class Blur(LinearOperator):
    r"""Convolution with a point-spread function, ``(A u)_p = Σ_k h_k u_{p − k}``.

    Parameters
    ----------
    psf
        h, with one axis for each spatial axis of the images, of any size; its centre is at index
        ``size // 2`` of each axis.
    boundary
        Extension of the image over its border: ``"symmetric"``, a mirror at its outer edge, or
        ``"periodic"``.

    Raises
    ------
    InputError
        A point-spread function that is empty or not finite, or has other than one to three axes; at the first
        use, one whose number of axes is not the image's.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> js.solvers.Blur(torch.ones(3, 3) / 9)(torch.rand(1, 1, 8, 8)).shape
    torch.Size([1, 1, 8, 8])
    """

    psf: Tensor
    boundary: str = "symmetric"

    def __post_init__(self) -> None:
        checks.one_of("boundary", self.boundary, ("symmetric", "periodic"))
        sound = 1 <= self.psf.ndim <= 3 and self.psf.numel() > 0
        if not sound or not bool(torch.isfinite(self.psf).all()):
            raise InputError(
                "a point-spread function has one to three axes and finite values",
                given=f"shape {tuple(self.psf.shape)}",
                do="pass e.g. torch.ones(5, 5) / 25",
            )

    @classmethod
    def gaussian(cls, sigma: float, *, spatial_ndim: int = 2, boundary: str = "symmetric") -> Blur:
        """A Gaussian of standard deviation ``sigma`` pixels, cut off at four of them."""
        return cls(gaussian_psf(sigma, spatial_ndim), boundary)

    @classmethod
    def motion(cls, length: float, angle: float = 0.0, *, boundary: str = "symmetric") -> Blur:
        """A straight motion over ``length`` pixels at ``angle`` degrees, counter-clockwise from the right."""
        return cls(motion_psf(length, angle), boundary)

    @property
    def is_even(self) -> bool:
        """Whether the function is symmetric along each axis, with the centre in the middle."""
        odd = all(n % 2 for n in self.psf.shape)
        return odd and all(torch.equal(self.psf, self.psf.flip(k)) for k in range(self.psf.ndim))

    def __call__(self, u: Images) -> Images:
        """``h ∗ u``."""
        wide = self._planes(u)
        for axis, index in self._extended(u).items():
            wide = wide.index_select(axis, index)
        return _valid(wide, self._mirrored(u)).reshape(u.shape)

    def adjoint(self, y: Images) -> Images:
        """The transpose: correlation, with the values beyond the border added to the pixels they extend."""
        wide = _valid_transposed(self._planes(y), self._mirrored(y))
        for axis, index in self._extended(y).items():
            shape = list(wide.shape)
            shape[axis] = y.shape[axis]
            wide = wide.new_zeros(shape).index_add(axis, index, wide)
        return wide.reshape(y.shape)

    def is_direct(self, u: Tensor) -> bool:
        """With periodic borders; with symmetric ones for an even function and two spatial axes."""
        return self.boundary == "periodic" or (u.ndim == 4 and self.is_even)

    def solve(self, b: Tensor, rho: Tensor) -> Tensor:
        """In the Fourier transform; for symmetric borders in the cosine transform."""
        if self.boundary == "periodic":
            return self.precondition(b, rho)
        from jumpset.operators.spectral import dct, idct  # scipy, which most calls need not wait for

        gain = self._transform(b, even=True).real.square()
        return idct(dct(b) / (gain + rho))

    def precondition(self, b: Tensor, rho: Tensor) -> Tensor:
        """The solution with periodic borders."""
        axes = tuple(range(2, b.ndim))
        gain = self._transform(b, even=False).abs().square()
        return torch.fft.ifftn(torch.fft.fftn(b, dim=axes) / (gain + rho), dim=axes).real

    def _transform(self, like: Tensor, *, even: bool) -> Tensor:
        """The factor of each frequency of images like ``like``: of a Fourier or of a cosine transform."""
        h = self.psf.to(like.device, torch.complex128)
        for axis, (n, size) in enumerate(zip(like.shape[2:], self.psf.shape, strict=True)):
            frequency = torch.arange(n, dtype=torch.float64, device=like.device) / (2 * n if even else n)
            place = torch.arange(size, dtype=torch.float64, device=like.device) - size // 2
            angle = -2 * math.pi * frequency[:, None] * place
            h = torch.tensordot(torch.polar(torch.ones_like(angle), angle), h, dims=([1], [axis]))  # type: ignore[arg-type]
            h = h.movedim(0, axis)
        return h.to(torch.complex64 if like.dtype == torch.float32 else torch.complex128)

    def _mirrored(self, like: Tensor) -> Tensor:
        # torch's convolution is a correlation
        return self.psf.to(like).flip(tuple(range(self.psf.ndim)))

    def _planes(self, u: Tensor) -> Tensor:
        """``(B C, 1, *spatial)``: one convolution for all channels."""
        if u.ndim - 2 != self.psf.ndim:
            raise InputError(
                "the point-spread function does not fit the image",
                given=f"{self.psf.ndim} axes for an image of shape {tuple(u.shape)}",
                do="pass a psf with one axis for each spatial axis",
            )
        return u.reshape(-1, 1, *u.shape[2:])

    def _extended(self, u: Tensor) -> dict[int, Tensor]:
        """For each axis, the index of the pixel at each place of the image extended over its border."""
        places = {}
        for axis, (n, size) in enumerate(zip(u.shape[2:], self.psf.shape, strict=True), start=2):
            # the mirrored kernel extends as far back as the kernel extends forward
            place = torch.arange(-(size - 1 - size // 2), n + size // 2, device=u.device)
            if self.boundary == "periodic":
                places[axis] = place % n
            else:
                folded = place % (2 * n)
                places[axis] = torch.where(folded < n, folded, 2 * n - 1 - folded)
        return places


def _valid(x: Tensor, h: Tensor) -> Tensor:
    """The correlation of ``(B, 1, *spatial)`` with h, where all of h is inside."""
    if h.numel() < _LARGE:
        return _CONVOLVE[h.ndim](x, h[None, None])
    axes, shape = tuple(range(2, x.ndim)), x.shape[2:]
    product = torch.fft.rfftn(x, dim=axes) * torch.fft.rfftn(h, s=shape).conj()
    y = torch.fft.irfftn(product, s=shape, dim=axes)
    return y[(..., *(slice(0, n - k + 1) for n, k in zip(shape, h.shape, strict=True)))]


def _valid_transposed(y: Tensor, h: Tensor) -> Tensor:
    """The transpose of :func:`_valid`."""
    if h.numel() < _LARGE:
        return _SPREAD[h.ndim](y, h[None, None])
    axes = tuple(range(2, y.ndim))
    shape = [n + k - 1 for n, k in zip(y.shape[2:], h.shape, strict=True)]
    product = torch.fft.rfftn(y, s=shape, dim=axes) * torch.fft.rfftn(h, s=shape)
    return torch.fft.irfftn(product, s=shape, dim=axes)


_CONVOLVE: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_SPREAD: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
