"""The proximal operator of overlapping groups, with a duality gap that bounds its error."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from jumpset._core.types import Images
from jumpset.operators.precision import to_float64

Box = Callable[[Tensor, bool], Tensor]

_CHECK_EVERY = 10
_CUTS = [10.0**-k for k in range(1, 60)]


def overlapping_shrinkage(
    v: Images, tau: float | Tensor, box: Box, pull: Callable[[Tensor], Tensor], tol: float, max_steps: int
) -> Images:
    """Compute ``argmin_u ½‖u − v‖² + tau Σ_i ‖u_W(i)‖₂``, each image until its error is at most ``tol``.

    Where windows vanish the iteration would decrease without end, and the dual point, which consists of the
    directions u_W / ‖u_W‖, would not converge. So the iteration uses ``√(‖u_W‖² + ε²)``, in units in which ε
    is 1; this ε changes the objective by at most a tenth of the allowed gap. The gap is that of the objective
    above, without ε.

    Parameters
    ----------
    v
        ``(B, C, *spatial)``.
    tau
        A number, or ``(B, 1, …)``.
    box
        Sums over the windows, or over the windows that contain a pixel (``transposed``).
    pull
        Gradient of ``Σ_i √(‖u_W(i)‖² + 1)``.
    tol
        ‖u − exact‖₂ ≤ tol ‖v‖₂.
    max_steps
        Limit of the iterations.
    """
    with torch.no_grad():
        source = to_float64(v.detach())
        taus = torch.as_tensor(tau, dtype=source.dtype, device=source.device).expand(
            len(v), *[1] * (v.ndim - 1)
        )
        size = _norm(source).reshape(taus.shape)
        windows = float(box(torch.zeros_like(source[:1]), False).numel())
        epsilon = 0.1 * 0.5 * (0.5 * tol * size).square() / (taus * windows)
        answer = torch.where(torch.isfinite(source).flatten(1).all(1).reshape(taus.shape), source, torch.nan)
        open_ = torch.nonzero((epsilon > 0).flatten() & torch.isfinite(epsilon).flatten()).flatten()
        unit = epsilon[open_]
        source = source[open_] / unit
        taus = taus[open_] / unit
        allowed = tol * _norm(source)
        u = source.clone()
        missing = 0.0
        for step in range(1, max_steps + 1):
            if len(open_) == 0:
                break
            before = u
            rate = u + taus * pull(u)
            u = torch.where(rate != 0, u * source / torch.where(rate != 0, rate, 1.0), 0.0)
            if step % _CHECK_EVERY and step < max_steps:
                continue
            dual = _dual_value(u, before, source, taus, box)
            distance = _distance(u, source, taus, dual, box)
            done = distance <= 0.5 * allowed  # the other half is for setting zeros
            if step == max_steps and not bool(done.all()):
                missing = float((distance / allowed).max()) * tol
                allowed = torch.maximum(allowed, distance)
                done = torch.ones_like(done)
            pruned = _prune(u[done], source[done], taus[done], dual[done], allowed[done], box)
            answer[open_[done]] = pruned * unit[done]
            open_, unit, allowed = open_[~done], unit[~done], allowed[~done]
            source, taus, u = source[~done], taus[~done], u[~done]
    if missing > 0:
        warnings.warn(
            f"overlapping group shrinkage stopped after {max_steps} steps within {missing:.1e}"
            " of the exact answer (relative); raise max_steps or tol",
            RuntimeWarning,
            stacklevel=3,
        )
    return answer.to(v.dtype)


def _dual_value(u: Tensor, before: Tensor, f: Tensor, t: Tensor, box: Box) -> Tensor:
    """Compute a lower bound of the objective of each image, ``½‖f‖² − ½‖f − tau Σ_i z_i‖²``.

    Here ``z_i = u_W(i) / max(√(‖before_W(i)‖² + 1), ‖u_W(i)‖)`` has norm at most 1, and by the iteration
    ``f − u ≈ tau Σ_i z_i``, with equality at the optimum.
    """
    inverse = torch.maximum(box(u.square(), False), 1 + box(before.square(), False)).rsqrt()
    return 0.5 * _sum(f.square() - (f - t * u * box(inverse, True)).square())


def _distance(u: Tensor, f: Tensor, t: Tensor, dual: Tensor, box: Box) -> Tensor:
    """Compute an upper bound of the distance to the minimiser: √(2 gap), by strong convexity."""
    primal = 0.5 * _sum((u - f).square()) + _sum(t * box(u.square(), False).sqrt())
    return (2 * (primal - dual)).clamp_min(0.0).sqrt()


def _prune(u: Tensor, f: Tensor, t: Tensor, dual: Tensor, wanted: Tensor, box: Box) -> Tensor:
    """Set pixels to zero below the largest cut, relative to f, for which the distance is as ``wanted``."""
    shape = (len(u), *[1] * (u.ndim - 1))
    answer, found = u, torch.zeros(len(u), dtype=torch.bool, device=u.device)
    for cut in _CUTS:
        kept = torch.where(u.abs() <= cut * f.abs(), 0.0, u)
        fits = (_distance(kept, f, t, dual, box) <= wanted) & ~found
        answer = torch.where(fits.reshape(shape), kept, answer)
        found |= fits
        if bool(found.all()):
            break
    return answer


def _sum(x: Tensor) -> Tensor:
    return x.sum(dim=tuple(range(1, x.ndim)))


def _norm(x: Tensor) -> Tensor:
    return _sum(x.square()).sqrt()
