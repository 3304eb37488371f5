"""The proximal operator of latent groups, with a duality gap that bounds its error.

R is the support function of ``{α : ‖α_W(i)‖₂ ≤ 1 for all i}``, so that the prox is v minus the projection of
v onto tau times that set. As for the value, the iteration has one number η_i ≥ 0 per window: with f = v / tau
and ``ζ_p = Σ_{i : p ∈ W(i)} η_i``, the minimum of ``½ Σ_p f_p² / (1 + ζ_p) + ½ Σ_i η_i`` gives
``α = f / (1 + ζ)`` and the prox ``tau f ζ / (1 + ζ)``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from jumpset._core.types import Images
from jumpset.operators.precision import to_float64

_TINY = 1e-30
_LOWEST = -200.0  # of log η: such a window has no effect, and its η can grow again
_CUTS = [10.0**-k for k in range(1, 40)]
_CHECK_EVERY = 10


def latent_shrinkage(
    v: Images,
    tau: float | Tensor,
    sums: Callable[[Tensor], Tensor],
    cover: Callable[[Tensor], Tensor],
    tol: float,
    max_steps: int,
) -> Images:
    """Compute ``argmin_u ½‖u − v‖² + tau R(u)``, each image until its error is at most ``tol``.

    Parameters
    ----------
    v
        ``(B, C, *spatial)``.
    tau
        A number, or ``(B, 1, …)``.
    sums
        Sums over every window.
    cover
        Sums over the windows that contain each pixel.
    tol
        ‖u − exact‖₂ ≤ tol ‖v‖₂.
    max_steps
        Limit of the iterations.
    """
    with torch.no_grad():
        source = to_float64(v.detach())
        unit = torch.as_tensor(tau, dtype=source.dtype, device=source.device).expand(
            len(v), *[1] * (v.ndim - 1)
        )
        is_finite = torch.isfinite(source).flatten(1).all(1)
        answer = torch.where(is_finite.reshape(unit.shape), source, torch.nan)
        is_valid = is_finite & (source != 0).flatten(1).any(1)
        open_ = torch.nonzero(is_valid & (unit.flatten() > 0)).flatten()
        unit = unit[open_]
        f = source[open_] / unit
        allowed = 0.5 * (tol**2) * _sum(f.square())
        y = sums(torch.zeros_like(f))  # log η
        last, momentum, missing = y, y.new_ones(len(f)), 0.0
        energy = y.new_full((len(f),), torch.inf)
        for step in range(1, max_steps + 1):
            if len(open_) == 0:
                break
            eta = y.exp()
            zeta = cover(eta)
            alpha = f / (1 + zeta)
            norms = sums(alpha.square()).sqrt()
            now = _sum(alpha * f) + _sum(eta)
            # the majorisation-minimisation step, extrapolated while the energy decreases
            new = (y + norms.clamp_min(_TINY).log()).clamp_min(_LOWEST)
            momentum = torch.where(now > energy, 1.0, momentum)
            faster = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
            ahead = ((momentum - 1) / faster).reshape(-1, *[1] * (v.ndim - 1))
            y, last, momentum, energy = (new + ahead * (new - last)).clamp_min(_LOWEST), new, faster, now
            if step % _CHECK_EVERY and step < max_steps:
                continue
            dual = _dual_value(f, alpha, norms)
            gap = _primal_value(f, alpha, zeta, eta, torch.ones_like(zeta), sums) - dual
            done = gap <= 0.5 * allowed  # the other half is for setting zeros
            if step == max_steps and not bool(done.all()):
                missing = tol * float((gap / allowed).max()) ** 0.5
                allowed = torch.maximum(allowed, 2 * gap)
                done = torch.ones_like(done)
            if bool(done.any()):
                answer[open_[done]] = unit[done] * _prune(
                    f[done], alpha[done], zeta[done], eta[done], dual[done], allowed[done], sums
                )
                open_, unit, f, allowed = open_[~done], unit[~done], f[~done], allowed[~done]
                y, last, momentum, energy = y[~done], last[~done], momentum[~done], energy[~done]
    if missing > 0:
        warnings.warn(
            f"latent group shrinkage stopped after {max_steps} steps within {missing:.1e}"
            " of the exact answer (relative); raise max_steps or tol",
            RuntimeWarning,
            stacklevel=3,
        )
    return answer.to(v.dtype)


def _primal_value(
    f: Tensor, alpha: Tensor, zeta: Tensor, eta: Tensor, kept: Tensor, sums: Callable[[Tensor], Tensor]
) -> Tensor:
    """Compute an upper bound of the objective at ``u = f ζ / (1 + ζ)``, with zeros where not ``kept``.

    u is the sum of the parts ``η_i α`` on the windows, whose norms bound R.
    """
    u = f * zeta / (1 + zeta) * kept
    norms = sums((alpha * kept).square()).sqrt()
    return 0.5 * _sum((u - f).square()) + _sum(eta * norms)


def _dual_value(f: Tensor, alpha: Tensor, norms: Tensor) -> Tensor:
    """Compute the lower bound ``½‖f‖² − ½‖f − α‖²``, α scaled into the set (separate channels separately)."""
    peak = norms.amax(dim=tuple(range(2, f.ndim)), keepdim=True).clamp_min(1.0)
    alpha = alpha / peak
    return _sum(alpha * f - 0.5 * alpha.square())


def _prune(
    f: Tensor,
    alpha: Tensor,
    zeta: Tensor,
    eta: Tensor,
    dual: Tensor,
    allowed: Tensor,
    sums: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return u, with zeros below the largest cut of ζ for which the gap is as ``allowed``."""
    answer = f * zeta / (1 + zeta)
    found = torch.zeros(len(f), dtype=torch.bool, device=f.device)
    for cut in _CUTS:
        kept = (zeta > cut).to(f)
        fits = (_primal_value(f, alpha, zeta, eta, kept, sums) - dual <= allowed) & ~found
        answer = torch.where(fits.reshape(-1, *[1] * (f.ndim - 1)), answer * kept, answer)
        found |= fits
        if bool(found.all()):
            break
    return answer


def _sum(x: Tensor) -> Tensor:
    return x.flatten(1).sum(1)
