"""Label images: flat regions of an image, small regions, boundaries and neighbours."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from jumpset._core import checks
from jumpset._core.arrays import ValueRange
from jumpset._core.errors import InputError
from jumpset.operators.neighborhoods import OFFSETS, edge_ends
from jumpset.regions._arguments import check_labels, read_image, region_sums


def label(image: Any, *, neighbors: int = 4, channel_axis: int | None = -1) -> np.ndarray:
    """Number the flat regions of an image: connected pixels of exactly equal value.

    Parameters
    ----------
    image
        ``(H, W)`` or ``(H, W, C)`` array of any real dtype, e.g. a result of region fusion or a label image
        whose labels are not connected.
    neighbors
        4, or 8: pixels are also connected across corners.
    channel_axis
        Which axis of a 3-D array holds the channels.

    Returns
    -------
    ndarray
        ``(H, W)`` int32 labels 1, 2, … in raster order.

    Raises
    ------
    InputError
        The image is no real array of two or three axes, is empty or has NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> js.regions.label(np.array([[5, 5, 0], [0, 5, 0]]))
    array([[1, 1, 2],
           [3, 1, 2]], dtype=int32)
    """
    checks.one_of("neighbors", neighbors, OFFSETS)
    array = np.asarray(image)
    if array.dtype.kind not in "biuf" or array.ndim not in (2, 3) or array.size == 0:
        raise InputError(
            "the image must be a real (H, W) or (H, W, C) array",
            given=f"{array.dtype}, shape {array.shape}",
            do="pass one image that is not empty",
        )
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise InputError("the image has NaN", given=f"{int(np.isnan(array).sum())} values", do="replace them")
    if array.ndim == 3:
        if channel_axis is None or not -3 <= channel_axis < 3:
            raise InputError("there is no such channel axis", given=channel_axis, do="pass 0, 1 or 2")
        array = np.moveaxis(array, channel_axis, -1)
    pixels = array.reshape(*array.shape[:2], -1)
    place = np.arange(pixels[..., 0].size).reshape(pixels.shape[:2])
    pairs = [edge_ends(place, offset) for offset in OFFSETS[neighbors]]
    first, second = (np.concatenate([end.ravel() for end in ends]) for ends in zip(*pairs, strict=True))
    flat = pixels.reshape(place.size, -1)
    same = (flat[first] == flat[second]).all(1)
    graph = coo_array((np.ones(int(same.sum()), bool), (first[same], second[same])), shape=(place.size,) * 2)
    return in_raster_order(connected_components(graph, directed=False)[1]).reshape(place.shape)


def merge_small(
    labels: Any,
    image: Any,
    min_size: int,
    *,
    channel_axis: int | None = -1,
    alpha: bool | None = None,
    value_range: ValueRange | None = None,
) -> np.ndarray:
    r"""Merge every region of fewer than ``min_size`` pixels with a neighbour, the smallest first.

    A region merges with the neighbour for which
    :math:`\frac{m_i m_j}{m_i + m_j} \|Y_i - Y_j\|^2 / c_{ij}` is least, with m, Y the numbers of pixels and
    mean colours and c the length of the common boundary, as in :class:`RegionTree`.

    Parameters
    ----------
    labels
        ``(H, W)`` integers, one for each region.
    image
        The image, whose colours decide.
    min_size
        Least number of pixels of a region of the result; 1 changes nothing.
    channel_axis, alpha, value_range
        As in :func:`jumpset.run`.

    Returns
    -------
    ndarray
        ``(H, W)`` int32 labels 1, 2, … in raster order.

    Raises
    ------
    InputError
        ``labels`` or ``image`` cannot be used, or ``min_size`` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> js.regions.merge_small([[1, 1, 2, 3, 3]], np.array([[0.0, 0.0, 0.8, 1.0, 1.0]]), 2)
    array([[1, 1, 2, 2, 2]], dtype=int32)
    """
    index, _ = check_labels(labels)
    checks.integer("min_size", min_size, at_least=1)
    pixels, _ = read_image(index, image, channel_axis, alpha, value_range)
    size, total = region_sums(index, pixels)
    mean = total / size[:, None]
    edges = adjacency(index)
    around: list[dict[int, float]] = [{} for _ in size]
    for i, j, length in edges.tolist():
        around[i][j] = around[j][i] = length
    into = np.arange(len(size))
    heap = [(int(n), i) for i, n in enumerate(size) if n < min_size]
    heapq.heapify(heap)
    while heap:
        n, i = heapq.heappop(heap)
        if into[i] != i or size[i] != n or not around[i]:  # merged, or grown and pushed again, or alone
            continue
        others = np.array(list(around[i]))
        lengths = np.array(list(around[i].values()))
        rise = size[others] * n / (size[others] + n) * ((mean[others] - mean[i]) ** 2).sum(1)
        j = int(others[np.argmin(rise / lengths)])
        mean[j] = (size[j] * mean[j] + n * mean[i]) / (size[j] + n)
        size[j] += n
        into[i] = j
        del around[j][i]
        for k, length in around[i].items():
            if k != j:
                del around[k][i]
                around[j][k] = around[k][j] = around[j].get(k, 0) + length
        if size[j] < min_size:
            heapq.heappush(heap, (int(size[j]), j))
    while (into[into] != into).any():
        into = into[into]
    return in_raster_order(into[index])


def adjacency(labels: Any) -> np.ndarray:
    """Return which regions touch, and how long their common boundary is.

    Parameters
    ----------
    labels
        ``(H, W)`` integers, one for each region.

    Returns
    -------
    ndarray
        Structured array of the fields ``first`` and ``second``, two labels with first < second, and
        ``length``, the number of pixel sides between them; sorted. Regions that touch only at a
        corner do not count.

    Raises
    ------
    InputError
        ``labels`` is no 2-D array of integers, or is empty.

    Examples
    --------
    >>> import jumpset as js
    >>> js.regions.adjacency([[1, 1, 2], [3, 3, 2]]).tolist()
    [(1, 2, 1), (1, 3, 2), (2, 3, 1)]
    """
    index, names = check_labels(labels)
    ends = [edge_ends(index, offset) for offset in OFFSETS[4]]
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], 1) for a, b in ends])
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    found, length = np.unique(pairs, axis=0, return_counts=True)
    fields = [("first", names.dtype), ("second", names.dtype), ("length", np.int64)]
    out = np.empty(len(found), fields)
    out["first"], out["second"], out["length"] = names[found[:, 0]], names[found[:, 1]], length
    return out


def boundaries(labels: Any) -> np.ndarray:
    """Return ``(H, W)`` bool: the pixels whose right or lower neighbour belongs to another region.

    Lines between regions are thus one pixel wide.

    Parameters
    ----------
    labels
        ``(H, W)`` integers, one for each region.

    Returns
    -------
    ndarray
        ``(H, W)`` bool.

    Raises
    ------
    InputError
        ``labels`` is no 2-D array of integers, or is empty.

    Examples
    --------
    >>> import jumpset as js
    >>> js.regions.boundaries([[1, 1, 2]]).tolist()
    [[False, True, False]]
    """
    index, _ = check_labels(labels)
    out = np.zeros(index.shape, bool)
    out[:, :-1] |= index[:, :-1] != index[:, 1:]
    out[:-1] |= index[:-1] != index[1:]
    return out


def in_raster_order(index: np.ndarray) -> np.ndarray:
    """Return int32 labels 1, 2, … in the order of each label's first pixel."""
    _, first, inverse = np.unique(index, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(1, len(first) + 1)
    return rank[inverse].reshape(index.shape)
