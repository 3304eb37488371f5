"""Overlapping tiles and their partition of unity, for images whose fit exceeds the memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST_TILE = 64  # pixels; smaller ones would get networks with fewer scales


@dataclass(frozen=True)
class Tile:
    """A rectangle of the image, and its blending window."""

    top: int
    left: int
    height: int
    width: int
    window: Tensor  # (height, width); the windows of all tiles sum to 1 at every pixel

    def cut(self, image: Tensor) -> Tensor:
        """The rectangle of a ``(…, H, W)`` image, a view."""
        return image[..., self.top : self.top + self.height, self.left : self.left + self.width]


def tiles(height: int, width: int, side: int, *, overlap: int | None = None) -> tuple[Tile, ...]:
    """Tiles of at most ``side`` × ``side`` pixels that cover the image.

    Parameters
    ----------
    height, width
        Size of the image.
    side
        Largest side of a tile; 0: one tile, the whole image.
    overlap
        Least number of pixels that neighbours share; default: an eighth of ``side``. In the overlap the
        windows are linear ramps, so that no seam appears.
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
