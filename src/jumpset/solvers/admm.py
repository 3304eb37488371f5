"""ADMM: a least-squares step and a prox step, coupled by multipliers (Boyd et al. 2011)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.operators.images import spread
from jumpset.solvers._common import Solver, keep, relative
from jumpset.solvers.quadratic import Quadratic, best_for

_BALANCED = 200  # ρ is constant after this step, as convergence requires
_FACTOR = 2.0
_RATIO = 5.0


@dataclass(frozen=True)
class State:
    """u, z and the scaled multipliers d of the paper."""

    source: Tensor  # the data f
    back: Tensor  # Aᵀ f
    u: Tensor  # (B, C, *spatial), of the least-squares step
    z: Tensor  # of the prox step: the solution
    d: Tensor  # sum of u − z
    rho: Tensor  # (B,)
    n_steps: int
    residual: Tensor  # (B,)


@dataclass(frozen=True)
class ADMM(Solver):
    r"""ADMM: for operators whose least-squares problem has a direct solution, such as blurs and masks.

    Minimises :math:`\tfrac12 \|A u - f\|^2 + \text{weight} \cdot R(u)` of each image by

    .. math:: u \leftarrow (A^\top A + \rho)^{-1} (A^\top f + \rho (z - d)), \qquad
              z \leftarrow \operatorname{prox}_{\text{weight} R / \rho}(u + d), \qquad d \leftarrow d + u - z.

    Parameters
    ----------
    penalty, weight, operator, max_steps
        As in :class:`FISTA`.
    tol
        The run ends when ‖u − z‖ and the change of z are at most tol ‖z‖ in every image.
    rho
        Initial ρ, above 0. The number of steps depends on it, the solution does not.
    quadratic
        The solver of the u-step; default: :class:`Spectral` if it is exact, else
        :class:`ConjugateGradient`.

    Raises
    ------
    InputError
        A parameter out of range.
    NoProx
        During the run, if the penalty has no prox.

    Notes
    -----
    S. Boyd, N. Parikh, E. Chu, B. Peleato, J. Eckstein, "Distributed optimization and statistical learning
    via the alternating direction method of multipliers", 2011. (1) For the first 200 steps, ρ is doubled or
    halved every 10 if one residual is five times the other, separately for each image (their section 3.4.1).
    (2) The solution is z, which has the exact zeros of the prox. For a penalty that is not convex, ρ is
    constant and convergence is not guaranteed; a limit is a stationary point.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> keep = (torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.3).float()
    >>> truth = torch.tensor([0.2] * 8 + [0.8] * 8).expand(1, 1, 16, 16)
    >>> solver = js.solvers.ADMM(js.TotalVariation(), 0.001, js.solvers.Mask(keep), max_steps=200)
    >>> image = js.run(keep * truth, solver).image  # fills the missing pixels
    >>> bool((image - truth).square().mean() < 0.1 * (keep * truth - truth).square().mean())
    True
    """

    rho: float = parameter(1.0, checks.real, above=0.0)
    quadratic: Quadratic | None = None

    name: ClassVar[str] = "admm"
    paper: ClassVar[str] = "Boyd, Parikh, Chu, Peleato, Eckstein, 2011"

    def init(self, image: Tensor) -> State:
        """Start at ``u = z = Aᵀ f``, ``d = 0``."""
        u = self.operator.adjoint(image)
        ones = torch.ones(len(u), dtype=torch.float64, device=u.device)
        return State(image, u, u, u, torch.zeros_like(u), self.rho * ones, 0, ones)

    def step(self, state: State) -> State:
        """Update u, z and the multipliers; every 10 steps, ρ."""
        active, rho = state.residual > self.tol, spread(state.rho, state.u)
        quadratic = self.quadratic or best_for(self.operator, state.u)
        b = state.back + rho * (state.z - state.d)
        u = keep(active, quadratic.solve(self.operator, b, rho, state.u), state.u)
        z = keep(active, self.penalty.prox(u + state.d, self.weight / state.rho), state.z)
        d = keep(active, state.d + u - z, state.d)
        primal, dual = relative(u - z, z), relative(z - state.z, z)
        n_steps, new = state.n_steps + 1, state.rho
        if self.penalty.convex and n_steps % 10 == 0 and n_steps <= _BALANCED:
            new = torch.where(primal > _RATIO * dual, new * _FACTOR, new)
            new = torch.where(dual > _RATIO * primal, new / _FACTOR, new)
            new = torch.where(active, new, state.rho)
            d = d * spread(state.rho / new, d)  # d is scaled by 1 / ρ
        residual = torch.where(active, torch.maximum(primal, dual), state.residual)
        return State(state.source, state.back, u, z, d, new, n_steps, residual)

    def image(self, state: State) -> Tensor:
        """Return ``z``."""
        return state.z
