"""All lines of a grid in one direction, as a rectangle: rows, columns, diagonals, knight's moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from jumpset.operators.neighborhoods import edge_ends

_ROOT2, _ROOT5 = math.sqrt(2.0), math.sqrt(5.0)
_DIAGONALS = ((1, 1), (1, -1))
_KNIGHTS = ((1, 2), (2, 1), (1, -2), (2, -1))

# Neighbourhood to its directions (rows, columns), each with the weight of a jump along it. With 8 and 16 the
# weights of Storath & Weinmann (2014), whose boundary length is nearest to Euclidean.
DIRECTIONS = {
    4: {(0, 1): 1.0, (1, 0): 1.0},
    8: {**dict.fromkeys(((0, 1), (1, 0)), _ROOT2 - 1.0), **dict.fromkeys(_DIAGONALS, 1.0 - _ROOT2 / 2.0)},
    16: {
        **dict.fromkeys(((0, 1), (1, 0)), _ROOT5 - 2.0),
        **dict.fromkeys(_DIAGONALS, _ROOT5 - 1.5 * _ROOT2),
        **dict.fromkeys(_KNIGHTS, 0.5 * (1.0 + _ROOT2 - _ROOT5)),
    },
}


@dataclass(frozen=True)
class PixelLines:
    """All lines of one direction."""

    direction: tuple[int, int]
    length: float
    """Weight of a jump."""
    shape: tuple[int, int]
    index: np.ndarray | None
    """``(L, n)``: the pixels of each line, -1 beyond its end; None for rows and columns."""

    def gather(self, x: np.ndarray) -> np.ndarray:
        """Return ``(H, W, C)`` as lines ``(L, n, C)``, with undefined values beyond their ends."""
        if self.index is None:
            return x if self.direction == (0, 1) else x.transpose(1, 0, 2)
        return x.reshape(-1, x.shape[2])[self.index]

    def gather_mass(self, mass: np.ndarray) -> np.ndarray:
        """Return ``(H, W)`` weights as ``(L, n)``, 0 beyond the ends of the lines."""
        if self.index is None:
            return mass if self.direction == (0, 1) else np.ascontiguousarray(mass.T)
        return np.where(self.index >= 0, mass.ravel()[self.index], 0.0)

    def scatter(self, lines: np.ndarray) -> np.ndarray:
        """Return lines ``(L, n, C)`` as a new ``(H, W, C)`` image."""
        if self.index is None:
            return np.ascontiguousarray(lines if self.direction == (0, 1) else lines.transpose(1, 0, 2))
        out = np.empty((self.shape[0] * self.shape[1], lines.shape[2]), lines.dtype)
        inside = self.index >= 0
        out[self.index[inside]] = lines[inside]
        return out.reshape(*self.shape, -1)

    def pairs(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels at the start of each edge of this direction, and those at its end."""
        return edge_ends(x, self.direction)

    def jumps(self, x: np.ndarray) -> np.ndarray:
        """Whether ``(H, W, C)`` differs between the ends of each edge."""
        first, second = self.pairs(x)
        return (first != second).any(-1)


def pixel_lines(height: int, width: int, neighbors: int) -> tuple[PixelLines, ...]:
    """Return the lines of all directions that have edges in a grid of this size; at least the rows."""
    found = [
        PixelLines((down, right), length, (height, width), _index(height, width, down, right))
        for (down, right), length in DIRECTIONS[neighbors].items()
        if down < height and abs(right) < width
    ]
    return tuple(found) or (PixelLines((0, 1), 1.0, (height, width), None),)


def _index(height: int, width: int, down: int, right: int) -> np.ndarray | None:
    if (down, right) in ((0, 1), (1, 0)):
        return None
    y, x = np.indices((height, width))
    starts = (y < down) | (x - right < 0) | (x - right >= width)  # the previous pixel is outside
    steps = np.arange(1 + min((height - 1) // down, (width - 1) // abs(right)))
    rows = y[starts][:, None] + steps * down
    columns = x[starts][:, None] + steps * right
    inside = (rows < height) & (columns >= 0) & (columns < width)
    return np.where(inside, rows * width + columns, -1)
