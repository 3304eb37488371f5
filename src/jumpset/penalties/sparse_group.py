"""Sparse groups: zeros in regions, and single zeros within the remaining regions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import parameter
from jumpset.operators.images import per_image
from jumpset.operators.namespaces import namespace
from jumpset.penalties.base import Penalty, fused_sum
from jumpset.penalties.l1 import L1
from jumpset.penalties.quadtree_groups import QuadtreeGroups
from jumpset.penalties.sliding_groups import SlidingGroups
from jumpset.penalties.tiled_groups import TiledGroups


@dataclass(frozen=True)
class SparseGroup(Penalty):
    r"""Sparse groups: a group penalty plus l1, which removes small values at the outlines of groups.

    .. math:: R(x) = G(x) + \text{ratio}\, \|x\|_1

    Parameters
    ----------
    groups
        G: :class:`TiledGroups`, :class:`QuadtreeGroups` or :class:`SlidingGroups`.
    ratio
        Weight of the l1 norm relative to G, at least 0.

    Raises
    ------
    InputError
        Another kind of groups, or a negative ratio.

    Notes
    -----
    N. Simon, J. Friedman, T. Hastie, R. Tibshirani, "A sparse-group lasso", JCGS 2013. The prox is that of G
    after soft thresholding, exactly: the prox of G keeps signs and zeros, for overlapping groups too.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.SparseGroup()
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [4.0]
    """

    groups: TiledGroups | QuadtreeGroups | SlidingGroups = field(default_factory=TiledGroups)
    ratio: float = parameter(0.5, checks.real, at_least=0.0)

    name: ClassVar[str] = "sparse-group"
    paper: ClassVar[str] = "Simon, Friedman, Hastie, Tibshirani, JCGS 2013"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.groups, TiledGroups | QuadtreeGroups | SlidingGroups):
            raise InputError(
                "groups must be a group penalty",
                given=repr(self.groups),
                do="pass TiledGroups(…), QuadtreeGroups(…) or SlidingGroups(…)",
            )

    @property
    def convex(self) -> bool:  # type: ignore[override]
        """Whether R is convex."""
        return self.groups.convex

    @property
    def has_prox(self) -> bool:
        """Whether :meth:`prox` is defined."""
        return self.groups.has_prox

    def at_step(self, step: int, seed: int = 0) -> SparseGroup:
        """Return the penalty with its grid at a random position; sliding groups have no grid."""
        if isinstance(self.groups, SlidingGroups):
            return self
        return replace(self, groups=self.groups.at_step(step, seed))

    def complex_parts(self) -> tuple[tuple[float, Penalty], ...]:
        """Return groups and L1."""
        return (1.0, self.groups), (self.ratio, L1())

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the sum of the group terms and the magnitudes at each pixel."""
        xp = namespace(x)
        groups = self.groups.terms(x, mask)
        return xp.sum(groups, axis=1, keepdims=True) + self.ratio * xp.sum(
            L1().terms(x, mask), axis=1, keepdims=True
        )

    def _fused(self, x: Tensor, factor: float) -> Tensor | None:
        return fused_sum(self.complex_parts(), x, factor)

    def _value(self, x: Any, mask: Any, weight_map: Any) -> Any:
        groups = self.groups._value(x, mask, weight_map)
        return groups + self.ratio * L1()._value(x, mask, weight_map)

    def prox(self, v: Tensor, tau: float | Tensor) -> Tensor:
        """Compute the prox of the groups of the soft-thresholded image."""
        per_image(tau, v)  # checks it before it is scaled
        return self.groups.prox(L1().prox(v, self.ratio * tau), tau)
