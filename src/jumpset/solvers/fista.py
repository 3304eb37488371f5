"""FISTA: accelerated proximal gradient with restarts (Beck & Teboulle 2009; O'Donoghue & Candès 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from jumpset.operators.algebra import operator_norm
from jumpset.operators.images import spread
from jumpset.solvers._common import Solver, keep, relative


@dataclass(frozen=True)
class State:
    """u and y of the paper, and one t per image."""

    source: Tensor  # the data f
    u: Tensor  # (B, C, *spatial), the current solution
    y: Tensor  # the extrapolated image
    t: Tensor  # (B,), of the momentum
    step_size: float  # 1 / ‖A‖²
    residual: Tensor  # (B,)


@dataclass(frozen=True)
class FISTA(Solver):
    r"""FISTA: the first choice if A and the prox of the penalty are cheap to compute.

    Minimises :math:`\tfrac12 \|A u - f\|^2 + \text{weight} \cdot R(u)` of each image by

    .. math:: u \leftarrow \operatorname{prox}_{s\, \text{weight}\, R}\bigl(y - s A^\top (A y - f)\bigr),
              \qquad y \leftarrow u + \tfrac{t - 1}{t'} (u - u_\text{old}), \qquad s = 1 / \|A\|^2.

    Parameters
    ----------
    penalty
        R; it must have a prox.
    weight
        Larger is smoother.
    operator
        A, a :class:`jumpset.operators.LinearOp`.
    tol
        The run ends when the relative step, ‖u − y‖ / ‖u‖, is at most tol in every image.
    max_steps
        Step limit.

    Raises
    ------
    InputError
        A parameter out of range.
    NoProx
        During the run, if the penalty has no prox.

    Notes
    -----
    A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse problems",
    SIIMS 2009. (1) The momentum restarts if ⟨y − u, u − u_old⟩ > 0, separately for each image (B. O'Donoghue,
    E. Candès, FoCM 2015). (2) For a penalty that is not convex there is no momentum: this is the
    forward-backward iteration, whose limit is a stationary point (H. Attouch, J. Bolte, B. Svaiter, 2013).

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> keep = (torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.3).float()
    >>> truth = torch.tensor([0.2] * 8 + [0.8] * 8).expand(1, 1, 16, 16)
    >>> solver = js.solvers.FISTA(js.TotalVariation(), 0.001, js.solvers.Mask(keep), max_steps=200)
    >>> image = js.run(keep * truth, solver).image  # fills the missing pixels
    >>> bool((image - truth).square().mean() < 0.1 * (keep * truth - truth).square().mean())
    True
    """

    name: ClassVar[str] = "fista"
    paper: ClassVar[str] = "Beck, Teboulle, SIIMS 2009"

    def init(self, image: Tensor) -> State:
        """Start at ``u = y = Aᵀ f``."""
        u = self.operator.adjoint(image)
        squared = operator_norm(self.operator, u) ** 2
        ones = torch.ones(len(u), dtype=torch.float64, device=u.device)
        return State(image, u, u, ones, 1.0 / squared if squared > 0 else 1.0, ones)

    def step(self, state: State) -> State:
        """Take a proximal gradient step from y, then extrapolate y."""
        s, y, active = state.step_size, state.y, state.residual > self.tol
        slope = self.operator.adjoint(self.operator(y) - state.source)
        u = keep(active, self.penalty.prox(y - s * slope, s * self.weight), state.u)
        turned = ((y - u).double() * (u - state.u).double()).flatten(1).sum(1) > 0
        t = torch.where(turned, 1.0, state.t)
        new = (1 + (1 + 4 * t.square()).sqrt()) / 2
        ahead = (t - 1) / new if self.penalty.convex else torch.zeros_like(t)
        residual = torch.where(active, relative(u - y, u), state.residual)
        return State(state.source, u, u + spread(ahead, u) * (u - state.u), new, s, residual)

    def image(self, state: State) -> Tensor:
        """Return ``u``."""
        return state.u
