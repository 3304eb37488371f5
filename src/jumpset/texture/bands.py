"""The channels of an image that say something: neither constant nor a repetition of another one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from jumpset.texture.model import Texture

GRAIN = 1 / 255  # intensity that one unit of an absent component stands for


@dataclass(frozen=True)
class DistinctBands:
    """Which channels of an image are distinct: a gray image stored as RGB has one.

    A texture is estimated from these, so that constant and repeated channels have no influence on it.
    """

    kept: tuple[int, ...]
    """The distinct channels; empty for a constant image."""
    source: tuple[int, ...]
    """For each channel, its place in ``kept`` or that of the channel it repeats; -1 for a constant one."""

    @classmethod
    def of(cls, image: Tensor) -> DistinctBands:
        """Compare the channels of a ``(1, C, H, W)`` image."""
        kept: list[int] = []
        source = []
        for k, band in enumerate(image[0]):
            if bool((band == band[0, 0]).all()):
                source.append(-1)
                continue
            same = [place for place, j in enumerate(kept) if bool((band == image[0, j]).all())]
            source.append(same[0] if same else len(kept))
            if not same:
                kept.append(k)
        return cls(tuple(kept), tuple(source))

    @property
    def are_all(self) -> bool:
        """Whether every channel is distinct."""
        return len(self.kept) == len(self.source)

    def select(self, image: Tensor) -> Tensor:
        """The distinct channels."""
        return image if self.are_all else image[:, list(self.kept)]

    def restore(self, image: Tensor, like: Tensor) -> Tensor:
        """All channels, from the distinct ones of ``image``; the constant ones from ``like``."""
        if self.are_all:
            return image
        out = like.clone()
        for k, place in enumerate(self.source):
            if place >= 0:
                out[:, k] = image[:, place]
        return out

    def extend(self, texture: Texture | None) -> Texture:
        """The texture of all channels, from that of the distinct ones; ``None`` where there are none.

        The components of the distinct channels come first. Each further one is a channel's distance from the
        channel that it repeats, or a constant channel; its autocovariance is 0.
        """
        if texture is not None and self.are_all:
            return texture
        channels = len(self.source)
        lags = np.zeros((1, 1, 1)) if texture is None else texture.autocovariance
        mixing, autocovariance = np.zeros((channels, channels)), np.zeros((channels, *lags.shape[1:]))
        if texture is not None:
            autocovariance[: len(self.kept)] = lags
        further = len(self.kept)
        for k, place in enumerate(self.source):
            if texture is not None and place >= 0:
                mixing[k, : len(self.kept)] = texture.mixing[place]
            if k not in self.kept:
                mixing[k, further] = GRAIN
                further += 1
        return Texture(mixing, autocovariance)
