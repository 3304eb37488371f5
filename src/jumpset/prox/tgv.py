"""The proximal operator of TGV²: primal-dual iteration on image and vector field, with a duality gap."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from jumpset._core.types import Images
from jumpset.kernels.tv import tgv as kernel
from jumpset.operators.precision import to_float64
from jumpset.prox.tgv_fields import Grid
from jumpset.prox.tv import ProxSolution

_CHECK_EVERY = 20
_RATIO = 1.5  # of the residuals, above which the steps are rebalanced
_ROUNDING = 1e-12  # of ‖f‖², energy that counts as 0
_SHRINK = 0.95  # factor of each further change of balance, so that the steps converge


def tgv_prox(
    v: Images, taus: float | Tensor, alpha0: float, alpha1: float, joint: bool, tol: float, max_steps: int
) -> Images:
    """Compute :func:`tgv_prox_solution`'s image; a ``RuntimeWarning`` reports that the limit was reached."""
    found = tgv_prox_solution(v, taus, alpha0, alpha1, joint, tol, max_steps)
    missing = float(found.gap.nan_to_num(0.0).max()) if len(v) else 0.0
    if missing > tol:
        warnings.warn(
            f"the prox of TGV2 stopped after {max_steps} steps with a relative gap of {missing:.1e};"
            " raise max_steps or tol",
            RuntimeWarning,
            stacklevel=3,
        )
    return found.image


def tgv_prox_solution(
    v: Images, taus: float | Tensor, alpha0: float, alpha1: float, joint: bool, tol: float, max_steps: int,
    dual: Tensor | None = None,
) -> ProxSolution:  # fmt: skip
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
    dual
        Start: ``.dual`` of an earlier solution of the same shape: w, p and q, one after another.
    """
    with torch.no_grad():
        source = to_float64(v.detach())
        finite = torch.isfinite(source).flatten(1).all(1)
        answer = torch.where(_spread(finite, v.ndim), source, torch.nan)
        prices = (
            torch.as_tensor(taus, dtype=source.dtype, device=source.device)
            .expand(len(v), *[1] * (v.ndim - 1))
            .flatten()
        )
        level = source.mean(tuple(range(2, v.ndim)), keepdim=True)  # the differences are independent of it
        size = _squares(source - level).sqrt()
        open_ = torch.nonzero((prices > 0) & (size > 0) & torch.isfinite(size)).flatten()
        n = v.ndim - 2
        fields = source.new_zeros((2 * n + n * (n + 1) // 2, *v.shape)) if dual is None else dual.clone()
        gap, n_steps = torch.where(finite, 0.0, torch.nan).to(torch.float64), 0
        if len(open_):
            f, unit = (source - level)[open_], _spread(size[open_], v.ndim)
            unit = unit / math.sqrt(v[0].numel())  # the steps are for images of unit variance
            found, best, gaps, n_steps = _solve(
                f / unit, prices[open_] / unit.flatten(), alpha0, alpha1, joint, tol, max_steps,
                None if dual is None else fields[:, open_] / unit,
            )  # fmt: skip
            answer[open_] = found * unit + level[open_]
            fields[:, open_] = best * unit
            gap[open_] = gaps
    return ProxSolution(answer.to(v.dtype), gap, n_steps, fields)


def _solve(
    f: Tensor, taus: Tensor, alpha0: float, alpha1: float, joint: bool, tol: float, max_steps: int,
    start: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, int]:  # fmt: skip
    """The image, w, p and q of each of ``(B, C, *spatial)``, their gaps, and the number of steps."""
    n = f.ndim - 2
    open_ = torch.arange(len(f), device=f.device)
    axes = (0, 2) if joint else (0,)  # axes of a field (D, B, C, *spatial) that share a norm
    squared = 4.0 * n  # squared norm of ∇, and of E
    squared = squared + 0.5 + math.sqrt(squared + 0.25)  # squared norm of both together
    grid = Grid(torch.ones_like(f[:1]))
    taus = _spread(taus, f.ndim)
    u, w = f, torch.zeros_like(grid.gradient(f))
    p, q = torch.zeros_like(w), torch.zeros_like(grid.bend(w))
    if start is not None:
        w, p, q = start[:n], _project(start[n : 2 * n], taus * alpha1, axes), start[2 * n :]
        q = _project(q, taus * alpha0, axes)
        u = f - _gradient_adjoint(grid, p)
    answer, dual, gaps = f.clone(), torch.cat([w, p, q]), f.new_zeros(len(f))
    primal = 1.0 / (taus * alpha1 * math.sqrt(squared))  # step sizes, one per image
    change, step = torch.full_like(taus, 0.5), 0
    while step < max_steps:
        count = min(_CHECK_EVERY, max_steps - step)
        step += count
        sizes = primal, 1.0 / (squared * primal), (taus * alpha1, taus * alpha0)
        old = _advance(grid, f, (u, w, p, q), *sizes, joint, count - 1)
        u, w, p, q = _advance(grid, f, old, *sizes, joint, 1)
        if step < max_steps:
            primal, change = _balanced(grid, old, (u, w, p, q), primal, squared, change)
        gap = _gap(grid, u, w, q, f, taus, alpha0, alpha1, axes)
        done = (gap <= tol) | (step >= max_steps)
        answer[open_[done]], gaps[open_[done]] = u[done], gap[done]
        dual[:, open_[done]] = torch.cat([w, p, q])[:, done]
        left = ~done
        if not bool(left.any()):
            break
        if bool(done.any()):
            open_, u, f, taus, primal = (t[left] for t in (open_, u, f, taus, primal))
            change, w, p, q = change[left], w[:, left], p[:, left], q[:, left]
    return answer, dual, gaps, step


def _advance(
    grid: Grid, f: Tensor, fields: tuple[Tensor, ...], primal: Tensor, dual: Tensor,
    radii: tuple[Tensor, Tensor], joint: bool, n_steps: int,
) -> tuple[Tensor, ...]:  # fmt: skip
    if kernel.has_loops(f):
        return kernel.advance(f, fields, primal, dual, radii, joint, n_steps)
    for _ in range(n_steps):
        fields = advance_plain(grid, f, fields, primal, dual, radii, joint)
    return fields


def advance_plain(
    grid: Grid, f: Tensor, fields: tuple[Tensor, ...], primal: Tensor, dual: Tensor,
    radii: tuple[Tensor, Tensor], joint: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Take one step; the definition of :func:`jumpset.kernels.tv.tgv.advance`."""
    u, w, p, q = fields
    axes = (0, 2) if joint else (0,)
    new_u = (u + primal * (f - _gradient_adjoint(grid, p))) / (1 + primal)
    new_w = w + primal * (p - grid.bend_adjoint(q))
    ahead_u, ahead_w = 2 * new_u - u, 2 * new_w - w
    new_p = _project(p + dual * (grid.gradient(ahead_u) - ahead_w), radii[0], axes)
    return new_u, new_w, new_p, _project(q + dual * grid.bend(ahead_w), radii[1], axes)


def _balanced(
    grid: Grid,
    old: tuple[Tensor, ...],
    new: tuple[Tensor, ...],
    primal: Tensor,
    squared: float,
    change: Tensor,
) -> tuple[Tensor, Tensor]:
    """The step sizes that balance the residuals of the last step, and the next change of them."""
    dual = 1.0 / (squared * primal)
    du, dw, dp, dq = (a - b for a, b in zip(old, new, strict=True))
    lack = _squares(du / primal - _gradient_adjoint(grid, dp))
    lack = (lack + _field_squares(dw / primal + dp - grid.bend_adjoint(dq))).sqrt()
    rest = _field_squares(dp / dual - grid.gradient(du) + dw)
    rest = (rest + _field_squares(dq / dual - grid.bend(dw))).sqrt()
    lack, rest = _spread(lack, primal.ndim), _spread(rest, primal.ndim)
    longer, shorter = lack > _RATIO * rest, rest > _RATIO * lack
    primal = torch.where(longer, primal / (1 - change), primal)
    primal = torch.where(shorter, primal * (1 - change), primal)
    return primal, torch.where(longer | shorter, _SHRINK * change, change)


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
    least = _ROUNDING * _squares(f)  # of an image without variation, whose energy is rounding
    return (upper - lower) / torch.maximum(upper, least.clamp_min(torch.finfo(f.dtype).tiny))


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
