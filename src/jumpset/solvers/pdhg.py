"""PDHG: primal and dual steps in turn, for any A, with no system to solve (Chambolle & Pock 2011)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from jumpset.operators.gradient import divergence, gradient
from jumpset.operators.linear import Identity, LinearOp, operator_norm
from jumpset.penalties import HuberTV, Penalty, TotalVariation
from jumpset.solvers._common import Solver, keep, spread, squares

_RATIO = 1.5  # of the residuals, above which the steps are balanced
_SHRINK = 0.95  # of each further change of balance: the steps settle


@dataclass(frozen=True)
class Ball:
    """Where the dual field of a total variation lives, and Huber's extra quadratic."""

    axes: tuple[int, ...]
    """Axes of ``(B, D, C, *spatial)`` that share one norm."""
    delta: float
    """δ of Huber's function, 0 for the total variation itself."""

    def project(self, p: Tensor, weight: float, sigma: Tensor) -> Tensor:
        """Prox of the conjugate: shrink by Huber's quadratic, then into the ball of radius ``weight``."""
        if weight == 0.0:
            return torch.zeros_like(p)
        p = p / (1 + sigma * self.delta / weight)
        size = p.square().sum(self.axes, keepdim=True).sqrt() if self.axes else p.abs()
        return p / (size / weight).clamp_min(1.0)


def dual_ball(penalty: Penalty) -> Ball | None:
    """The ball of a total variation of forward first differences, ``None`` for any other penalty."""
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
    """The primal picture, the dual fields, and their steps, one an image."""

    source: Tensor  # the data f
    u: Tensor  # (B, C, *spatial), the answer so far
    y: Tensor  # dual of the data term, shaped like f
    p: Tensor  # (B, D, C, *spatial), dual of a total variation; empty where the penalty's prox is used
    tau: Tensor  # (B,), primal step
    change: Tensor  # (B,), by how much the next change of balance moves the steps
    norms: tuple[float, float]  # of A and of the gradient
    residual: Tensor  # (B,)


@dataclass(frozen=True)
class PDHG(Solver):
    r"""PDHG: total variation with any operator, and any penalty with a prox; nothing is inverted.

    Minimises :math:`\tfrac12 \|A u - f\|^2 + \text{weight} \cdot R(u)` of each image. For
    :class:`TotalVariation` (first forward differences, β = 1) and :class:`HuberTV`, R is taken apart,
    :math:`\max_{\|p\| \le \text{weight}} \langle p, \nabla u \rangle`, and

    .. math:: u \leftarrow u - \tau (A^\top y - \operatorname{div} p), \quad
              y \leftarrow \frac{y + \sigma_1 (A \bar u - f)}{1 + \sigma_1}, \quad
              p \leftarrow \Pi (p + \sigma_2 \nabla \bar u), \quad \bar u = 2 u - u_\text{old};

    for any other, the first step is its prox, ``prox_{τ weight R}(u − τ Aᵀ y)``, and there is no p.

    Parameters
    ----------
    penalty
        R; total variation or Huber TV, or one that has a prox.
    weight
        Larger is smoother.
    operator
        A, a :class:`jumpset.solvers.LinearOp`.
    tol
        Ends when in every image the primal and the dual residual, what is missing to the two optimality
        conditions, are at most tol of ‖Aᵀ f‖ and ‖f‖.
    max_steps
        Step limit.

    Raises
    ------
    InputError
        A parameter out of range.
    NoProx
        When run, where the penalty has neither.

    Notes
    -----
    A. Chambolle, T. Pock, JMIV 2011. (1) Each image's steps are balanced so that its residuals fall together,
    ever more gently (T. Goldstein, M. Li, X. Yuan, "Adaptive primal-dual splitting methods", NeurIPS 2015).
    (2) ``σ_1 = σ / ‖A‖²`` and ``σ_2 = σ / ‖∇‖²``. (3) For denoising with total variation the record holds the
    duality gap, relative to the objective: a certificate.
    """

    penalty: Penalty
    weight: float = 0.1
    operator: LinearOp = field(default_factory=Identity)
    tol: float = 1e-5
    max_steps: int = 20_000

    name: ClassVar[str] = "pdhg"
    paper: ClassVar[str] = "Chambolle, Pock, JMIV 2011"

    def __post_init__(self) -> None:
        self._check()

    def init(self, image: Tensor) -> State:
        """``u = Aᵀ f``, all duals 0."""
        u = self.operator.adjoint(image)
        p = gradient(u) * 0 if dual_ball(self.penalty) else u.new_zeros(len(u), 0)
        ones = torch.ones(len(u), dtype=torch.float64, device=u.device)
        of_a = operator_norm(self.operator, u) or 1.0
        norms = of_a, (4.0 * (u.ndim - 2)) ** 0.5
        tau = ones / of_a**2  # what a gradient step on the data term alone would take
        return State(image, u, torch.zeros_like(image), p, tau, 0.5 * ones, norms, ones)

    def step(self, state: State) -> State:
        """The primal step, the dual steps, and the balance between them."""
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
        # what is missing to 0 ∈ ∂R + Aᵀ y and to 0 ∈ y + f − A u
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
        """``u``."""
        return state.u

    def record(self, state: State) -> dict[str, float]:
        """Objective and residual; the largest relative duality gap, for denoising with total variation."""
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
