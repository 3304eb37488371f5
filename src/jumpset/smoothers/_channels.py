"""Costs and norms over many channels, relative to those of three."""

from __future__ import annotations


def channel_scale(channels: int) -> float:
    """Return ``max(1, channels / 3)``: the factor on costs that are compared with sums over all channels.

    Sums over one channel and over three are the convention of the papers. The square of a difference, summed
    over the channels, grows with their number, so that noise of one strength would be smoothed less and less.
    Divided by this factor, the sum is that of three channels.
    """
    return max(1.0, channels / 3.0)
