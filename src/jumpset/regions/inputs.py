"""Images in, for what is computed from one image."""

from __future__ import annotations

from typing import Any

import numpy as np

from jumpset._core.arrays import Layout, to_tensor
from jumpset._core.errors import InputError
from jumpset.operators.pixel_weights import is_valid


def read_pixels(
    image: Any, channel_axis: int | None, alpha: bool | None, value_range: Any, mask: Any
) -> tuple[np.ndarray, Layout]:
    """Return a NumPy image as ``(H, W, C)`` floats from 0 to 1, missing pixels filled, and its layout."""
    if not isinstance(image, np.ndarray):
        raise InputError(
            "the image must be a NumPy array", given=type(image).__name__, do="pass (H, W) or (H, W, C)"
        )
    valid = None if mask is None else is_valid(mask)
    tensor, layout = to_tensor(
        image, channel_axis=channel_axis, alpha=alpha, value_range=value_range, valid=valid
    )
    return tensor[0].permute(1, 2, 0).numpy(), layout
