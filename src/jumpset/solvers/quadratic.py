"""Solvers of ``(AᵀA + ρ) u = b``, the quadratic step of a splitting: by a transform or conjugate gradients.

Both are parameters of :class:`jumpset.solvers.ADMM` and
:class:`jumpset.solvers.DouglasRachford`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.operators.conjugate_gradient import conjugate_gradient
from jumpset.operators.linear import Blur, Identity, LinearOp, Mask
from jumpset.operators.spectral import dct2, idct2


class Quadratic(Protocol):
    """A solver of ``(AᵀA + ρ) u = b``."""

    def solve(self, operator: LinearOp, b: Tensor, rho: Tensor, start: Tensor) -> Tensor:
        """Return u, for one ρ > 0 per image, ``(B, 1, …)``; ``start`` is near u."""
        ...


@dataclass(frozen=True)
class Spectral:
    """An exact solver: a division for :class:`Identity` and :class:`Mask`, in a transform for :class:`Blur`.

    The Fourier transform for periodic borders, the cosine transform for symmetric ones (two spatial axes and
    a point-spread function that is symmetric along each axis).

    Raises
    ------
    InputError
        When used, for any other operator.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> blur = js.solvers.Blur(torch.ones(3, 3) / 9)
    >>> inner = js.solvers.Spectral()
    >>> solver = js.solvers.ADMM(js.TotalVariation(), 0.001, blur, max_steps=5, quadratic=inner)
    >>> js.run(blur(torch.rand(1, 1, 16, 16)), solver).image.shape
    torch.Size([1, 1, 16, 16])
    """

    def solve(self, operator: LinearOp, b: Tensor, rho: Tensor, start: Tensor) -> Tensor:  # noqa: ARG002
        """Return ``u``; see :class:`Quadratic`."""
        if isinstance(operator, Identity):
            return b / (1 + rho)
        if isinstance(operator, Mask):
            return b / (operator.mask.to(b).square() + rho)
        if isinstance(operator, Blur) and takes(operator, b):
            corner = torch.zeros_like(b[:1, :1])
            corner[(0, 0, *[0] * (b.ndim - 2))] = 1.0
            axes = tuple(range(2, b.ndim))
            if operator.boundary == "periodic":
                gain = torch.fft.fftn(operator(corner), dim=axes).abs().square()
                return torch.fft.ifftn(torch.fft.fftn(b, dim=axes) / (gain + rho), dim=axes).real
            # the cosine transform of a corner has no zeros, so the quotient gives every eigenvalue
            gain = (dct2(operator(corner)) / dct2(corner)).square()
            return idct2(dct2(b) / (gain + rho))
        raise InputError(
            "no transform diagonalises this operator", given=repr(operator), do="use ConjugateGradient()"
        )


def takes(operator: LinearOp, u: Tensor) -> bool:
    """Whether :class:`Spectral` is exact for the operator."""
    if isinstance(operator, Blur):
        return operator.boundary == "periodic" or (u.ndim == 4 and operator.is_even)
    return isinstance(operator, Identity | Mask)


@dataclass(frozen=True)
class ConjugateGradient:
    """A solver for any operator: conjugate gradients from the previous solution.

    Parameters
    ----------
    tol
        The iteration ends when the residual is at most this part of ‖b‖, in every image.
    max_steps
        Step limit; the outer iteration continues with the result.

    Raises
    ------
    InputError
        A parameter out of range.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> blur = js.solvers.Blur(torch.ones(3, 3) / 9)
    >>> inner = js.solvers.ConjugateGradient()
    >>> solver = js.solvers.ADMM(js.TotalVariation(), 0.001, blur, max_steps=5, quadratic=inner)
    >>> js.run(blur(torch.rand(1, 1, 16, 16)), solver).image.shape
    torch.Size([1, 1, 16, 16])
    """

    tol: float = 1e-8
    max_steps: int = 200

    def __post_init__(self) -> None:
        checks.real("tol", self.tol, above=0.0)
        checks.integer("max_steps", self.max_steps, at_least=1)

    def solve(self, operator: LinearOp, b: Tensor, rho: Tensor, start: Tensor) -> Tensor:
        """Return ``u``; see :class:`Quadratic`."""
        return conjugate_gradient(
            lambda x: operator.adjoint(operator(x)) + rho * x, b, start, self.tol, self.max_steps
        )


def best_for(operator: LinearOp, like: Tensor) -> Quadratic:
    """Return :class:`Spectral` if it is exact, else :class:`ConjugateGradient`."""
    return Spectral() if takes(operator, like) else ConjugateGradient()
