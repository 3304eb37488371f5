"""Region fusion in one call, for use inside other methods than :class:`jumpset.smoothers.RegionFusion`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels.regions import fusion as kernel
from jumpset.operators.neighborhoods import edge_weights, grid_offsets
from jumpset.operators.pixel_weights import fill_missing


def fuse(image: Tensor, weight: float, levels: int = 50, neighbors: int = 4) -> Tensor:
    """Return the region fusion of a ``(B, C, *spatial)`` tensor, with its shape, dtype and device."""
    regions = start(image, neighbors)
    for level in range(levels + 1):
        for one in regions:
            kernel.sweep(one, weight * (level / levels))
    return paint(regions, image)


def start(
    image: Tensor, neighbors: int, weights: Any = None, mask: Any = None, spacing: Any = None
) -> tuple[kernel.Regions, ...]:
    """Make a region of every pixel of each image.

    ``weights`` (``edge_weights``), ``mask`` and ``spacing`` are those of
    :class:`~jumpset.smoothers.RegionFusion`.
    """
    shape = image.shape[2:]
    edges = edge_weights(neighbors, shape, weights, spacing)
    filled, masses = (image, None) if mask is None else fill_missing(image, mask)
    pixels = filled.detach().cpu().movedim(1, -1).numpy()
    return tuple(
        kernel.make_regions(
            f,
            edges,
            grid_offsets(neighbors, len(shape)),
            mass=None if masses is None else masses[k % len(masses)],
            dtype=kernel.working_dtype(math.prod(shape)),
        )
        for k, f in enumerate(pixels)
    )


def paint(regions: tuple[kernel.Regions, ...], source: Tensor) -> Tensor:
    """Return the mean colour of each pixel's region, as a tensor like ``source``."""
    batch, channels, *shape = source.shape
    out = np.empty((batch, math.prod(shape), channels), regions[0].mean.dtype)
    for means, region in zip(out, regions, strict=True):
        kernel.paint(region, means)
    painted = torch.from_numpy(out).reshape(batch, *shape, channels).movedim(-1, 1)
    return painted.to(source).contiguous()
