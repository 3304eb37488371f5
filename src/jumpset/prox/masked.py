"""Proximal points of images with missing pixels, by accelerated steps with the prox of whole images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from jumpset._core.types import Iteration, Status
from jumpset.operators.pixel_weights import fill_missing

_INNER = 0.1  # accuracy of the inner proximal points, relative to that of the whole


class State(NamedTuple):
    """u and y of FISTA, and the duality gap of u."""

    source: Tensor  # (B, C, *spatial), v with its missing pixels filled
    weights: Tensor  # (B or 1, 1, *spatial), m
    u: Tensor
    y: Tensor  # the extrapolated image
    t: Tensor  # (B,), of the momentum
    dual: Tensor | None  # of the inner proximal point, at which the next one starts
    energy: Tensor  # (B,), of u
    gap: Tensor  # (B,), bound of the energy's distance from its minimum, relative to it
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
        An image is done when its energy is above the minimum by at most this part.
    max_steps
        Step limit.

    Notes
    -----
    A. Beck, M. Teboulle, SIIMS 2009, with the restart of B. O'Donoghue, E. Candès, FoCM 2015. The bound: u is
    the minimiser of the energy plus ``½‖u' − y‖² − ½ Σ m (u' − y)²`` over u', so that for the minimiser u* of
    the energy E, ``E(u) − E(u*) ≤ ⟨u* − y, u − y⟩ ≤ Σ_p |u_p − y_p| max |u*_p − y_p|``, where u* lies between
    the least and the largest value of the valid pixels and 0; the gap of the inner point is added.
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
        # the bound is a sum of many small differences, which float32 would not resolve
        v, weights = fill_missing(image.detach().double(), self.mask)
        m = torch.from_numpy(weights)[:, None].to(v)
        ones = torch.ones(len(v), dtype=torch.float64)
        return State(v, m, v, v, ones, None, self._energy(v, v, m), ones, 0)

    def step(self, state: State) -> State:
        """Take one proximal step from y, then extrapolate."""
        v, m, y = state.source, state.weights, state.y
        f = torch.lerp(y, v, m)
        found = self.penalty.prox_solution(f, self.tau, tol=_INNER * self.tol, dual=state.dual)
        u, active = found.image, state.gap > self.tol
        u = torch.where(_spread(active, u), u, state.u)
        turned = ((y - u).double() * (u - state.u).double()).flatten(1).sum(1).cpu() > 0
        t = torch.where(turned, 1.0, state.t)
        new = (1 + (1 + 4 * t.square()).sqrt()) / 2
        ahead = torch.lerp(state.u, u, _spread(1 + (t - 1) / new, u))
        energy = self._energy(u, v, m)
        low, high = (x.clamp(*limits) for x, limits in zip(_bounds(v), ((None, 0), (0, None)), strict=True))
        farthest = torch.maximum(y - _spread(low, y), _spread(high, y) - y)
        bound = ((u - y).abs() * farthest).double().flatten(1).sum(1).cpu()
        gap = torch.where(energy > 0, bound / energy, 0.0) + found.gap
        gap = torch.where(active, gap, state.gap)
        return State(v, m, u, ahead, new, found.dual, energy, gap, state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """``u``."""
        return state.u

    def record(self, state: State) -> dict[str, float]:
        """The energy, summed over the batch, and the largest bound of its relative error."""
        return {"energy": float(state.energy.sum()), "gap": float(state.gap.max())}

    def finished(self, state: State) -> Status | None:
        """``Status.CONVERGED`` once every image has reached ``tol``."""
        return Status.CONVERGED if bool((state.gap <= self.tol).all()) else None

    def _energy(self, u: Tensor, v: Tensor, m: Tensor) -> Tensor:
        fit = 0.5 * (m * (u - v).square()).double().flatten(1).sum(1)
        return (fit + (self.tau * self.penalty.value(u)).to(fit)).cpu()


def _bounds(v: Tensor) -> tuple[Tensor, Tensor]:
    low, high = v.flatten(1).aminmax(dim=1)
    return low, high


def _spread(per_image: Tensor, like: Tensor) -> Tensor:
    """``(B,)`` as ``(B, 1, …)`` beside ``like``; bool stays bool."""
    dtype = per_image.dtype if per_image.dtype == torch.bool else like.dtype
    return per_image.to(like.device, dtype).reshape(-1, *[1] * (like.ndim - 1))
