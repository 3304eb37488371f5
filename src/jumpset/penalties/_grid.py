"""Penalties of differences on a grid: the size of its pixels, its borders, and weights of its edges."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import parameter
from jumpset.operators.differences import around, forward, spatial_axes
from jumpset.operators.norms import over_channels
from jumpset.operators.precision import at_least_single
from jumpset.penalties.base import Penalty

_Same = TypeVar("_Same", bound="GridPenalty")


def check_spacing(name: str, value: object) -> None:
    """Raise unless the value is a length above 0, or a tuple of them."""
    if isinstance(value, list):
        raise InputError(f"{name} is a number or a tuple", given=repr(value), do=f"pass {tuple(value)}")
    for one in value if isinstance(value, tuple) else (value,):
        checks.real(name, one, above=0.0)


@dataclass(frozen=True)
class GridPenalty(Penalty):
    """A penalty of forward differences, ``d_k x / spacing_k``; a subclass has these two fields last."""

    spacing: float | tuple[float, ...] = parameter(1.0, check_spacing, kw_only=True)
    periodic: bool = parameter(False, checks.flag, kw_only=True)

    @property
    def is_plain(self) -> bool:
        """Whether pixels are cubes of size 1, and there are no edges across the border."""
        return self.spacing == 1.0 and not self.periodic and self.edge_weights is None

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

    def lengths(self, axes: int) -> tuple[float, ...]:
        """Return the spacing along each of ``axes`` axes."""
        sizes = self.spacing if isinstance(self.spacing, tuple) else (self.spacing,) * axes
        if len(sizes) != axes:
            raise InputError(
                "spacing has one number per spatial axis",
                given=f"{len(sizes)} numbers for {axes} axes",
                do="pass one number, or one per axis",
            )
        return tuple(float(s) for s in sizes)

    def differences(self, x: Any, mask: Any = None) -> list[Any]:
        """Return the difference along each axis, in float32 at least."""
        wide = at_least_single(x)
        sizes = self.lengths(len(x.shape) - 2)
        step = around if self.periodic else forward
        found = [step(wide, k, mask) for k in spatial_axes(x)]
        found = [d if size == 1.0 else d / size for d, size in zip(found, sizes, strict=True)]
        if self.edge_weights is None:
            return found
        return [d * self.edge_weights[:, k] for k, d in enumerate(found)]

    def edges(self, v: Tensor) -> Tensor:
        """Return the factor of each difference, ``(B or 1, D, 1, *spatial)``, 0 where there is none."""
        spatial = v.shape[2:]
        found = torch.ones(1, len(spatial), 1, *spatial, dtype=torch.float64, device=v.device)
        for k, size in enumerate(self.lengths(len(spatial))):
            found[:, k] /= size
            if not self.periodic:
                found[:, k].narrow(k + 2, -1, 1).zero_()
        return found if self.edge_weights is None else found * self.edge_weights.to(found)

    def squares_by_axis(self, x: Any, channels: str, mask: Any = None) -> list[Any]:
        """Return the squares of the differences, summed over the channels if these are coupled."""
        return [over_channels(d * d, channels) for d in self.differences(x, mask)]
