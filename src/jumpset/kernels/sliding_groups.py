"""Sliding-window groups, fused: value and gradient of ``Σ_i φ(‖u_W(i)‖₂)`` in one pass, as a torch operator.

A window covers the rows ``i − before … i + after`` of its centre i (columns alike), cut at the border.

Memory moved: the picture is read once and the gradient written once; the box sums in between
(:mod:`jumpset.kernels.sliding_groups_loops`) stay in the cache and hardly depend on the window.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from jumpset.kernels._buffers import empty
from jumpset.kernels._threads import in_bands
from jumpset.kernels.sliding_groups_loops import run_tasks

PROFILES = ("identity", "log", "mcp", "lp", "charbonnier")
_BAND = 256  # rows that are worth a task of their own: its margin of two windows is computed twice


def applies(x: Any) -> bool:
    """Whether the fused kernel takes ``x``: a float32 or float64 CPU tensor ``(B, C, H, W)``.

    Not under ``torch.func.grad`` or forward-mode differentiation, closed to torch's custom operators.
    """
    return (
        isinstance(x, Tensor)
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and x.ndim == 4
        and x.numel() > 0
        and forward_ad._current_level < 0
        and not (x.requires_grad and _is_transformed())
    )


def _is_transformed() -> bool:
    """Whether a ``torch.func`` transform is at work."""
    return not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()


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
    wanted = torch.is_grad_enabled() and x.requires_grad
    return value_and_gradient(x, window, phi, parameter, joint, factor, wanted)[0]


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


@torch.library.custom_op("jumpset::sliding_groups", mutates_args=())
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
    in_bands(
        run_tasks, values.size, planes, gradient.numpy(), kind(factor), values, with_gradient, reach,
        PROFILES.index(phi), kind(parameter),
    )  # fmt: skip
    value = torch.from_numpy(factor * values.reshape(batch, -1).sum(1)).to(x.dtype)
    return value, gradient.reshape(x.shape) if with_gradient else gradient.reshape(0)


@value_and_gradient.register_fake
def _(x, window, phi, parameter, joint, factor, with_gradient):  # noqa: ARG001
    gradient = torch.empty_like(x, memory_format=torch.contiguous_format)
    return x.new_empty(x.shape[0]), gradient if with_gradient else x.new_empty(0)


def _vmap(_info, in_dims, x, *settings):
    x = x.movedim(in_dims[0], 0)
    value, gradient = value_and_gradient(x.flatten(0, 1), *settings)
    several = x.shape[:2]
    if gradient.numel() == 0:
        return (value.unflatten(0, several), gradient), (0, None)
    return (value.unflatten(0, several), gradient.unflatten(0, several)), (0, 0)


if hasattr(value_and_gradient, "register_vmap"):  # torch 2.5 and later
    value_and_gradient.register_vmap(_vmap)


def _remember(ctx, inputs, output):
    x, *ctx.settings, _ = inputs
    ctx.save_for_backward(x)
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)
    # Not a saved tensor: the first backward pass hands it out, and may scale it in place.
    ctx.gradient = output[1].detach()


def _backward(ctx, outer, _):
    (x,) = ctx.saved_tensors
    *settings, factor = ctx.settings  # all but with_gradient
    nothing = (None,) * 6
    if outer is None:
        return None, *nothing
    if torch.is_grad_enabled():  # to be differentiated again, which the kernel does not define
        _, pull = torch.func.vjp(lambda x: sliding_groups_plain(x, *settings), x)
        return pull(factor * outer)[0], *nothing
    gradient, ctx.gradient = ctx.gradient, None
    if gradient is None or gradient.numel() == 0:  # a second backward pass through a retained graph
        arguments: Any = (x, *ctx.settings, True)
        gradient = value_and_gradient(*arguments)[1]
    scale = outer.reshape(-1, 1, 1, 1)
    if type(outer) is not Tensor or _is_transformed():
        return gradient * scale, *nothing  # being traced or vectorised
    return gradient if bool((outer == 1).all()) else gradient.mul_(scale), *nothing


value_and_gradient.register_autograd(_backward, setup_context=_remember)
