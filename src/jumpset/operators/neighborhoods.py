"""Grids of 4 and 8 neighbours: which pixels are joined, and what a boundary between them weighs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jumpset._core import checks
from jumpset.operators.pixel_weights import weights_like

# (rows, columns) from a pixel to its forward neighbours: right, down, down-right, down-left.
# The backward neighbours are the same edges seen from the other side.
OFFSETS = {4: ((0, 1), (1, 0)), 8: ((0, 1), (1, 0), (1, 1), (1, -1))}

# What an edge of each offset weighs. With 8 neighbours the weights of Storath & Weinmann (2014), whose
# boundary length is nearest to Euclidean.
LENGTHS = {4: (1.0, 1.0), 8: (math.sqrt(2) - 1, math.sqrt(2) - 1, 1 - math.sqrt(0.5), 1 - math.sqrt(0.5))}


def edge_weights(neighbors: int, height: int, width: int, given: Any = None) -> np.ndarray:
    """``(D, height, width)`` float64: the weight of the edge that leaves each pixel by each offset.

    Parameters
    ----------
    neighbors
        4 or 8, for D = 2 or 4.
    height, width
        Of the picture. The entries of edges that would leave it mean nothing.
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
    misfit = "edge_weights do not fit the picture"
    return lengths * weights_like(given, shape, "edge_weights", misfit=misfit, zero="use 0 to cut")
