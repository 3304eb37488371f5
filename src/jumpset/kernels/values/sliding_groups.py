"""Sliding-window groups, fused: value and gradient of ``Σ_i φ(‖u_W(i)‖₂)`` in one pass, as a torch operator.

A window covers the rows ``i − before … i + after`` of its centre i (columns alike), cut at the border.

Memory moved: the picture is read once and the gradient written once; the box sums in between
(:mod:`jumpset.kernels.values.sliding_groups_loops`) stay in the cache and hardly depend on the window.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels._buffers import empty
from jumpset.kernels.threads import parallel_rows
from jumpset.kernels.values import _operator
from jumpset.kernels.values.sliding_groups_loops import run_tasks

PROFILES = ("identity", "log", "mcp", "lp", "charbonnier")
_BAND = 256  # rows that are worth a task of their own: its margin of two windows is computed twice


def applies(x: Any) -> bool:
    """Whether the fused kernel takes ``x``: ``(B, C, H, W)`` that :func:`jumpset.kernels.values._operator.takes`."""
    return _operator.takes(x) and x.ndim == 4


def sliding_groups(
    x: Tensor, window: list[int], phi: str, parameter: float, joint: bool, factor: float = 1.0
) -> Tensor:
    """``factor · Σ_i φ(‖u_W(i)‖₂)`` of each image.

    Parameters
    ----------
    x
        ``(B, C, H, W)`` for which :func:`applies` holds.
    window
        Rows and columns.
    phi
        One of ``PROFILES``, as :func:`profile` defines them.
    parameter
        Scale s of ``"log"``, ``"mcp"`` and ``"charbonnier"`` (√(t² + s²) − s), exponent of ``"lp"``.
    joint
        Whether the channels share a group.
    factor
        What the loss multiplies by. The gradient is written with it, which saves a pass over it later.

    Returns
    -------
    Tensor ``(B,)``
    """
    return _kernel(x, window, phi, parameter, joint, factor)


def sliding_groups_plain(x: Tensor, window: list[int], phi: str, parameter: float, joint: bool) -> Tensor:
    """The definition of :func:`sliding_groups`, differentiable any number of times."""
    sums = x.square()
    if joint:
        sums = sums.sum(1, keepdim=True)
    for axis, size in zip((-1, -2), reversed(window), strict=True):
        border = [0] * (0 if axis == -1 else 2) + [(size - 1) // 2, size // 2]
        sums = torch.nn.functional.pad(sums, border).unfold(axis, size, 1).sum(-1)
    positive = sums > 0
    root = torch.where(positive, torch.where(positive, sums, 1.0).sqrt(), 0.0)
    return profile(root, positive, phi, parameter).sum(dim=(1, 2, 3))


def profile(norm: Tensor, positive: Tensor, phi: str, parameter: float) -> Tensor:
    """φ of the norms; ``positive`` tells where they are not zero."""
    if phi == "log":
        return parameter * torch.log1p(norm / parameter)
    if phi == "mcp":
        capped = norm.clamp_max(parameter)
        return capped - capped.square() / (2 * parameter)
    if phi == "lp":
        return torch.where(positive, torch.where(positive, norm, 1.0) ** parameter, 0.0)
    if phi == "charbonnier":
        return (norm.square() + parameter**2).sqrt() - parameter
    return norm


def value_and_gradient(
    x: Tensor,
    window: list[int],
    phi: str,
    parameter: float,
    joint: bool,
    factor: float,
    with_gradient: bool,
) -> tuple[Tensor, Tensor]:
    """:func:`sliding_groups` and its gradient, which is empty where it is not wanted."""
    batch, channels, height, width = x.shape
    members = channels if joint else 1  # planes that share their groups
    planes = x.detach().contiguous().numpy().reshape(-1, members, height, width)
    kind = planes.dtype.type
    gradient = empty(planes.shape if with_gradient else (len(planes), 0, 0, 0), planes.dtype)
    # a window that reaches beyond the picture on both sides is as good as one that just reaches the ends
    reach = tuple(
        min(side, length - 1)
        for size, length in zip(window, (height, width), strict=True)
        for side in ((size - 1) // 2, size // 2)
    )
    bands = max(1, height // max(_BAND, 16 * (reach[0] + reach[1] + 1)))
    values = np.zeros((len(planes), bands))
    parallel_rows(
        run_tasks, values.size, planes, gradient.numpy(), kind(factor), values, with_gradient, reach,
        PROFILES.index(phi), kind(parameter),
    )  # fmt: skip
    value = torch.from_numpy(factor * values.reshape(batch, -1).sum(1)).to(x.dtype)
    return value, gradient.reshape(x.shape if with_gradient else (0, 0, 0, 0))


_kernel = _operator.FusedKernel("sliding_groups", value_and_gradient, sliding_groups_plain)
