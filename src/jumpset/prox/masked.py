"""Proximal points of images with missing pixels, by accelerated steps with the prox of whole images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from jumpset._core.types import Iteration, Status
from jumpset.operators.images import spread
from jumpset.operators.pixel_weights import fill_missing

_SMALL = 0.05  # a step gains little if it lowers the energy by less than this part of tol
_PATIENCE = 4  # such steps in a row that end an image: momentum may start slowly


class State(NamedTuple):
    """u and y of FISTA, and how the energy of u falls."""

    source: Tensor  # (B, C, *spatial), v with its missing pixels filled
    weights: Tensor  # (B or 1, 1, *spatial), m
    u: Tensor
    y: Tensor  # the extrapolated image
    t: Tensor  # (B,), of the momentum
    dual: Tensor | None  # of the inner proximal point, at which the next one starts
    best: Tensor  # the u of least energy
    energy: Tensor  # (B,), of the best u
    change: Tensor  # (B,), by which the last step has lowered the least energy, relative to it
    small: Tensor  # (B,), number of steps in a row that gained little
    n_steps: int


@dataclass(frozen=True)
class MaskedProx(Iteration[State]):
    r"""The proximal point of an image with missing pixels, which are filled.

    Minimises :math:`\tfrac12 \sum_p m_p \|u_p - v_p\|^2 + \tau R(u)` of each image, by

    .. math:: u \leftarrow \operatorname{prox}_{\tau R}(y + m (v - y)), \qquad
              y \leftarrow u + \tfrac{t - 1}{t'} (u - u_\text{old}).

    Parameters
    ----------
    penalty
        R: a penalty with ``prox_solution`` and ``value``.
    tau
        τ, one number, or one per image.
    mask
        m, as for :class:`jumpset.smoothers.TV`.
    tol
        Relative duality gap of each inner proximal point. An image is done when four steps in a row have
        lowered its energy by less than a twentieth of this part; its energy is then above the minimum by
        about this part.
    max_steps
        Step limit.

    Notes
    -----
    A. Beck, M. Teboulle, SIIMS 2009, with the restart of B. O'Donoghue, E. Candès, FoCM 2015.
    """

    penalty: Any
    tau: float | Tensor
    mask: Any
    tol: float
    max_steps: int = 10_000  # pyright: ignore

    name: ClassVar[str] = "masked-prox"
    paper: ClassVar[str] = "Beck & Teboulle, SIIMS 2009"
    spatial_ndims: ClassVar[tuple[int, ...]] = (1, 2, 3)

    def init(self, image: Tensor) -> State:
        """Start at the image, its missing pixels those of the nearest valid pixel."""
        # energies that differ by a small part of tol are compared, which float32 would not resolve
        v, weights = fill_missing(image.detach().double(), self.mask)
        m = torch.from_numpy(weights)[:, None].to(v)
        ones = torch.ones(len(v), dtype=torch.float64)
        return State(v, m, v, v, ones, None, v, self._energy(v, v, m), ones, 0 * ones, 0)

    def step(self, state: State) -> State:
        """Take one proximal step from y, then extrapolate."""
        v, m, y = state.source, state.weights, state.y
        found = self.penalty.prox_solution(torch.lerp(y, v, m), self.tau, tol=self.tol, dual=state.dual)
        u, active = found.image, state.small < _PATIENCE
        turned = _sums((y - u) * (u - state.u)) > 0
        t = torch.where(turned, 1.0, state.t)
        new = (1 + (1 + 4 * t.square()).sqrt()) / 2
        ahead = torch.lerp(state.u, u, spread(1 + (t - 1) / new, u))
        energy = self._energy(u, v, m)
        is_best = active & (energy < state.energy)
        best = torch.where(spread(is_best, v), u, state.best)
        least = torch.where(is_best, energy, state.energy)
        change = torch.where(state.energy > 0, 1 - least / state.energy, 0.0)
        small = torch.where(change < _SMALL * self.tol, state.small + 1, 0)
        small = torch.where(active, small, state.small)
        return State(v, m, u, ahead, new, found.dual, best, least, change, small, state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The u of least energy."""
        return state.best

    def record(self, state: State) -> dict[str, float]:
        """The energy, summed over the batch, and the largest relative change of it in the last step."""
        return {"energy": float(state.energy.sum()), "change": float(state.change.max())}

    def finished(self, state: State) -> Status | None:
        """``Status.CONVERGED`` once the energy of every image falls no more."""
        return Status.CONVERGED if bool((state.small >= _PATIENCE).all()) else None

    def _energy(self, u: Tensor, v: Tensor, m: Tensor) -> Tensor:
        return 0.5 * _sums(m * (u - v).square()) + (self.tau * self.penalty.value(u)).double().cpu()


def _sums(x: Tensor) -> Tensor:
    """``(B,)``, the sum over each image."""
    return x.double().flatten(1).sum(1).cpu()
