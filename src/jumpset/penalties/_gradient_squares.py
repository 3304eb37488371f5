"""Squares of the forward differences, for the penalties on gradient norms."""

from __future__ import annotations

from typing import Any

from jumpset.operators.differences import forward, spatial_axes
from jumpset.operators.norms import over_channels
from jumpset.operators.precision import at_least_single


def squares_by_axis(x: Any, channels: str, mask: Any = None) -> list[Any]:
    """Return ``d_k²`` for each spatial axis k, summed over the channels if these are coupled.

    If x has half precision, the squares are in float32, since they would overflow or vanish otherwise.
    """
    wide = at_least_single(x)
    differences = [forward(wide, k, mask) for k in spatial_axes(x)]
    return [over_channels(d * d, channels) for d in differences]
