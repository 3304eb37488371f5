"""How far a chain of filters along lines reaches: the radius beyond which little weight remains.

A filter that does not depend on the position has the moments ``M(θ) = Σ_x k(x) e^{θ x}`` of its kernel k ≥ 0
of sum 1, and those of a chain of filters multiply. By Chernoff's bound the weight of all x > R is at most
``M(θ) e^{−θ R}`` for every θ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

_SIDES = 4.0  # an answer changes by both tails, and once more where the border of a tile reflects them


def tail_radius(tol: float, logs: Iterable[Callable[[float], float]]) -> int:
    """Return a radius beyond which the weights of a chain of filters sum to at most ``tol / 4``.

    Parameters
    ----------
    tol
        Above 0.
    logs
        For each filter, ``θ ↦ log M(θ)``; infinite where the sum does not converge.
    """
    parts, best = list(logs), math.inf
    for k in range(1, 400):
        theta = 1e-4 * 1.025**k
        total = sum(part(theta) for part in parts)
        if math.isfinite(total):
            best = min(best, (total + math.log(_SIDES / tol)) / theta)
    return math.ceil(best)


def solve_moments(weight: float) -> Callable[[float], float]:
    """Return ``log M`` of ``(1 + weight · L)⁻¹``, L the Laplacian of a line whose edges have the weight 1."""

    def log_moment(theta: float) -> float:
        rest = 1.0 - 2.0 * weight * (math.cosh(theta) - 1.0)
        return -math.log(rest) if rest > 0.0 else math.inf

    return log_moment


def recursion_moments(share: float) -> Callable[[float], float]:
    """Return ``log M`` of a recursive filter, run both ways, that keeps the part ``share`` at each pixel."""

    def log_moment(theta: float) -> float:
        ahead, behind = share * math.exp(theta), share * math.exp(-theta)
        if ahead >= 1.0:
            return math.inf
        return 2.0 * math.log1p(-share) - math.log1p(-ahead) - math.log1p(-behind)

    return log_moment
