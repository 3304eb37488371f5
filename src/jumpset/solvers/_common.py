"""The base class of the solvers: objective, record, stopping rule; functions of each image separately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import Images, Iteration, PerImage, Status, parameter
from jumpset.operators.algebra import LinearOp
from jumpset.operators.images import spread
from jumpset.operators.linear import Identity
from jumpset.penalties import Penalty


class HasResidual(Protocol):
    """The part of a state that :class:`Solver` reads."""

    @property
    def source(self) -> Tensor:
        """The data f."""
        ...

    @property
    def residual(self) -> Tensor:
        """``(B,)``, residual of the last step of each image; 1 before the first step."""
        ...


def _penalty(_: str, value: object) -> None:
    if not isinstance(value, Penalty):
        raise InputError(
            "a solver needs a penalty", given=repr(value), do="pass e.g. js.L1(), or any Penalty"
        )


def _operator(_: str, value: object) -> None:
    if not isinstance(value, LinearOp):
        raise InputError(
            "the operator must be callable and have an adjoint",
            given=repr(value),
            do="pass e.g. js.solvers.Blur(psf), or js.solvers.Pair(forward, backward)",
        )


@dataclass(frozen=True)
class Solver(Iteration[Any]):
    """A solver of ``½‖A u − f‖² + weight · R(u)``: its objective, record and stopping rule."""

    spatial_ndims: ClassVar[tuple[int, ...]] = (1, 2, 3)
    check_every: ClassVar[int] = 10

    penalty: Penalty = parameter(None, _penalty)
    weight: float = parameter(0.1, checks.real, at_least=0.0)
    operator: LinearOp = parameter(Identity(), _operator)
    tol: float = parameter(1e-6, checks.real, above=0.0, below=1.0)
    max_steps: int = parameter(10_000, checks.integer, at_least=0)  # pyright: ignore

    def objective(self, u: Images, f: Tensor) -> PerImage:
        """Compute ``½‖A u − f‖² + weight · R(u)`` of each image, ``(B,)`` in float64."""
        fit = 0.5 * squares(self.operator(u) - f)
        return fit + self.weight * self.penalty.value(u).to(fit)

    def record(self, state: HasResidual) -> dict[str, float]:
        """Return the objective, summed over the batch, and the largest residual."""
        total = self.objective(self.image(state), state.source).sum()
        return {"objective": float(total), "residual": float(state.residual.max())}

    def finished(self, state: HasResidual) -> Status | None:
        """Return ``Status.CONVERGED`` once the residual of every image has reached ``tol``."""
        return Status.CONVERGED if bool((state.residual <= self.tol).all()) else None


def squares(x: Tensor) -> Tensor:
    """Compute the sum of squares of each image, ``(B,)`` in float64."""
    return x.double().square().flatten(1).sum(1)


def relative(change: Tensor, size: Tensor) -> Tensor:
    """Compute ``‖change‖ / ‖size‖`` of each image, ``(B,)``; 0 if nothing changed."""
    top, bottom = squares(change).sqrt(), squares(size).sqrt()
    return torch.where(top == 0, 0.0, top / torch.where(bottom > 0, bottom, 1.0))


def keep(active: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Return ``new`` for active images and ``old`` for converged ones, so that a batch equals a loop."""
    return torch.where(spread(active, new), new, old)
