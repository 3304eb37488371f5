"""Region fusion: merge neighbouring regions while a merge costs less than the boundary it removes.

A region i has a mass w_i, a mean colour Y_i and a list of half-edges. Merging i and j raises the sum of
squares by ``ΔSSE = w_i w_j / (w_i + w_j) ‖Y_i − Y_j‖²`` and removes a boundary of weight c_ij; one sweep at
level β visits the regions in raster order and merges i with each neighbour j where ``ΔSSE ≤ β c_ij``.

A sweep visits only the regions whose *threshold* is at most β: the smallest ΔSSE / c_ij of the region's pairs
at its last visit, or 0 if the region has changed since. For each pair, one of the two thresholds is at most
ΔSSE / c_ij: no possible merge waits for longer than a sweep, and a sweep costs time for changes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jumpset.kernels.jit import njit

TINY_MASS = 1e-12  # mass of a missing pixel
Offsets = Sequence[Sequence[int]]


class Regions(NamedTuple):
    """State of the merging: one entry per pixel or half-edge; only the entries of roots are meaningful."""

    parent: np.ndarray  # (N,) int32: union-find forest; a root is its own parent
    mass: np.ndarray  # (N,) float64: pixels in the region
    mean: np.ndarray  # (N, C) float: mean colour
    threshold: np.ndarray  # (N,) float: no merge below this level was possible at the last visit
    head: np.ndarray  # (N,) int: first half-edge, -1 at the end
    tail: np.ndarray  # (N,) int: last half-edge
    after: np.ndarray  # (E,) int: the next half-edge of the same region
    target: np.ndarray  # (E,) int32: a pixel of the region on the other side
    cost: np.ndarray  # (E,) float: boundary weight
    stamp: np.ndarray  # (N,) int64: number of the last visit that met this region
    slot: np.ndarray  # (N,) int: the half-edge by which that visit met it
    totals: np.ndarray  # (3,) float64: sum of squares, boundary weight, visits so far

    def check_loaded(self, template: Regions) -> None:
        """Raise ``ValueError`` if these arrays, out of a file, lead a kernel out of bounds or in circles."""
        n, links = len(self.parent), len(self.after)
        bounds = {"parent": (0, n), "target": (0, n), "slot": (0, links)}
        bounds |= dict.fromkeys(("head", "tail", "after"), (-1, links))
        for name, (low, high) in bounds.items():
            if np.any((getattr(self, name) < low) | (getattr(self, name) >= high)):
                raise ValueError(f"{name} is out of bounds")
        if any(a.shape != b.shape for a, b in zip(self, template, strict=True)):
            raise ValueError("arrays of another image")
        root, last = self.parent, self.after
        for _ in range(max(n, links).bit_length()):  # each turn doubles the steps
            root, last = root[root], np.where(last < 0, last, last[last])
        if np.any(self.parent[root] != root) or np.any(last >= 0):
            raise ValueError("links without an end")


def working_dtype(n: int) -> type:
    """Return the dtype of colours and boundaries of n pixels: float64, above 16 megapixels float32."""
    return np.float64 if n <= 1 << 24 else np.float32


def make_regions(
    pixels: np.ndarray,
    edge_weights: np.ndarray,
    offsets: Offsets,
    *,
    mass: np.ndarray | None = None,
    dtype: type = np.float64,
) -> Regions:
    """Make one region of each pixel.

    Parameters
    ----------
    pixels
        ``(*S, C)`` floats; S has one to three axes.
    edge_weights
        ``(D, *S)``: weight of the edge that leaves each pixel along each offset; edges that leave the
        image are ignored.
    offsets
        D forward edges as steps along the axes.
    mass
        Optional array of shape S: weight of each pixel in the sum of squares; default 1, 0 for a missing
        pixel.
    dtype
        Dtype of colours, thresholds and boundaries: float64, or float32, which takes 88 bytes per gray pixel
        with 4 neighbours instead of 124.
    """
    n, bands = pixels[..., 0].size, pixels.shape[-1]
    edges, directions = as_volume(edge_weights, offsets)
    links = 2 * len(directions) * n
    index = np.int32 if links < 2**31 else np.int64
    regions = Regions(
        parent=np.arange(n, dtype=np.int32),
        # a missing pixel merges at once with one of its colour, and with no other: it must have some mass
        mass=np.ones(n) if mass is None else np.maximum(mass, TINY_MASS, dtype=np.float64).reshape(n),
        mean=np.array(pixels, dtype=dtype, order="C").reshape(n, bands),  # a copy: merging works in place
        threshold=np.zeros(n, dtype=dtype),
        head=np.full(n, -1, dtype=index),
        tail=np.full(n, -1, dtype=index),
        after=np.full(links, -1, dtype=index),
        target=np.zeros(links, dtype=np.int32),
        cost=np.empty(links, dtype=dtype),
        stamp=np.zeros(n, dtype=np.int64),
        slot=np.zeros(n, dtype=index),
        totals=np.zeros(3),
    )
    _link(regions, edges, directions)
    return regions


def as_volume(edge_weights: np.ndarray, offsets: Offsets) -> tuple[np.ndarray, np.ndarray]:
    """Return a view ``(D, depth, height, width)`` of edge weights, and the offsets ``(D, 3)``."""
    missing = 4 - edge_weights.ndim
    directions = np.array([(0,) * missing + tuple(offset) for offset in offsets], dtype=np.int64)
    return edge_weights[(slice(None),) + (None,) * missing], directions


@njit(cache=True, nogil=True, inline="always")
def grid_edge(edges, directions, z, y, x, s):
    """Return the pixel at the other end of edge s of a pixel, and the edge's weight; 0 if there is none.

    The edges 0 … D − 1 are forward, D … 2 D − 1 backward.
    """
    _, depth, height, width = edges.shape
    d = s % len(directions)
    sign = 1 if s < len(directions) else -1
    w, v, u = z + sign * directions[d, 0], y + sign * directions[d, 1], x + sign * directions[d, 2]
    if w < 0 or w >= depth or v < 0 or v >= height or u < 0 or u >= width:
        return np.int64(-1), 0.0
    weight = edges[d, z, y, x] if sign == 1 else edges[d, w, v, u]
    return (w * height + v) * width + u, weight


@njit(cache=True, nogil=True)
def _link(regions, edges, directions):
    head, tail, after, target, cost = regions.head, regions.tail, regions.after, regions.target, regions.cost
    _, depth, height, width = edges.shape
    count = 2 * len(directions)
    p = -1
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                p += 1
                for s in range(count):
                    q, w = grid_edge(edges, directions, z, y, x, s)
                    if w <= 0.0:
                        continue
                    e = p * count + s
                    target[e], cost[e] = q, w
                    if tail[p] < 0:
                        head[p] = e
                    else:
                        after[tail[p]] = e
                    tail[p] = e
                    if s < len(directions):
                        regions.totals[1] += w


@njit(cache=True, nogil=True, inline="always")
def _root(parent, p):
    while parent[p] != p:
        parent[p] = parent[parent[p]]
        p = parent[p]
    return p


@njit(cache=True, nogil=True)
def compact(i, visit, parent, head, tail, after, target, cost, stamp, slot):
    """Reduce i's list to one half-edge per neighbour, with the whole boundary weight; drop inner edges."""
    previous = np.int64(-1)
    e = np.int64(head[i])
    while e >= 0:
        j = _root(parent, target[e])
        following = np.int64(after[e])
        if j != i and stamp[j] != visit:
            stamp[j], slot[j] = visit, e
            target[e] = j
            previous = e
        else:
            if j != i:
                cost[slot[j]] += cost[e]
            if previous < 0:
                head[i] = following
            else:
                after[previous] = following
        e = following
    tail[i] = previous


@njit(cache=True, nogil=True)
def sweep(regions, level):
    """Visit every region whose threshold is at most ``level`` once; return the number of merges."""
    parent, mass, mean, threshold = regions.parent, regions.mass, regions.mean, regions.threshold
    head, tail, after, target, cost = regions.head, regions.tail, regions.after, regions.target, regions.cost
    stamp, slot, totals = regions.stamp, regions.slot, regions.totals
    bands = mean.shape[1]
    visit = np.int64(totals[2])
    merges = 0
    for i in range(len(parent)):
        if parent[i] != i or threshold[i] > level:
            continue
        visit += 1
        compact(i, visit, parent, head, tail, after, target, cost, stamp, slot)
        # The smaller region is merged into the larger one, and only the list of the smaller one is traversed.
        nearest = np.inf
        merged = False
        e = head[i]
        end = tail[i]  # neighbours that merges add during the visit are left to the next visit
        while e >= 0:
            j = target[e]
            c = cost[e]
            distance = 0.0
            for b in range(bands):
                difference = mean[i, b] - mean[j, b]
                distance += difference * difference
            both = mass[i] + mass[j]
            rise = mass[i] * mass[j] / both * distance if both > 0.0 else 0.0
            if rise > level * c:
                nearest = min(nearest, rise / c)
                if e == end:
                    break
                e = after[e]
                continue
            merges += 1
            totals[0] += rise
            totals[1] -= c
            if mass[j] > mass[i]:
                share = mass[i] / both
                for b in range(bands):
                    mean[j, b] += share * (mean[i, b] - mean[j, b])
                mass[j] = both
                parent[i] = j
                after[tail[j]] = head[i]
                tail[j] = tail[i]
                threshold[j] = 0.0
                break
            share = mass[j] / both if both > 0.0 else 0.0
            for b in range(bands):
                mean[i, b] += share * (mean[j, b] - mean[i, b])
            mass[i] = both
            parent[j] = i
            merged = True
            h = head[j]  # one entry per neighbour in i's list keeps the boundary weights exact
            while h >= 0:
                following = after[h]
                k = _root(parent, target[h])
                if k != i:
                    if stamp[k] == visit:
                        cost[slot[k]] += cost[h]
                    else:
                        stamp[k], slot[k] = visit, h
                        target[h] = k
                        after[tail[i]] = h
                        tail[i] = h
                        after[h] = -1
                h = following
            if e == end:
                break
            e = after[e]
        threshold[i] = 0.0 if merged else nearest
    totals[2] = visit
    return merges


@njit(cache=True, nogil=True)
def paint(regions, out):
    """Write each pixel's region mean into ``out`` ``(N, C)``, and flatten the forest."""
    parent, mean = regions.parent, regions.mean
    for p in range(len(parent)):
        root = _root(parent, p)
        parent[p] = root
        for b in range(mean.shape[1]):
            out[p, b] = mean[root, b]


def roots(regions: Regions) -> np.ndarray:
    """Return ``(N,)``, the root of each pixel's region: the flattened forest itself, not a copy."""
    _flatten(regions.parent)
    return regions.parent


@njit(cache=True, nogil=True)
def _flatten(parent):
    for p in range(len(parent)):
        parent[p] = _root(parent, p)


def labels(regions: Regions) -> np.ndarray:
    """Return ``(N,)`` region numbers 0, 1, … in raster order of first appearance."""
    _flatten(regions.parent)
    _, first, inverse = np.unique(regions.parent, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


class PlainRegions:
    """The definition of the merging, with dictionaries; tests compare the kernel with it."""

    def __init__(self, pixels: np.ndarray, edge_weights: np.ndarray, offsets: Offsets) -> None:
        height, width, bands = pixels.shape
        n = height * width
        self.members = {p: [p] for p in range(n)}
        self.mean = {p: np.array(pixels.reshape(n, bands)[p], dtype=np.float64) for p in range(n)}
        self.threshold = dict.fromkeys(range(n), 0.0)
        self.boundary: dict[int, dict[int, float]] = {p: {} for p in range(n)}
        for y, x in np.ndindex(height, width):
            for sign in (1, -1):
                for d, (dy, dx) in enumerate(offsets):
                    v, u = y + sign * dy, x + sign * dx
                    if 0 <= v < height and 0 <= u < width:
                        w = edge_weights[d, y, x] if sign == 1 else edge_weights[d, v, u]
                        if w > 0:
                            self.boundary[y * width + x][v * width + u] = float(w)

    def sweep(self, level: float) -> None:
        """Visit the remaining regions in raster order of their roots."""
        for i in sorted(self.members):
            if i not in self.members or self.threshold[i] > level:
                continue
            nearest, merged = np.inf, False
            for j in list(self.boundary[i]):
                c = self.boundary[i][j]
                w_i, w_j = len(self.members[i]), len(self.members[j])
                rise = w_i * w_j / (w_i + w_j) * float(np.sum((self.mean[i] - self.mean[j]) ** 2))
                if rise > level * c:
                    nearest = min(nearest, rise / c)
                elif w_j > w_i:
                    self._merge(j, i)
                    self.threshold[j] = 0.0
                    break
                else:
                    self._merge(i, j)
                    merged = True
            if i in self.members:
                self.threshold[i] = 0.0 if merged else nearest

    def _merge(self, keep: int, absorbed: int) -> None:
        share = len(self.members[absorbed]) / (len(self.members[absorbed]) + len(self.members[keep]))
        self.mean[keep] = self.mean[keep] + share * (self.mean[absorbed] - self.mean[keep])
        self.members[keep] += self.members.pop(absorbed)
        for k, c in self.boundary.pop(absorbed).items():
            if k != keep:
                self.boundary[keep][k] = self.boundary[keep].get(k, 0.0) + c
                renamed: dict[int, float] = {}  # the boundary keeps its position in k's list
                for root, weight in self.boundary[k].items():
                    root = keep if root == absorbed else root
                    renamed[root] = renamed.get(root, 0.0) + weight
                self.boundary[k] = renamed
        self.boundary[keep].pop(absorbed, None)

    def paint(self) -> np.ndarray:
        """Return ``(N, C)``, the mean of each pixel's region."""
        n = sum(map(len, self.members.values()))
        out = np.empty((n, len(self.mean[0])))
        for i, pixels in self.members.items():
            out[pixels] = self.mean[i]
        return out
