"""Conversions of precision: squares of half precision overflow at 256 and vanish below 0.0003."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from jumpset.operators.namespaces import namespace


def at_least_single(x: Any) -> Any:
    """Return ``x`` in float32 if it is float16 or bfloat16, else ``x`` itself."""
    xp = namespace(x)
    size = getattr(x.dtype, "itemsize", None) or x.dtype.size  # the name in TensorFlow is size
    return xp.astype(x, xp.float32) if size < 4 else x


def to_float64(x: Tensor) -> Tensor:
    """Return ``x`` in float64, or in float32 on devices without float64."""
    return x.to(torch.float32 if x.device.type == "mps" else torch.float64)
