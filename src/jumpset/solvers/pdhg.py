"""PDHG: alternating primal and dual steps for any A, without a linear system (Chambolle & Pock 2011)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.operators.algebra import operator_norm
from jumpset.operators.gradient import divergence, gradient
from jumpset.operators.images import spread
from jumpset.operators.linear import Identity
from jumpset.penalties import HuberTV, Penalty, TotalVariation
from jumpset.solvers._common import Solver, keep, squares

_RATIO = 1.5  # of the residuals, above which the steps are rebalanced
_SHRINK = 0.95  # factor of each further change of balance, so that the steps converge


@dataclass(frozen=True)
class Ball:
    """The set of dual fields of a total variation, and Huber's quadratic term."""

    axes: tuple[int, ...]
    """Axes of ``(B, D, C, *spatial)`` that share one norm."""
    delta: float
    """δ of Huber's function, 0 for total variation."""

    def project(self, p: Tensor, weight: float, sigma: Tensor) -> Tensor:
        """Compute the prox of the conjugate: shrink by Huber's term, then project onto the ball."""
        if weight == 0.0:
            return torch.zeros_like(p)
        p = p / (1 + sigma * self.delta / weight)
        size = p.square().sum(self.axes, keepdim=True).sqrt() if self.axes else p.abs()
        return p / (size / weight).clamp_min(1.0)


def dual_ball(penalty: Penalty) -> Ball | None:
    """Return the ball of a total variation of forward first differences, ``None`` for other penalties."""
    if isinstance(penalty, HuberTV):
        return Ball((1, 2) if penalty.channels == "joint" else (1,), penalty.delta)
    if not isinstance(penalty, TotalVariation):
        return None
    if (penalty.beta, penalty.order, penalty.scheme) != (1.0, 1, "forward"):
        return None
    directions = (1,) if penalty.isotropic else ()
    return Ball((*directions, 2) if penalty.channels == "joint" else directions, 0.0)


@dataclass(frozen=True)
class State:
    """The primal image, the dual fields, and their step sizes, one per image."""

    source: Tensor  # the data f
    u: Tensor  # (B, C, *spatial), the current solution
    y: Tensor  # dual of the data term, shaped like f
    p: Tensor  # (B, D, C, *spatial), dual of a total variation; empty if the prox of the penalty is used
    tau: Tensor  # (B,), primal step
    change: Tensor  # (B,), relative size of the next change of balance
    norms: tuple[float, float]  # of A and of the gradient
    residual: Tensor  # (B,)


@dataclass(frozen=True)
class PDHG(Solver):
    r"""PDHG: total variation with any operator, and any penalty with a prox; no linear systems.

    Minimises :math:`\tfrac12 \|A u - f\|^2 + \text{weight} \cdot R(u)` of each image. For
    :class:`TotalVariation` (first forward differences, β = 1) and :class:`HuberTV`, R is split,
    :math:`\max_{\|p\| \le \text{weight}} \langle p, \nabla u \rangle`, and

    .. math:: u \leftarrow u - \tau (A^\top y - \operatorname{div} p), \quad
              y \leftarrow \frac{y + \sigma_1 (A \bar u - f)}{1 + \sigma_1}, \quad
              p \leftarrow \Pi (p + \sigma_2 \nabla \bar u), \quad \bar u = 2 u - u_\text{old};

    for other penalties, the first step is the prox, ``prox_{τ weight R}(u − τ Aᵀ y)``, without p.

    Parameters
    ----------
    penalty, weight, operator, max_steps
        As in :class:`FISTA`; total variation and Huber TV need no prox.
    tol
        The run ends when in every image the primal and the dual residual, the errors of the two optimality
        conditions, are at most tol ‖Aᵀ f‖ and tol ‖f‖.

    Raises
    ------
    InputError
        A parameter out of range.
    NoProx
        During the run, for other penalties without a prox.

    Notes
    -----
    A. Chambolle, T. Pock, JMIV 2011. (1) The step sizes of each image are balanced so that its residuals
    decrease at the same rate, with ever smaller changes (T. Goldstein, M. Li, X. Yuan, "Adaptive primal-dual
    splitting methods", NeurIPS 2015).
    (2) ``σ_1 = σ / ‖A‖²`` and ``σ_2 = σ / ‖∇‖²``. (3) For denoising with total variation the record holds the
    duality gap, relative to the objective: a certificate.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> keep = (torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.3).float()
    >>> truth = torch.tensor([0.2] * 8 + [0.8] * 8).expand(1, 1, 16, 16)
    >>> solver = js.solvers.PDHG(js.TotalVariation(), 0.01, js.solvers.Mask(keep), max_steps=200)
    >>> image = js.run(keep * truth, solver).image  # fills the missing pixels
    >>> bool((image - truth).square().mean() < 0.1 * (keep * truth - truth).square().mean())
    True
    """

    tol: float = parameter(1e-5, checks.real, above=0.0, below=1.0)
    max_steps: int = parameter(20_000, checks.integer, at_least=0)  # pyright: ignore

    name: ClassVar[str] = "pdhg"
    paper: ClassVar[str] = "Chambolle, Pock, JMIV 2011"

    def init(self, image: Tensor) -> State:
        """Start at ``u = Aᵀ f`` and dual fields of zeros."""
        u = self.operator.adjoint(image)
        p = gradient(u) * 0 if dual_ball(self.penalty) else u.new_zeros(len(u), 0)
        ones = torch.ones(len(u), dtype=torch.float64, device=u.device)
        of_a = operator_norm(self.operator, u) or 1.0
        norms = of_a, (4.0 * (u.ndim - 2)) ** 0.5
        tau = ones / of_a**2  # the step size of gradient descent on the data term alone
        return State(image, u, torch.zeros_like(image), p, tau, 0.5 * ones, norms, ones)

    def step(self, state: State) -> State:
        """Take the primal step and the dual steps, and balance the step sizes."""
        active, u, ball = state.residual > self.tol, state.u, dual_ball(self.penalty)
        back, ahead = self._transposed(ball), self._forward(ball)
        tau = spread(state.tau, u)
        pull = u - tau * back(state.y, state.p)
        new = pull if ball else self.penalty.prox(pull, state.tau * self.weight)
        blocks = 2 if ball else 1
        first = 1 / (blocks * state.tau * state.norms[0] ** 2)
        second = 1 / (blocks * state.tau * state.norms[1] ** 2)
        image, slope = ahead(2 * new - u)
        sigma = spread(first, image)
        y = (state.y + sigma * (image - state.source)) / (1 + sigma)
        p = state.p
        if ball:
            sigma = spread(second, p)
            p = ball.project(p + sigma * slope, self.weight, sigma)
        # the errors of 0 ∈ ∂R + Aᵀ y and of 0 ∈ y + f − A u
        moved_y, moved_p = state.y - y, state.p - p
        image, slope = ahead(u - new)
        primal = squares((u - new) / tau - back(moved_y, moved_p)).sqrt()
        dual = squares(moved_y / spread(first, y) - image)
        if ball:
            dual = dual + squares(moved_p / spread(second, p) - slope)
        size = squares(self.operator.adjoint(state.source)).sqrt(), squares(state.source).sqrt()
        primal, dual = (
            r / torch.where(s > 0, s, 1.0) for r, s in zip((primal, dual.sqrt()), size, strict=True)
        )
        longer, shorter = primal > _RATIO * dual, dual > _RATIO * primal
        tau = torch.where(longer, state.tau / (1 - state.change), state.tau)
        tau = torch.where(shorter, state.tau * (1 - state.change), tau)
        change = torch.where(longer | shorter, _SHRINK * state.change, state.change)
        return State(
            state.source,
            keep(active, new, u),
            keep(active, y, state.y),
            keep(active, p, state.p),
            torch.where(active, tau, state.tau),
            torch.where(active, change, state.change),
            state.norms,
            torch.where(active, torch.maximum(primal, dual), state.residual),
        )

    def image(self, state: State) -> Tensor:
        """Return ``u``."""
        return state.u

    def record(self, state: State) -> dict[str, float]:
        """Return objective and residual; for denoising with total variation the largest relative gap, too."""
        record = super().record(state)
        ball = dual_ball(self.penalty)
        if ball is None or not isinstance(self.operator, Identity):
            return record
        f = state.source
        bound = 0.5 * (squares(f) - squares(f + divergence(state.p)))
        if ball.delta and self.weight:
            bound = bound - 0.5 * ball.delta / self.weight * squares(state.p)
        objective = self.objective(state.u, f)
        gap = (objective - bound) / torch.where(objective > 0, objective, 1.0)
        return record | {"gap": float(gap.max())}

    def _forward(self, ball: Ball | None) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        return lambda u: (self.operator(u), gradient(u) if ball else u)

    def _transposed(self, ball: Ball | None) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda y, p: self.operator.adjoint(y) - divergence(p) if ball else self.operator.adjoint(y)
