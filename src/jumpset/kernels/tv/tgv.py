"""Primal-dual steps of TGV² denoising: fused loops for images on the CPU.

The plain formula is :func:`jumpset.prox.tgv.advance_plain`. Fields are those of
:mod:`jumpset.prox.tgv_fields` on a whole rectangle: components that would reach beyond it stay zero.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels.jit import njit
from jumpset.kernels.tv.dual import FAST

_MIXED = 0.5**0.5  # of the mixed second difference, so that the norm is that of the whole matrix


def has_loops(f: Tensor) -> bool:
    """Whether the loops take an image: ``(B, C, H, W)`` in float64 on the CPU."""
    return f.device.type == "cpu" and f.ndim == 4 and f.dtype == torch.float64


def advance(
    f: Tensor, fields: tuple[Tensor, ...], primal: Tensor, dual: Tensor, radii: tuple[Tensor, Tensor],
    joint: bool, n_steps: int,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Take steps of the primal-dual iteration.

    Parameters
    ----------
    f
        ``(B, C, H, W)``.
    fields
        u, ``(B, C, H, W)``; w and p, ``(2, B, C, H, W)``; q, ``(3, B, C, H, W)``.
    primal, dual
        Step sizes, ``(B, 1, 1, 1)``.
    radii
        Largest norms of p and of q, ``(B, 1, 1, 1)``.
    joint
        Whether the norms include the channels.
    n_steps
        Steps.

    Returns
    -------
    tuple
        The new u, w, p and q.
    """
    u, w, p, q = (np.array(x.numpy(), order="C") for x in fields)
    image = np.ascontiguousarray(f.numpy())
    numbers = torch.stack([primal, dual, *radii]).flatten(1).T.tolist()
    for k, (tau, sigma, jump, bend) in enumerate(numbers):
        one = tuple(np.ascontiguousarray(x[:, k]) for x in (w, p, q))
        _steps(image[k], u[k], *one, tau, sigma, jump, bend, joint, n_steps)
        w[:, k], p[:, k], q[:, k] = one
    return tuple(torch.from_numpy(x) for x in (u, w, p, q))


@njit(**FAST)
def _steps(f, u, w, p, q, tau, sigma, jump, bend, joint, n_steps):
    ahead_u, ahead_w = np.empty_like(u), np.empty_like(w)
    for _ in range(n_steps):
        _primal(f, u, w, p, q, ahead_u, ahead_w, tau)
        _dual(p, q, ahead_u, ahead_w, sigma, jump, bend, joint)


@njit(**FAST)
def _primal(f, u, w, p, q, ahead_u, ahead_w, tau):
    channels, height, width = f.shape
    for c in range(channels):
        for i in range(height):
            up, down = max(i - 1, 0), min(i + 1, height - 1)
            from_up, from_down = (1.0 if i > 0 else 0.0), (1.0 if i < height - 1 else 0.0)
            for j in range(width):
                left, right = max(j - 1, 0), min(j + 1, width - 1)
                from_left, from_right = (1.0 if j > 0 else 0.0), (1.0 if j < width - 1 else 0.0)
                lifted = (
                    from_up * p[0, c, up, j] - p[0, c, i, j] + from_left * p[1, c, i, left] - p[1, c, i, j]
                )
                new = (u[c, i, j] + tau * (f[c, i, j] - lifted)) / (1.0 + tau)
                ahead_u[c, i, j] = 2.0 * new - u[c, i, j]
                u[c, i, j] = new
                mixed = _MIXED * q[2, c, i, j]
                bent = q[0, c, i, j] - from_down * q[0, c, down, j]
                bent += from_left * _MIXED * q[2, c, i, left] - mixed
                new = w[0, c, i, j] + tau * (p[0, c, i, j] - bent)
                ahead_w[0, c, i, j] = 2.0 * new - w[0, c, i, j]
                w[0, c, i, j] = new
                bent = q[1, c, i, j] - from_right * q[1, c, i, right]
                bent += from_up * _MIXED * q[2, c, up, j] - mixed
                new = w[1, c, i, j] + tau * (p[1, c, i, j] - bent)
                ahead_w[1, c, i, j] = 2.0 * new - w[1, c, i, j]
                w[1, c, i, j] = new


@njit(**FAST)
def _dual(p, q, ahead_u, ahead_w, sigma, jump, bend, joint):
    channels, height, width = ahead_u.shape
    jumps, bends = np.zeros((channels, width)), np.zeros((channels, width))
    for i in range(height):
        jumps[:], bends[:] = 0.0, 0.0
        up, down = max(i - 1, 0), min(i + 1, height - 1)
        has_down, is_inner = (1.0 if i < height - 1 else 0.0), (1.0 if 0 < i < height - 1 else 0.0)
        for c in range(channels):
            row = 0 if joint else c
            for j in range(width):
                left, right = max(j - 1, 0), min(j + 1, width - 1)
                has_right, is_between = (1.0 if j < width - 1 else 0.0), (1.0 if 0 < j < width - 1 else 0.0)
                here, w0, w1 = ahead_u[c, i, j], ahead_w[0, c, i, j], ahead_w[1, c, i, j]
                a = p[0, c, i, j] + sigma * (has_down * (ahead_u[c, down, j] - here) - w0)
                b = p[1, c, i, j] + sigma * (has_right * (ahead_u[c, i, right] - here) - w1)
                p[0, c, i, j], p[1, c, i, j] = a, b
                jumps[row, j] += a * a + b * b
                a = q[0, c, i, j] + sigma * is_inner * (w0 - ahead_w[0, c, up, j])
                b = q[1, c, i, j] + sigma * is_between * (w1 - ahead_w[1, c, i, left])
                turn = ahead_w[0, c, i, right] - w0 + ahead_w[1, c, down, j] - w1
                d = q[2, c, i, j] + sigma * _MIXED * has_down * has_right * turn
                q[0, c, i, j], q[1, c, i, j], q[2, c, i, j] = a, b, d
                bends[row, j] += a * a + b * b + d * d
        for row in range(1 if joint else channels):
            for j in range(width):
                jumps[row, j] = 1.0 / max(1.0, np.sqrt(jumps[row, j]) / jump)
                bends[row, j] = 1.0 / max(1.0, np.sqrt(bends[row, j]) / bend)
        for c in range(channels):
            row = 0 if joint else c
            for j in range(width):
                p[0, c, i, j] *= jumps[row, j]
                p[1, c, i, j] *= jumps[row, j]
                q[0, c, i, j] *= bends[row, j]
                q[1, c, i, j] *= bends[row, j]
                q[2, c, i, j] *= bends[row, j]
