"""Quadtree groups: nested tiles, with an exact proximal operator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.operators.images import check_tensor, per_image
from jumpset.penalties._tiles import random_shift
from jumpset.penalties.base import Penalty
from jumpset.penalties.tiled_groups import TiledGroups


@dataclass(frozen=True)
class QuadtreeGroups(Penalty):
    r"""Quadtree groups: empty regions of every size at once, with an exact prox in one pass.

    .. math:: R(x) = \sum_{l=0}^{L-1} \gamma^l \sum_{T \in \mathcal T_l} \|x_T\|_2

    over the tiles of 2^l pixels along each axis, cut at the border. Each tile consists of tiles of the level
    below, and a pixel can be nonzero only if all tiles that contain it are.

    Parameters
    ----------
    levels
        L, from 1: tiles from single pixels (l = 0, where the norm is ``|x|``) to 2^(L−1) pixels wide.
    growth
        γ, above 0. The norm of a tile grows in proportion to its width, so that 1 emphasises small tiles and
        2 large ones.
    shift
        Pixels between the start of the grids and the corner of the image: one number, or one per axis.
    channels
        ``"joint"``: a group holds all channels of its tile. ``"separate"``: the sum over the channels.

    Raises
    ------
    InputError
        A parameter out of range, or one that does not match the number of spatial axes.

    Notes
    -----
    P. Zhao, G. Rocha, B. Yu, Annals of Statistics 2009 (hierarchical groups); R. Jenatton, J. Mairal, G.
    Obozinski, F. Bach, "Proximal methods for hierarchical sparse coding", JMLR 2011: the prox is the
    composition of block soft thresholdings, leaves first.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.QuadtreeGroups(levels=1)
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [4.0]
    """

    levels: int = parameter(4, checks.integer, at_least=1, at_most=20)
    growth: float = parameter(1.0, checks.real, above=0.0)
    shift: int | tuple[int, ...] = 0
    channels: Literal["joint", "separate"] = "joint"

    name: ClassVar[str] = "quadtree-groups"
    paper: ClassVar[str] = "Jenatton, Mairal, Obozinski, Bach, JMLR 2011"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._level(0)  # checks the rest

    def at_step(self, step: int, seed: int = 0) -> QuadtreeGroups:
        """Return the penalty with its grids at a random position that depends on ``step`` and ``seed``."""
        checks.integer("step", step, at_least=0)
        checks.integer("seed", seed, at_least=0)
        return replace(self, shift=random_shift((2 ** (self.levels - 1),) * 3, step, seed))

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the norms of the tiles of all levels, distributed equally over their pixels."""
        total = self._level(0).terms(x, mask)
        for level in range(1, self.levels):
            total = total + self.growth**level * self._level(level).terms(x, mask)
        return total

    def prox(self, v: Tensor, tau: float | Tensor) -> Tensor:
        """Compute block soft thresholds of the tiles, from pixels up to the largest; differentiable."""
        check_tensor(v)
        per_image(tau, v)  # checks it before it is scaled
        u = v
        for level in range(self.levels):
            u = self._level(level).prox(u, self.growth**level * tau)
        return u

    def _level(self, level: int) -> TiledGroups:
        """Return the tiles of one level: with a common shift, each lies within a tile of the next level."""
        return TiledGroups(tile=2**level, shift=self.shift, channels=self.channels)
