"""The inner problem of TGV², ``min_w α₁ Σ m ‖∇x − w‖ + α₀ Σ m ‖E w‖``, and its dual.

The first axis of a field enumerates its components: w and p are ``(D, B, C, *spatial)``, with one entry per
spatial axis; q has one entry per second difference, the mixed ones times √2, so that its norm over the first
axis is the Frobenius norm.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Grid:
    """First and second differences, each zero if one of its pixels lies outside.

    Parameters
    ----------
    inside
        ``(B, C, *spatial)``, ones inside image and mask, zeros outside.
    """

    def __init__(self, inside: Tensor) -> None:
        self.axes = range(2, inside.ndim)
        self._edges = [inside * _ahead(inside, k) for k in self.axes]
        self._bends = [e * _behind(e, k) for k, e in zip(self.axes, self._edges, strict=True)]
        pairs = [(i, j) for i in range(len(self.axes)) for j in range(i + 1, len(self.axes))]
        # a mixed difference involves the four pixels of a cell
        self._cells = {(i, j): self._edges[i] * _ahead(self._edges[i], self.axes[j]) for i, j in pairs}

    def gradient(self, x: Tensor) -> Tensor:
        """Compute ∇x."""
        return torch.stack([e * (_ahead(x, k) - x) for k, e in zip(self.axes, self._edges, strict=True)])

    def bend(self, w: Tensor) -> Tensor:
        """Compute E w."""
        pure = [
            b * (w[i] - _behind(w[i], k)) for i, (k, b) in enumerate(zip(self.axes, self._bends, strict=True))
        ]
        mixed = [
            math.sqrt(0.5) * cell * (_ahead(w[i], self.axes[j]) - w[i] + _ahead(w[j], self.axes[i]) - w[j])
            for (i, j), cell in self._cells.items()
        ]
        return torch.stack(pure + mixed)

    def bend_adjoint(self, q: Tensor) -> Tensor:
        """Compute Eᵀ q."""
        parts = []
        for i, (k, b) in enumerate(zip(self.axes, self._bends, strict=True)):
            parts.append(b * q[i] - _ahead(b * q[i], k))
        for entry, ((i, j), cell) in enumerate(self._cells.items(), start=len(self.axes)):
            mixed = math.sqrt(0.5) * cell * q[entry]
            parts[i] = parts[i] + _behind(mixed, self.axes[j]) - mixed
            parts[j] = parts[j] + _behind(mixed, self.axes[i]) - mixed
        return torch.stack(parts)


def solve(
    x: Tensor, inside: Tensor, weight: Tensor, alpha0: float, alpha1: float, joint: bool, steps: int
) -> tuple[Tensor, Tensor]:
    """Compute the primal value at each pixel, and a feasible dual field p: ``Σ ⟨p, ∇x⟩`` is a lower bound.

    Parameters
    ----------
    x, inside
        ``(B, C, *spatial)``.
    weight
        m, above 0, ``(B, C, *spatial)``, or ``(B, 1, *spatial)`` where ``joint``.
    alpha0, alpha1, joint, steps
        As in :class:`jumpset.penalties.TGV2`.
    """
    grid = Grid(inside)
    g = grid.gradient(x)
    axes = (0, 2) if joint else (0,)
    whole = tuple(range(2 if joint else 3, g.ndim))  # separate channels are separate problems
    norm = lambda field: field.square().sum(axes, keepdim=True).sqrt()  # noqa: E731
    # the steps below are for weights of about 1: the largest weight of each problem is factored out
    factor = (weight * inside).amax(tuple(k - 1 for k in whole), keepdim=True)
    factor = torch.where(factor > 0, factor, 1.0)
    weight = weight / factor
    jump_price, bend_price = alpha1 * weight, alpha0 * weight
    mean = norm(g).mean(whole, keepdim=True)
    squared_norm = 4.0 * len(grid.axes)  # of E
    tau = 0.3 / (alpha0 * math.sqrt(squared_norm)) * torch.where(mean > 0, mean, 1.0)
    sigma = 1.0 / (squared_norm * tau)
    w = ahead = torch.zeros_like(g)
    q = torch.zeros_like(grid.bend(w))
    for _ in range(steps):
        q = q + sigma * grid.bend(ahead)
        q = q / (norm(q) / bend_price).clamp_min(1.0)
        rest = w - tau * grid.bend_adjoint(q) - g
        size = norm(rest)
        new = g + rest * (1.0 - tau * jump_price / torch.where(size > 0, size, 1.0)).clamp_min(0.0)
        w, ahead = new, 2 * new - w
    p = grid.bend_adjoint(q)
    p = p / (norm(p) / jump_price).amax(whole, keepdim=True).clamp_min(1.0)
    primal = jump_price * norm(g - w) + bend_price * norm(grid.bend(w))
    return (factor * primal[0]).contiguous(), factor * p


def _ahead(x: Tensor, axis: int) -> Tensor:
    """Return ``x[p + 1]`` along an axis, zero beyond the end."""
    return torch.cat([x.narrow(axis, 1, x.shape[axis] - 1), torch.zeros_like(x.narrow(axis, 0, 1))], axis)


def _behind(x: Tensor, axis: int) -> Tensor:
    """Return ``x[p − 1]`` along an axis, zero before the start."""
    return torch.cat([torch.zeros_like(x.narrow(axis, 0, 1)), x.narrow(axis, 0, x.shape[axis] - 1)], axis)


# A traced graph contains this as one operation, instead of ``steps`` copies of the loop.
solve_in_graph = torch.library.custom_op("jumpset::tgv_fields", solve, mutates_args=())


@solve_in_graph.register_fake
def _(x, inside, weight, alpha0, alpha1, joint, steps):  # noqa: ARG001
    primal = torch.empty_like(weight, memory_format=torch.contiguous_format)
    return primal, x.new_empty((x.ndim - 2, *x.shape))
