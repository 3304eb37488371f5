"""The prox layer of total variation and sparse TV for batches of small images on the CPU."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from jumpset.operators.precision import at_least_single
from jumpset.penalties.base import Penalty
from jumpset.penalties.sparse_tv import SparseTV
from jumpset.penalties.total_variation import TotalVariation
from jumpset.prox import tv_batches
from jumpset.prox.tv import MAX_STEPS, ProxSolution, Terms, tv_prox


def terms_of(penalty: Penalty, v: Tensor) -> Terms | None:
    """Return what :func:`solve` minimises for the images ``(B, C, *spatial)``; None if it does not apply."""
    if type(penalty) not in (TotalVariation, SparseTV):  # a subclass may have another prox
        return None
    penalty = cast(TotalVariation | SparseTV, penalty)
    if isinstance(penalty, TotalVariation) and (penalty.beta, penalty.order, penalty.scheme) != (
        1.0,
        1,
        "forward",
    ):
        return None
    if not penalty.is_plain:
        return None
    terms = penalty.prox_terms(v)
    return terms if tv_batches.applies_to(v, terms.joint) else None


def solve(v: Tensor, taus: Tensor, terms: Terms, tol: float, dual: Tensor | None) -> ProxSolution:
    """Compute the proximal point, from a dual variable of the same shape if it is given."""
    return tv_prox(v, taus, terms, tol=tol, max_steps=MAX_STEPS, dual=dual, lines=False)


def shape_of_dual(v: Tensor, terms: Terms) -> tuple[int, ...]:
    """Return the shape of the dual variable, ``(P, 2, C, H, W)``."""
    batch, channels, *spatial = v.shape
    return (batch, 2, channels, *spatial) if terms.joint else (batch * channels, 2, 1, *spatial)


def derivative(
    v: Tensor, taus: Tensor, u: Tensor, dual: Tensor, g: Tensor, terms: Terms, flat: float | None, tol: float
) -> Tensor:
    """Compute J g in float64; see :mod:`jumpset.kernels.tv.tangent`."""
    f, planes, vector = (_planes(at_least_single(x), terms) for x in (v, u, g))
    weights = taus.double().repeat_interleave(len(f) // max(len(v), 1))
    single = f.shape[1] == 1 and terms.norm == "l2-each"
    part = (0.0 if single else 1e-4) if flat is None else flat
    low, high = f.flatten(1).aminmax(dim=1)
    zero = 1e-6 * f.flatten(1).abs().amax(1).double()
    if terms.ratio == 0:
        zero.fill_(-1.0)
    # the error of the conjugate gradients is below the one that the gap of u causes
    settings = (weights, terms.norm, part * (high - low), zero, 3 * tol**0.5)
    return tv_batches.batch_derivative(planes, dual, vector, *settings).reshape(v.shape)


def _planes(x: Tensor, terms: Terms) -> Tensor:
    """Return ``(P, C, *spatial)``, with one channel where they are separate."""
    return x if terms.joint else x.flatten(0, 1)[:, None]
