"""Overlapping tiles and their partition of unity, for pictures whose fit does not fit into memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST_TILE = 64  # pixels; smaller ones would get networks with fewer scales


@dataclass(frozen=True)
class Tile:
    """A rectangle of the picture, and what it has to say there."""

    top: int
    left: int
    height: int
    width: int
    window: Tensor  # (height, width); the windows of all tiles sum to 1 at every pixel

    def cut(self, picture: Tensor) -> Tensor:
        """The rectangle of a ``(…, H, W)`` picture, a view."""
        return picture[..., self.top : self.top + self.height, self.left : self.left + self.width]


def tiles(height: int, width: int, side: int, *, overlap: int | None = None) -> tuple[Tile, ...]:
    """Tiles of at most ``side`` × ``side`` pixels that cover the picture.

    Parameters
    ----------
    height, width
        Of the picture.
    side
        Largest side of a tile; 0 makes one tile of the whole picture.
    overlap
        Least number of pixels that neighbours share; default: an eighth of ``side``. In the overlap the
        windows are ramps, so that no tile ends in a step.
    """
    if side == 0 or (height <= side and width <= side):
        return (Tile(0, 0, height, width, torch.ones(height, width)),)
    shared = side // 8 if overlap is None else overlap
    rows, columns = _intervals(height, side, shared), _intervals(width, side, shared)
    return tuple(
        Tile(top, left, len(down), len(across), down[:, None] * across)
        for top, down in rows
        for left, across in columns
    )


def _intervals(length: int, side: int, shared: int) -> list[tuple[int, Tensor]]:
    """First pixel and window of each interval of an even cover of ``length`` pixels."""
    side = min(side, length)
    n = -(-(length - side) // max(1, side - shared)) + 1
    starts = [round(k * (length - side) / max(1, n - 1)) for k in range(n)]
    inward = torch.arange(1.0, side + 1)
    ramp = torch.minimum(inward, inward.flip(0)).clamp(max=max(1, shared))
    total = torch.zeros(length)
    for start in starts:
        total[start : start + side] += ramp
    return [(start, ramp / total[start : start + side]) for start in starts]
