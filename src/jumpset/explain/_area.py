"""The mask of a given area that is nearest to another."""

from __future__ import annotations

import torch
from torch import Tensor

from jumpset.operators.images import spread
from jumpset.operators.precision import to_float64

_HALVINGS = 60  # of an interval: below the precision of float32


def onto_area(v: Tensor, area: float) -> Tensor:
    """Project each image onto the masks with values in [0, 1] and mean ``area``.

    The nearest one is ``clip(v − c, 0, 1)``, whose mean falls as c grows: c is found by bisection.
    """
    wide = to_float64(v).flatten(1)
    low, high = wide.amin(1) - 1.0, wide.amax(1)  # of c: the mean is 1 and 0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        is_large = (wide - middle[:, None]).clamp(0.0, 1.0).mean(1) > area
        low, high = torch.where(is_large, middle, low), torch.where(is_large, high, middle)
    return (v - spread(0.5 * (low + high), v)).clamp(0.0, 1.0).to(v.dtype)
