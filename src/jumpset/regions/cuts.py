"""One cut of the tree of region merging: what it takes, and its labels for many images at once."""

from __future__ import annotations

import numpy as np

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.kernels.regions import merge_tree
from jumpset.kernels.threads import parallel_rows
from jumpset.operators.neighborhoods import OFFSETS, edge_weights
from jumpset.regions.merging import merge_all, ranked


def check_cut(n_regions: object, weight: object) -> None:
    """Raise unless exactly one of the two is given, and the weight is at least 0."""
    if (n_regions is None) == (weight is None):
        raise InputError(
            "a partition needs n_regions or weight",
            given=f"n_regions={n_regions!r}, weight={weight!r}",
            do="pass one of the two",
        )
    if weight is not None:
        checks.real("weight", weight, at_least=0.0)


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
    edges = edge_weights(neighbors, images.shape[1:3])

    def cut(first: int, last: int) -> None:
        for image, out in zip(images[first:last], labels[first:last], strict=True):
            out[:] = _cut(image, edges, weight, n_regions, neighbors)

    parallel_rows(cut, len(images))
    return labels


def _cut(
    image: np.ndarray, edges: np.ndarray, weight: float | None, n_regions: int | None, neighbors: int
) -> np.ndarray:
    merges = merge_all(image, edges, OFFSETS[neighbors], None)
    rank, weights, _ = ranked(merges)
    if n_regions is None:
        done = int(np.searchsorted(weights, weight or 0.0, side="right"))
    else:
        done = max(0, len(rank) - n_regions)
    return merge_tree.cut(merges.into, rank, done)[0].reshape(image.shape[:2]) - 1
