"""Penalties of differences on a grid: the size of its pixels, its borders, and weights of its edges."""

from __future__ import annotations

import copy
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.operators.differences import around, forward, spatial_axes
from jumpset.operators.norms import over_channels
from jumpset.operators.precision import at_least_single
from jumpset.operators.spacing import axis_scales
from jumpset.penalties.base import Penalty

_Same = TypeVar("_Same", bound="GridPenalty")


@dataclass(frozen=True)
class GridPenalty(Penalty):
    """A penalty of forward differences ``s_k d_k x``, where s are the scales of the spacing."""

    _: KW_ONLY
    spacing: tuple[float, ...] | None = parameter(None, checks.spacing)
    periodic: bool = parameter(False, checks.flag)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.spacing, list):  # a penalty is hashable
            object.__setattr__(self, "spacing", tuple(self.spacing))

    @property
    def is_plain(self) -> bool:
        """Whether pixels are cubes, and the edges those within the borders, of equal weights."""
        return self.spacing is None and self.has_plain_edges

    @property
    def has_plain_edges(self) -> bool:
        """Whether the edges are those within the borders, with the weights of the spacing alone."""
        return not self.periodic and self.edge_weights is None

    @property
    def edge_weights(self) -> Any:
        """The weights of :meth:`on_edges`; None for 1."""
        return self.__dict__.get("_edge_weights")

    has_edges: ClassVar[bool] = True

    def on_edges(self: _Same, edge_weights: Any) -> _Same:
        """Return the penalty of the differences times weights ``(B or 1, D, 1, *spatial)``."""
        if edge_weights is None:
            return self
        twin = copy.copy(self)
        object.__setattr__(twin, "_edge_weights", edge_weights)
        return twin

    def differences(self, x: Any, mask: Any = None) -> list[Any]:
        """Return the difference along each axis, in float32 at least."""
        wide = at_least_single(x)
        scales = axis_scales(self.spacing, len(x.shape) - 2)
        step = around if self.periodic else forward
        found = [step(wide, k, mask) for k in spatial_axes(x)]
        found = [d if s == 1.0 else s * d for s, d in zip(scales, found, strict=True)]
        if self.edge_weights is None:
            return found
        return [d * self.edge_weights[:, k] for k, d in enumerate(found)]

    def edges(self, v: Tensor) -> Tensor:
        """Return the factor of each difference, ``(B or 1, D, 1, *spatial)``, 0 where there is none."""
        spatial = v.shape[2:]
        found = torch.ones(1, len(spatial), 1, *spatial, dtype=torch.float64, device=v.device)
        for k, scale in enumerate(axis_scales(self.spacing, len(spatial))):
            found[:, k] *= scale
            if not self.periodic:
                found[:, k].narrow(k + 2, -1, 1).zero_()
        return found if self.edge_weights is None else found * self.edge_weights.to(found)

    def squares_by_axis(self, x: Any, channels: str, mask: Any = None) -> list[Any]:
        """Return the squares of the differences, summed over the channels if these are coupled."""
        return [over_channels(d * d, channels) for d in self.differences(x, mask)]
