"""The norms of a pixel's gradient matrix, their duals, and projections onto the dual balls: plain formulas.

A matrix has a row for each of C channels and a column for each of D directions. Fields are
``(B, D, C, *spatial)``; a norm keeps the axes over which it sums, with length 1.

===============  ==========================  ===========================  =============================
norm             of J                        dual, of Q                   projection of Q, size w
===============  ==========================  ===========================  =============================
``l2``           √Σ J²                       √Σ Q²                        scale
``l2-each``      Σ_k √Σ_c J²                 max_k √Σ_c Q²                scale each direction
``linf``         √Σ_k max_c J²               √Σ_k (Σ_c |Q|)²              soft thresholds, one multiplier
``linf-each``    Σ_k max_c |J|               max_k Σ_c |Q|                soft threshold each direction
``nuclear``      Σ σ                         max σ                        clip the singular values
===============  ==========================  ===========================  =============================
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Norm = Literal["l2", "l2-each", "linf", "linf-each", "nuclear"]
NORMS: tuple[Norm, ...] = ("l2", "l2-each", "linf", "linf-each", "nuclear")
NEWTON_STEPS = 60  # at most; six are typical


def norm_of(g: Tensor, norm: Norm) -> Tensor:
    """Return the norm of each matrix."""
    if norm == "linf":
        return g.abs().amax(2, keepdim=True).square().sum(1, keepdim=True).sqrt()
    if norm == "linf-each":
        return g.abs().amax(2, keepdim=True)
    if norm == "nuclear":
        return sum(singular_values(g))  # type: ignore[return-value]
    return torch.linalg.vector_norm(g, dim=_axes(norm), keepdim=True)


def dual_norm_of(q: Tensor, norm: Norm) -> Tensor:
    """Return the dual norm of each matrix; for the norms of each direction, of each direction."""
    if norm == "linf":
        return q.abs().sum(2, keepdim=True).square().sum(1, keepdim=True).sqrt()
    if norm == "linf-each":
        return q.abs().sum(2, keepdim=True)
    if norm == "nuclear":
        return singular_values(q)[0]
    return torch.linalg.vector_norm(q, dim=_axes(norm), keepdim=True)


def project(q: Tensor, norm: Norm, weight: float) -> Tensor:
    """Return the nearest field whose dual norm is at most ``weight`` everywhere."""
    if norm == "nuclear":
        return _clip_singular_values(q, weight)
    if norm in ("linf", "linf-each"):
        return _shrink_channels(q, norm, weight)
    size = torch.linalg.vector_norm(q, dim=_axes(norm), keepdim=True)  # its slope at 0 is 0, not NaN
    return torch.where(size > weight, q * (weight / size.clamp_min(weight)), q)


def singular_values(q: Tensor) -> tuple[Tensor, Tensor]:
    """Return the singular values of matrices with one side of at most 2, the larger first."""
    a, b, c = _gram(q)
    middle, radius = 0.5 * (a + b), (0.25 * (a - b).square() + c.square()).sqrt()
    first = middle + radius
    product = (a * b - c.square()).clamp_min(0.0)
    return first.sqrt(), (product / torch.where(first > 0, first, 1.0)).sqrt()


def pair_axis(directions: int, channels: int) -> int:
    """Return the axis of a field, 1 or 2, whose length is at most 2."""
    return 1 if directions <= 2 or channels > 2 else 2


def _axes(norm: Norm) -> tuple[int, ...]:
    return (1, 2) if norm == "l2" else (2,)


def _gram(q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the Gram matrix of the shorter side, ``[[a, c], [c, b]]``, as a, b, c."""
    axis = pair_axis(q.shape[1], q.shape[2])
    x, y = _pair(q, axis)
    a, b, c = ((s * t).sum(3 - axis, keepdim=True) for s, t in ((x, x), (y, y), (x, y)))
    return a, b, c


def _pair(q: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    x = q.narrow(axis, 0, 1)
    return x, q.narrow(axis, 1, 1) if q.shape[axis] > 1 else torch.zeros_like(x)


def _clip_singular_values(q: Tensor, weight: float) -> Tensor:
    """Return ``Q V diag(min(1, w / σ)) Vᵀ``, V the eigenvectors of the Gram matrix, without computing V."""
    a, b, c = _gram(q)
    half, radius = 0.5 * (a - b), (0.25 * (a - b).square() + c.square()).sqrt()
    first, second = (weight / s.clamp_min(weight) for s in singular_values(q))
    mean = 0.5 * (first + second)
    turn = 0.5 * (first - second) / torch.where(radius > 0, radius, 1.0)
    axis = pair_axis(q.shape[1], q.shape[2])
    x, y = _pair(q, axis)
    new = torch.cat([(mean + turn * half) * x + turn * c * y, turn * c * x + (mean - turn * half) * y], axis)
    return new.narrow(axis, 0, q.shape[axis])


def _shrink_channels(q: Tensor, norm: Norm, weight: float) -> Tensor:
    """Return ``sign Q max(|Q| − t_k, 0)`` with a threshold t_k for each direction.

    With sorted |Q|, partial sums S_n: one direction has t = max_n (S_n − w) / n. Directions that share a
    root have t_k = μ s_k, where s_k = max_n S_n / (1 + n μ) is the sum that remains and Σ s_k² = w². As
    1/‖s‖ is concave in μ, Newton's method climbs to the root from the left.
    """
    sums = q.abs().sort(dim=2, descending=True).values.cumsum(2)
    n = torch.arange(1, q.shape[2] + 1, dtype=q.dtype, device=q.device)
    n = n.reshape(-1, *[1] * (q.ndim - 3))
    if norm == "linf-each":
        threshold = ((sums - weight) / n).amax(2, keepdim=True).clamp_min(0.0)
        return torch.sign(q) * (q.abs() - threshold).clamp_min(0.0)
    mu = torch.zeros_like(sums[:, :1, :1])
    for _ in range(NEWTON_STEPS):
        left, which = (sums / (1 + n * mu)).max(2, keepdim=True)
        count = (which + 1).to(q.dtype)
        size = left.square().sum(1, keepdim=True).sqrt()
        over = size > weight * (1 + 4 * torch.finfo(q.dtype).eps)
        if not bool(over.any()):
            break
        slope = (count * left.square() / (1 + count * mu)).sum(1, keepdim=True)
        grow = (size / weight - 1) * size.square() / torch.where(slope > 0, slope, 1.0)
        mu = torch.where(over, mu + grow, mu)
    left = (sums / (1 + n * mu)).amax(2, keepdim=True)
    return torch.sign(q) * (q.abs() - mu * left).clamp_min(0.0)
