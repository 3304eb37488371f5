"""Sums and multiples of penalties."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from jumpset._core.errors import NoProx
from jumpset.operators.images import per_image
from jumpset.operators.namespaces import namespace
from jumpset.penalties.base import Penalty, fused_sum
from jumpset.penalties.l1 import L1
from jumpset.penalties.quadtree_groups import QuadtreeGroups
from jumpset.penalties.sliding_groups import SlidingGroups
from jumpset.penalties.sparse_group import SparseGroup
from jumpset.penalties.sparse_tv import SparseTV
from jumpset.penalties.tiled_groups import TiledGroups
from jumpset.penalties.total_variation import TotalVariation
from jumpset.prox.tv import MAX_STEPS, TOL, ProxSolution


@dataclass(frozen=True)
class WeightedSum(Penalty):
    """``Σ_k w_k R_k(x)``, the result of ``0.7 * TotalVariation() + 0.3 * L1()``.

    The prox is defined for sums that the package has as one penalty: a multiple of a penalty that has a prox,
    total variation of exponent 1 plus :class:`L1` (:class:`SparseTV`), and groups plus L1
    (:class:`SparseGroup`).
    """

    parts: tuple[tuple[float, Penalty], ...]
    """Weights, not negative, and penalties."""

    name: ClassVar[str] = "sum"
    paper: ClassVar[str] = "none"

    @property
    def convex(self) -> bool:  # type: ignore[override]
        """Whether every part is convex."""
        return all(p.convex for _, p in self.parts)

    @property
    def separable(self) -> bool:  # type: ignore[override]
        """Whether every part is separable."""
        return all(p.separable for _, p in self.parts)

    @property
    def has_prox(self) -> bool:
        """Whether the sum is a multiple of one penalty that has a prox."""
        merged = self.merged()
        return merged is not None and merged[1].has_prox

    def merged(self) -> tuple[float, Penalty] | None:
        """Return the sum as a factor and one penalty; ``None`` if the package has no such penalty."""
        parts = [(w, p) for w, p in self.parts if w > 0] or [(0.0, self.parts[0][1])]
        if len(parts) == 1:
            return parts[0]
        of_l1 = sum(w for w, p in parts if isinstance(p, L1))
        others = [(w, p) for w, p in parts if not isinstance(p, L1)]
        if not others:
            return of_l1, L1()
        if len(others) > 1 or not of_l1:
            return None
        factor, penalty = others[0]
        merged = _with_l1(penalty, of_l1 / factor)
        return None if merged is None else (factor, merged)

    @property
    def has_edges(self) -> bool:  # type: ignore[override]
        """Whether a part is a function of forward differences."""
        return any(p.has_edges for _, p in self.parts)

    def on_edges(self, edge_weights: Any) -> Penalty:
        """Return the sum whose parts of differences have the weights."""
        if edge_weights is None or not self.has_edges:
            return super().on_edges(edge_weights)
        return WeightedSum(tuple((w, p.on_edges(edge_weights) if p.has_edges else p) for w, p in self.parts))

    def complex_parts(self) -> tuple[tuple[float, Penalty], ...]:
        """Return the parts."""
        return self.parts

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the sum of the terms of the parts, each summed over the channels."""
        xp = namespace(x)
        return sum(w * xp.sum(p.terms(x, mask), axis=1, keepdims=True) for w, p in self.parts)

    def _value(self, x: Any, mask: Any, weight_map: Any) -> Any:
        return sum(w * p._value(x, mask, weight_map) for w, p in self.parts)

    def prox(self, v: Tensor, tau: float | Tensor, **conditions: Any) -> Tensor:
        """Compute ``argmin_u ½‖u − v‖² + tau R(u)`` of each image, by the prox of the merged penalty.

        ``conditions`` are further arguments of that prox, such as ``lower=0``.

        Raises
        ------
        NoProx
            If the sum is not a multiple of one penalty that has a prox.
        """
        factor, penalty = self._factor_and_penalty()
        per_image(tau, v)  # checks it before it is scaled
        return penalty.prox(v, factor * tau, **conditions)

    def prox_solution(
        self,
        v: Tensor,
        tau: float | Tensor,
        *,
        tol: float = TOL,
        max_steps: int = MAX_STEPS,
        dual: Tensor | None = None,
        **conditions: Any,
    ) -> ProxSolution:
        """Compute the proximal point and its gap; parameters as of :meth:`SolvedProx.prox_solution`.

        Raises
        ------
        NoProx
            If :meth:`prox` raises it, or the merged penalty has no ``prox_solution``.
        """
        factor, penalty = self._factor_and_penalty()
        solution = getattr(penalty, "prox_solution", None)
        if solution is None:
            raise NoProx(f"{type(penalty).__name__} has no prox_solution; use prox")
        per_image(tau, v)
        return solution(v, factor * tau, tol=tol, max_steps=max_steps, dual=dual, **conditions)

    def _factor_and_penalty(self) -> tuple[float, Penalty]:
        merged = self.merged()
        if merged is None:
            sizes = " + ".join(f"{w:g} * {type(p).__name__}" for w, p in self.parts)
            raise NoProx(
                f"the sum {sizes} has no proximal operator; there is one for a multiple of one penalty,"
                " for TotalVariation + L1 (SparseTV) and for groups + L1 (SparseGroup); else use the gradient"
            )
        return merged

    def _fused(self, x: Tensor, factor: float) -> Tensor | None:
        return fused_sum(self.parts, x, factor)

    def _parts(self) -> tuple[tuple[float, Penalty], ...]:
        return self.parts


def _with_l1(penalty: Penalty, ratio: float) -> Penalty | None:
    """Return ``R(x) + ratio ‖x‖₁`` as one penalty; None if the package has no such penalty."""
    if isinstance(penalty, SparseTV | SparseGroup):
        return replace(penalty, ratio=penalty.ratio + ratio)
    if isinstance(penalty, TiledGroups | QuadtreeGroups | SlidingGroups):
        return SparseGroup(penalty, ratio)
    if isinstance(penalty, TotalVariation) and (penalty.beta, penalty.order, penalty.scheme) == (
        1.0,
        1,
        "forward",
    ):
        return SparseTV(
            ratio=ratio,
            isotropic=penalty.isotropic,
            channels=penalty.channels,
            spacing=penalty.spacing,
            periodic=penalty.periodic,
        )
    return None
