"""Separable penalties, ``R(x) = Σ ρ(|x|)``, each with its global prox."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset.operators.images import check_tensor, per_image
from jumpset.operators.namespaces import namespace
from jumpset.operators.precision import at_least_single, to_float64
from jumpset.penalties._masks import keep_inside
from jumpset.penalties.base import Penalty


class ScalarPenalty(Penalty):
    """``Σ_{c, p} ρ(|x_{c, p}|)`` with ρ(0) = 0."""

    separable: ClassVar[bool] = True

    @abstractmethod
    def profile(self, size: Any) -> Any:
        """Return ρ of magnitudes ≥ 0, for any array library."""

    @abstractmethod
    def candidates(self, size: Tensor, tau: float | Tensor) -> list[Tensor]:
        """Return candidates that include the minimiser of ``½(u − size)² + tau ρ(u)`` over u > 0."""

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return ``ρ(|x|)``."""
        xp = namespace(x)
        wide = at_least_single(keep_inside(x, mask))
        # the derivative of |x| at 0 is 1 in JAX; the subgradient of least norm is 0
        size = xp.where(wide != 0, xp.abs(wide), xp.zeros_like(wide))
        return xp.astype(self.profile(size), x.dtype)

    def prox(self, v: Tensor, tau: float | Tensor) -> Tensor:
        """Compute the global minimiser of each entry, the smaller one of two equal ones. Differentiable."""
        check_tensor(v, may_be=False)  # each entry by itself: any layout is right
        size = to_float64(v).abs()
        taus = per_image(tau, size)
        best = torch.zeros_like(size)
        least = 0.5 * size.square()
        for u in self.candidates(size, taus):
            energy = 0.5 * (u - size).square() + taus * self.profile(u)
            better = energy < least
            best, least = torch.where(better, u, best), torch.where(better, energy, least)
        best = torch.where(torch.isfinite(size), best, size)  # NaN and infinity have no energy to compare
        return torch.sign(v) * best.to(v.dtype)


def newton_polish(u: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """Take one Newton step from a root known to rounding, which has the derivative of the implicit function.

    ``value`` and ``slope`` are the equation and its derivative at u. The derivative of the closed form does
    not exist where roots coincide.
    """
    is_simple = slope.detach().abs() > 0
    return u - torch.where(is_simple, value / torch.where(is_simple, slope.detach(), 1.0), 0.0)


@torch.no_grad()
def cubic_roots(a: Tensor, b: Tensor, c: Tensor) -> list[Tensor]:
    """Compute the real roots of ``u³ + a u² + b u + c``: three tensors, equal where there is one root.

    By the closed form with cosines and cube roots, then Newton's method.
    """
    third = a / 3
    p = b - a * third  # the depressed cubic t³ + p t + q, u = t − a / 3
    q = 2 * third**3 - third * b + c
    inside = (q / 2).square() + (p / 3) ** 3
    three = inside <= 0
    # three real roots: cosines
    radius = (-p / 3).clamp_min(0.0).sqrt()
    cosine = torch.where(radius > 0, -q / (2 * torch.where(radius > 0, radius, 1.0) ** 3), 0.0)
    angle = torch.acos(cosine.clamp(-1.0, 1.0)) / 3
    # one real root: cube roots, the larger first, so that nothing cancels
    sign = torch.where(q > 0, -1.0, 1.0).to(q)
    larger = (q.abs() / 2 + inside.clamp_min(0.0).sqrt()) ** (1 / 3) * sign
    single = larger - torch.where(larger != 0, p / (3 * torch.where(larger != 0, larger, 1.0)), 0.0)
    roots = []
    for k in range(3):
        t = torch.where(three, 2 * radius * torch.cos(angle - 2 * torch.pi * k / 3), single)
        u = t - third
        for _ in range(3):
            u = newton_polish(u, ((u + a) * u + b) * u + c, (3 * u + 2 * a) * u + b)
        roots.append(u)
    return roots
