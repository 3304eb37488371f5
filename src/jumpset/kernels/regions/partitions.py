"""Label maps of an image: region means, components, boundaries, and the graph of regions for merging.

A partition is an ``(H, W)`` int32 map of labels 0, 1, …; its energy is ``Σ_p w_p ‖f_p − Y_label(p)‖²`` plus
the weights of all edges between pixels of different labels, which include the factor λ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.regions.fusion import Offsets, Regions, _root


class Grid(NamedTuple):
    """The image and the costs of jumps, which all partitions share."""

    pixels: np.ndarray  # (H, W, C), f
    mass: np.ndarray  # (H, W) float64, w: weight of each pixel; 0 for a missing one
    edges: (
        np.ndarray
    )  # (D, H, W) float64: cost of a jump along the edge that leaves a pixel along each offset
    directions: np.ndarray  # (D, 2) int64: the offsets; the first is (0, 1), all others have 1 row

    def check_loaded(self, template: Grid) -> None:
        """Raise ``ValueError`` unless these arrays, out of a file, have the size and offsets of the image."""
        same = all(a.shape == b.shape for a, b in zip(self, template, strict=True))
        if not same or np.any(self.directions != template.directions):
            raise ValueError("a grid of another image")


class Partition(NamedTuple):
    """Regions of a grid."""

    label: np.ndarray  # (H, W) int32
    mass: np.ndarray  # (R,) float64: w of each region
    mean: np.ndarray  # (R, C) float64

    def check_loaded(self, template: Partition) -> None:
        """Raise ``ValueError`` unless every label of these arrays, out of a file, has its region."""
        n, label = len(self.mass), self.label
        fits = label.shape == template.label.shape and self.mean.shape == (n, template.mean.shape[1])
        if not fits or label.min(initial=0) < 0 or label.max(initial=0) >= n:
            raise ValueError("labels without a region")


def make_grid(pixels: np.ndarray, mass: np.ndarray, edges: np.ndarray, offsets: Offsets) -> Grid:
    """Convert the arrays for the kernels; set the cost of edges that would leave the image to 0."""
    edges = np.array(edges, dtype=np.float64)
    height, width, _ = pixels.shape
    for cost, (down, right) in zip(edges, offsets, strict=True):
        if down:
            cost[height - 1 :] = 0.0
        if right > 0:
            cost[:, width - 1 :] = 0.0
        if right < 0:
            cost[:, :1] = 0.0
    mass = np.ascontiguousarray(mass, dtype=np.float64)
    return Grid(np.ascontiguousarray(pixels), mass, edges, np.array(offsets, dtype=np.int64))


def transposed(grid: Grid) -> Grid:
    """Exchange rows and columns: a kernel for rows then works along columns, at the speed of rows."""
    edges = np.array(grid.edges.transpose(0, 2, 1), order="C")  # a copy, also of one row or column
    edges[[0, 1]] = edges[[1, 0]]
    if len(edges) == 4:  # down-left becomes up-right: the same edge from its other end
        edges[3] = np.roll(edges[3], (-1, 1), (0, 1))
    pixels = np.ascontiguousarray(grid.pixels.transpose(1, 0, 2))
    return Grid(pixels, np.ascontiguousarray(grid.mass.T), edges, grid.directions)


def fitted(grid: Grid, label: np.ndarray, count: int) -> Partition:
    """Return the partition with the mean of each region; the unweighted mean where all weights are 0."""
    mass, mean = np.zeros(count), np.zeros((count, grid.pixels.shape[2]))
    _fit(grid, label, mass, mean)
    return Partition(label, mass, mean)


@njit(cache=True, nogil=True)
def _fit(grid, label, mass, mean):
    pixels, weights = grid.pixels, grid.mass
    height, width, bands = pixels.shape
    for y in range(height):
        for x in range(width):
            i, w = label[y, x], weights[y, x]
            mass[i] += w
            for b in range(bands):
                mean[i, b] += w * pixels[y, x, b]
    missing = False
    for i in range(len(mass)):
        if mass[i] > 0.0:
            for b in range(bands):
                mean[i, b] /= mass[i]
        else:
            missing = True
    if missing:
        count = np.zeros(len(mass))
        for y in range(height):
            for x in range(width):
                i = label[y, x]
                if mass[i] == 0.0:
                    count[i] += 1.0
                    for b in range(bands):
                        mean[i, b] += (pixels[y, x, b] - mean[i, b]) / count[i]


@njit(cache=True, nogil=True)
def squares(grid, partition):
    """Return ``(R,)``, ``Σ w ‖f − Y‖²`` of each region."""
    pixels, weights = grid.pixels, grid.mass
    label, mean = partition.label, partition.mean
    height, width, bands = pixels.shape
    out = np.zeros(len(mean))
    for y in range(height):
        for x in range(width):
            i = label[y, x]
            distance = 0.0
            for b in range(bands):
                difference = pixels[y, x, b] - mean[i, b]
                distance += difference * difference
            out[i] += weights[y, x] * distance
    return out


@njit(cache=True, nogil=True)
def boundaries(grid, coarse, fine, out):
    """Add to ``out`` (R,) the cost of the jumps of ``fine`` inside each region of ``coarse``."""
    edges, directions = grid.edges, grid.directions
    height, width = fine.shape
    for d in range(len(directions)):
        down, right = directions[d]
        for y in range(height - down):
            for x in range(max(0, -right), width - max(0, right)):
                i = coarse[y, x]
                if i == coarse[y + down, x + right] and fine[y, x] != fine[y + down, x + right]:
                    out[i] += edges[d, y, x]


def energy(grid: Grid, partition: Partition) -> float:
    """Return the sum of squares plus the cost of all jumps."""
    total = np.zeros(1)
    boundaries(grid, np.zeros_like(partition.label), partition.label, total)
    return float(squares(grid, partition).sum() + total[0])


@njit(cache=True, nogil=True)
def components(grid, label):
    """Number the connected parts of equal label, in raster order; edges of cost 0 connect nothing.

    Returns
    -------
    label, count
    """
    edges, directions = grid.edges, grid.directions
    height, width = label.shape
    out = np.empty((height, width), np.int32)
    parent = np.empty(height * width, np.int32)
    n = 0
    for y in range(height):
        for x in range(width):
            found = -1
            for d in range(len(directions)):
                v, u = y - directions[d, 0], x - directions[d, 1]
                if v < 0 or u < 0 or u >= width or label[v, u] != label[y, x] or edges[d, v, u] <= 0.0:
                    continue
                other = _root(parent, out[v, u])
                if found < 0:
                    found = other
                elif other < found:
                    parent[found] = other
                    found = other
                else:
                    parent[other] = found
            if found < 0:
                found = n
                parent[n] = n
                n += 1
            out[y, x] = found
    number = np.empty(n, np.int32)
    count = 0
    for i in range(n):  # a root comes before its children
        if parent[i] == i:
            number[i] = count
            count += 1
        else:
            number[i] = number[parent[i]]
    for y in range(height):
        for x in range(width):
            out[y, x] = number[out[y, x]]
    return out, count


def region_graph(grid: Grid, partition: Partition, within: np.ndarray | None = None) -> Regions:
    """Return the regions of a partition as the state of :func:`jumpset.kernels.regions.fusion.sweep`.

    Parameters
    ----------
    grid, partition
        Every label must belong to one connected region.
    within
        Optional ``(R,)`` int32: only regions of the same value are neighbours.
    """
    count = len(partition.mass)
    group = np.zeros(count, np.int32) if within is None else within
    nothing = np.empty(0, np.int64)
    links = _link(grid, partition.label, group, nothing, nothing, nothing, np.empty(0, np.int32), np.empty(0))
    regions = Regions(
        parent=np.arange(count, dtype=np.int32),
        mass=partition.mass.copy(),
        mean=partition.mean.copy(),
        threshold=np.zeros(count),
        head=np.full(count, -1, dtype=np.int64),
        tail=np.full(count, -1, dtype=np.int64),
        after=np.full(links, -1, dtype=np.int64),
        target=np.empty(links, dtype=np.int32),
        cost=np.empty(links),
        stamp=np.zeros(count, dtype=np.int64),
        slot=np.zeros(count, dtype=np.int64),
        totals=np.zeros(3),
    )
    _link(
        grid, partition.label, group, regions.head, regions.tail, regions.after, regions.target, regions.cost
    )
    return regions


@njit(cache=True, nogil=True)
def _link(grid, label, group, head, tail, after, target, cost):
    """Write two half-edges for each pair of pixels across a boundary; only count if ``target`` is empty."""
    edges, directions = grid.edges, grid.directions
    height, width = label.shape
    n = 0
    for y in range(height):
        for x in range(width):
            i = label[y, x]
            for d in range(len(directions)):
                v, u = y + directions[d, 0], x + directions[d, 1]
                if v >= height or u < 0 or u >= width or label[v, u] == i:
                    continue
                j = label[v, u]
                if edges[d, y, x] <= 0.0 or group[i] != group[j]:
                    continue
                if len(target):
                    for here, there in ((i, j), (j, i)):
                        target[n], cost[n] = there, edges[d, y, x]
                        if tail[here] < 0:
                            head[here] = n
                        else:
                            after[tail[here]] = n
                        tail[here] = n
                        n += 1
                else:
                    n += 2
    return n


def merged(grid: Grid, label: np.ndarray, regions: Regions) -> Partition:
    """Return the partition after merging, its regions numbered 0, 1, …"""
    number = np.empty(len(regions.parent), np.int32)
    out = np.empty_like(label)
    return fitted(grid, out, _renumber(regions.parent, number, label, out))


@njit(cache=True, nogil=True)
def _renumber(parent, number, label, out):
    count = 0
    for i in range(len(parent)):
        if parent[i] == i:
            number[i] = count
            count += 1
    for i in range(len(parent)):
        number[i] = number[_root(parent, i)]
    height, width = label.shape
    for y in range(height):
        for x in range(width):
            out[y, x] = number[label[y, x]]
    return count


@njit(cache=True, nogil=True)
def paint(partition, out):
    """Write each pixel's region mean into ``out`` ``(H, W, C)``."""
    label, mean = partition.label, partition.mean
    height, width = label.shape
    for y in range(height):
        for x in range(width):
            for b in range(mean.shape[1]):
                out[y, x, b] = mean[label[y, x], b]
