"""Find the best labels of a whole line of pixels at once, all others being fixed: moves along boundaries.

Each pixel may keep its label or take the label of a neighbour. For one line along the last axis, with the
lines next to it and all means fixed, the energy is the energy of a chain: a cost for each pixel and label
(data, and jumps to the other lines) and a cost for each change of label along the line. Dynamic programming
finds its minimum exactly, so that no such move raises the energy; runs of pixels move together where no
single pixel could.

Lines without edges between them are independent and are processed in parallel. For other axes, the grid is
turned (:func:`~jumpset.kernels.regions.partitions.lying_along`).
"""

from __future__ import annotations

from itertools import product

import numpy as np

from jumpset.kernels import threads
from jumpset.kernels.jit import njit
from jumpset.kernels.regions.partitions import Grid, line_classes


def move_lines(grid: Grid, label: np.ndarray, mean: np.ndarray) -> int:
    """Set the best labels of every line along the last axis in place, one class of lines after the other.

    Returns
    -------
    int
        Number of pixels whose label changed.
    """
    total, least = 0, max(1, 8192 // label.shape[-1])
    for first in line_classes(grid):
        changed = np.zeros(len(first), np.int64)
        threads.parallel_rows(_move_lines, len(first), first, grid, label, mean, changed, least=least)
        total += int(changed.sum())
    return total


@njit(cache=True, nogil=True)
def _move_lines(start, stop, first_pixels, grid, label, mean, changed):
    steps, width, bands = grid.steps, label.shape[-1], mean.shape[1]
    labels_of, weights = label.reshape(-1), grid.mass.reshape(-1)
    pixels, edges = grid.pixels.reshape(-1, bands), grid.edges.reshape(len(steps), -1)
    others = 2 * (len(steps) - 1)  # neighbours in other lines
    most = others + 3  # labels that a pixel may take: its own and one per neighbour
    labels, count = np.empty((width, most), np.int32), np.empty(width, np.int64)
    cost, came_from = np.empty((width, most)), np.empty((width, most), np.int64)
    other, price = np.empty(others, np.int32), np.empty(others)
    for k in range(start, stop):
        base = first_pixels[k]
        row = labels_of[base : base + width]
        x = 0
        while x < width:
            # a run of pixels with several possible labels; a pixel with a single one is a fixed end
            first = x
            while x < width:
                m, choices = 0, labels[x]
                choices[0] = row[x]
                n = 1
                if x > 0 and row[x - 1] != row[x]:
                    choices[n] = row[x - 1]
                    n += 1
                if x + 1 < width and row[x + 1] != row[x]:
                    n = _include(choices, n, row[x + 1])
                p = base + x
                for d in range(1, len(steps)):
                    q = p - steps[d]
                    if 0 <= q < len(labels_of) and edges[d, q] > 0.0:
                        other[m], price[m] = labels_of[q], edges[d, q]
                        n = _include(choices, n, other[m])
                        m += 1
                    if edges[d, p] > 0.0:
                        other[m], price[m] = labels_of[p + steps[d]], edges[d, p]
                        n = _include(choices, n, other[m])
                        m += 1
                if n == 1:
                    break
                count[x] = n
                for t in range(n):
                    distance = 0.0
                    for b in range(bands):
                        difference = pixels[p, b] - mean[choices[t], b]
                        distance += difference * difference
                    distance *= weights[p]
                    for s in range(m):
                        if other[s] != choices[t]:
                            distance += price[s]
                    cost[x, t] = distance
                if x > first:
                    jump = edges[0, base + x - 1]
                    best = 0
                    for s in range(1, count[x - 1]):
                        if cost[x - 1, s] < cost[x - 1, best]:
                            best = s
                    for t in range(n):
                        least, origin = cost[x - 1, best] + jump, best
                        for s in range(count[x - 1]):
                            if labels[x - 1, s] == choices[t] and cost[x - 1, s] <= least:
                                least, origin = cost[x - 1, s], s
                        cost[x, t] += least
                        came_from[x, t] = origin
                elif x > 0:
                    for t in range(n):
                        if choices[t] != row[x - 1]:
                            cost[x, t] += edges[0, base + x - 1]
                x += 1
            if x > first:
                last = x - 1
                if x < width:
                    for t in range(count[last]):
                        if labels[last, t] != row[x]:
                            cost[last, t] += edges[0, base + last]
                best = 0
                for t in range(1, count[last]):
                    if cost[last, t] < cost[last, best]:
                        best = t
                for u in range(last, first - 1, -1):
                    if row[u] != labels[u, best]:
                        row[u] = labels[u, best]
                        changed[k] += 1
                    if u > first:
                        best = came_from[u, best]
            x += 1


@njit(cache=True, nogil=True, inline="always")
def _include(choices, n, one):
    for t in range(n):
        if choices[t] == one:
            return n
    choices[n] = one
    return n + 1


def move_line_plain(grid: Grid, label: np.ndarray, mean: np.ndarray, line: int) -> float:
    """Return the least energy over all labels of a line: the definition of a move, by trying all."""
    from jumpset.kernels.regions.partitions import Partition, energy

    width, flat = label.shape[-1], label.ravel()
    edges = grid.edges.reshape(len(grid.steps), -1)
    near = []
    for x, p in enumerate(range(line * width, (line + 1) * width)):
        cells = {p} | ({p - 1} if x > 0 else set()) | ({p + 1} if x + 1 < width else set())
        for cost, step in zip(edges[1:], grid.steps[1:].tolist(), strict=True):
            cells |= {p + step} if cost[p] > 0.0 else set()
            cells |= {p - step} if 0 <= p - step < flat.size and cost[p - step] > 0.0 else set()
        near.append({flat[q] for q in cells})
    best = np.inf
    for row in product(*near):
        tried = flat.copy()
        tried[line * width : (line + 1) * width] = row
        best = min(best, energy(grid, Partition(tried.reshape(label.shape), np.empty(0), mean)))
    return best
