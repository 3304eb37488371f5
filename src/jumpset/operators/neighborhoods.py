"""Grids of pixels in one, two or three dimensions: their edges, and the weights of these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from jumpset._core import checks
from jumpset.operators.pixel_weights import weights_like
from jumpset.operators.spacing import axis_scales

# (rows, columns) from a pixel to its forward neighbours: right, down, down-right, down-left.
# The edges to the backward neighbours are the same.
OFFSETS = {4: ((0, 1), (1, 0)), 8: ((0, 1), (1, 0), (1, 1), (1, -1))}

# The weight of an edge of each offset; with 8 neighbours those of Storath & Weinmann (2014), whose boundary
# length is closest to Euclidean.
LENGTHS = {4: (1.0, 1.0), 8: (math.sqrt(2) - 1, math.sqrt(2) - 1, 1 - math.sqrt(0.5), 1 - math.sqrt(0.5))}

_LEAST_LENGTH = 0.03  # of an edge, times its length


def grid_offsets(neighbors: int, ndim: int) -> tuple[tuple[int, ...], ...]:
    """Return the steps from a pixel to its forward neighbours in 1, 2 or 3 dimensions, the last axis first.

    ``neighbors`` 4 stands for the neighbours along the axes: 2, 4 or 6; 8 for all around: 2, 8 or 26.
    """
    checks.one_of("neighbors", neighbors, OFFSETS)
    if ndim == 1:
        return ((1,),)
    if ndim == 2:
        return OFFSETS[neighbors]
    flat = tuple((0, *offset) for offset in OFFSETS[neighbors])
    around = sorted(product((-1, 0, 1), repeat=2), key=lambda o: (abs(o[0]) + abs(o[1]), o))
    return flat + tuple((1, *o) for o in (around if neighbors == 8 else [(0, 0)]))


def edge_ends(x: np.ndarray, offset: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return views of an array: the pixels at the start of each edge of an offset, and at its end.

    The first axes are those of the grid, as many as the offset has steps.
    """
    start = tuple(slice(max(-o, 0), n - max(o, 0)) for o, n in zip(offset, x.shape, strict=False))
    end = tuple(slice(max(o, 0), n - max(-o, 0)) for o, n in zip(offset, x.shape, strict=False))
    return x[start], x[end]


def edge_weights(
    neighbors: int, shape: Sequence[int], given: Any = None, spacing: Sequence[float] | None = None
) -> np.ndarray:
    """Return ``(D, *shape)`` float64, the weight of the edge from each pixel by each offset.

    Parameters
    ----------
    neighbors
        4 or 8; see :func:`grid_offsets`.
    shape
        Size of the grid. The entries of edges that would leave it have no meaning.
    given
        Optional array or tensor of the same shape that multiplies the lengths; 0 cuts an edge.
    spacing
        Optional distance of neighbouring pixels along each axis; only ratios matter.

    Raises
    ------
    InputError
        Another number of neighbours, a wrong shape, negative or non-finite weights, or a bad spacing.
    """
    lengths = edge_lengths(neighbors, shape, spacing)
    lengths = lengths.reshape(-1, *(1,) * len(shape))
    full = (len(lengths), *shape)
    if given is None:
        return np.broadcast_to(lengths, full)
    misfit = "edge_weights do not fit the image"
    return lengths * weights_like(given, full, "edge_weights", misfit=misfit, zero="use 0 to cut")


def edge_lengths(neighbors: int, shape: Sequence[int], spacing: Any = None) -> np.ndarray:
    r"""Return ``(D,)``, the weight of an edge of each offset: the area of a boundary per edge through it.

    Areas are those for a pixel of unit volume. Along the axes alone (``neighbors=4``) the weight of an edge
    is the scale s of its axis (:func:`~jumpset.operators.spacing.axis_scales`). With diagonals (8), the
    weights ω are those for which

    .. math:: \sum_e \omega_e |n \cdot e| = \|(n_1 s_1, n_2 s_2, \dots)\|

    for all normals n of zeros and ones, or the closest ones that are not too small. An axis of one pixel does
    not count: a volume of one slice has the weights of an image.
    """
    offsets = np.array(grid_offsets(neighbors, len(shape)))
    scales = np.array(axis_scales(spacing, len(shape)))
    kinds = np.abs(offsets)
    if neighbors == 4:
        return (kinds * scales).sum(1)
    axes = [axis for axis, n in enumerate(shape) if n > 1]
    while len(axes) < min(2, len(shape)):
        axes = sorted([*axes, max(set(range(len(shape))) - set(axes))])
    normals = np.unique(kinds[kinds.sum(1) == kinds[:, axes].sum(1)], axis=0)
    if len(axes) == 2 and len(set(scales[axes])) == 1:
        known = np.where(normals.sum(1) == 1, *LENGTHS[8][1:3]) * scales[axes[0]]
    else:
        from scipy.optimize import nnls  # a third of a second, which most calls need not wait

        through = np.abs(normals @ offsets.T)
        sums = np.stack([through[:, (kinds == n).all(1)].sum(1) for n in normals], 1)
        areas = np.linalg.norm(normals * scales, axis=1)
        least = _LEAST_LENGTH / np.linalg.norm(normals / scales, axis=1)  # every edge must connect pixels
        known = least + nnls(sums, areas - sums @ least)[0]
    return sum(((kinds == n).all(1) * w for n, w in zip(normals, known, strict=True)), np.zeros(len(kinds)))
