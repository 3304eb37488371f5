"""The proximal operator of TGV²: primal-dual iteration on image and vector field, with a duality gap."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from jumpset._core.types import Images
from jumpset.operators.precision import to_float64
from jumpset.prox.tgv_fields import Grid

_CHECK_EVERY = 20
_RATIO = 1.5  # of the residuals, above which the steps are rebalanced
_SHRINK = 0.95  # factor of each further change of balance, so that the steps converge


def tgv_prox(
    v: Images, taus: float | Tensor, alpha0: float, alpha1: float, joint: bool, tol: float, max_steps: int
) -> Images:
    """Compute ``argmin_u ½‖u − v‖² + tau TGV²(u)``, each image until its gap is at most ``tol``.

    The saddle point of ``½‖u − v‖² + ⟨p, ∇u − w⟩ + ⟨q, E w⟩``, ‖p‖ ≤ tau α₁, ‖q‖ ≤ tau α₀. For the lower
    bound, Eᵀ q replaces p, as the minimum over w requires, and both are scaled into their balls.

    Parameters
    ----------
    v
        ``(B, C, *spatial)``.
    taus
        A number, or ``(B, 1, …)``.
    alpha0, alpha1, joint
        As in :class:`jumpset.penalties.TGV2`.
    tol
        The gap relative to the objective.
    max_steps
        Iterations.
    """
    with torch.no_grad():
        source = to_float64(v.detach())
        answer = torch.where(_spread(torch.isfinite(source).flatten(1).all(1), v.ndim), source, torch.nan)
        prices = (
            torch.as_tensor(taus, dtype=source.dtype, device=source.device)
            .expand(len(v), *[1] * (v.ndim - 1))
            .flatten()
        )
        level = source.mean(tuple(range(2, v.ndim)), keepdim=True)  # the differences are independent of it
        size = _squares(source - level).sqrt()
        open_ = torch.nonzero((prices > 0) & (size > 0) & torch.isfinite(size)).flatten()
        missing = 0.0
        if len(open_):
            f, unit = (source - level)[open_], _spread(size[open_], v.ndim)
            unit = unit / math.sqrt(v[0].numel())  # the steps are for images of unit variance
            found, missing = _solve(
                f / unit, prices[open_] / unit.flatten(), alpha0, alpha1, joint, tol, max_steps
            )
            answer[open_] = found * unit + level[open_]
    if missing > tol:
        warnings.warn(
            f"the prox of TGV2 stopped after {max_steps} steps with a relative gap of {missing:.1e};"
            " raise max_steps or tol",
            RuntimeWarning,
            stacklevel=3,
        )
    return answer.to(v.dtype)


def _solve(
    f: Tensor, taus: Tensor, alpha0: float, alpha1: float, joint: bool, tol: float, max_steps: int
) -> tuple[Tensor, float]:
    answer, open_ = f.clone(), torch.arange(len(f), device=f.device)
    axes = (0, 2) if joint else (0,)  # axes of a field (D, B, C, *spatial) that share a norm
    squared = 4.0 * (f.ndim - 2)  # squared norm of ∇, and of E
    squared = squared + 0.5 + math.sqrt(squared + 0.25)  # squared norm of both together
    grid = Grid(torch.ones_like(f[:1]))
    u, taus = f, _spread(taus, f.ndim)
    w = torch.zeros_like(grid.gradient(f))
    p, q = torch.zeros_like(w), torch.zeros_like(grid.bend(w))
    primal = 1.0 / (taus * alpha1 * math.sqrt(squared))  # step sizes, one per image
    change, worst = torch.full_like(taus, 0.5), 0.0
    for step in range(1, max_steps + 1):
        dual = 1.0 / (squared * primal)
        new_u = (u + primal * (f - _gradient_adjoint(grid, p))) / (1 + primal)
        new_w = w + primal * (p - grid.bend_adjoint(q))
        ahead_u, ahead_w = 2 * new_u - u, 2 * new_w - w
        new_p = _project(p + dual * (grid.gradient(ahead_u) - ahead_w), taus * alpha1, axes)
        new_q = _project(q + dual * grid.bend(ahead_w), taus * alpha0, axes)
        if step % _CHECK_EVERY == 0 or step == max_steps:
            du, dw, dp, dq = u - new_u, w - new_w, p - new_p, q - new_q
            lack = _squares(du / primal - _gradient_adjoint(grid, dp))
            lack = (lack + _field_squares(dw / primal + dp - grid.bend_adjoint(dq))).sqrt()
            rest = _field_squares(dp / dual - grid.gradient(du) + dw)
            rest = (rest + _field_squares(dq / dual - grid.bend(dw))).sqrt()
            lack, rest = _spread(lack, f.ndim), _spread(rest, f.ndim)
            longer, shorter = lack > _RATIO * rest, rest > _RATIO * lack
            primal = torch.where(longer, primal / (1 - change), primal)
            primal = torch.where(shorter, primal * (1 - change), primal)
            change = torch.where(longer | shorter, _SHRINK * change, change)
        u, w, p, q = new_u, new_w, new_p, new_q
        if step % _CHECK_EVERY and step < max_steps:
            continue
        gap = _gap(grid, u, w, q, f, taus, alpha0, alpha1, axes)
        done = gap <= tol
        if step == max_steps:
            worst, done = float(gap.max()), torch.ones_like(done)
        answer[open_[done]] = u[done]
        left = ~done
        if not bool(left.any()):
            break
        if bool(done.any()):
            open_, u, f, taus, primal = (t[left] for t in (open_, u, f, taus, primal))
            change, w, p, q = change[left], w[:, left], p[:, left], q[:, left]
    return answer, worst


def _gap(
    grid: Grid, u: Tensor, w: Tensor, q: Tensor, f: Tensor, taus: Tensor, alpha0: float, alpha1: float,
    axes: tuple[int, ...],
) -> Tensor:  # fmt: skip
    """Compute the relative duality gap of each image."""
    p = grid.bend_adjoint(q)
    whole = tuple(range(2 if 2 in axes else 3, p.ndim))
    p = p / (_norm(p, axes) / (taus * alpha1)).amax(whole, keepdim=True).clamp_min(1.0)
    jumps = taus * alpha1 * _norm(grid.gradient(u) - w, axes)
    bends = taus * alpha0 * _norm(grid.bend(w), axes)
    upper = 0.5 * _squares(u - f) + (jumps + bends)[0].flatten(1).sum(1)
    moved = _gradient_adjoint(grid, p)
    lower = (moved * f - 0.5 * moved.square()).flatten(1).sum(1)
    return (upper - lower) / torch.where(upper > 0, upper, 1.0)


def _gradient_adjoint(grid: Grid, p: Tensor) -> Tensor:
    """Compute ∇ᵀ p."""
    total = torch.zeros_like(p[0])
    for axis, field in zip(grid.axes, p, strict=True):
        inner = field.narrow(axis, 0, field.shape[axis] - 1)
        border = torch.zeros_like(field.narrow(axis, 0, 1))
        total = total - inner.diff(dim=axis, prepend=border, append=border)
    return total


def _project(field: Tensor, radius: Tensor, axes: tuple[int, ...]) -> Tensor:
    return field / (_norm(field, axes) / radius).clamp_min(1.0)


def _norm(field: Tensor, axes: tuple[int, ...]) -> Tensor:
    return field.square().sum(axes, keepdim=True).sqrt()


def _squares(x: Tensor) -> Tensor:
    return x.square().flatten(1).sum(1)


def _field_squares(field: Tensor) -> Tensor:
    return field.square().sum(0).flatten(1).sum(1)


def _spread(per_image: Tensor, ndim: int) -> Tensor:
    return per_image.reshape(-1, *[1] * (ndim - 1))
