"""Label maps of an image: region means, components, boundaries, and the graph of regions for merging.

A partition is a map of labels 0, 1, …, one for each pixel of a grid of any number of axes; its energy is
``Σ_p w_p ‖f_p − Y_label(p)‖²`` plus the weights of all edges between pixels of different labels, which
include the factor λ. Kernels number the pixels 0 … N − 1: an edge leads from pixel p to pixel p + step, and
edges of cost 0, such as those that would leave the grid, connect nothing.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.regions.fusion import Offsets, Regions, _root


class Grid(NamedTuple):
    """The image and the costs of jumps, which all partitions share."""

    pixels: np.ndarray  # (*S, C), f
    mass: np.ndarray  # S float64, w: weight of each pixel; 0 for a missing one
    edges: np.ndarray  # (D, *S) float64: cost of a jump along the edge that leaves a pixel along each offset
    directions: np.ndarray  # (D, len(S)) int64: the offsets; the first is one step along the last axis
    steps: np.ndarray  # (D,) int64: the offsets as differences of pixel numbers

    def check_loaded(self, template: Grid) -> None:
        """Raise ``ValueError`` unless these arrays, out of a file, have the size and offsets of the image."""
        same = all(a.shape == b.shape for a, b in zip(self, template, strict=True))
        if not same or np.any(self.directions != template.directions) or np.any(self.steps != template.steps):
            raise ValueError("a grid of another image")
        if any(part.any() for d in range(len(self.edges)) for part in _leaving(self, d)):
            raise ValueError("an edge leaves the image")


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
    directions = np.array(offsets, dtype=np.int64)
    mass = np.ascontiguousarray(mass, dtype=np.float64)
    edges = np.array(edges, dtype=np.float64, order="C")
    grid = Grid(np.ascontiguousarray(pixels), mass, edges, directions, _steps(directions, mass.shape))
    for d in range(len(directions)):
        for part in _leaving(grid, d):
            part[...] = 0.0
    return grid


def _steps(directions: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    strides = np.array([np.prod(shape[axis + 1 :], dtype=np.int64) for axis in range(len(shape))])
    return directions @ strides


def _leaving(grid: Grid, d: int) -> list[np.ndarray]:
    """Return views of the edges of a direction that would leave the grid."""
    parts = []
    for axis, step in enumerate(grid.directions[d]):
        last = slice(max(grid.mass.shape[axis] - step, 0), None) if step > 0 else slice(0, -step)
        parts.append(grid.edges[d][(slice(None),) * axis + (last,)])
    return parts


def lying_along(grid: Grid, axis: int) -> Grid:
    """Make an axis the last one: a kernel for lines along the last axis then works along any axis."""
    order = [k for k in range(grid.mass.ndim) if k != axis] + [axis]
    directions = grid.directions[:, order]
    first = int(np.flatnonzero((np.abs(directions).sum(1) == 1) & (directions[:, -1] == 1))[0])
    swap = [first, *(d for d in range(len(directions)) if d != first)]
    mass = np.ascontiguousarray(grid.mass.transpose(order))
    edges = np.array([grid.edges[d].transpose(order) for d in swap], order="C")
    pixels = np.ascontiguousarray(grid.pixels.transpose(*order, -1))
    directions = np.ascontiguousarray(directions[swap])
    return Grid(pixels, mass, edges, directions, _steps(directions, mass.shape))


def line_classes(grid: Grid) -> list[np.ndarray]:
    """Return the first pixels of the lines along the last axis, in classes without edges between their lines.

    The lines of a class have equal parities of all other indices: edges connect adjacent lines only.
    """
    *others, length = grid.mass.shape
    first = length * np.arange(int(np.prod(others))).reshape(others)
    classes = [
        first[np.ix_(*(np.arange(p, n, 2) for p, n in zip(parity, others, strict=True)))].ravel()
        for parity in product((0, 1), repeat=len(others))
    ]
    return [one for one in classes if len(one)]


def fitted(grid: Grid, label: np.ndarray, count: int) -> Partition:
    """Return the partition with the mean of each region; the unweighted mean where all weights are 0."""
    mass, mean = np.zeros(count), np.zeros((count, grid.pixels.shape[-1]))
    _fit(grid, label, mass, mean)
    return Partition(label, mass, mean)


@njit(cache=True, nogil=True)
def _fit(grid, label, mass, mean):
    bands = mean.shape[1]
    labels, weights = label.reshape(-1), grid.mass.reshape(-1)
    pixels = grid.pixels.reshape(len(labels), bands)
    for p in range(len(labels)):
        i, w = labels[p], weights[p]
        mass[i] += w
        for b in range(bands):
            mean[i, b] += w * pixels[p, b]
    missing = False
    for i in range(len(mass)):
        if mass[i] > 0.0:
            for b in range(bands):
                mean[i, b] /= mass[i]
        else:
            missing = True
    if missing:
        count = np.zeros(len(mass))
        for p in range(len(labels)):
            i = labels[p]
            if mass[i] == 0.0:
                count[i] += 1.0
                for b in range(bands):
                    mean[i, b] += (pixels[p, b] - mean[i, b]) / count[i]


@njit(cache=True, nogil=True)
def squares(grid, partition):
    """Return ``(R,)``, ``Σ w ‖f − Y‖²`` of each region."""
    mean = partition.mean
    bands = mean.shape[1]
    labels, weights = partition.label.reshape(-1), grid.mass.reshape(-1)
    pixels = grid.pixels.reshape(len(labels), bands)
    out = np.zeros(len(mean))
    for p in range(len(labels)):
        i = labels[p]
        distance = 0.0
        for b in range(bands):
            difference = pixels[p, b] - mean[i, b]
            distance += difference * difference
        out[i] += weights[p] * distance
    return out


@njit(cache=True, nogil=True)
def boundaries(grid, coarse, fine, out):
    """Add to ``out`` (R,) the cost of the jumps of ``fine`` inside each region of ``coarse``."""
    steps, whole, parts = grid.steps, coarse.reshape(-1), fine.reshape(-1)
    edges = grid.edges.reshape(len(steps), len(parts))
    for d in range(len(steps)):
        for p in range(len(parts)):
            if edges[d, p] > 0.0:
                q = p + steps[d]
                if whole[p] == whole[q] and parts[p] != parts[q]:
                    out[whole[p]] += edges[d, p]


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
    steps, labels = grid.steps, label.reshape(-1)
    edges = grid.edges.reshape(len(steps), len(labels))
    parts = np.empty(label.shape, np.int32)
    out = parts.reshape(-1)
    parent = np.empty(len(labels), np.int32)
    n = 0
    for p in range(len(labels)):
        found = -1
        for d in range(len(steps)):
            q = p - steps[d]
            if q < 0 or labels[q] != labels[p] or edges[d, q] <= 0.0:
                continue
            other = _root(parent, out[q])
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
        out[p] = found
    number = np.empty(n, np.int32)
    count = 0
    for i in range(n):  # a root comes before its children
        if parent[i] == i:
            number[i] = count
            count += 1
        else:
            number[i] = number[parent[i]]
    for p in range(len(out)):
        out[p] = number[out[p]]
    return parts, count


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
    steps, labels = grid.steps, label.reshape(-1)
    edges = grid.edges.reshape(len(steps), len(labels))
    n = 0
    for p in range(len(labels)):
        i = labels[p]
        for d in range(len(steps)):
            if edges[d, p] <= 0.0:
                continue
            j = labels[p + steps[d]]
            if i == j or group[i] != group[j]:
                continue
            if len(target):
                for here, there in ((i, j), (j, i)):
                    target[n], cost[n] = there, edges[d, p]
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
    labels, new = label.reshape(-1), out.reshape(-1)
    for p in range(len(labels)):
        new[p] = number[labels[p]]
    return count


@njit(cache=True, nogil=True)
def paint(partition, out):
    """Write each pixel's region mean into ``out`` ``(*S, C)``."""
    labels, mean = partition.label.reshape(-1), partition.mean
    pixels = out.reshape(len(labels), mean.shape[1])
    for p in range(len(labels)):
        for b in range(mean.shape[1]):
            pixels[p, b] = mean[labels[p], b]
