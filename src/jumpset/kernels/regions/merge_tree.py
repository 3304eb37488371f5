"""Merge regions, the pair of least weight first, until one is left, and record all merges.

Neighbours i and j merge at the weight ``ΔSSE / c_ij``, at which the rise of the sum of squares equals the
cost of their boundary. A heap holds one *key* per region: the least such weight over the neighbours whose
size class, ⌊log₂ mass⌋, is at least the region's. A pair thus belongs to its smaller region, and the long
list of a large region is traversed only when it merges with one of its class, or when it enters a higher
class and its pairs with lower classes pass to the other regions. A key is computed again when it reaches the
top of the heap, and no pair is merged at a weight above the next key; a key that a merge elsewhere has
lowered reaches the top late. The smaller region takes the label of the larger one, so that no pixel changes
its label more than log₂ N times.

The weights of successive merges need not increase: two regions may merge at a lower weight than the merges
that formed them. :func:`persistent_weights` returns weights that do not fall towards the root, such that the
cut of the tree at any weight is the partition of least energy among all partitions in the tree.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from jumpset.kernels import threads
from jumpset.kernels.jit import njit
from jumpset.kernels.regions.fusion import Regions, compact


class History(NamedTuple):
    """The merges so far, and the heap of the remaining regions; the first ``done[0]`` entries are filled."""

    child: np.ndarray  # (N,) int32: the region that each merge absorbed
    into: np.ndarray  # (N,) int32: for each absorbed region, the region that absorbed it
    rise: np.ndarray  # (N,) float: rise of the sum of squares
    cost: np.ndarray  # (N,) float: boundary weight that was removed
    heap: np.ndarray  # (N,) int32: regions, the least key first; four children each
    keys: np.ndarray  # (N,) float: keys in the order of the heap
    place: np.ndarray  # (N,) int32: position of each region in the heap
    done: np.ndarray  # (2,) int64: number of merges, and of regions in the heap


def make_history(regions: Regions) -> History:
    """Return a history without merges, with every region in the heap."""
    n = len(regions.parent)
    history = History(
        child=np.empty(n, np.int32),
        into=np.arange(n, dtype=np.int32),
        rise=np.empty(n, regions.mean.dtype),
        cost=np.empty(n, regions.cost.dtype),
        heap=np.arange(n, dtype=np.int32),
        keys=np.empty(n, regions.threshold.dtype),
        place=np.arange(n, dtype=np.int32),
        done=np.array([0, n]),
    )
    _build(regions, history.heap, history.place, history.keys)
    return history


@njit(cache=True, nogil=True)
def _build(regions, heap, place, keys):
    n = len(heap)
    for i in range(n):
        _scan(regions, i)
        keys[i] = regions.threshold[i]
    for s in range((n - 2) // 4, -1, -1):
        _down(heap, place, keys, s, n, heap[s], keys[s])


@njit(cache=True, nogil=True, inline="always")
def _weight(regions, i, j, c):
    distance = 0.0
    for b in range(regions.mean.shape[1]):
        difference = regions.mean[i, b] - regions.mean[j, b]
        distance += difference * difference
    mass = regions.mass
    return mass[i] * mass[j] / (mass[i] + mass[j]) * distance / c


@njit(cache=True, nogil=True, inline="always")
def _class(mass):
    return math.frexp(mass)[1]


@njit(cache=True, nogil=True)
def _scan(regions, i):
    """Reduce i's list to one half-edge per neighbour and set its key; return the half-edge of the key."""
    parent, head, tail, after = regions.parent, regions.head, regions.tail, regions.after
    target, cost, stamp, slot, totals = (
        regions.target,
        regions.cost,
        regions.stamp,
        regions.slot,
        regions.totals,
    )
    totals[2] += 1.0
    visit = np.int64(totals[2])
    compact(i, visit, parent, head, tail, after, target, cost, stamp, slot)
    best, nearest = np.int64(-1), np.inf
    size = _class(regions.mass[i])
    e = np.int64(head[i])
    while e >= 0:
        j = target[e]
        if _class(regions.mass[j]) >= size:
            weight = _weight(regions, i, j, cost[e])
            if weight < nearest:
                best, nearest = e, weight
        e = np.int64(after[e])
    regions.threshold[i] = nearest
    return best


@njit(cache=True, nogil=True)
def merge_on(regions, history, most):
    """Do up to ``most`` further merges; return their number."""
    parent, mass, mean, key = regions.parent, regions.mass, regions.mean, regions.threshold
    head, tail, after, target, cost = regions.head, regions.tail, regions.after, regions.target, regions.cost
    heap, place, keys, done = history.heap, history.place, history.keys, history.done
    merges = 0
    while merges < most and done[1] > 1:
        i = heap[0]
        if not key[i] < np.inf:
            break
        e = _scan(regions, i)
        second = keys[1]
        for s in range(2, min(5, done[1])):
            second = min(second, keys[s])
        if e < 0 or key[i] > second:
            _down(heap, place, keys, 0, done[1], i, key[i])
            continue
        keys[0] = key[i]
        j, c = target[e], cost[e]
        if mass[j] < mass[i]:  # both are of one class; the larger one keeps its label
            _scan(regions, j)
            i, j = j, i
        t = done[0]
        history.child[t], history.into[i] = i, j
        history.cost[t] = c
        both = mass[i] + mass[j]
        distance = 0.0
        for b in range(mean.shape[1]):
            difference = mean[i, b] - mean[j, b]
            distance += difference * difference
        history.rise[t] = mass[i] * mass[j] / both * distance
        done[0] += 1
        merges += 1
        share = mass[i] / both
        for b in range(mean.shape[1]):
            mean[j, b] += share * (mean[i, b] - mean[j, b])
        grown = _class(both) > _class(mass[j])
        mass[j] = both
        parent[i] = j
        done[1] -= 1
        _remove(heap, place, keys, i, done[1])
        if grown:  # the pairs with regions of lower classes now belong to those
            _append(head, tail, after, i, j)
            _scan(regions, j)
            _move(heap, place, keys, place[j], done[1], j, key[j])
            h = np.int64(head[j])
        else:  # only i's neighbours are new to j; their boundaries with j are added up at the next scan
            h = np.int64(head[i])
        size = _class(both)
        while h >= 0:
            k = target[h]
            if k != j:
                weight = _weight(regions, k, j, cost[h])
                other = _class(mass[k])
                if other <= size and weight < key[k]:
                    key[k] = weight
                    _up(heap, place, keys, place[k], k, weight)
                if size <= other and weight < key[j]:
                    key[j] = weight
                    _up(heap, place, keys, place[j], j, weight)
            h = np.int64(after[h])
        if not grown:
            _append(head, tail, after, i, j)
    return merges


@njit(cache=True, nogil=True, inline="always")
def _append(head, tail, after, i, j):
    """Append i's list to j's."""
    if head[i] >= 0:
        if tail[j] < 0:
            head[j] = head[i]
        else:
            after[tail[j]] = head[i]
        tail[j] = tail[i]


@njit(cache=True, nogil=True)
def _down(heap, place, keys, s, n, i, key):
    """Move region i and its key down from position s. The keys are stored in the heap's order, since most of
    the time goes into memory accesses.
    """
    while True:
        first = 4 * s + 1
        if first >= n:
            break
        child = first
        for c in range(first + 1, min(first + 4, n)):
            if keys[c] < keys[child]:
                child = c
        if not keys[child] < key:
            break
        heap[s], keys[s] = heap[child], keys[child]
        place[heap[s]] = s
        s = child
    heap[s], keys[s], place[i] = i, key, s


@njit(cache=True, nogil=True)
def _up(heap, place, keys, s, i, key):
    while s > 0 and key < keys[(s - 1) // 4]:
        above = (s - 1) // 4
        heap[s], keys[s] = heap[above], keys[above]
        place[heap[s]] = s
        s = above
    heap[s], keys[s], place[i] = i, key, s


@njit(cache=True, nogil=True)
def _move(heap, place, keys, s, n, i, key):
    _up(heap, place, keys, s, i, key)
    _down(heap, place, keys, place[i], n, i, key)


@njit(cache=True, nogil=True)
def _remove(heap, place, keys, i, n):
    """Remove i from the heap, whose size is then n."""
    s, last = place[i], heap[n]
    if last != i:
        _move(heap, place, keys, s, n, last, keys[n])


@njit(cache=True, nogil=True)
def persistent_weights(child, into, rise, cost):
    """Return ``(M,)``, weights of the M merges in their order that never fall towards the root.

    A merge of lower weight than one below it is pooled with it: the weight of a pool is the sum of its rises
    over the sum of its costs, and a merge absorbs the pool of largest weight below it while that weight is at
    least its own. The pools below each merge are kept in a skew heap.
    """
    m = len(child)
    last = np.full(len(into), -1, np.int32)  # the latest merge of a region
    below = np.full(m, -1, np.int32)  # the heap of pools under a pool
    left, right = np.full(m, -1, np.int32), np.full(m, -1, np.int32)
    pooled = np.full(m, -1, np.int32)  # the merge whose pool absorbed this one
    rises, costs = rise.astype(np.float64), cost.astype(np.float64)
    weight = np.empty(m)
    for t in range(m):
        i = child[t]
        j = into[i]
        pools = _meld(left, right, weight, last[i], last[j])
        last[j] = t
        while pools >= 0 and weight[pools] * costs[t] >= rises[t]:
            rises[t] += rises[pools]
            costs[t] += costs[pools]
            pooled[pools] = t
            rest = _meld(left, right, weight, left[pools], right[pools])
            pools = _meld(left, right, weight, rest, below[pools])
        below[t] = pools
        weight[t] = rises[t] / costs[t]
    for t in range(m - 1, -1, -1):
        if pooled[t] >= 0:
            weight[t] = weight[pooled[t]]
    return weight


@njit(cache=True, nogil=True)
def _meld(left, right, weight, a, b):
    """Merge two skew heaps, the largest weight on top; -1 is the empty heap."""
    if a < 0 or b < 0:
        return max(a, b)
    if weight[b] > weight[a]:
        a, b = b, a
    top = a
    while True:
        rest = right[a]
        right[a] = left[a]
        if rest < 0:
            left[a] = b
            return top
        if weight[b] > weight[rest]:
            rest, b = b, rest
        left[a] = rest
        a = rest


@njit(cache=True, nogil=True)
def sort_ties(weight, order):
    """Sort in place the entries of ``order`` of equal weight, which follow one another."""
    first = 0
    while first < len(order):
        last = first + 1
        value = weight[order[first]]
        while last < len(order) and weight[order[last]] == value:
            last += 1
        if last - first > 8:
            order[first:last] = np.sort(order[first:last])
        else:
            for k in range(first + 1, last):
                one, place = order[k], k
                while place > first and order[place - 1] > one:
                    order[place] = order[place - 1]
                    place -= 1
                order[place] = one
        first = last


def cut(into: np.ndarray, rank: np.ndarray, merges: int) -> tuple[np.ndarray, int]:
    """Return labels 1, 2, … in raster order after the first ``merges`` merges, and their number.

    Parameters
    ----------
    into
        ``(N,)``, from :class:`History`.
    rank
        ``(N,)``: rank of the merge that absorbed each region; at least the number of all merges for the
        regions that remain.
    merges
        Number of merges.
    """
    label = np.empty(len(into), np.int32)
    threads.parallel_rows(_find, len(into), into, rank, merges, label, least=1 << 15)
    return label, _number(label)


@njit(cache=True, nogil=True)
def _find(start, stop, into, rank, merges, label):
    for p in range(start, stop):
        i = p
        while rank[i] < merges:
            i = into[i]
        label[p] = i


def means(pixels: np.ndarray, label: np.ndarray, count: int) -> np.ndarray:
    """Return ``(C, *S)``: the mean of the pixels ``(*S, C)`` over each label 1 … count."""
    *shape, bands = pixels.shape
    out = np.empty((bands, *shape), pixels.dtype)
    flat = np.ascontiguousarray(pixels).reshape(-1, bands)
    _means(flat, label.reshape(-1), np.zeros(count), np.zeros((count, bands)), out.reshape(bands, -1))
    return out


@njit(cache=True, nogil=True)
def _means(pixels, label, size, total, out):
    n, bands = pixels.shape
    for p in range(n):
        i = label[p] - 1
        size[i] += 1.0
        for b in range(bands):
            total[i, b] += pixels[p, b]
    for i in range(len(size)):
        for b in range(bands):
            total[i, b] /= size[i]
    for b in range(bands):
        for p in range(n):
            out[b, p] = total[label[p] - 1, b]


@njit(cache=True, nogil=True)
def _number(label):
    number = np.zeros(len(label), np.int32)
    count = 0
    for p in range(len(label)):
        i = label[p]
        if number[i] == 0:
            count += 1
            number[i] = count
        label[p] = number[i]
    return count
