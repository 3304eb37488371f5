"""Anisotropic total variation to a certified accuracy, by exact solves of the lines of each direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from jumpset._core.errors import InputError
from jumpset.kernels.tv.lines import Lines, lines_along, tv_lines, tv_lines_ahead, tv_lines_sums

CHECK_EVERY = 5
_LAG = 4.0  # of the momentum, as in the dual iteration of single edges


@dataclass(frozen=True)
class LineSolution:
    """The result of the solver, one entry per image."""

    image: Tensor
    """``(P, *spatial)`` float64."""
    gap: Tensor
    """``(P,)``: duality gap relative to the energy, a bound of (energy − minimum) / energy."""
    n_steps: int
    """Rounds over all directions, of the slowest image."""
    pulls: Tensor
    """``(P, D − 1, N)``: divergences of the dual fields of all directions except the first, for weight 1."""


def solve_lines(
    f: Tensor,
    weights: Tensor,
    offsets: Sequence[Sequence[int]],
    lengths: Sequence[float],
    *,
    edges: Sequence[Tensor] | None = None,
    tol: float,
    max_steps: int,
    pulls: Tensor | None = None,
) -> LineSolution:
    r"""Compute ``argmin_u ½‖u − f‖² + w Σ_d l_d Σ_p e_{d,p} |u_{p + o_d} − u_p|`` of each image.

    With :math:`K_d` the divergences of the feasible fields of direction d, the dual problem is to find
    :math:`a_d \in K_d` of least :math:`\tfrac12 \|f + \sum_d a_d\|^2`, and a projection onto one
    :math:`K_d` is an exact solve of all its lines. Each round solves for :math:`a_1` given the others, then
    updates these simultaneously from an extrapolated point, with step 1/(D − 1), the inverse of the Lipschitz
    constant.

    Parameters
    ----------
    f
        ``(P, *spatial)``, any float dtype, on the CPU.
    weights
        ``(P,)``, not negative.
    offsets, lengths
        The directions, see :func:`jumpset.kernels.tv.lines.lines_along`, and the weight of an edge of each.
    edges
        Optional ``(P, *spatial)`` tensors, one per direction: they multiply the edge from each pixel.
    tol
        An image is done when its duality gap is at most this part of its energy.
    max_steps
        Limit of the rounds.
    pulls
        Start: ``pulls`` of an earlier solution; default 0.

    Notes
    -----
    A. Chambolle, T. Pock, "A remark on accelerated block coordinate descent for computing the proximity
    operators of a sum of convex functions", SMAI J. Comput. Math. 2015; for two directions this is their
    algorithm. Differences: (1) the momentum k/(k + 5); (2) a restart where the dual energy has decreased
    between two readings; (3) more than two directions, as above. The gap is valid up to rounding in float64.
    """
    shape = f.shape[1:]
    used = [d for d, o in enumerate(offsets) if all(n > 1 for n, s in zip(shape, o, strict=True) if s)]
    lines = [lines_along(shape, offsets[d]) for d in used]
    middle = f.double().flatten(1).mean(1)
    centred = f.double().flatten(1) - middle[:, None]  # the sums of the gap cancel less
    capped = weights.double()
    if used and edges is None:  # larger weights give the mean as well, with larger rounding errors
        capped = torch.minimum(capped, centred.abs().sum(1) / min(float(lengths[d]) for d in used))
    problem = _Problem(
        centred,
        capped,
        tuple(shape),
        [(offsets[d], float(lengths[d]), line) for d, line in zip(used, lines, strict=True)],
        None if edges is None else [edges[d].double().flatten(1).contiguous() for d in used],
    )
    blocks = max(0, len(used) - 1)
    if pulls is not None and pulls.shape != (len(f), blocks, problem.f.shape[1]):
        raise InputError(
            "the dual variable does not belong to this image and penalty",
            given=f"shape {tuple(pulls.shape)}",
            do=f"pass .dual of a solution of the same kind, shape {(len(f), blocks, problem.f.shape[1])}",
        )
    answer = problem.f.clone()
    gaps = torch.zeros(len(f), dtype=torch.float64)
    ends = torch.zeros(len(f), blocks, problem.f.shape[1], dtype=torch.float64)
    if used and len(f):
        a = ends.clone() if pulls is None else pulls.double() * problem.weights[:, None, None]
        n_steps = _iterate(problem, a, tol, max_steps, answer, gaps, ends)
    else:
        n_steps = 0
    scale = torch.where(weights > 0, weights, 1.0).double()[:, None, None]
    return LineSolution((answer + middle[:, None]).reshape(f.shape), gaps, n_steps, ends / scale)


@dataclass(frozen=True)
class _Problem:
    f: Tensor  # (P, N), without its mean
    weights: Tensor  # (P,)
    shape: tuple[int, ...]
    directions: list[tuple[Sequence[int], float, Lines]]
    edges: list[Tensor] | None  # (P, N) each

    def part(self, which: Tensor) -> _Problem:
        edges = None if self.edges is None else [e[which] for e in self.edges]
        return _Problem(self.f[which], self.weights[which], self.shape, self.directions, edges)

    def solve(self, d: int, v: Tensor) -> Tensor:
        """Solve total variation of the lines of direction d."""
        u = torch.empty_like(v)
        weights, lines, edges = self._line(d)
        tv_lines(v.numpy(), lines, weights, out=u.numpy(), edges=edges)
        return u

    def solve_ahead(
        self,
        d: int,
        base: Tensor,
        a: Tensor,
        old: Tensor,
        momentum: Tensor,
        sign: float,
        u: Tensor,
        pull: Any,
    ) -> None:
        """Solve ``v = base + sign (a + momentum (a − old))`` into ``u``; write u − v to ``pull``."""
        weights, lines, edges = self._line(d)
        ahead = (a.numpy(), old.numpy(), momentum.numpy(), sign)
        pulled = None if pull is None else pull.numpy()
        tv_lines_ahead(base.numpy(), 1.0, ahead, lines, weights, out=u.numpy(), pull=pulled, edges=edges)

    def _line(self, d: int) -> tuple[Any, Lines, Any]:
        _, length, lines = self.directions[d]
        edges = None if self.edges is None else self.edges[d].numpy()
        return (length * self.weights).numpy(), lines, edges

    def measure(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Compute energy and duality gap of ``u = f + Σ a``: the gap is ``w TV(u) + ⟨u, u − f⟩``."""
        variation = torch.zeros_like(self.weights)
        sums = torch.zeros(0)
        for d, (_, length, lines) in enumerate(self.directions):
            edges = None if self.edges is None else self.edges[d].numpy()
            sums = torch.from_numpy(tv_lines_sums(u.numpy(), self.f.numpy(), lines, edges))
            variation += length * sums[:, 0]
        energy = 0.5 * sums[:, 1] + self.weights * variation
        return energy, (self.weights * variation + sums[:, 2]).clamp_min(0.0)


def _iterate(
    problem: _Problem, a: Tensor, tol: float, max_steps: int, answer: Tensor, gaps: Tensor, ends: Tensor
) -> int:
    """Fill answer, gaps and ends for each image when it is done; return the number of rounds."""
    open_ = torch.arange(len(answer))
    old, u = a.clone(), torch.empty_like(problem.f)
    since = torch.zeros(len(a), dtype=torch.float64)
    bound = torch.full((len(a),), -torch.inf, dtype=torch.float64)
    for step in range(1, max_steps + 1):
        momentum = (since - 1).clamp_min(0.0) / (since + _LAG)
        _round(problem, a, old, momentum, u)
        a, old = old, a
        since += 1
        last = step == max_steps or a.shape[1] == 0
        if step % CHECK_EVERY and not last:
            continue
        energy, gap = problem.measure(u)
        relative = torch.where(energy != 0, gap / energy, 0.0)  # NaN is not exact
        done = (relative <= tol) | last
        since[energy - gap < bound] = 0.0
        bound = energy - gap
        if bool(done.any()):
            answer[open_[done]], gaps[open_[done]], ends[open_[done]] = u[done], relative[done], a[done]
            if bool(done.all()):
                return step
            open_, a, old, u, since, bound = (x[~done] for x in (open_, a, old, u, since, bound))
            problem = problem.part(~done)
    return max_steps


def _round(problem: _Problem, a: Tensor, old: Tensor, momentum: Tensor, u: Tensor) -> None:
    """Compute the image and, in the memory of ``old``, the pulls of all directions except the first."""
    blocks = a.shape[1]
    if blocks == 0:
        u[:] = problem.solve(0, problem.f)
    elif blocks == 1:  # the step is 1, and the image is the last solve itself, flat to the last digit
        a, old = a[:, 0], old[:, 0]
        problem.solve_ahead(0, problem.f, a, old, momentum, 1.0, u, None)
        problem.solve_ahead(1, u.clone(), a, old, momentum, -1.0, u, old)
    else:
        ahead = torch.lerp(old, a, 1.0 + momentum[:, None, None])
        first = problem.solve(0, problem.f + ahead.sum(1))
        for k in range(blocks):  # the projection of z onto K is z minus its solution
            z = ahead[:, k] - first / blocks
            old[:, k] = z - problem.solve(k + 1, z)
        u[:] = first + (old - ahead).sum(1)
