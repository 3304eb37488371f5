"""Douglas–Rachford splitting: two proxes and a reflection (Lions & Mercier 1979)."""

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


@dataclass(frozen=True)
class State:
    """The three images of one step."""

    source: Tensor  # the data f
    back: Tensor  # Aᵀ f
    v: Tensor  # (B, C, *spatial), the governing sequence
    y: Tensor  # of the least-squares step
    z: Tensor  # of the prox step: the solution
    residual: Tensor  # (B,)


@dataclass(frozen=True)
class DouglasRachford(Solver):
    r"""Douglas–Rachford: as ADMM, with relaxation; robust if little is known about the problem.

    Minimises :math:`\tfrac12 \|A u - f\|^2 + \text{weight} \cdot R(u)` of each image by

    .. math:: y \leftarrow (A^\top A + 1/\gamma)^{-1} (A^\top f + v / \gamma), \qquad
              z \leftarrow \operatorname{prox}_{\gamma\, \text{weight} R}(2 y - v), \qquad
              v \leftarrow v + \mu (z - y).

    Parameters
    ----------
    penalty, weight, operator, max_steps
        As in :class:`FISTA`.
    tol
        The run ends when ‖z − y‖ ≤ tol ‖z‖ in every image.
    step_size
        γ, above 0. The number of steps depends on it, the solution does not.
    relaxation
        μ, above 0 and below 2; above 1 is often faster.
    quadratic
        The solver of the y-step; default as for :class:`ADMM`.

    Raises
    ------
    InputError
        A parameter out of range.
    NoProx
        During the run, if the penalty has no prox.

    Notes
    -----
    P.-L. Lions, B. Mercier, SIAM J. Numer. Anal. 1979; relaxation: J. Eckstein, D. Bertsekas, Math. Prog.
    1992. The solution is z, which has the exact zeros of the prox.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> keep = (torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.3).float()
    >>> truth = torch.tensor([0.2] * 8 + [0.8] * 8).expand(1, 1, 16, 16)
    >>> solver = js.solvers.DouglasRachford(js.TotalVariation(), 0.001, js.solvers.Mask(keep), max_steps=200)
    >>> image = js.run(keep * truth, solver).image  # fills the missing pixels
    >>> bool((image - truth).square().mean() < 0.1 * (keep * truth - truth).square().mean())
    True
    """

    step_size: float = parameter(1.0, checks.real, above=0.0)
    relaxation: float = parameter(1.5, checks.real, above=0.0, below=2.0)
    quadratic: Quadratic | None = None

    name: ClassVar[str] = "douglas-rachford"
    paper: ClassVar[str] = "Lions, Mercier, SIAM J. Numer. Anal. 1979"

    def init(self, image: Tensor) -> State:
        """Start at Aᵀ f."""
        u = self.operator.adjoint(image)
        far = torch.ones(len(u), dtype=torch.float64, device=u.device)
        return State(image, u, u, u, u, far)

    def step(self, state: State) -> State:
        """Update y by least squares, z by the prox of the reflection, and v."""
        gamma, active = self.step_size, state.residual > self.tol
        rho = spread(torch.full_like(state.residual, 1 / gamma), state.v)
        quadratic = self.quadratic or best_for(self.operator, state.v)
        y = quadratic.solve(self.operator, state.back + rho * state.v, rho, state.y)
        y = keep(active, y, state.y)
        z = keep(active, self.penalty.prox(2 * y - state.v, gamma * self.weight), state.z)
        v = keep(active, state.v + self.relaxation * (z - y), state.v)
        residual = torch.where(active, relative(z - y, z), state.residual)
        return State(state.source, state.back, v, y, z, residual)

    def image(self, state: State) -> Tensor:
        """Return ``z``."""
        return state.z
