"""How much each pixel counts in a sum of errors: 0 where it is missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from jumpset._errors import InputError


def pixel_weights(height: int, width: int, given: Any = None) -> np.ndarray:
    """``(height, width)`` float64.

    Parameters
    ----------
    height, width
        Of the picture.
    given
        Optional array or tensor of that shape, bool or numbers of at least 0; default: all 1.

    Raises
    ------
    InputError
        A wrong shape, negative or non-finite weights, or not one above 0.
    """
    shape = (height, width)
    if given is None:
        return np.ones(shape)
    if hasattr(given, "detach"):  # a tensor, wherever it is
        given = given.detach().cpu()
    try:
        weights = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("mask must be numbers", given=repr(given), do=f"pass {shape}") from None
    if weights.shape != shape:
        raise InputError("mask does not fit the picture", given=f"shape {weights.shape}", do=f"pass {shape}")
    if not np.isfinite(weights).all() or (weights < 0).any():
        least = f"values down to {weights.min():g}"
        raise InputError("mask must be finite and not negative", given=least, do="use 0 for missing pixels")
    if not weights.any():
        raise InputError("mask leaves no pixel", given="all 0", do="pass at least one weight above 0")
    return weights
