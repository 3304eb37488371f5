"""Grids of 4 and 8 neighbours: their edges, and the weights of these."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jumpset._core import checks
from jumpset.operators.pixel_weights import weights_like

# (rows, columns) from a pixel to its forward neighbours: right, down, down-right, down-left.
# The edges to the backward neighbours are the same.
OFFSETS = {4: ((0, 1), (1, 0)), 8: ((0, 1), (1, 0), (1, 1), (1, -1))}

# The weight of an edge of each offset; with 8 neighbours those of Storath & Weinmann (2014), whose boundary
# length is closest to Euclidean.
LENGTHS = {4: (1.0, 1.0), 8: (math.sqrt(2) - 1, math.sqrt(2) - 1, 1 - math.sqrt(0.5), 1 - math.sqrt(0.5))}


def edge_ends(x: np.ndarray, offset: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return views of ``(H, W, …)``: the pixels at the start of each edge of an offset, and at its end."""
    down, right = offset
    height, width = x.shape[:2]
    start = x[: height - down, max(-right, 0) : width - max(right, 0)]
    return start, x[down:, max(right, 0) : width + min(right, 0)]


def edge_weights(neighbors: int, height: int, width: int, given: Any = None) -> np.ndarray:
    """Return ``(D, height, width)`` float64, the weight of the edge from each pixel by each offset.

    Parameters
    ----------
    neighbors
        4 or 8, for D = 2 or 4.
    height, width
        Size of the image. The entries of edges that would leave it have no meaning.
    given
        Optional array or tensor of the same shape that multiplies the lengths; 0 cuts an edge.

    Raises
    ------
    InputError
        Another number of neighbours, a wrong shape, or negative or non-finite weights.
    """
    checks.one_of("neighbors", neighbors, OFFSETS)
    lengths = np.array(LENGTHS[neighbors])[:, None, None]
    shape = (len(lengths), height, width)
    if given is None:
        return np.broadcast_to(lengths, shape)
    misfit = "edge_weights do not fit the image"
    return lengths * weights_like(given, shape, "edge_weights", misfit=misfit, zero="use 0 to cut")
