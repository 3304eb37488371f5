r"""Proximal operators of total variation under conditions: weights of pixels and edges, bounds, a torus.

The general form of :mod:`jumpset.prox.tv_dual`, in plain torch and double precision, for

.. math:: \tfrac12 \|u - v\|^2 + \sum_p w_p\, h_\delta(\|(E \nabla u)_p\|) + \sum_p s_p |u_p|,
          \qquad \text{lower} \le u \le \text{upper},

with E a weight of each edge. For a dual field q, the minimiser over u is known for every pixel alone,
``clip(soft(v − ∇ᵀE q, s), lower, upper)``; bounds are part of the problem, not applied to its solution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError, NoProx
from jumpset.operators.images import per_image, spread
from jumpset.prox.tv import ProxSolution, Terms, warn_of_gap

_LAG = 4.0  # the momentum is k / (k + _LAG + 1) after k steps
_CHECK_EVERY = 10


@dataclass(frozen=True)
class WeightedTV:
    """The problem for P images whose channels are coupled; all tensors float64."""

    v: Tensor
    """``(P, C, *spatial)``."""
    weights: Tensor
    """w, ``(P, 1, *spatial)``: tau times the weight of the pixel."""
    edges: Tensor
    """E, ``(P or 1, D, 1, *spatial)``: of the edge from each pixel to the next one, the first after the last;
    0 where there is no edge."""
    isotropic: bool
    """Whether the directions share one norm."""
    delta: float = 0.0
    soft: Tensor | float = 0.0
    """s, ``(P, 1, *spatial)``."""
    lower: float = -math.inf
    upper: float = math.inf
    is_complex: bool = False
    """Whether channels k and C/2 + k are one complex channel, whose modulus s multiplies."""

    def differences(self, u: Tensor) -> Tensor:
        """Return E ∇u, ``(P, D, C, *spatial)``."""
        return self.edges * torch.stack([u.roll(-1, k) - u for k in range(2, u.ndim)], dim=1)

    def primal(self, q: Tensor) -> Tensor:
        """Return the u that belongs to a dual field."""
        pulls = self.edges * q
        z = self.v
        for k, field in enumerate(pulls.unbind(1)):
            z = z - (field.roll(1, k + 2) - field)
        if self.is_complex:
            size = self._modulus(z)
            z = z * ((size - self.soft).clamp_min(0.0) / torch.where(size > 0, size, 1.0)).repeat(
                1, 2, *[1] * (z.ndim - 2)
            )
        else:
            z = torch.sign(z) * (z.abs() - self.soft).clamp_min(0.0)
        return z.clamp(self.lower, self.upper)

    def measure(self, u: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """Return the energy of u = ``primal(q)`` and the duality gap, ``(P,)``."""
        g = self.differences(u)
        norm, weights = self._norm(g), self.weights[:, None]
        huber = norm if self.delta == 0 else torch.where(
            norm <= self.delta, norm.square() / (2 * self.delta), norm - self.delta / 2
        )  # fmt: skip
        jumps = _sums(weights * huber)
        bend = 0.0
        if self.delta > 0:
            safe = torch.where(weights > 0, weights, 1.0)
            bend = self.delta / 2 * _sums(torch.where(weights > 0, self._norm(q).square() / safe, 0.0))
        sparse = _sums(self.soft * (self._modulus(u) if self.is_complex else u.abs()))
        energy = 0.5 * _sums((u - self.v).square()) + jumps + sparse
        return energy, jumps - _sums(g * q) + bend

    def ascend(self, y: Tensor, step: Tensor) -> Tensor:
        """Return the dual field after one projected step from y."""
        q, weights = y + step * self.differences(self.primal(y)), self.weights[:, None]
        if self.delta > 0:
            q = torch.where(weights > 0, q * weights / (weights + step * self.delta), 0.0)
        norm = self._norm(q)
        return q * torch.where(norm > weights, weights / torch.where(norm > 0, norm, 1.0), 1.0)

    def squared_norm(self) -> Tensor:
        """Return a bound of ``‖E ∇‖²`` of each image: twice the largest sum of squares at a pixel."""
        squares = self.edges.square()
        total = sum(e + e.roll(1, k + 2) for k, e in enumerate(squares.unbind(1)))
        return 2 * torch.as_tensor(total).flatten(1).amax(1)

    def _norm(self, g: Tensor) -> Tensor:
        squares = g.square().sum(2, keepdim=True)
        return (squares.sum(1, keepdim=True) if self.isotropic else squares).sqrt()

    @staticmethod
    def _modulus(z: Tensor) -> Tensor:
        real, imaginary = z.chunk(2, 1)
        return torch.hypot(real, imaginary)


def solve(
    problem: WeightedTV, tol: float, max_steps: int, dual: Tensor | None
) -> tuple[Tensor, Tensor, int, Tensor]:
    """Return images, duality gaps relative to the energy, steps, and dual fields for the next start.

    By accelerated projected ascent, each image until its gap is at most ``tol``.
    """
    v = problem.v
    fields = (len(v), v.ndim - 2, *v.shape[1:])
    q = v.new_zeros(fields) if dual is None else dual.to(v)
    old, each = q, (-1, *[1] * (q.ndim - 1))
    step = (1 / problem.squared_norm().clamp_min(1e-300)).reshape(each)
    age, bound = v.new_zeros(len(v)), v.new_full((len(v),), -math.inf)
    done, gaps = torch.zeros(len(v), dtype=torch.bool, device=v.device), v.new_zeros(len(v))
    n_steps = 0
    while True:
        if n_steps % _CHECK_EVERY == 0 or n_steps >= max_steps:
            u = problem.primal(q)
            energy, gap = problem.measure(u, q)
            gaps = torch.where(done, gaps, torch.where(gap > 0, gap / energy, 0.0 * gap))
            age = torch.where(energy - gap < bound, 0.0, age)  # restart the momentum
            bound, done = energy - gap, done | (gaps <= tol)
            if bool(done.all()) or n_steps >= max_steps:
                return u, gaps, n_steps, q
        momentum = ((age - 1).clamp_min(0.0) / (age + _LAG)).reshape(each)
        ahead = problem.ascend(q + momentum * (q - old), step)
        keep = done.reshape(each)
        old, q = torch.where(keep, old, q), torch.where(keep, q, ahead)
        age, n_steps = age + 1, n_steps + 1


def _sums(x: Tensor) -> Tensor:
    return x.flatten(1).sum(1)


def weighted_prox(
    v: Tensor,
    tau: float | Tensor,
    terms: Terms,
    edges: Tensor,
    *,
    weight_map: Tensor | None,
    lower: float | None,
    upper: float | None,
    tol: float,
    max_steps: int,
    dual: Tensor | None,
    is_complex: bool = False,
) -> ProxSolution:
    """Compute the proximal point of a member of the family under conditions, to a relative gap of ``tol``.

    Parameters
    ----------
    v, tau, terms, tol, max_steps, dual
        As for :func:`jumpset.prox.tv.tv_prox`.
    edges
        ``(B or 1, D, 1, *spatial)``, E of :class:`WeightedTV`.
    weight_map
        Weight of the terms of each pixel, ``(B or 1, C or 1, *spatial)``; one channel if they are coupled.
    lower, upper
        Bounds of u; None for none.
    is_complex
        Whether v consists of real and imaginary parts, coupled.
    """
    checks.real("tol", tol, above=0.0, below=1.0)
    checks.integer("max_steps", max_steps, at_least=1)
    if terms.norm not in ("l2", "l2-each") or terms.directions is not None:
        raise NoProx(
            "the prox of linf and nuclear couplings, and of diagonal differences, takes no weights of pixels"
            " or edges, bounds, spacing or periodic borders; use coupling='l2' or scheme='forward'"
        )
    low, high = check_bounds(lower, upper)
    with torch.no_grad():
        f = v.detach().to("cpu" if v.device.type == "mps" else v.device, torch.float64)
        one = torch.ones(len(f), 1, *f.shape[2:], dtype=f.dtype, device=f.device)
        weights = one * torch.as_tensor(per_image(tau, v)).to(f)
        if weight_map is not None:
            check_weights("weight_map", weight_map)
            if terms.joint and weight_map.shape[1] != 1:
                raise InputError(
                    "channels that share their edges have one weight per pixel",
                    given=f"a weight_map of shape {tuple(weight_map.shape)}",
                    do="pass one channel, or use channels='separate'",
                )
            weights = weights * weight_map.to(f)
        joint = terms.joint or is_complex
        if not joint:
            weights = weights.expand_as(f).flatten(0, 1)[:, None]
            edges = edges if len(edges) == 1 else edges.repeat_interleave(f.shape[1], 0)
            f = f.flatten(0, 1)[:, None]
        known = torch.isfinite(f).flatten(1).all(1)
        one_per_image = spread(known, f)
        problem = WeightedTV(
            torch.where(one_per_image, f, 0.0), weights, edges.to(f), terms.norm == "l2", terms.delta,
            terms.ratio * weights, low, high, is_complex,
        )  # fmt: skip
        image, gaps, n_steps, dual = solve(problem, tol, max_steps, dual)
        image = torch.where(one_per_image, image, torch.nan)
        gap = torch.where(known, gaps, torch.nan).reshape(len(v), -1).amax(1).cpu() if len(v) else gaps
    warn_of_gap(gap, n_steps, tol, stacklevel=4)
    return ProxSolution(image.reshape(v.shape).to(v), gap, n_steps, dual)


def check_bounds(lower: float | None, upper: float | None) -> tuple[float, float]:
    """Return the bounds as numbers; raise unless the lower one is below the upper one."""
    low, high = -math.inf, math.inf
    if lower is not None:
        checks.real("lower", lower)
        low = float(lower)
    if upper is not None:
        checks.real("upper", upper, at_least=low if lower is not None else None)
        high = float(upper)
    return low, high


def check_weights(name: str, weights: Tensor) -> None:
    """Raise unless all weights are finite and not negative."""
    if not bool(((weights >= 0) & torch.isfinite(weights)).all()):
        given = f"values from {float(weights.min()):g} to {float(weights.max()):g}"
        raise InputError(f"{name} must be finite and not negative", given=given, do="clamp it at 0")
