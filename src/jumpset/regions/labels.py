"""Label images: flat regions of an image, small regions, boundaries and neighbours."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from jumpset._core import checks
from jumpset._core.arrays import ValueRange
from jumpset._core.axes import names_of, to_batch
from jumpset._core.errors import InputError
from jumpset.operators.neighborhoods import OFFSETS, edge_ends, grid_offsets
from jumpset.operators.spacing import axis_scales
from jumpset.regions._arguments import check_labels, read_image, region_sums
from jumpset.regions.inputs import check_one_image


def label(
    image: Any, *, neighbors: int = 4, channel_axis: int | None = -1, axes: str | None = None
) -> np.ndarray:
    """Number the flat regions of an image: connected pixels of exactly equal value.

    Parameters
    ----------
    image
        ``(H, W)`` or ``(H, W, C)`` array of any real dtype, e.g. a result of region fusion or a label image
        whose labels are not connected; or any array with ``axes``.
    neighbors
        4, or 8: pixels are also connected across corners. In a volume 4 stands for 6 neighbours, 8 for 26.
    channel_axis, axes
        Which axis of a 3-D array holds the channels; or the names of all axes, as in :func:`jumpset.run`.

    Returns
    -------
    ndarray
        ``(H, W)`` int32 labels 1, 2, … in raster order; of a volume ``(Z, H, W)``, of a signal ``(W,)``.

    Raises
    ------
    InputError
        The image is no real array of such axes, is empty or has NaN.

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
    if array.dtype.kind not in "biuf" or (axes is None and array.ndim not in (2, 3)) or array.size == 0:
        raise InputError(
            "the image must be a real (H, W) or (H, W, C) array",
            given=f"{array.dtype}, shape {array.shape}",
            do="pass one image that is not empty; name the axes of a volume, e.g. axes='zyx'",
        )
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise InputError("the image has NaN", given=f"{int(np.isnan(array).sum())} values", do="replace them")
    if axes is None:
        if array.ndim == 3 and (channel_axis is None or not -3 <= channel_axis < 3):
            raise InputError("there is no such channel axis", given=channel_axis, do="pass 0, 1 or 2")
        axes = names_of(array.ndim, channel_axis)
    pixels = np.moveaxis(to_batch(array, check_one_image(axes, array.ndim))[0], 0, -1)
    place = np.arange(pixels[..., 0].size).reshape(pixels.shape[:-1])
    pairs = [edge_ends(place, offset) for offset in grid_offsets(neighbors, place.ndim)]
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
    spacing: Sequence[float] | None = None,
    channel_axis: int | None = -1,
    axes: str | None = None,
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
        ``(H, W)`` integers, one for each region; or those of a signal or volume.
    image
        The image, whose colours decide.
    min_size
        Least number of pixels of a region of the result; 1 changes nothing.
    spacing
        Optional distances of pixels along each axis of ``labels``, for c.
    channel_axis, axes, alpha, value_range
        As in :func:`jumpset.run`.

    Returns
    -------
    ndarray
        int32 labels 1, 2, … in raster order, in the shape of ``labels``.

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
    pixels, _ = read_image(index, image, channel_axis, alpha, value_range, axes)
    size, total = region_sums(index, pixels)
    mean = total / size[:, None]
    edges = adjacency(index, spacing=spacing)
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


def adjacency(labels: Any, *, spacing: Sequence[float] | None = None) -> np.ndarray:
    """Return which regions touch, and how long their common boundary is.

    Parameters
    ----------
    labels
        ``(H, W)`` integers, one for each region; or those of a signal ``(W,)`` or volume ``(Z, H, W)``.
    spacing
        Optional distances of pixels along each axis, for lengths, or areas in a volume, in their unit.

    Returns
    -------
    ndarray
        Structured array of the fields ``first`` and ``second``, two labels with first < second, and
        ``length``, the number of pixel sides between them, or with ``spacing`` the sum of their lengths as
        float64; sorted. Regions that touch only at a corner, or an edge of a voxel, do not count.

    Raises
    ------
    InputError
        ``labels`` is no array of integers with one to three axes, or is empty; a bad ``spacing``.

    Examples
    --------
    >>> import jumpset as js
    >>> js.regions.adjacency([[1, 1, 2], [3, 3, 2]]).tolist()
    [(1, 2, 1), (1, 3, 2), (2, 3, 1)]
    """
    index, names = check_labels(labels)
    sides = side_lengths(spacing, index.ndim)
    pairs, lengths = [], []
    for offset in grid_offsets(4, index.ndim):
        first, second = edge_ends(index, offset)
        apart = first != second
        pairs.append(np.sort(np.stack([first[apart], second[apart]], 1), axis=1))
        lengths.append(np.full(len(pairs[-1]), sides[offset.index(1)]))
    found, inverse = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    length = np.bincount(inverse.ravel(), np.concatenate(lengths), len(found))
    unit = np.int64 if spacing is None else np.float64
    fields = [("first", names.dtype), ("second", names.dtype), ("length", unit)]
    out = np.empty(len(found), fields)
    out["first"], out["second"], out["length"] = names[found[:, 0]], names[found[:, 1]], length
    return out


def side_lengths(spacing: Sequence[float] | None, ndim: int) -> np.ndarray:
    """Return the length, or area, of the side of a pixel across each axis."""
    axis_scales(spacing, ndim)  # checks
    steps = np.ones(ndim) if spacing is None else np.asarray(spacing, dtype=np.float64)
    return np.array([np.prod(np.delete(steps, axis)) for axis in range(ndim)])


def boundaries(labels: Any) -> np.ndarray:
    """Return bool: the pixels whose next neighbour along an axis (right, below) belongs to another region.

    Lines between regions are thus one pixel wide.

    Parameters
    ----------
    labels
        ``(H, W)`` integers, one for each region; or those of a signal or volume.

    Returns
    -------
    ndarray
        bool, in the shape of ``labels``.

    Raises
    ------
    InputError
        ``labels`` is no array of integers with one to three axes, or is empty.

    Examples
    --------
    >>> import jumpset as js
    >>> js.regions.boundaries([[1, 1, 2]]).tolist()
    [[False, True, False]]
    """
    index, _ = check_labels(labels)
    out = np.zeros(index.shape, bool)
    for offset in grid_offsets(4, index.ndim):
        first, second = edge_ends(index, offset)
        edge_ends(out, offset)[0][...] |= first != second
    return out


def in_raster_order(index: np.ndarray) -> np.ndarray:
    """Return int32 labels 1, 2, … in the order of each label's first pixel."""
    _, first, inverse = np.unique(index, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(1, len(first) + 1)
    return rank[inverse].reshape(index.shape)
