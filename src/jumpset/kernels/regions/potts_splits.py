"""Split regions in two where that lowers the energy: fit two means inside each region, and cut between them.

All regions are split at the same time. Each pixel of a region is on one of two sides; with the means of the
sides fixed, the best sides of a whole row (then column) are found exactly, like the labels in
:mod:`jumpset.kernels.regions.potts_moves`, and the means are fitted again. Connected parts of the sides are
merged within their region as long as that lowers the energy, and a region is split if the remaining cut does.
"""

from __future__ import annotations

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
    merged,
    region_graph,
    squares,
)

_ROUNDS = 3  # of rows, columns and means


def split(grid: Grid, columns: Grid, partition: Partition) -> Partition:
    """Return the partition with all regions split whose split lowers the energy.

    ``columns`` is the transposed grid.
    """
    label = partition.label
    before = squares(grid, partition)
    side = np.empty(label.shape, np.uint8)
    _halve(grid, partition, side)
    means = np.empty((len(before), 2, partition.mean.shape[1]))
    across = np.ascontiguousarray(label.T)
    for _ in range(_ROUNDS):
        _fit_sides(grid, label, side, means)
        _side_rows(grid, label, side, means)
        flipped = np.ascontiguousarray(side.T)
        _side_rows(columns, across, flipped, means)
        side[...] = flipped.T
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
    pixels, weights = grid.pixels, grid.mass
    label, mean = partition.label, partition.mean
    height, width, bands = pixels.shape
    spread = np.zeros(mean.shape)
    for y in range(height):
        for x in range(width):
            i = label[y, x]
            for b in range(bands):
                difference = pixels[y, x, b] - mean[i, b]
                spread[i, b] += weights[y, x] * difference * difference
    for y in range(height):
        for x in range(width):
            i = label[y, x]
            widest = 0
            for b in range(1, bands):
                if spread[i, b] > spread[i, widest]:
                    widest = b
            side[y, x] = pixels[y, x, widest] > mean[i, widest]


@njit(cache=True, nogil=True)
def _fit_sides(grid, label, side, means):
    pixels, weights = grid.pixels, grid.mass
    height, width, bands = pixels.shape
    mass = np.zeros((len(means), 2))
    means[:] = 0.0
    for y in range(height):
        for x in range(width):
            i, s, w = label[y, x], side[y, x], weights[y, x]
            mass[i, s] += w
            for b in range(bands):
                means[i, s, b] += w * pixels[y, x, b]
    for i in range(len(means)):
        for s in range(2):
            for b in range(bands):
                # an empty side must attract no pixel
                means[i, s, b] = means[i, s, b] / mass[i, s] if mass[i, s] > 0.0 else np.inf


def _side_rows(grid: Grid, label: np.ndarray, side: np.ndarray, means: np.ndarray) -> None:
    height, width = label.shape
    least = max(1, 8192 // width)
    for parity in (0, 1):
        threads.parallel_rows(
            _choose_sides, (height + 1 - parity) // 2, parity, grid, label, side, means, least=least
        )


@njit(cache=True, nogil=True)
def _choose_sides(start, stop, parity, grid, label, side, means):
    pixels, weights, edges, directions = grid
    height, width, bands = pixels.shape
    came_from = np.empty((width, 2), np.uint8)
    cost, least = np.empty(2), np.empty(2)
    for k in range(start, stop):
        y = 2 * k + parity
        least[:] = 0.0
        for x in range(width):
            i, w = label[y, x], weights[y, x]
            for s in range(2):
                distance = 0.0
                if w > 0.0:
                    for b in range(bands):
                        difference = pixels[y, x, b] - means[i, s, b]
                        distance += difference * difference
                    distance *= w
                cost[s] = distance
            for d in range(1, len(directions)):
                u = x - directions[d, 1]
                if y > 0 and 0 <= u < width and label[y - 1, u] == i:
                    cost[1 - side[y - 1, u]] += edges[d, y - 1, u]
                u = x + directions[d, 1]
                if y + 1 < height and 0 <= u < width and label[y + 1, u] == i:
                    cost[1 - side[y + 1, u]] += edges[d, y, x]
            if x > 0:
                best = 1 if least[1] < least[0] else 0
                # pixels of different regions have different sides: no cost between them
                jump = edges[0, y, x - 1] if label[y, x - 1] == i else 0.0
                joined = label[y, x - 1] == i
                for s in range(2):
                    stays = joined and least[s] <= least[best] + jump
                    came_from[x, s] = s if stays else best
                    cost[s] += least[s] if stays else least[best] + jump
            least[0], least[1] = cost[0], cost[1]
        s = 1 if least[1] < least[0] else 0
        for x in range(width - 1, -1, -1):
            side[y, x] = s
            s = came_from[x, s]
