"""Images in, for what is computed from one image."""

from __future__ import annotations

from typing import Any

import numpy as np

from jumpset._core.arrays import Layout, to_tensor
from jumpset._core.axes import check_axes, spatial
from jumpset._core.errors import InputError
from jumpset.operators.pixel_weights import is_valid


def read_pixels(
    image: Any,
    channel_axis: int | None,
    alpha: bool | None,
    value_range: Any,
    mask: Any,
    axes: str | None = None,
) -> tuple[np.ndarray, Layout]:
    """Return a NumPy image as ``(*spatial, C)`` floats from 0 to 1, missing pixels filled, and its layout."""
    if not isinstance(image, np.ndarray):
        raise InputError(
            "the image must be a NumPy array", given=type(image).__name__, do="pass (H, W) or (H, W, C)"
        )
    if axes is not None:
        check_one_image(axes, image.ndim)
    ndim = 4 if axes is None else 2 + len(spatial(axes))
    tensor, layout = to_tensor(
        image,
        channel_axis=channel_axis,
        axes=axes,
        alpha=alpha,
        value_range=value_range,
        valid=None if mask is None else is_valid(mask, ndim),
        spatial_ndims=(1, 2, 3),
    )
    return tensor[0].movedim(0, -1).numpy(), layout


def check_one_image(axes: str, ndim: int) -> str:
    """Return the names of the axes of one image; raise unless they have the order z, y, x of labels."""
    check_axes(axes, ndim)
    if "t" in axes:
        raise InputError("one image at a time", given=f"axes={axes!r}", do="pass each image along t alone")
    if axes.replace("c", "") != spatial(axes):
        raise InputError(
            "regions need spatial axes in the order z, y, x",
            given=f"axes={axes!r}",
            do=f"transpose the array, and pass axes={spatial(axes) + ('c' if 'c' in axes else '')!r}",
        )
    return axes
