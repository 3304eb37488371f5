"""A table of regions: sizes, places, colours and neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jumpset._core.arrays import ValueRange
from jumpset.regions._arguments import check_labels, read_image, region_sums
from jumpset.regions.labels import adjacency, side_lengths


def table(
    labels: Any,
    image: Any = None,
    *,
    spacing: Sequence[float] | None = None,
    channel_axis: int | None = -1,
    axes: str | None = None,
    alpha: bool | None = None,
    value_range: ValueRange | None = None,
) -> np.ndarray:
    """Measure each region; the columns are named as those of ``skimage.measure.regionprops_table``.

    Parameters
    ----------
    labels
        ``(H, W)`` integers, one for each region; unlike in scikit-image, 0 is a region too. Those of a signal
        or volume have one or three axes.
    image
        The image, for the mean colours; may be left out.
    spacing
        Optional distances of pixels along each axis, for areas, perimeters and centroids in their unit.
    channel_axis, axes, alpha, value_range
        As in :func:`jumpset.run`.

    Returns
    -------
    ndarray
        Structured array with one row for each label, in increasing order; ``pandas.DataFrame(table(labels))``
        makes a data frame of it. The fields are

        - ``label``, and ``area`` in pixels (in a volume, the volume in voxels);
        - ``perimeter``: number of pixel sides of the region's boundary, those on the image's border too;
        - ``bbox-0`` … ``bbox-3``: first row, first column, row after the last, column after the last, in
          pixels; of a volume six numbers in the same order, of a signal two;
        - ``centroid-0``, ``centroid-1``: mean row and column; one for each axis;
        - ``neighbors``: number of regions with a common pixel side; :func:`adjacency` names them;
        - ``intensity_mean-0``, …: mean colour as float64, in the range of the image.

    Raises
    ------
    InputError
        ``labels`` or ``image`` cannot be used.

    Examples
    --------
    >>> import jumpset as js
    >>> rows = js.regions.table([[1, 1, 2], [1, 1, 2]])
    >>> rows["area"].tolist(), rows["perimeter"].tolist(), rows["bbox-3"].tolist()
    ([4, 2], [8, 6], [2, 3])
    """
    index, names = check_labels(labels)
    ndim, sides = index.ndim, side_lengths(spacing, index.ndim)
    steps = np.ones(ndim) if spacing is None else np.asarray(spacing, dtype=np.float64)
    columns: dict[str, np.ndarray] = {"label": names}
    size = np.bincount(index.ravel())
    edges = adjacency(index, spacing=spacing)
    shared = np.zeros((2, len(names)))
    for end in (edges["first"], edges["second"]):
        shared += np.stack(
            [np.bincount(end, edges["length"], len(names)), np.bincount(end, None, len(names))]
        )
    for axis, side in enumerate(sides):
        for end in (0, -1):
            shared[0] += side * np.bincount(np.take(index, end, axis).ravel(), minlength=len(names))
    columns["area"] = size if spacing is None else size * steps.prod()
    columns["perimeter"] = shared[0].astype(np.int64) if spacing is None else shared[0]
    place = np.indices(index.shape).reshape(ndim, -1)
    box = np.empty((2 * ndim, len(names)), np.int64)
    for axis, length in enumerate(index.shape):
        box[axis], box[axis + ndim] = length, 0
        np.minimum.at(box[axis], index.ravel(), place[axis])
        np.maximum.at(box[axis + ndim], index.ravel(), place[axis] + 1)
    columns |= {f"bbox-{k}": box[k] for k in range(2 * ndim)}
    columns |= {f"centroid-{k}": steps[k] * np.bincount(index.ravel(), place[k]) / size for k in range(ndim)}
    columns["neighbors"] = shared[1].astype(np.int64)
    if image is not None:
        pixels, layout = read_image(index, image, channel_axis, alpha, value_range, axes)
        means = layout.low + (layout.high - layout.low) * region_sums(index, pixels)[1] / size[:, None]
        columns |= {f"intensity_mean-{k}": band for k, band in enumerate(means.T)}
    out = np.empty(len(names), [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        out[name] = column
    return out
