"""The label image and the image that the functions on labels take."""

from __future__ import annotations

from typing import Any

import numpy as np

from jumpset._core.arrays import Layout
from jumpset._core.errors import InputError
from jumpset.regions.inputs import read_pixels


def check_labels(labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(H, W)`` numbers 0 … R − 1 of the regions, and the R labels in increasing order."""
    array = np.asarray(labels)
    if array.dtype.kind not in "biu" or array.ndim != 2 or array.size == 0:
        raise InputError(
            "labels must be a 2-D array of integers",
            given=f"{array.dtype}, shape {array.shape}",
            do="pass e.g. RegionTree(image).labels(n_regions=50)",
        )
    names, index = np.unique(array, return_inverse=True)
    return index.reshape(array.shape), names


def read_image(
    index: np.ndarray, image: Any, channel_axis: int | None, alpha: bool | None, value_range: Any
) -> tuple[np.ndarray, Layout]:
    """Return the image as ``(H, W, C)`` float64 intensities, and how to convert such an image back."""
    pixels, layout = read_pixels(image, channel_axis, alpha, value_range, None)
    if pixels.shape[:2] != index.shape:
        raise InputError(
            "labels and image differ in size",
            given=f"{index.shape} and {pixels.shape[:2]}",
            do="pass labels of this image",
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
