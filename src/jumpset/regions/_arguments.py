"""The label image and the image that the functions on labels take."""

from __future__ import annotations

from typing import Any

import numpy as np

from jumpset._core.arrays import Layout
from jumpset._core.errors import InputError
from jumpset.regions.inputs import read_pixels


def check_labels(labels: Any, ndims: tuple[int, ...] = (1, 2, 3)) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers 0 … R − 1 of the regions, and the R labels in increasing order.

    ``ndims`` are the numbers of axes that ``labels`` may have.
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "biu" or array.ndim not in ndims or array.size == 0:
        one = ndims == (2,) and array.ndim == 3
        raise InputError(
            f"labels must be a {' or '.join(f'{n}-D' for n in ndims)} array of integers",
            given=f"{array.dtype}, shape {array.shape}",
            do="pass one slice, labels[0]" if one else "pass e.g. RegionTree(image).labels(n_regions=50)",
        )
    names, index = np.unique(array, return_inverse=True)
    return index.reshape(array.shape), names


def read_image(
    index: np.ndarray,
    image: Any,
    channel_axis: int | None,
    alpha: bool | None,
    value_range: Any,
    axes: str | None = None,
) -> tuple[np.ndarray, Layout]:
    """Return the image as ``(*S, C)`` float64 intensities, and how to convert such an image back.

    S is the shape of the labels ``index``.
    """
    pixels, layout = read_pixels(image, channel_axis, alpha, value_range, None, axes)
    if pixels.shape[:-1] != index.shape:
        known = axes is None and index.ndim != 2
        raise InputError(
            "labels and image differ in size",
            given=f"{index.shape} and {pixels.shape[:-1]}",
            do="name the axes of the image, e.g. axes='zyx'" if known else "pass labels of this image",
        )
    return pixels.astype(np.float64), layout


def region_sums(index: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of pixels ``(R,)`` and the sum of the values ``(R, C)`` of each region."""
    flat = index.ravel()
    size = np.bincount(flat)
    return size, np.stack([np.bincount(flat, band) for band in pixels.reshape(flat.size, -1).T], 1)


def restore_colors(colors: np.ndarray, layout: Layout) -> np.ndarray:
    """Return ``(R, C)`` intensities in the range and dtype of the caller's image, without alpha."""
    from dataclasses import replace

    import torch

    one_row = torch.from_numpy(np.ascontiguousarray(colors.T)[None, :, None])
    return replace(layout, axes="yxc", alpha=None).restore(one_row)[0]
