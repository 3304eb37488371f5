"""One cut of the tree of region merging, for many images at once."""

from __future__ import annotations

import numpy as np

from jumpset.kernels.regions import merge_tree
from jumpset.kernels.regions.fusion import make_regions
from jumpset.kernels.threads import parallel_rows
from jumpset.operators.neighborhoods import OFFSETS, edge_weights


def cut_labels(
    images: np.ndarray, *, weight: float | None, n_regions: int | None, neighbors: int
) -> np.ndarray:
    """Return ``(B, H, W)`` int64 labels 0, 1, … of each image: those of ``RegionTree.labels``, less 1.

    Parameters
    ----------
    images
        ``(B, H, W, C)`` floats, finite.
    weight, n_regions
        The cut; one of the two is None. More regions than pixels count as one per pixel.
    neighbors
        4 or 8.
    """
    labels = np.empty(images.shape[:3], np.int64)
    edges = edge_weights(neighbors, images.shape[1], images.shape[2])

    def cut(first: int, last: int) -> None:
        for image, out in zip(images[first:last], labels[first:last], strict=True):
            out[:] = _cut(image, edges, weight, n_regions, neighbors)

    parallel_rows(cut, len(images))
    return labels


def _cut(
    image: np.ndarray, edges: np.ndarray, weight: float | None, n_regions: int | None, neighbors: int
) -> np.ndarray:
    regions = make_regions(image, edges, OFFSETS[neighbors])
    n = len(regions.parent)
    history = merge_tree.make_history(regions)
    merge_tree.merge_on(regions, history, n)
    m = int(history.done[0])
    child = history.child[:m]
    weights = merge_tree.persistent_weights(child, history.into, history.rise[:m], history.cost[:m])
    order = np.argsort(weights, kind="stable")
    rank = np.full(n, n, np.int32)
    rank[child[order]] = np.arange(m, dtype=np.int32)
    if n_regions is None:
        merges = int(np.searchsorted(weights[order], weight or 0.0, side="right"))
    else:
        merges = max(0, n - n_regions)
    return merge_tree.cut(history.into, rank, merges)[0].reshape(image.shape[:2]) - 1
