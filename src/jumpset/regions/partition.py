"""Regions of equal value, and the best value of each region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from jumpset.operators.pixel_lines import PixelLines


def joined_regions(copies: Sequence[np.ndarray], lines: Sequence[PixelLines]) -> np.ndarray:
    """Return ``(H, W)`` region numbers; pixels are joined where a direction's copy has no jump along it."""
    height, width = lines[0].shape
    pixel = np.arange(height * width).reshape(height, width)
    first, second = [], []
    for direction, x in zip(lines, copies, strict=False):
        same = ~direction.jumps(x)
        here, there = direction.pairs(pixel)
        first.append(here[same])
        second.append(there[same])
    i, j = np.concatenate(first), np.concatenate(second)
    graph = coo_array((np.ones(len(i), bool), (i, j)), shape=(pixel.size, pixel.size))
    return connected_components(graph, directed=False)[1].reshape(height, width)


def refit(
    label: np.ndarray, f: np.ndarray, mass: np.ndarray, data: Literal["l2", "l1"], otherwise: np.ndarray
) -> np.ndarray:
    """Return the weighted mean of each region and band, or the median (the midpoint where there are two).

    Parameters
    ----------
    label, f, mass
        ``(H, W)``, ``(H, W, C)``, ``(H, W)``, or with any other spatial axes.
    data
        ``"l2"`` for means, ``"l1"`` for medians.
    otherwise
        ``(H, W, C)``: regions whose weights are all 0 take its unweighted mean.
    """
    flat, w = label.ravel(), mass.ravel()
    count = flat.max() + 1
    total, size = np.bincount(flat, w, count), np.bincount(flat, minlength=count)
    out = np.empty_like(f)
    for c in range(f.shape[-1]):
        fallback = np.bincount(flat, otherwise[..., c].ravel(), count) / size
        if data == "l2":
            known = np.bincount(flat, w * f[..., c].ravel(), count) / np.where(total > 0, total, 1.0)
        else:
            known = _medians(flat, f[..., c].ravel(), w, count)
        out[..., c] = np.where(total > 0, known, fallback)[label]
    return out


def _medians(label: np.ndarray, values: np.ndarray, w: np.ndarray, count: int) -> np.ndarray:
    order = np.lexsort((values, label))
    order = order[w[order] > 0]
    label, values, w = label[order], values[order], w[order]
    out = np.zeros(count)
    if not len(label):
        return out
    starts = np.flatnonzero(np.diff(label, prepend=-1))
    ends = np.append(starts[1:], len(label))
    sums = np.cumsum(w)
    before = sums[starts] - w[starts]
    half = before + 0.5 * (sums[ends - 1] - before)
    # where exactly half of the weight lies below, the median is between two samples
    low = np.searchsorted(sums, half * (1.0 - 1e-12))
    high = np.minimum(np.searchsorted(sums, half * (1.0 + 1e-12)), ends - 1)
    out[label[starts]] = 0.5 * (values[np.maximum(low, starts)] + values[high])
    return out
