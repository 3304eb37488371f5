"""The fused kernel of sliding-window groups: value and gradient of ``Σ_i φ(‖u_W(i)‖₂)`` in one pass.

A window covers the rows ``i − before … i + after`` of its centre i (columns likewise), cut at the border.

The image is read once and the gradient is written once; the box sums in between
(:mod:`jumpset.kernels.values.sliding_groups_loops`) stay in the cache, and their cost hardly depends on the
window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels.buffers import empty
from jumpset.kernels.threads import parallel_rows
from jumpset.kernels.values import _operator
from jumpset.kernels.values.sliding_groups_loops import run_tasks

PROFILES = ("identity", "log", "mcp", "lp", "charbonnier")
_GPU_WINDOW = 225  # pixels of a window on CUDA at most
_BAND = 256  # rows per task at least, since its margin of two windows is computed twice


def applies(x: Any, window: Sequence[int]) -> bool:
    """Return whether a fused kernel accepts ``x``, a ``(B, C, H, W)`` tensor of float32 or float64.

    On CUDA its time grows with the window, and large windows are left to the plain formula.
    """
    small = x.device.type == "cpu" or math.prod(window) <= _GPU_WINDOW
    return small and _operator.takes(x, gpu=True) and x.ndim == 4


def sliding_groups(
    x: Tensor, window: list[int], phi: str, parameter: float, joint: bool, factor: float = 1.0
) -> Tensor:
    """Return ``factor · Σ_i φ(‖u_W(i)‖₂)`` of each image.

    Parameters
    ----------
    x
        ``(B, C, H, W)`` that :func:`applies` accepts.
    window
        Rows and columns.
    phi
        One of ``PROFILES``, as :func:`profile` defines them.
    parameter
        Scale s of ``"log"``, ``"mcp"`` and ``"charbonnier"`` (√(t² + s²) − s), exponent of ``"lp"``.
    joint
        Whether the channels share a group.
    factor
        Factor of the value and of the gradient, which saves a later pass over the gradient.

    Returns
    -------
    Tensor ``(B,)``
    """
    return _kernel(x, window, phi, parameter, joint, factor)


def sliding_groups_plain(x: Tensor, window: list[int], phi: str, parameter: float, joint: bool) -> Tensor:
    """Compute :func:`sliding_groups` by its definition, differentiable any number of times."""
    sums = x.square()
    if joint:
        sums = sums.sum(1, keepdim=True)
    for axis, size in zip((-1, -2), reversed(window), strict=True):
        border = [0] * (0 if axis == -1 else 2) + [(size - 1) // 2, size // 2]
        sums = torch.nn.functional.pad(sums, border).unfold(axis, size, 1).sum(-1)
    positive = sums != 0  # NaN as well, which stays
    root = torch.where(positive, torch.where(positive, sums, 1.0).sqrt(), 0.0)
    return profile(root, positive, phi, parameter).sum(dim=(1, 2, 3))


def profile(norm: Tensor, positive: Tensor, phi: str, parameter: float) -> Tensor:
    """Return φ of the norms; ``positive`` is whether they are not zero."""
    if phi == "log":
        return parameter * torch.log1p(norm / parameter)
    if phi == "mcp":
        capped = norm.clamp_max(parameter)
        return capped - capped.square() / (2 * parameter) + 0 * norm  # NaN for NaN and infinity
    if phi == "lp":
        return torch.where(positive, torch.where(positive, norm, 1.0) ** parameter, 0.0)
    if phi == "charbonnier":
        return (norm.square() + parameter**2).sqrt() - parameter
    return norm


def value_and_gradient(
    x: Tensor, window: list[int], phi: str, parameter: float, joint: bool, factor: float, with_gradient: bool
) -> tuple[Tensor, Tensor]:
    """Return :func:`sliding_groups` and its gradient, which is empty unless ``with_gradient``."""
    batch, channels, height, width = x.shape
    reach = _reach(window, height, width)
    if x.device.type == "cuda":
        from jumpset.kernels.values import sliding_groups_triton as gpu

        return gpu.value_and_gradient(x, reach, phi, parameter, joint, factor, with_gradient)
    members = channels if joint else 1  # number of planes that share their groups
    planes = x.detach().contiguous().numpy().reshape(-1, members, height, width)
    kind = planes.dtype.type
    gradient = empty(planes.shape if with_gradient else (len(planes), 0, 0, 0), planes.dtype)
    bands = max(1, height // max(_BAND, 16 * (reach[0] + reach[1] + 1)))
    values = np.zeros((len(planes), bands))
    parallel_rows(
        run_tasks, values.size, planes, gradient.numpy(), kind(factor), values, with_gradient, reach,
        PROFILES.index(phi), kind(parameter),
    )  # fmt: skip
    value = torch.from_numpy(factor * values.reshape(batch, -1).sum(1)).to(x.dtype)
    return value, gradient.reshape(x.shape if with_gradient else (0, 0, 0, 0))


def _reach(window: list[int], height: int, width: int) -> tuple[int, int, int, int]:
    """Return rows above and below, and columns left and right of a window's centre."""
    # a window that extends beyond the image on both sides equals one that ends at its borders
    rows, columns = window
    return (
        min((rows - 1) // 2, height - 1), min(rows // 2, height - 1),
        min((columns - 1) // 2, width - 1), min(columns // 2, width - 1),
    )  # fmt: skip


_kernel = _operator.FusedKernel("sliding_groups", value_and_gradient, sliding_groups_plain)
