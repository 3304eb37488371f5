"""The number of flat regions of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from jumpset._core.errors import InputError
from jumpset._core.ranges import real_array


def count_regions(image: ArrayLike, tol: float = 0.0, *, channel_axis: int | None = -1) -> int:
    """Number of flat regions: connected components of equal neighbours along the axes.

    Parameters
    ----------
    image
        ``(H, W)``, or more axes of which ``channel_axis`` names the channels; any real dtype.
    tol
        Neighbours that differ by at most ``tol`` in every channel belong to one region.
    channel_axis
        None: every axis is spatial. A 2-D array is gray for any ``channel_axis``.

    Returns
    -------
    int
        Number of regions.

    Raises
    ------
    InputError
        An array that is not real, not finite or empty, or an axis that does not exist.

    Examples
    --------
    >>> from jumpset.metrics import count_regions
    >>> count_regions([[0, 0, 1], [2, 0, 1]])
    3
    """
    array = real_array(image, "image")
    array = array.astype(np.float64) if array.dtype.kind in "bui" else array
    if array.ndim <= 2 or channel_axis is None:
        planes = array[None]
    elif -array.ndim <= channel_axis < array.ndim:
        planes = np.moveaxis(array, channel_axis, 0)
    else:
        raise InputError(
            "there is no such channel axis", given=channel_axis, do=f"pass one of {array.ndim} axes"
        )
    places = np.arange(planes[0].size).reshape(planes.shape[1:])
    heads, tails = [], []
    for axis in range(places.ndim):
        same = (np.abs(np.diff(planes, axis=axis + 1)) <= tol).all(axis=0)
        length = places.shape[axis]
        heads.append(np.take(places, range(length - 1), axis)[same])
        tails.append(np.take(places, range(1, length), axis)[same])
    rows, columns = np.concatenate(heads), np.concatenate(tails)
    graph = coo_matrix((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(places.size,) * 2)
    return int(connected_components(graph, directed=False)[0])
