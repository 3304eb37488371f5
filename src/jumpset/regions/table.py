"""A table of regions: sizes, places, colours and neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from jumpset._core.arrays import ValueRange
from jumpset.regions._arguments import check_labels, read_image, region_sums
from jumpset.regions.labels import adjacency


def table(
    labels: Any,
    image: Any = None,
    *,
    channel_axis: int | None = -1,
    alpha: bool | None = None,
    value_range: ValueRange | None = None,
) -> np.ndarray:
    """Measure each region; the columns are named as those of ``skimage.measure.regionprops_table``.

    Parameters
    ----------
    labels
        ``(H, W)`` integers, one for each region; unlike in scikit-image, 0 is a region too.
    image
        The image, for the mean colours; may be left out.
    channel_axis, alpha, value_range
        As in :func:`jumpset.run`.

    Returns
    -------
    ndarray
        Structured array with one row for each label, in increasing order; ``pandas.DataFrame(table(labels))``
        makes a data frame of it. The fields are

        - ``label``, and ``area`` in pixels;
        - ``perimeter``: number of pixel sides of the region's boundary, those on the image's border too;
        - ``bbox-0`` … ``bbox-3``: first row, first column, row after the last, column after the last;
        - ``centroid-0``, ``centroid-1``: mean row and column;
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
    height, width = index.shape
    columns: dict[str, np.ndarray] = {"label": names}
    size = np.bincount(index.ravel())
    edges = adjacency(index)
    shared = np.zeros((2, len(names)))
    for end in (edges["first"], edges["second"]):
        shared += np.stack(
            [np.bincount(end, edges["length"], len(names)), np.bincount(end, None, len(names))]
        )
    border = np.concatenate([index[0], index[-1], index[:, 0], index[:, -1]])
    columns["area"] = size
    columns["perimeter"] = (shared[0] + np.bincount(border, minlength=len(names))).astype(np.int64)
    place = np.indices(index.shape).reshape(2, -1)
    box = np.empty((4, len(names)), np.int64)
    for axis, length in enumerate((height, width)):
        box[axis], box[axis + 2] = length, 0
        np.minimum.at(box[axis], index.ravel(), place[axis])
        np.maximum.at(box[axis + 2], index.ravel(), place[axis] + 1)
    columns |= {f"bbox-{k}": box[k] for k in range(4)}
    columns |= {f"centroid-{k}": np.bincount(index.ravel(), place[k]) / size for k in range(2)}
    columns["neighbors"] = shared[1].astype(np.int64)
    if image is not None:
        pixels, layout = read_image(index, image, channel_axis, alpha, value_range)
        means = layout.low + (layout.high - layout.low) * region_sums(index, pixels)[1] / size[:, None]
        columns |= {f"intensity_mean-{k}": band for k, band in enumerate(means.T)}
    out = np.empty(len(names), [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        out[name] = column
    return out
