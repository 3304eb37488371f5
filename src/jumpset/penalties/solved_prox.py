"""The base class of penalties whose proximal point is computed by iteration."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from jumpset._core.errors import InputError
from jumpset._core.iterate import solve
from jumpset._core.types import ComplexImages
from jumpset.operators.images import channels_back, check_tensor, per_image
from jumpset.operators.masks import as_edge_weights, as_weight_map
from jumpset.penalties._grid import GridPenalty
from jumpset.penalties.base import arranged
from jumpset.prox.masked import MaskedProx
from jumpset.prox.tv import MAX_STEPS, TOL, ProxSolution, Terms, tv_prox
from jumpset.prox.tv_weighted import check_weights, weighted_prox


class SolvedProx(GridPenalty):
    """A penalty whose proximal point is computed by iteration, with a duality gap as its certificate."""

    def prox(
        self,
        v: ComplexImages,
        tau: float | Tensor,
        *,
        tol: float = TOL,
        max_steps: int = MAX_STEPS,
        mask: Any = None,
        weight_map: Any = None,
        edge_weights: Any = None,
        lower: float | None = None,
        upper: float | None = None,
        channel_axis: int | None = None,
    ) -> ComplexImages:
        """Compute ``argmin_u ½‖u − v‖² + tau R(u)``, without derivative; see :meth:`prox_solution`.

        With ``mask``, ``½ Σ m ‖u − v‖²``: an array or tensor ``(*spatial)`` or ``(B, 1, *spatial)``, True, or
        not 0, where a pixel is valid; floats from 0 to 1 are m. The other pixels are filled, whatever they
        hold; the energy is then above its minimum by about ``tol`` of it. ``channel_axis`` is that of v and
        of ``weight_map``, as in :meth:`Penalty.value`.
        """
        if channel_axis is not None:
            check_tensor(v, may_be=False)
            front, _, weight_map = arranged(v, None, weight_map, channel_axis)
        else:
            check_tensor(v)
            front = v
        conditions = {"weight_map": weight_map, "edge_weights": edge_weights, "lower": lower, "upper": upper}
        if mask is None:
            image = self.prox_solution(front, tau, tol=tol, max_steps=max_steps, **conditions).image
        else:
            if self.__dict__.get("_is_complex", False):
                raise InputError("complex SparseTV has no mask", given="mask", do="use TotalVariation")
            per_image(tau, front)
            model = _Conditioned(self, conditions)
            image = solve(MaskedProx(model, tau, mask, tol, max_steps), front).to(v.dtype)
        return image if channel_axis is None else channels_back(image, channel_axis)

    def prox_solution(
        self,
        v: Tensor,
        tau: float | Tensor,
        *,
        tol: float = TOL,
        max_steps: int = MAX_STEPS,
        dual: Tensor | None = None,
        weight_map: Any = None,
        edge_weights: Any = None,
        lower: float | None = None,
        upper: float | None = None,
    ) -> ProxSolution:
        """Compute the proximal point and its duality gap.

        Without conditions, by the fastest solver that applies: exact along one spatial axis; anisotropic, the
        accelerated dual method followed by exact solves of lines if it converges slowly; otherwise the
        accelerated dual method. With conditions, spacing or periodic borders, by the accelerated dual method
        in double precision, ten to twenty times slower; bounds are part of the problem, not applied to its
        solution.

        Parameters
        ----------
        v
            ``(B, C, *spatial)``, floats, any device; lines are solved on the CPU.
        tau
            A number, or one number per image.
        tol
            Each image (with separate channels, each channel) ends when its duality gap is at most this part
            of ``½‖u − v‖² + tau R(u)``. Float32 images are computed in float64 if float32 might not reach it.
        max_steps
            Limit; a ``RuntimeWarning`` reports that an image has reached it.
        dual
            Start: ``.dual`` of an earlier solution of the same shape, settings and kind of conditions.
        weight_map, edge_weights
            As in :meth:`Penalty.value`: factors of tau per pixel, and of each difference. With coupled
            channels, ``weight_map`` has one channel.
        lower, upper
            Bounds of u: ``lower=0`` for values that are not negative.

        Raises
        ------
        NoProx
            For settings without one; the message says which.
        """
        terms = self.prox_terms(v)
        conditioned = not (weight_map is None and edge_weights is None and lower is None and upper is None)
        is_complex = self.__dict__.get("_is_complex", False)
        if not conditioned and self.is_plain and not is_complex:
            return tv_prox(v, tau, terms, tol=tol, max_steps=max_steps, dual=dual)
        check_tensor(v)
        edge_weights = as_edge_weights(edge_weights, v)
        if edge_weights is not None:
            check_weights("edge_weights", edge_weights)
        settings = {"lower": lower, "upper": upper, "tol": tol, "max_steps": max_steps, "dual": dual}
        settings["is_complex"] = is_complex
        edges = self.on_edges(edge_weights).edges(v)
        return weighted_prox(v, tau, terms, edges, weight_map=as_weight_map(weight_map, v), **settings)

    @abstractmethod
    def prox_terms(self, v: Tensor) -> Terms:
        """Return what the solver minimises for images like ``v``; raise ``NoProx`` if there is none."""


@dataclass(frozen=True)
class _Conditioned:
    """A penalty under conditions, as :class:`jumpset.prox.masked.MaskedProx` needs it."""

    penalty: SolvedProx
    conditions: dict[str, Any]

    def prox_solution(
        self, v: Tensor, tau: float | Tensor, *, tol: float, dual: Tensor | None
    ) -> ProxSolution:
        return self.penalty.prox_solution(v, tau, tol=tol, dual=dual, **self.conditions)

    def value(self, u: Tensor) -> Tensor:
        maps = {name: self.conditions[name] for name in ("weight_map", "edge_weights")}
        return self.penalty.value(u, channel_axis=1, **maps)
