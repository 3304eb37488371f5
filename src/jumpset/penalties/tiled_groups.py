"""Tiled groups: block sparsity with a closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.operators.images import check_tensor, per_image
from jumpset.operators.namespaces import namespace
from jumpset.operators.norms import over_channels, root
from jumpset.operators.precision import at_least_single
from jumpset.operators.windows import check_sizes, sizes_per_axis
from jumpset.penalties._masks import inside_like, keep_inside
from jumpset.penalties._tiles import random_shift, tile_sums
from jumpset.penalties.base import Channels, Penalty, coupling


@dataclass(frozen=True)
class TiledGroups(Penalty):
    r"""Tiled groups: zeros in whole tiles, with a proximal operator in closed form.

    .. math:: R(x) = \sum_T \|x_T\|_2

    over the tiles T of a regular grid, cut at the border. The grid is visible in the result; in training, a
    new position at every step (:meth:`at_step`) makes it invisible on average.

    Parameters
    ----------
    tile
        Pixels along each spatial axis: one number, or one per axis.
    shift
        Pixels between the start of the grid and the corner of the image: one number, or one per axis.
    channels
        ``"joint"``: a group holds all channels of its tile. ``"separate"``: the sum over the channels.

    Raises
    ------
    InputError
        A parameter out of range, or one that does not match the number of spatial axes.

    Notes
    -----
    M. Yuan, Y. Lin, "Model selection and estimation in regression with grouped variables", JRSS B 2006, with
    weight 1 for every group. The map that ``weight_map`` multiplies distributes the norm of a tile equally
    over its pixels. The gradient at an empty tile is 0.

    Examples
    --------
    >>> import jumpset as js
    >>> tiles = js.penalties.TiledGroups(8)
    >>> loss = js.PenaltyLoss(tiles.at_step, weight=1e-3)  # a new grid after each loss.step()
    """

    tile: int | tuple[int, ...] = parameter(4, check_sizes)
    shift: int | tuple[int, ...] = 0
    channels: Channels = coupling()

    name: ClassVar[str] = "tiled-groups"
    paper: ClassVar[str] = "Yuan, Lin, JRSS B 2006"

    def __post_init__(self) -> None:
        super().__post_init__()
        for one in self.shift if isinstance(self.shift, tuple) else (self.shift,):
            checks.integer("shift", one, at_least=0)
        # a compiled graph takes the tensor as an input, so that a new grid compiles nothing
        shifts = self.shift if isinstance(self.shift, tuple) else (self.shift,) * 3
        object.__setattr__(self, "_shifts", torch.tensor(shifts))

    def at_step(self, step: int, seed: int = 0) -> TiledGroups:
        """Return the penalty with its grid at a random position that depends on ``step`` and ``seed``."""
        checks.integer("step", step, at_least=0)
        checks.integer("seed", seed, at_least=0)
        tile = self.tile if isinstance(self.tile, tuple) else (self.tile,) * 3
        shift = random_shift(tile, step, seed)
        return replace(self, shift=shift)

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the norm of each tile, distributed equally over its pixels."""
        xp = namespace(x)
        wide = at_least_single(keep_inside(x, mask))
        squares = over_channels(wide * wide, self.channels)
        inside = xp.ones_like(squares) if mask is None else inside_like(mask, wide, self.channels)
        count = self._sums(inside)
        norm = root(self._sums(squares))
        return xp.astype(norm * inside / xp.maximum(count, xp.ones_like(count)), x.dtype)

    def prox(self, v: Tensor, tau: float | Tensor) -> Tensor:
        """Compute the block soft threshold, ``v_T max(1 − tau / ‖v_T‖, 0)``; differentiable."""
        check_tensor(v)
        wide = at_least_single(v)
        norm = root(self._sums(over_channels(wide * wide, self.channels)))
        taus = per_image(tau, wide)
        vanishes = norm <= taus  # false for NaN, which then fills the tile
        kept = torch.where(vanishes, 0.0, 1 - taus / torch.where(vanishes, 1.0, norm))
        return (wide * kept).to(v.dtype)

    def _sums(self, x: Any) -> Any:
        n_axes = len(x.shape) - 2
        sizes = sizes_per_axis("tile", self.tile, n_axes)
        if torch.compiler.is_compiling():
            return tile_sums(x, sizes, self.__dict__["_shifts"])
        # at_step gives shifts for three axes
        shift = self.shift[:n_axes] if isinstance(self.shift, tuple) else self.shift
        return tile_sums(x, sizes, sizes_per_axis("shift", shift, n_axes))
