"""Linear operators from images to data: models of a camera or a scanner.

Each acts on ``(B, C, *spatial)``, on every image and channel alike, and has its exact adjoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from jumpset._core import checks
from jumpset._core.errors import InputError

_POWER_STEPS = 100


@runtime_checkable
class LinearOp(Protocol):
    """A linear map A of images. An attribute ``norm``, the largest singular value, is used where present.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> isinstance(js.solvers.Mask(torch.ones(1, 1, 4, 4)), js.solvers.LinearOp)
    True
    """

    def __call__(self, u: Tensor) -> Tensor:
        """A u."""
        ...

    def adjoint(self, y: Tensor) -> Tensor:
        """Aᵀ y, of the shape of an image."""
        ...


@dataclass(frozen=True)
class Identity:
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


@dataclass(frozen=True)
class Mask:
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

    def __call__(self, u: Tensor) -> Tensor:
        """``m u``."""
        return u * self._fitting(u)

    def adjoint(self, y: Tensor) -> Tensor:
        """``m y``."""
        return y * self._fitting(y)

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
class Blur:
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

    @property
    def is_even(self) -> bool:
        """Whether the function is symmetric along each axis, with the centre in the middle."""
        odd = all(n % 2 for n in self.psf.shape)
        return odd and all(torch.equal(self.psf, self.psf.flip(k)) for k in range(self.psf.ndim))

    def __call__(self, u: Tensor) -> Tensor:
        """``h ∗ u``."""
        wide = self._planes(u)
        for axis, index in self._extended(u).items():
            wide = wide.index_select(axis, index)
        return _CONVOLVE[self.psf.ndim](wide, self._weights(u)).reshape(u.shape)

    def adjoint(self, y: Tensor) -> Tensor:
        """The transpose: correlation, with the values beyond the border added to the pixels they extend."""
        wide = _SPREAD[self.psf.ndim](self._planes(y), self._weights(y))
        for axis, index in self._extended(y).items():
            shape = list(wide.shape)
            shape[axis] = y.shape[axis]
            wide = wide.new_zeros(shape).index_add(axis, index, wide)
        return wide.reshape(y.shape)

    def _planes(self, u: Tensor) -> Tensor:
        """``(B C, 1, *spatial)``: one convolution for all channels."""
        if u.ndim - 2 != self.psf.ndim:
            raise InputError(
                "the point-spread function does not fit the image",
                given=f"{self.psf.ndim} axes for an image of shape {tuple(u.shape)}",
                do="pass a psf with one axis for each spatial axis",
            )
        return u.reshape(-1, 1, *u.shape[2:])

    def _weights(self, like: Tensor) -> Tensor:
        # torch's convolution is a correlation: the kernel is mirrored here
        return self.psf.to(like).flip(tuple(range(self.psf.ndim)))[None, None]

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


@dataclass(frozen=True)
class Downsample:
    """Means over blocks of ``factor`` pixels along each axis: a coarser detector.

    Parameters
    ----------
    factor
        Pixels of the image along each axis to one of the data.
    shape
        Spatial shape of the image; the last blocks are cut where it is no multiple.

    Raises
    ------
    InputError
        A factor below 1 or an empty shape.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> js.solvers.Downsample(2, (8, 8))(torch.rand(1, 1, 8, 8)).shape
    torch.Size([1, 1, 4, 4])
    """

    factor: int
    shape: tuple[int, ...]
    norm: float = field(default=1.0, init=False)  # a mean of one pixel, where a block is cut to it

    def __post_init__(self) -> None:
        checks.integer("factor", self.factor, at_least=1)
        for n in self.shape:
            checks.integer("shape", n, at_least=1)

    def __call__(self, u: Tensor) -> Tensor:
        """The mean of each block."""
        for axis in range(2, u.ndim):
            block = self._block(u, axis)
            shape = list(u.shape)
            shape[axis] = -(-u.shape[axis] // self.factor)
            u = u.new_zeros(shape).index_add(axis, block, u) / self._counts(u, axis)
        return u

    def adjoint(self, y: Tensor) -> Tensor:
        """Each value, divided by the size of its block, on all pixels of the block."""
        for axis, n in enumerate(self.shape, start=2):
            like = y.new_zeros(1).expand([n if k == axis else 1 for k in range(y.ndim)])
            y = (y / self._counts(like, axis)).index_select(axis, self._block(like, axis))
        return y

    def _block(self, u: Tensor, axis: int) -> Tensor:
        return torch.arange(u.shape[axis], device=u.device) // self.factor

    def _counts(self, u: Tensor, axis: int) -> Tensor:
        counts = torch.bincount(self._block(u, axis)).to(u)
        return counts.reshape([-1 if k == axis else 1 for k in range(u.ndim)])


@dataclass(frozen=True)
class Pair:
    """A map and its adjoint as functions, such as a Radon transform and its back-projection.

    Parameters
    ----------
    forward, backward
        Functions of a tensor; ``⟨forward(u), y⟩ = ⟨u, backward(y)⟩`` is assumed, and
        :func:`adjoint_error` checks it.
    norm
        The largest singular value; ``None``: estimated by power iteration where needed.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> twice = js.solvers.Pair(lambda u: 2 * u, lambda y: 2 * y)
    >>> twice(torch.ones(1, 1, 1, 2)).tolist()
    [[[[2.0, 2.0]]]]
    """

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor], Tensor]
    norm: float | None = None

    def __call__(self, u: Tensor) -> Tensor:
        """``forward(u)``."""
        return self.forward(u)

    def adjoint(self, y: Tensor) -> Tensor:
        """``backward(y)``."""
        return self.backward(y)


def operator_norm(operator: LinearOp, like: Tensor, *, seed: int = 0) -> float:
    """The largest singular value: the operator's ``norm``, else by power iteration on one image.

    Parameters
    ----------
    operator
        A.
    like
        An image ``(B, C, *spatial)``; its shape, dtype and device are used.
    seed
        Seed of the first vector.

    Returns
    -------
    float
        Power iteration converges from below; it ends when the estimate grows by a relative 1e-6, and 1 % is
        added.
    """
    known = getattr(operator, "norm", None)
    if known is not None:
        return float(known)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(like[:1].shape, generator=generator, dtype=torch.float64).to(like)
    size = 0.0
    for _ in range(_POWER_STEPS):
        x = x / x.norm().clamp_min(torch.finfo(x.dtype).tiny)
        x = operator.adjoint(operator(x))
        before, size = size, float(x.norm())
        if size == 0.0:
            return 0.0
        if abs(size - before) <= 1e-6 * size:
            break
    return 1.01 * math.sqrt(size)


def adjoint_error(operator: LinearOp, like: Tensor, *, seed: int = 0) -> float:
    """``|⟨A u, y⟩ − ⟨u, Aᵀ y⟩| / (‖A u‖ ‖y‖)`` for random u and y: rounding for a correct adjoint.

    Parameters
    ----------
    operator
        A linear operator.
    like
        A tensor with the shape, dtype and device of u.
    seed
        Seed of u and y.

    Returns
    -------
    float
        The relative error.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> js.solvers.adjoint_error(js.solvers.Blur(torch.ones(3, 3) / 9), torch.rand(1, 1, 8, 8)) < 1e-5
    True
    """
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like)
    image = operator(u)
    y = torch.randn(image.shape, generator=generator, dtype=torch.float64).to(image)
    left, right = float((image * y).sum()), float((u * operator.adjoint(y)).sum())
    return abs(left - right) / max(float(image.norm() * y.norm()), 1e-300)


_CONVOLVE: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_SPREAD: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
