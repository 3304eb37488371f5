"""Find the best labels of a whole row of pixels at once, all others being fixed: moves along boundaries.

Each pixel may keep its label or take the label of a neighbour. For one row y, with the rows above and below
and all means fixed, the energy is the energy of a chain: a cost for each pixel and label (data, and jumps to
the other two rows) and a cost for each change of label along the row. Dynamic programming finds its minimum
exactly, so that no such move raises the energy; runs of pixels move together where no single pixel could.

Rows of equal parity are independent and are processed in parallel. For columns, the grid is transposed.
"""

from __future__ import annotations

import numpy as np

from jumpset.kernels import threads
from jumpset.kernels.jit import njit
from jumpset.kernels.regions.partitions import Grid


def move_rows(grid: Grid, label: np.ndarray, mean: np.ndarray) -> int:
    """Set the best labels of every row in place, first of even rows, then of odd rows.

    Returns
    -------
    int
        Number of pixels whose label changed.
    """
    height, width = label.shape
    changed = np.zeros(height, np.int64)
    least = max(1, 8192 // width)
    for parity in (0, 1):
        threads.parallel_rows(
            _move_rows, (height + 1 - parity) // 2, parity, grid, label, mean, changed, least=least
        )
    return int(changed.sum())


@njit(cache=True, nogil=True)
def _move_rows(start, stop, parity, grid, label, mean, changed):
    pixels, weights, edges, directions = grid
    height, width, bands = pixels.shape
    others = 2 * (len(directions) - 1)  # neighbours in the other rows
    most = others + 3  # labels that a pixel may take: its own and one per neighbour
    labels, count = np.empty((width, most), np.int32), np.empty(width, np.int64)
    cost, came_from = np.empty((width, most)), np.empty((width, most), np.int64)
    other, price = np.empty(others, np.int32), np.empty(others)
    for k in range(start, stop):
        y = 2 * k + parity
        row = label[y]
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
                for d in range(1, len(directions)):
                    u = x - directions[d, 1]
                    if y > 0 and 0 <= u < width:
                        other[m], price[m] = label[y - 1, u], edges[d, y - 1, u]
                        n = _include(choices, n, other[m])
                        m += 1
                    u = x + directions[d, 1]
                    if y + 1 < height and 0 <= u < width:
                        other[m], price[m] = label[y + 1, u], edges[d, y, x]
                        n = _include(choices, n, other[m])
                        m += 1
                if n == 1:
                    break
                count[x] = n
                for t in range(n):
                    distance = 0.0
                    for b in range(bands):
                        difference = pixels[y, x, b] - mean[choices[t], b]
                        distance += difference * difference
                    distance *= weights[y, x]
                    for s in range(m):
                        if other[s] != choices[t]:
                            distance += price[s]
                    cost[x, t] = distance
                if x > first:
                    jump = edges[0, y, x - 1]
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
                            cost[x, t] += edges[0, y, x - 1]
                x += 1
            if x > first:
                last = x - 1
                if x < width:
                    for t in range(count[last]):
                        if labels[last, t] != row[x]:
                            cost[last, t] += edges[0, y, last]
                best = 0
                for t in range(1, count[last]):
                    if cost[last, t] < cost[last, best]:
                        best = t
                for u in range(last, first - 1, -1):
                    if row[u] != labels[u, best]:
                        row[u] = labels[u, best]
                        changed[y] += 1
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


def move_rows_plain(grid: Grid, label: np.ndarray, mean: np.ndarray, y: int) -> float:
    """Return the least energy over all labels of row y: the definition of a move, by trying all."""
    from itertools import product

    from jumpset.kernels.regions.partitions import Partition, energy

    height, width = label.shape
    near = []
    for x in range(width):
        cells = {(y, x), (y, x - 1), (y, x + 1)}
        for down, right in grid.directions[1:]:
            cells |= {(y + down, x + right), (y - down, x - right)}
        near.append({label[v, u] for v, u in cells if 0 <= v < height and 0 <= u < width})
    best = np.inf
    for row in product(*near):
        tried = label.copy()
        tried[y] = row
        best = min(best, energy(grid, Partition(tried, np.empty(0), mean)))
    return best
