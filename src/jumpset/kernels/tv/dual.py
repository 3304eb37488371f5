"""The dual iteration of total variation: fused loops for the CPU, and the plain formula as their definition.

For an image f, C channels jointly, and a dual field p, two entries (down, right) per pixel and channel:

    u = f + div p                                       (the primal image)
    y = p + momentum (p - old)                          (extrapolation)
    q = y + step grad(f + div y)
    p = q min(1, weight / |q|)                          (projection)

|q| is taken over channels and both directions of a pixel (isotropic), or over channels for each direction.
Entries of p that point out of the image are zero and remain zero.

The loops visit each row once and keep the values between two rows in cache: an iteration reads f, p and old
and writes the new p, 5 reads and 2 writes of a plane (9 transfers where cache lines are read before a write).

Bands of rows run on threads (:mod:`jumpset.kernels.threads`). A band reads one row beyond its ends and writes
to a third buffer, so that bands are independent and no digit depends on their limits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels.buffers import Pool
from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

LEAST_BAND = 1 << 16  # values per thread at least
# Fast mathematics is safe: all values are finite (inputs are checked, p is bounded).
# NumPy's error model has no branch for division by zero, which would prevent vectorisation.
FAST: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": True}


def advance(
    f: Tensor,
    p: Tensor,
    old: Tensor,
    pool: Pool,
    *,
    momentum: list[float],
    weight: float,
    step: float,
    isotropic: bool,
) -> Tensor:
    """Compute one iteration for each image of a batch.

    Parameters
    ----------
    f
        ``(B, C, H, W)``, contiguous.
    p, old
        ``(B, 2, C, H, W)``, the dual field and the previous one.
    pool
        Memory for the result of the loops.
    momentum
        One entry per image.
    weight
        Weight of total variation, above 0.
    step
        Step size, at most 1 / ‖grad‖²: 1/8 in two dimensions.
    isotropic
        Whether the norm |q| is taken over both directions.

    Returns
    -------
    Tensor
        The new dual field.
    """
    if not has_loops(f):
        return advance_plain(f, p, old, momentum=momentum, weight=weight, step=step, isotropic=isotropic)
    images, fields, before = f.detach().numpy(), p.numpy(), old.numpy()
    new = pool.array(fields.shape, fields.dtype)
    number = fields.dtype.type  # Python floats would lift the loops to float64
    for k, arrays in enumerate(zip(images, fields, before, new, strict=True)):
        scalars = (number(momentum[k]), number(step), number(weight))
        parallel_rows(_advance, f.shape[2], *arrays, *scalars, isotropic, least=least_rows(f))
    return torch.from_numpy(new)


def advance_plain(
    f: Tensor, p: Tensor, old: Tensor, *, momentum: list[float], weight: float, step: float, isotropic: bool
) -> Tensor:
    """Compute :func:`advance` by its definition, on any device, differentiably."""
    column = torch.tensor(momentum, dtype=f.dtype, device=f.device).reshape(-1, 1, 1, 1, 1)
    y = p + column * (p - old)
    q = y + step * gradient_plain(primal_plain(f, y))
    axes = (1, 2) if isotropic else 2
    norm = torch.linalg.vector_norm(q, dim=axes, keepdim=True)  # its slope at 0 is 0, not NaN
    return torch.where(norm > weight, q * (weight / norm.clamp_min(weight)), q)


def primal(f: Tensor, p: Tensor) -> Tensor:
    """Return ``u = f + div p`` for ``(B, C, H, W)`` and ``(B, 2, C, H, W)``."""
    if not has_loops(f):
        return primal_plain(f, p)
    u = torch.empty_like(f)
    for x, field, out in zip(f.detach().numpy(), p.detach().numpy(), u.numpy(), strict=True):
        parallel_rows(_primal, f.shape[2], x, field, out, least=least_rows(f))
    return u


def primal_plain(f: Tensor, p: Tensor) -> Tensor:
    """Compute :func:`primal` by its definition."""
    down, right = p[:, 0, :, :-1, :], p[:, 1, :, :, :-1]
    zero_row, zero_column = torch.zeros_like(f[:, :, :1]), torch.zeros_like(f[..., :1])
    return (
        f
        + down.diff(dim=-2, prepend=zero_row, append=zero_row)
        + right.diff(dim=-1, prepend=zero_column, append=zero_column)
    )


def gradient_plain(u: Tensor) -> Tensor:
    """Return ``(B, 2, C, H, W)`` forward differences, zero at the last row and column."""
    down = u.diff(dim=-2, append=u[..., -1:, :])
    right = u.diff(dim=-1, append=u[..., -1:])
    return torch.stack((down, right), dim=1)


def least_rows(f: Tensor) -> int:
    """Return the least number of rows of ``(…, C, H, W)`` per thread."""
    return -(-LEAST_BAND // (f.shape[-1] * f.shape[-3]))


def has_loops(f: Tensor) -> bool:
    """Return whether the loops can run: on the CPU, without a gradient."""
    return f.device.type == "cpu" and not (f.requires_grad and torch.is_grad_enabled())


@njit(**FAST)
def _advance(first, last, f, p, old, new, momentum, step, weight, isotropic):
    channels, height, width = f.shape
    y = np.empty((2, 2, channels, width), f.dtype)  # two rows alternately, two directions
    u = np.empty((2, channels, width + 1), f.dtype)  # a further column repeats the last: the difference is 0
    above = np.zeros((channels, width), f.dtype)
    size = np.empty((2, width), f.dtype)
    if first > 0:
        for c in range(channels):
            _extrapolate(p[0, c, first - 1], old[0, c, first - 1], momentum, above[c])
    for row in range(first, min(last + 1, height)):  # one row ahead of the rows that are written
        now, before = row % 2, 1 - row % 2
        for c in range(channels):
            up = above[c] if row == first else y[before, 0, c]
            _primal_row(f[c, row], p[0, c, row], old[0, c, row], p[1, c, row], old[1, c, row],
                        momentum, up, y[now, 0, c], y[now, 1, c], u[now, c])  # fmt: skip
        if row > first:
            _project_row(y[before], u[before], u[now], step, weight, isotropic, size, new, row - 1)
    if last == height:
        end = (height - 1) % 2
        _project_row(y[end], u[end], u[end], step, weight, isotropic, size, new, height - 1)


@njit(**FAST)
def _extrapolate(p, old, momentum, y):
    for j in range(len(p)):
        y[j] = p[j] + momentum * (p[j] - old[j])


@njit(**FAST)
def _primal_row(f, down, old_down, right, old_right, momentum, above, y_down, y_right, u):
    """Compute the extrapolated field of one row, and ``u`` from it."""
    width = len(f)
    y_down[0] = down[0] + momentum * (down[0] - old_down[0])
    y_right[0] = right[0] + momentum * (right[0] - old_right[0])
    u[0] = f[0] + ((y_down[0] - above[0]) + y_right[0])
    for j in range(1, width):
        # computed again, since reading y_right[j - 1] would make each step depend on the last
        left = right[j - 1] + momentum * (right[j - 1] - old_right[j - 1])
        r = right[j] + momentum * (right[j] - old_right[j])
        d = down[j] + momentum * (down[j] - old_down[j])
        y_down[j], y_right[j] = d, r
        u[j] = f[j] + ((d - above[j]) + (r - left))
    u[width] = u[width - 1]


@njit(**FAST)
def _project_row(y, u, below, step, weight, isotropic, size, new, row):
    channels = u.shape[0]
    if channels == 1:
        out_down, out_right = new[0, 0, row], new[1, 0, row]
        _project_alone(y[0, 0], y[1, 0], u[0], below[0], step, weight, isotropic, out_down, out_right)
        return
    size[:] = 0
    for c in range(channels):
        _ascend(y[0, c], below[c, :-1], u[c, :-1], step, size[0])
        _ascend(y[1, c], u[c, 1:], u[c, :-1], step, size[0 if isotropic else 1])
    _shrinkage(size[0], weight)
    if not isotropic:
        _shrinkage(size[1], weight)
    for c in range(channels):
        _multiply(y[0, c], size[0], new[0, c, row])
        _multiply(y[1, c], size[0 if isotropic else 1], new[1, c, row])


@njit(**FAST)
def _project_alone(y_down, y_right, u, below, step, weight, isotropic, new_down, new_right):
    """Combine the three loops below into one, for a single channel."""
    one = weight / weight  # of the image's dtype
    if isotropic:
        for j in range(len(y_down)):
            d = y_down[j] + step * (below[j] - u[j])
            r = y_right[j] + step * (u[j + 1] - u[j])
            square = d * d + r * r
            scale = weight / np.sqrt(square) if square > weight * weight else one
            new_down[j], new_right[j] = d * scale, r * scale
    else:
        for j in range(len(y_down)):
            new_down[j] = min(max(y_down[j] + step * (below[j] - u[j]), -weight), weight)
            new_right[j] = min(max(y_right[j] + step * (u[j + 1] - u[j]), -weight), weight)


@njit(**FAST)
def _ascend(q, there, here, step, size):
    for j in range(len(q)):
        q[j] += step * (there[j] - here[j])
        size[j] += q[j] * q[j]


@njit(**FAST)
def _shrinkage(size, weight):
    one = weight / weight
    for j in range(len(size)):
        size[j] = weight / np.sqrt(size[j]) if size[j] > weight * weight else one


@njit(**FAST)
def _multiply(q, scale, out):
    for j in range(len(q)):
        out[j] = q[j] * scale[j]


@njit(**FAST)
def _primal(first, last, f, p, u):
    channels, _, width = f.shape
    for c in range(channels):
        for row in range(first, last):
            down, right, x, out = p[0, c, row], p[1, c, row], f[c, row], u[c, row]
            out[0] = x[0] + (down[0] + right[0])
            for j in range(1, width):
                out[j] = x[j] + (down[j] + (right[j] - right[j - 1]))
            if row > 0:
                above = p[0, c, row - 1]
                for j in range(width):
                    out[j] -= above[j]
