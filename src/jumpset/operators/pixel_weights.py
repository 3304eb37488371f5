"""Weights of pixels or edges: checks of arrays from the user."""

from __future__ import annotations

from typing import Any

import numpy as np

from jumpset._core.errors import InputError


def pixel_weights(height: int, width: int, given: Any = None) -> np.ndarray:
    """Return the weights as ``(height, width)`` float64.

    Parameters
    ----------
    height, width
        Size of the image.
    given
        Optional array or tensor of that shape, bool or numbers ≥ 0; default: all 1.

    Raises
    ------
    InputError
        A wrong shape, negative or non-finite weights, or no weight above 0.
    """
    shape = (height, width)
    if given is None:
        return np.ones(shape)
    misfit, zero = "mask does not fit the image", "use 0 for missing pixels"
    weights = weights_like(given, shape, "mask", misfit=misfit, zero=zero)
    if not weights.any():
        raise InputError("mask excludes all pixels", given="all 0", do="pass at least one weight above 0")
    return weights


def weights_like(given: Any, shape: tuple[int, ...], name: str, *, misfit: str, zero: str) -> np.ndarray:
    """Return an array or tensor as float64; ``InputError`` unless it has that shape and is finite and ≥ 0.

    ``misfit`` is the message for another shape, ``zero`` the advice for negative numbers.
    """
    if hasattr(given, "detach"):  # a tensor, wherever it is
        given = given.detach().cpu()
    try:
        weights = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be numbers", given=repr(given), do=f"pass {shape}") from None
    if weights.shape != shape:
        raise InputError(misfit, given=f"shape {weights.shape}", do=f"pass {shape}")
    if not np.isfinite(weights).all() or (weights < 0).any():
        least = f"values down to {weights.min():g}"
        raise InputError(f"{name} must be finite and not negative", given=least, do=zero)
    return weights
