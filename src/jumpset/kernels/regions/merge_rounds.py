"""Merge regions in rounds: in each round, all pairs merge that are each other's best neighbours.

The weight of a pair is that of :mod:`jumpset.kernels.regions.merge_tree`, ``ΔSSE / c_ij``, and ties are
decided by a hash of the two numbers. A round has three loops: the pairs are found in raster order; the means
of the new regions are computed; their lists of neighbours are joined, and their best neighbours found. The
second and the third run in parallel. Each new region depends on the former regions only, so that the answer
does not depend on the number of threads.

The first rounds merge all mutual pairs. Later rounds merge those below a quantile of all weights, since the
order of merges then matters more: a merge lowers the weights of regions next to it. The last twelfth of the
regions is left to best-first merging, whose order is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from jumpset.kernels import threads
from jumpset.kernels.jit import njit
from jumpset.kernels.regions.fusion import TINY_MASS, Offsets, Regions, as_volume, grid_edge

_FREE_ROUNDS = 3  # in which all mutual pairs merge
_QUANTILE = 0.7  # of the weights, below which mutual pairs merge in later rounds
_LEFT = 12  # the fraction of the pixels that is left to best-first merging, inverted
_SLOWEST = 0.02  # fraction of merging regions below which the rounds end
_LEAST = 4096  # regions that are worth a thread
_SHORT = 32  # lists up to this length are searched, longer ones have a table


class Graph(NamedTuple):
    """Regions, and for each the list of its neighbours."""

    leaf: np.ndarray  # (R,) int32: the pixel that names the region
    mass: np.ndarray  # (R,) float
    mean: np.ndarray  # (R, C) float
    start: np.ndarray  # (R,) int: first entry of the region's list
    count: np.ndarray  # (R,) int32: number of neighbours
    target: np.ndarray  # (E,) int32: neighbouring regions
    cost: np.ndarray  # (E,) float: weight of the common boundary
    best: np.ndarray  # (R,) int32: the neighbour of least weight; -1 if there is none
    weight: np.ndarray  # (R,) float: that weight
    price: np.ndarray  # (R,) float: the boundary with it


class Merges(NamedTuple):
    """The merges so far; the first ``done[0]`` entries are filled, each after those of its parts."""

    child: np.ndarray  # (N,) int32: the region that each merge absorbed
    into: np.ndarray  # (N,) int32: for each absorbed region, the region that absorbed it
    rise: np.ndarray  # (N,) float: rise of the sum of squares
    cost: np.ndarray  # (N,) float: boundary weight that was removed
    done: np.ndarray  # (1,) int64


def merge_in_rounds(
    pixels: np.ndarray,
    edge_weights: np.ndarray,
    offsets: Offsets,
    merges: Merges,
    *,
    mass: np.ndarray | None = None,
) -> Iterator[Graph]:
    """Merge single pixels, and yield the remaining regions after each round from the second on.

    Parameters
    ----------
    pixels, edge_weights, offsets, mass
        As for :func:`jumpset.kernels.regions.fusion.make_regions`, whose dtype is that of ``pixels`` here.
    merges
        Arrays for the merges.
    """
    n, bands = pixels[..., 0].size, pixels.shape[-1]
    grid = as_volume(edge_weights, offsets)
    own, memories = _Memory(), (_Memory(), _Memory())
    graph = _single_pixels(np.ascontiguousarray(pixels).reshape(n, bands), grid, mass)
    # the lists of the pairs of pixels that the first round makes are not kept: they are those of their pixels
    pairs = _matched(graph, np.inf, merges, own, memories[0])
    graph = _contracted(graph, pairs, memories[0], 0)
    scratch = np.int32(4 * len(grid[1]))
    threads.parallel_rows(_best_of_pairs, len(graph.best), scratch, *grid, *pairs[:3], graph, least=_LEAST)
    pixel_pairs = pairs
    for k in range(1, 10_000):
        size, before, memory = len(graph.best), int(merges.done[0]), memories[k % 2]
        level = np.inf if k < _FREE_ROUNDS else _quantile(graph.weight)
        pairs = number, first, second, room = _matched(
            graph, level, merges, own if k > 1 else _Memory(), memory
        )
        new = _contracted(graph, pairs, memory, room)
        if k == 1:
            label = np.take(number, pixel_pairs[0], out=pixel_pairs[0], mode="clip")  # of each pixel
            members = first, second, *pixel_pairs[1:3]
            threads.parallel_rows(_join_pixels, len(first), *grid, label, *members, new, least=_LEAST)
            del label, members, pixel_pairs
            own = _Memory()
        else:
            threads.parallel_rows(_join_lists, len(first), graph, number, first, second, new, least=_LEAST)
        graph = new
        yield graph
        merged = int(merges.done[0]) - before
        if len(first) * _LEFT <= n or merged < _SLOWEST * size:
            return


def linked(graph: Graph) -> Regions:
    """Return the regions as the state of best-first merging."""
    count = len(graph.leaf)
    index = graph.start.dtype
    has = graph.count > 0
    last = (graph.start + graph.count - 1).astype(index)
    after = np.arange(1, len(graph.target) + 1, dtype=index)
    after[last[has]] = -1
    return Regions(
        parent=np.arange(count, dtype=np.int32),
        mass=graph.mass.astype(np.float64),
        mean=graph.mean,
        threshold=np.zeros(count, graph.mean.dtype),
        head=np.where(has, graph.start, -1).astype(index),
        tail=np.where(has, last, -1).astype(index),
        after=after,
        target=graph.target,
        cost=graph.cost,
        stamp=np.zeros(count, np.int64),
        slot=np.zeros(count, index),
        totals=np.zeros(3),
    )


def _quantile(weight: np.ndarray) -> float:
    finite = weight[weight < np.inf]
    k = min(int(_QUANTILE * len(finite)), len(finite) - 1)
    # with some room, since the two weights of a pair may differ by rounding
    return float(np.partition(finite, k)[k]) * (1.0 + 1e-5) if len(finite) else np.inf


class _Memory:
    """Arrays whose memory serves again in a later round, which needs less: new memory is slow."""

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}

    def take(self, name: str, size: int, dtype: Any, bands: int = 0) -> np.ndarray:
        """Return an array with undefined content."""
        array = self._arrays.get(name)
        if array is None or len(array) < size:
            array = self._arrays[name] = np.empty((size, bands) if bands else size, dtype)
        return array[:size]


Grid = tuple[np.ndarray, np.ndarray]  # weights of edges and their offsets, of ``as_volume``
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray, int]


def _single_pixels(pixels: np.ndarray, grid: Grid, mass: np.ndarray | None) -> Graph:
    """Return the graph of single pixels, without lists: their neighbours are those of the grid."""
    (edges, directions), n, dtype = grid, len(pixels), pixels.dtype
    kind = np.float64 if n > 1 << 24 else dtype  # float32 counts to 2²⁴
    masses = np.empty(0, kind) if mass is None else np.maximum(mass, TINY_MASS).astype(kind).reshape(n)
    best, weight, price = np.empty(n, np.int32), np.empty(n, dtype), np.empty(n, dtype)
    counts, lines = np.empty(n, np.uint8), n // edges.shape[-1]
    found = masses, counts, best, weight, price
    threads.parallel_rows(
        _pixel_neighbors, lines, pixels, edges, directions, *found, least=max(1, _LEAST * lines // n)
    )
    index = np.int32 if 2 * len(directions) * n < 2**31 else np.int64
    nothing = np.empty(0, np.int32)
    return Graph(
        nothing, masses, pixels, nothing.astype(index), counts, nothing, price[:0], best, weight, price
    )


def _matched(graph: Graph, level: float, merges: Merges, own: _Memory, memory: _Memory) -> Pairs:
    """Return each region's new number, the one or two parts of each new region, and the room for lists."""
    size = len(graph.best)
    number, first, second = (own.take(name, size, np.int32) for name in ("number", "first", "second"))
    left, room = _match(
        graph, level, number, first, second, memory.take("start", size, graph.start.dtype), merges
    )
    return number, first[:left], second[:left], room


def _contracted(graph: Graph, pairs: Pairs, memory: _Memory, room: int) -> Graph:
    """Return the new regions with their means; lists and best neighbours are not filled."""
    _, first, second, _ = pairs
    count, dtype, bands = len(first), graph.mean.dtype, graph.mean.shape[1]
    new = Graph(
        leaf=memory.take("leaf", count, np.int32),
        mass=memory.take("mass", count, graph.mass.dtype),
        mean=memory.take("mean", count, dtype, bands),
        start=memory.take("start", count, graph.start.dtype),
        count=memory.take("count", count, np.int32),
        target=memory.take("target", room, np.int32),
        cost=memory.take("cost", room, dtype),
        best=memory.take("best", count, np.int32),
        weight=memory.take("weight", count, dtype),
        price=memory.take("price", count, dtype),
    )
    parts = graph.leaf, graph.mass, graph.mean, first, second
    threads.parallel_rows(_join_means, count, *parts, new.leaf, new.mass, new.mean, least=_LEAST)
    return new


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _pair_weight(mass, mean, i, j, c):
    return mass[i] * mass[j] * _distance(mean, i, j) / ((mass[i] + mass[j]) * c)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _distance(mean, i, j):
    distance = 0.0
    for b in range(mean.shape[1]):
        difference = mean[i, b] - mean[j, b]
        distance += difference * difference
    return distance


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _hash(i, j):
    """Return a number for a pair, the same in both orders: ties would else merge from one corner on."""
    h = (np.uint64(min(i, j)) << np.uint64(32)) ^ np.uint64(max(i, j))
    h = (h ^ (h >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return h ^ (h >> np.uint64(32))


@njit(cache=True, nogil=True, error_model="numpy")
def _pixel_neighbors(start, stop, pixels, edges, directions, masses, counts, best, weight, price):
    _, _, height, width = edges.shape
    for line in range(start, stop):
        z, y = line // height, line % height
        for x in range(width):
            i = line * width + x
            near, found, boundary, count = np.inf, np.int64(-1), 0.0, 0
            for s in range(2 * len(directions)):
                j, c = grid_edge(edges, directions, z, y, x, s)
                if c <= 0.0:
                    continue
                count += 1
                distance = _distance(pixels, i, j)
                a = 0.5 * distance / c
                if len(masses):
                    a = masses[i] * masses[j] * distance / ((masses[i] + masses[j]) * c)
                if a < near or (a == near and found >= 0 and _hash(i, j) < _hash(i, found)):
                    near, found, boundary = a, j, c
            counts[i], best[i], weight[i], price[i] = count, found, near, boundary


@njit(cache=True, nogil=True, error_model="numpy")
def _match(graph, level, number, first, second, starts, merges):
    """Find the pairs that merge; return the number of new regions, and a bound of that of list entries."""
    leaf, mass, best = graph.leaf, graph.mass, graph.best
    t, k, room = merges.done[0], 0, np.int64(0)
    for i in range(len(best)):
        j = best[i]
        # the two weights of a pair may differ by rounding: that of the first region counts for both
        pairs = j >= 0 and best[j] == i and graph.weight[min(i, j)] <= level
        if pairs and j < i:
            number[i] = number[j]
            continue
        number[i], first[k], second[k], starts[k] = k, i, j if pairs else -1, room
        room += graph.count[i]
        if pairs:
            room += np.int64(graph.count[j]) - 2
            a, b = np.int64(j), np.int64(i)  # the smaller region takes the name of the larger one
            if len(mass) and mass[i] < mass[j]:
                a, b = b, a
            if len(leaf):
                a, b = np.int64(leaf[a]), np.int64(leaf[b])
            merges.child[t], merges.into[a] = a, b
            merges.rise[t], merges.cost[t] = graph.weight[i] * graph.price[i], graph.price[i]
            t += 1
        k += 1
    merges.done[0] = t
    return k, room


@njit(cache=True, nogil=True, error_model="numpy")
def _join_means(start, stop, leaf, mass, mean, first, second, new_leaf, new_mass, new_mean):
    for k in range(start, stop):
        i, j = np.int64(first[k]), np.int64(second[k])
        m = mass[i] if len(mass) else 1.0
        if j < 0:
            share = 0.0
            j = i
            new_mass[k] = m
        else:
            other = mass[j] if len(mass) else 1.0
            new_mass[k] = m + other
            if m < other:
                i, j, other = j, i, m
            share = other / new_mass[k]
        new_leaf[k] = leaf[i] if len(leaf) else i
        for b in range(mean.shape[1]):
            new_mean[k, b] = mean[i, b] + share * (mean[j, b] - mean[i, b])


@njit(cache=True, nogil=True, error_model="numpy")
def _join_lists(start, stop, graph, number, first, second, new):
    place = np.empty(0, np.int64)  # of each region in the long list at hand
    for k in range(start, stop):
        base = np.int64(new.start[k])
        end = base
        length = graph.count[first[k]] + (graph.count[second[k]] if second[k] >= 0 else 0)
        is_long = length > _SHORT
        if is_long and len(place) == 0:
            place = np.full(len(new.leaf), -1, np.int64)
        for part in range(2):
            q = first[k] if part == 0 else second[k]
            if q < 0:
                break
            for e in range(graph.start[q], graph.start[q] + graph.count[q]):
                j = number[graph.target[e]]
                if j == k:
                    continue
                if is_long:
                    f = place[j]
                    if f < base or f >= end or new.target[f] != j:
                        f = end
                        place[j] = end
                else:
                    f = base
                    while f < end and new.target[f] != j:
                        f += 1
                if f == end:
                    new.target[f], new.cost[f] = j, graph.cost[e]
                    end += 1
                else:
                    new.cost[f] += graph.cost[e]
        _set_best(new, new.target, new.cost, k, base, end)


@njit(cache=True, nogil=True, error_model="numpy")
def _best_of_pairs(start, stop, scratch, edges, directions, number, first, second, new):
    """Count the neighbours of regions of one or two pixels, and find their best ones; keep no lists."""
    target, cost = np.empty(scratch, np.int32), np.empty(scratch, new.price.dtype)
    for k in range(start, stop):
        end = _add_pixel(edges, directions, number, first[k], k, target, cost, 0, 0)
        if second[k] >= 0:
            end = _add_pixel(edges, directions, number, second[k], k, target, cost, 0, end)
        _set_best(new, target, cost, k, 0, end)


@njit(cache=True, nogil=True, error_model="numpy")
def _join_pixels(start, stop, edges, directions, number, first, second, pixel_first, pixel_second, new):
    """Make the lists of regions of one or two parts, each of one or two pixels."""
    for k in range(start, stop):
        base = np.int64(new.start[k])
        end = base
        for part in range(2):
            q = first[k] if part == 0 else second[k]
            if q < 0:
                break
            end = _add_pixel(edges, directions, number, pixel_first[q], k, new.target, new.cost, base, end)
            if pixel_second[q] >= 0:
                end = _add_pixel(
                    edges, directions, number, pixel_second[q], k, new.target, new.cost, base, end
                )
        _set_best(new, new.target, new.cost, k, base, end)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _add_pixel(edges, directions, number, q, k, target, cost, base, end):
    """Add the edges of pixel q of region k to the list that begins at ``base``; return its new end."""
    _, _, height, width = edges.shape
    line, x = q // width, q % width
    for s in range(2 * len(directions)):
        p, c = grid_edge(edges, directions, line // height, line % height, x, s)
        if c <= 0.0 or number[p] == k:
            continue
        f, j = base, number[p]
        while f < end and target[f] != j:
            f += 1
        if f == end:
            target[f], cost[f] = j, c
            end += 1
        else:
            cost[f] += c
    return end


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _set_best(new, target, cost, k, base, end):
    near, found, boundary = np.inf, np.int64(-1), 0.0
    for e in range(base, end):
        j, c = np.int64(target[e]), cost[e]
        a = _pair_weight(new.mass, new.mean, k, j, c)
        if a < near or (a == near and found >= 0 and _hash(k, j) < _hash(k, found)):
            near, found, boundary = a, j, np.float64(c)
    new.count[k], new.best[k], new.weight[k], new.price[k] = end - base, found, near, boundary
