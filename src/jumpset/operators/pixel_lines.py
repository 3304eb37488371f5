"""All lines of a grid in one direction, as a rectangle: lines along an axis, diagonals, knight's moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from jumpset._core.errors import InputError
from jumpset.operators.neighborhoods import edge_ends, grid_offsets
from jumpset.operators.spacing import axis_scales

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

    direction: tuple[int, ...]
    length: float
    """Weight of a jump."""
    shape: tuple[int, ...]
    index: np.ndarray | None
    """``(L, n)``: the pixels of each line, -1 beyond its end; None for lines along an axis."""

    def gather(self, x: np.ndarray) -> np.ndarray:
        """Return ``(*spatial, C)`` as lines ``(L, n, C)``, with undefined values beyond their ends."""
        if self.index is None:
            axis = self._axis
            return np.moveaxis(x, axis, -2).reshape(-1, self.shape[axis], x.shape[-1])
        return x.reshape(-1, x.shape[-1])[self.index]

    def gather_mass(self, mass: np.ndarray) -> np.ndarray:
        """Return ``(*spatial)`` weights as ``(L, n)``, 0 beyond the ends of the lines."""
        if self.index is None:
            lines = np.moveaxis(mass, self._axis, -1)
            return np.ascontiguousarray(lines).reshape(-1, lines.shape[-1])
        return np.where(self.index >= 0, mass.ravel()[self.index], 0.0)

    def scatter(self, lines: np.ndarray) -> np.ndarray:
        """Return lines ``(L, n, C)`` as a new ``(*spatial, C)`` image."""
        if self.index is None:
            axis = self._axis
            others = [n for k, n in enumerate(self.shape) if k != axis]
            moved = lines.reshape(*others, self.shape[axis], -1)
            return np.ascontiguousarray(np.moveaxis(moved, -2, axis))
        out = np.empty((math.prod(self.shape), lines.shape[2]), lines.dtype)
        inside = self.index >= 0
        out[self.index[inside]] = lines[inside]
        return out.reshape(*self.shape, -1)

    def pairs(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels at the start of each edge of this direction, and those at its end."""
        return edge_ends(x, self.direction)

    def jumps(self, x: np.ndarray) -> np.ndarray:
        """Whether ``(*spatial, C)`` differs between the ends of each edge."""
        first, second = self.pairs(x)
        return (first != second).any(-1)

    @property
    def _axis(self) -> int:
        return self.direction.index(1)


def pixel_lines(
    shape: tuple[int, ...], neighbors: int, spacing: tuple[float, ...] | None = None
) -> tuple[PixelLines, ...]:
    """Return the lines of all directions that have edges in a grid of this shape; at least those of an axis.

    Parameters
    ----------
    shape
        The lengths of one to three spatial axes.
    neighbors
        4 for the directions of the axes; 8 or 16 of an image.
    spacing
        Distances between pixels along each axis: a jump along an axis costs the area of the face between two
        pixels, in units of the face between two neighbours along the finest axis. For 4 neighbours.

    Raises
    ------
    InputError
        More neighbours of a signal, a volume, or with ``spacing``.
    """
    scales = axis_scales(spacing, len(shape))
    if neighbors != 4 and (len(shape) != 2 or spacing is not None):
        given = f"neighbors={neighbors}"
        raise InputError(
            "diagonal neighbours are of images with square pixels",
            given=given if spacing is None else f"{given}, spacing={spacing}",
            do="pass neighbors=4, which stands for the neighbours along each axis",
        )
    if neighbors == 4:
        directions = {offset: scales[offset.index(1)] for offset in grid_offsets(4, len(shape))}
    else:
        directions = DIRECTIONS[neighbors]
    found = [
        PixelLines(direction, length, shape, _index(shape, direction))
        for direction, length in directions.items()
        if all(abs(step) < n for step, n in zip(direction, shape, strict=True))
    ]
    return tuple(found) or (PixelLines(grid_offsets(4, len(shape))[0], 1.0, shape, None),)


def _index(shape: tuple[int, ...], direction: tuple[int, ...]) -> np.ndarray | None:
    if sum(map(abs, direction)) == 1:
        return None
    (height, width), (down, right) = shape, direction
    y, x = np.indices((height, width))
    starts = (y < down) | (x - right < 0) | (x - right >= width)  # the previous pixel is outside
    steps = np.arange(1 + min((height - 1) // down, (width - 1) // abs(right)))
    rows = y[starts][:, None] + steps * down
    columns = x[starts][:, None] + steps * right
    inside = (rows < height) & (columns >= 0) & (columns < width)
    return np.where(inside, rows * width + columns, -1)
