"""Split regions in two where that lowers the energy: fit two means inside each region, and cut between them.

All regions are split at the same time. Each pixel of a region is on one of two sides; with the means of the
sides fixed, the best sides of a whole line along one axis, then the next one, are found exactly, like the
labels in :mod:`jumpset.kernels.regions.potts_moves`, and the means are fitted again. Connected parts of the
sides are merged within their region as long as that lowers the energy, and a region is split if the remaining
cut does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jumpset.kernels import threads
from jumpset.kernels.jit import njit
from jumpset.kernels.regions.fusion import sweep
from jumpset.kernels.regions.partitions import (
    Grid,
    Partition,
    boundaries,
    components,
    fitted,
    line_classes,
    merged,
    region_graph,
    squares,
)

_ROUNDS = 3  # of lines along all axes, and means


def split(turned: Sequence[Grid], partition: Partition) -> Partition:
    """Return the partition with all regions split whose split lowers the energy.

    ``turned`` are the grids whose last axis is each axis of the image, from the last axis to the first; the
    first one is thus the grid itself.
    """
    grid, label = turned[0], partition.label
    before = squares(grid, partition)
    side = np.empty(label.shape, np.uint8)
    _halve(grid, partition, side)
    means = np.empty((len(before), 2, partition.mean.shape[1]))
    axes = range(label.ndim - 1, -1, -1)
    along = [np.ascontiguousarray(np.moveaxis(label, axis, -1)) for axis in axes]
    for _ in range(_ROUNDS):
        _fit_sides(grid, label, side, means)
        for axis, one, labels in zip(axes, turned, along, strict=True):
            lying = np.ascontiguousarray(np.moveaxis(side, axis, -1))
            _side_lines(one, labels, lying, means)
            side = np.ascontiguousarray(np.moveaxis(lying, -1, axis))
    fine, count = components(grid, 2 * label + side)
    parts = fitted(grid, fine, count)
    parts, region = _merge_within(grid, parts, label)
    gain = before - np.bincount(region, squares(grid, parts), len(before))
    cut = np.zeros(len(before))
    boundaries(grid, label, parts.label, cut)
    # gains within the rounding error do not count: a region of two equal halves stays one
    better = gain - cut > 1e-12 * before
    both = np.where(better[label], parts.label + len(before), label).astype(np.int32)
    return fitted(grid, *components(grid, both))


def _merge_within(grid: Grid, parts: Partition, label: np.ndarray) -> tuple[Partition, np.ndarray]:
    """Merge parts of one region as long as that lowers the energy; return parts and the region of each."""
    region = np.empty(len(parts.mass), np.int32)
    region[parts.label.ravel()] = label.ravel()
    graph = region_graph(grid, parts, within=region)
    while sweep(graph, 1.0):
        pass
    parts = merged(grid, parts.label, graph)
    region = np.empty(len(parts.mass), np.int32)
    region[parts.label.ravel()] = label.ravel()
    return parts, region


@njit(cache=True, nogil=True)
def _halve(grid, partition, side):
    """Put each pixel on a side of its region's mean, in the band that varies most in the region."""
    mean = partition.mean
    bands = mean.shape[1]
    labels, weights = partition.label.reshape(-1), grid.mass.reshape(-1)
    pixels, sides = grid.pixels.reshape(len(labels), bands), side.reshape(-1)
    spread = np.zeros(mean.shape)
    for p in range(len(labels)):
        i = labels[p]
        for b in range(bands):
            difference = pixels[p, b] - mean[i, b]
            spread[i, b] += weights[p] * difference * difference
    for p in range(len(labels)):
        i = labels[p]
        widest = 0
        for b in range(1, bands):
            if spread[i, b] > spread[i, widest]:
                widest = b
        sides[p] = pixels[p, widest] > mean[i, widest]


@njit(cache=True, nogil=True)
def _fit_sides(grid, label, side, means):
    bands = means.shape[2]
    labels, sides, weights = label.reshape(-1), side.reshape(-1), grid.mass.reshape(-1)
    pixels = grid.pixels.reshape(len(labels), bands)
    mass = np.zeros((len(means), 2))
    means[:] = 0.0
    for p in range(len(labels)):
        i, s, w = labels[p], sides[p], weights[p]
        mass[i, s] += w
        for b in range(bands):
            means[i, s, b] += w * pixels[p, b]
    for i in range(len(means)):
        for s in range(2):
            for b in range(bands):
                # an empty side must attract no pixel
                means[i, s, b] = means[i, s, b] / mass[i, s] if mass[i, s] > 0.0 else np.inf


def _side_lines(grid: Grid, label: np.ndarray, side: np.ndarray, means: np.ndarray) -> None:
    least = max(1, 8192 // label.shape[-1])
    for first in line_classes(grid):
        threads.parallel_rows(_choose_sides, len(first), first, grid, label, side, means, least=least)


@njit(cache=True, nogil=True)
def _choose_sides(start, stop, first_pixels, grid, label, side, means):
    steps, width, bands = grid.steps, label.shape[-1], means.shape[2]
    labels, sides, weights = label.reshape(-1), side.reshape(-1), grid.mass.reshape(-1)
    pixels, edges = grid.pixels.reshape(-1, bands), grid.edges.reshape(len(steps), -1)
    came_from = np.empty((width, 2), np.uint8)
    cost, least = np.empty(2), np.empty(2)
    for k in range(start, stop):
        base = first_pixels[k]
        least[:] = 0.0
        for x in range(width):
            p = base + x
            i, w = labels[p], weights[p]
            for s in range(2):
                distance = 0.0
                if w > 0.0:
                    for b in range(bands):
                        difference = pixels[p, b] - means[i, s, b]
                        distance += difference * difference
                    distance *= w
                cost[s] = distance
            for d in range(1, len(steps)):
                q = p - steps[d]
                if 0 <= q < len(labels) and edges[d, q] > 0.0 and labels[q] == i:
                    cost[1 - sides[q]] += edges[d, q]
                q = p + steps[d]
                if edges[d, p] > 0.0 and labels[q] == i:
                    cost[1 - sides[q]] += edges[d, p]
            if x > 0:
                best = 1 if least[1] < least[0] else 0
                # pixels of different regions have different sides: no cost between them
                joined = labels[p - 1] == i
                jump = edges[0, p - 1] if joined else 0.0
                for s in range(2):
                    stays = joined and least[s] <= least[best] + jump
                    came_from[x, s] = s if stays else best
                    cost[s] += least[s] if stays else least[best] + jump
            least[0], least[1] = cost[0], cost[1]
        s = 1 if least[1] < least[0] else 0
        for x in range(width - 1, -1, -1):
            sides[base + x] = s
            s = came_from[x, s]
