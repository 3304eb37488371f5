"""Squares of the forward differences, as the penalties on gradient norms need them."""

from __future__ import annotations

from typing import Any

from jumpset.operators.differences import forward, spatial_axes
from jumpset.operators.norms import over_channels
from jumpset.operators.precision import at_least_single


def squares_by_axis(x: Any, channels: str, mask: Any = None) -> list[Any]:
    """``d_k²`` for each spatial axis k, summed over the channels where these are coupled.

    In float32 where x has half precision, whose squares would overflow or vanish.
    """
    wide = at_least_single(x)
    differences = [forward(wide, k, mask) for k in spatial_axes(x)]
    return [over_channels(d * d, channels) for d in differences]
