"""Solvers of ``(AᵀA + ρ) u = b``, the quadratic step of a splitting: by a transform or conjugate gradients.

Both are parameters of :class:`jumpset.solvers.ADMM` and
:class:`jumpset.solvers.DouglasRachford`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.operators.algebra import LinearOp, LinearOperator, is_direct
from jumpset.operators.conjugate_gradient import conjugate_gradient


class Quadratic(Protocol):
    """A solver of ``(AᵀA + ρ) u = b``."""

    def solve(self, operator: LinearOp, b: Tensor, rho: Tensor, start: Tensor) -> Tensor:
        """Return u, for one ρ > 0 per image, ``(B, 1, …)``; ``start`` is near u."""
        ...


@dataclass(frozen=True)
class Spectral:
    """An exact solver for operators that have one.

    A division for :class:`Identity` and :class:`Mask`, a transform for :class:`Blur` and :class:`Downsample`.

    For :class:`Blur` the Fourier transform for periodic borders, the cosine transform for symmetric ones (two
    spatial axes and a point-spread function that is symmetric along each axis). Other operators define
    ``is_direct`` and ``solve`` of :class:`jumpset.operators.LinearOperator`.

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
        if not is_direct(operator, b):
            raise InputError(
                "no transform diagonalises this operator", given=repr(operator), do="use ConjugateGradient()"
            )
        return operator.solve(b, rho)  # type: ignore[attr-defined]


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
        cheap = operator.precondition if isinstance(operator, LinearOperator) else None
        return conjugate_gradient(
            lambda x: operator.adjoint(operator(x)) + rho * x,
            b,
            start,
            self.tol,
            self.max_steps,
            precondition=cheap and (lambda r: cheap(r, rho)),
        )


def best_for(operator: LinearOp, like: Tensor) -> Quadratic:
    """Return :class:`Spectral` if it is exact, else :class:`ConjugateGradient`."""
    return Spectral() if is_direct(operator, like) else ConjugateGradient()
