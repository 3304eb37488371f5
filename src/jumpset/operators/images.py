"""Checks of batches of images, and the factor tau in a form that multiplies them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError


def check_images(x: Any) -> None:
    """Raise unless x is ``(B, C, *spatial)`` with one to three spatial axes and float values."""
    shape = tuple(getattr(x, "shape", ()))
    if not 3 <= len(shape) <= 5:
        raise InputError(
            "penalties take (B, C, *spatial) with 1 to 3 spatial axes",
            given=f"shape {shape}",
            do="add the missing axes, e.g. x[None, None]",
        )
    if isinstance(x, Tensor) and not torch.is_floating_point(x):
        raise InputError("penalties take floats", given=str(x.dtype), do="convert with x.float() / 255")


def per_image(tau: float | Tensor, v: Tensor) -> float | Tensor:
    """Return ``tau`` in a form that multiplies ``v``: a number, or one number per image.

    Raises
    ------
    InputError
        Negative or non-finite ``tau``, or a tensor that is not ``(B,)``.
    """
    if isinstance(tau, (int, float)) or tau.ndim == 0:
        checks.real("tau", float(tau), at_least=0.0)
        return float(tau)
    if tau.shape != v.shape[:1]:
        shape = f"shape {tuple(tau.shape)}"
        raise InputError("tau must be one number, or one per image", given=shape, do=f"pass ({len(v)},)")
    if not bool(((tau >= 0) & torch.isfinite(tau)).all()):
        raise InputError("tau must be finite and not negative", given=tau.tolist(), do="clamp it at 0")
    return tau.to(v).reshape(-1, *[1] * (v.ndim - 1))
