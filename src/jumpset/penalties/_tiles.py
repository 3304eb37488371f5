"""Sums over the tiles of a grid at each pixel, for any array library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset.operators.differences import spatial_axes
from jumpset.operators.namespaces import lengths, namespace
from jumpset.operators.windows import extend, slab


def tile_sums(x: Any, tile: Sequence[int], shift: Sequence[int] | Tensor) -> Any:
    """Return at each pixel the sum of ``x`` over the tile that contains it; shaped like ``x``.

    Tiles begin ``shift`` pixels before the image and are cut at its border. A tensor of shifts, for tensors
    x, is not looked at: a graph holds for all shifts.
    """
    if isinstance(shift, Tensor):
        for axis, size in zip(spatial_axes(x), tile, strict=True):
            length = x.shape[axis]
            before: Any = shift[axis - 2] % size
            place = (torch.arange(length, device=x.device) + before.to(x.device)) // size
            count = (length + 2 * size - 2) // size
            sums = x.new_zeros((*x.shape[:axis], count, *x.shape[axis + 1 :])).index_add(axis, place, x)
            x = sums.index_select(axis, place)
        return x
    xp = namespace(x)
    for axis, size, before in zip(spatial_axes(x), tile, shift, strict=True):
        length = lengths(x)[axis]
        before %= size
        count = -(-(length + before) // size)
        padded = extend(x, axis, before, count * size - length - before)
        shape = lengths(x)
        split = (*shape[:axis], count, size, *shape[axis + 1 :])
        sums = xp.sum(xp.reshape(padded, split), axis=axis + 1, keepdims=True)
        spread = xp.reshape(xp.broadcast_to(sums, split), (*shape[:axis], count * size, *shape[axis + 1 :]))
        x = slab(spread, axis, before, before + length)
    return x


def random_shift(tile: Sequence[int], step: int, seed: int) -> tuple[int, ...]:
    """Draw a position of the grid, which depends on step and seed only."""
    draw = np.random.default_rng((seed, step))
    return tuple(int(draw.integers(size)) for size in tile)
