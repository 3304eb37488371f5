"""The merges of a region tree: all of them, and their order by weight."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jumpset.kernels.regions import merge_tree
from jumpset.kernels.regions.fusion import Offsets
from jumpset.kernels.regions.merge_rounds import Merges, linked, merge_in_rounds
from jumpset.operators.neighborhoods import edge_ends

_CHUNKS = 200  # number of progress reports


def merge_all(
    pixels: np.ndarray,
    weights: np.ndarray,
    offsets: Offsets,
    mass: np.ndarray | None,
    progress: Callable[[float], object] | None = None,
) -> Merges:
    """Merge pixels in rounds, then the rest best first, until no neighbours are left."""
    n = pixels[..., 0].size
    dtype = pixels.dtype

    def report(done: int) -> None:
        if progress is not None:
            progress(done / max(1, n - 1))

    merges = Merges(
        child=np.empty(n, np.int32),
        into=np.arange(n, dtype=np.int32),
        rise=np.empty(n, dtype),
        cost=np.empty(n, dtype),
        done=np.zeros(1, np.int64),
    )
    rounds = merge_in_rounds(pixels, weights, offsets, merges, mass=mass)
    graph = next(rounds)
    for graph in rounds:  # noqa: B007 (the last one is used below)
        report(int(merges.done[0]))
    regions, done = linked(graph), int(merges.done[0])
    history = merge_tree.make_history(regions)
    while merge_tree.merge_on(regions, history, max(1, n // _CHUNKS)):
        report(done + int(history.done[0]))
    m = int(history.done[0])
    rest, child = slice(done, done + m), history.child[:m]
    merges.child[rest] = graph.leaf[child]
    merges.into[graph.leaf[child]] = graph.leaf[history.into[child]]
    merges.rise[rest], merges.cost[rest] = history.rise[:m], history.cost[:m]
    merges.done[0] = done + m
    return merges


def ranked(merges: Merges) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rank of the merge that absorbs each region, the weights of the merges, and their order.

    The merges are sorted by the weight from which on they are part of the best partition; regions that remain
    have the rank N.
    """
    m, n = int(merges.done[0]), len(merges.into)
    child = merges.child[:m]
    weight = merge_tree.persistent_weights(child, merges.into, merges.rise[:m], merges.cost[:m])
    order = np.argsort(weight)  # merges of equal weight in any order: a stable sort takes four times as long
    merge_tree.sort_ties(weight, order)
    rank = np.full(n, n, np.int32)
    rank[child[order]] = np.arange(m, dtype=np.int32)
    return rank, weight[order], order


def boundary_of(weights: np.ndarray, offsets: Offsets) -> float:
    """Return the sum of the weights of all edges inside the image."""
    return sum(float(edge_ends(w, offset)[0].sum()) for w, offset in zip(weights, offsets, strict=True))
