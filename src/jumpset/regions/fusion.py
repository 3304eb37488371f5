"""Region fusion in one call, for use inside other methods than :class:`jumpset.smoothers.RegionFusion`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels.regions import fusion as kernel
from jumpset.operators.neighborhoods import OFFSETS, edge_weights
from jumpset.operators.pixel_weights import fill_missing


def fuse(image: Tensor, weight: float, levels: int = 50, neighbors: int = 4) -> Tensor:
    """Return the region fusion of a ``(B, C, H, W)`` tensor, with its shape, dtype and device."""
    regions = start(image, neighbors)
    for level in range(levels + 1):
        for one in regions:
            kernel.sweep(one, weight * (level / levels))
    return paint(regions, image)


def start(image: Tensor, neighbors: int, weights: Any = None, mask: Any = None) -> tuple[kernel.Regions, ...]:
    """Make a region of every pixel of each image.

    ``weights`` (``edge_weights``) and ``mask`` are those of :class:`~jumpset.smoothers.RegionFusion`.
    """
    height, width = image.shape[-2:]
    edges = edge_weights(neighbors, height, width, weights)
    filled, masses = (image, None) if mask is None else fill_missing(image, mask)
    pixels = filled.detach().cpu().permute(0, 2, 3, 1).numpy()
    return tuple(
        kernel.make_regions(
            f,
            edges,
            OFFSETS[neighbors],
            mass=None if masses is None else masses[k % len(masses)],
            dtype=kernel.working_dtype(height * width),
        )
        for k, f in enumerate(pixels)
    )


def paint(regions: tuple[kernel.Regions, ...], source: Tensor) -> Tensor:
    """Return the mean colour of each pixel's region, as a tensor like ``source``."""
    batch, channels, height, width = source.shape
    out = np.empty((batch, height * width, channels), regions[0].mean.dtype)
    for means, region in zip(out, regions, strict=True):
        kernel.paint(region, means)
    painted = torch.from_numpy(out).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
    return painted.to(source).contiguous()
