"""Total variation, fused: value and gradient in one pass, as a torch operator.

Memory moved, in units of the picture: one reading, and one writing where a gradient is wanted, which is as
much as a copy moves. The plain formula moves about forty. The loops are in
:mod:`jumpset.kernels.total_variation_loops`, those for CUDA in :mod:`jumpset.kernels.triton_total_variation`.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from jumpset.kernels._buffers import empty
from jumpset.kernels._threads import in_bands
from jumpset.kernels.total_variation_loops import run_rows, scale_rows

_HAS_TRITON = find_spec("triton") is not None
_BAND = 1 << 15  # pixels that are worth a thread
_SCALED_BAND = 1 << 20  # the same, where they are only multiplied


def applies(x: Any) -> bool:
    """Whether the fused kernel takes ``x``: float32 or float64, ``(B, C, H, W)``, on CPU or, by triton, CUDA.

    Not under ``torch.func.grad`` or forward-mode differentiation, which torch's custom operators do not know.
    """
    return (
        isinstance(x, Tensor)
        and x.ndim == 4
        and x.dtype in (torch.float32, torch.float64)
        and (x.device.type == "cpu" or (x.device.type == "cuda" and _HAS_TRITON))
        and x.numel() > 0
        and forward_ad._current_level < 0
        and not _is_transformed(x)
    )


def _is_transformed(x: Tensor) -> bool:
    """Whether a ``torch.func`` transform other than ``vmap`` is, or may be, at work."""
    active = torch._C._are_functorch_transforms_active()
    return active and (x.requires_grad or torch.compiler.is_compiling())


def total_variation(x: Tensor, beta: float, isotropic: bool, joint: bool, factor: float = 1.0) -> Tensor:
    """``factor · R(x)`` of each image, with R as in :func:`total_variation_plain`.

    Parameters
    ----------
    x
        ``(B, C, H, W)`` for which :func:`applies` holds.
    beta
        Exponent, above 0.
    isotropic
        Whether the directions share a root.
    joint
        Whether the channels share a root.
    factor
        What a loss multiplies R by. Given here, it costs no pass over the gradient.

    Returns
    -------
    Tensor ``(B,)``
    """
    settings = beta, isotropic, joint, factor
    wanted = torch.is_grad_enabled() and x.requires_grad
    if not _is_eager(x):
        return _operator(x, *settings, wanted)[0]
    # Without the operator, whose first call loads torch's compiler for seconds, and each for microseconds.
    return _Eager.apply(x, *settings) if wanted else _value_and_gradient(x, *settings, False)[0]


def _is_eager(x: Tensor) -> bool:
    """Whether ``x`` is numbers now, not a stand-in of a tracer or of ``vmap``."""
    return (
        type(x) in (Tensor, torch.nn.Parameter)
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
    )


def total_variation_plain(x: Tensor, beta: float, isotropic: bool, joint: bool) -> Tensor:
    """The definition of the kernel, differentiable any number of times: ``Σ_p (Σ_k d_k²)^(β/2)``.

    The forward differences d_k are zero across the border. Where ``isotropic`` is false, the sum over the
    directions k stands outside the power; where ``joint``, a sum over the channels stands inside.
    """
    squares = []
    for axis, border in ((-1, (0, 1)), (-2, (0, 0, 0, 1))):
        square = torch.nn.functional.pad(x.diff(dim=axis), border).square()
        squares.append(square.sum(1, keepdim=True) if joint else square)
    if isotropic:
        squares = [squares[0] + squares[1]]
    powers = [torch.where(s > 0, torch.where(s > 0, s, 1.0) ** (beta / 2), 0.0) for s in squares]
    return torch.stack(powers).sum(dim=(0, 2, 3, 4))


def _value_and_gradient(
    x: Tensor, beta: float, isotropic: bool, joint: bool, factor: float, with_gradient: bool
) -> tuple[Tensor, Tensor]:
    """``factor · R(x)``, ``(B,)``, and its gradient, which is empty where it is not wanted."""
    if x.device.type == "cuda":
        from jumpset.kernels import triton_total_variation as gpu  # imports triton

        return gpu.value_and_gradient(x, beta, isotropic, joint, factor, with_gradient)
    batch, channels, height, width = x.shape
    images = x.detach().contiguous().numpy()
    if not joint:
        images = images.reshape(batch * channels, 1, height, width)
    kind = images.dtype.type
    gradient = empty(x.shape if with_gradient else (0, 0, 0, 0), images.dtype)
    values = np.empty(len(images) * height)
    in_bands(
        run_rows, len(values), images, kind(beta / 2), kind(beta * factor), isotropic, with_gradient, values,
        gradient.numpy().reshape(images.shape if with_gradient else gradient.shape),
        least=_BAND // (images.shape[1] * width) + 1,
    )  # fmt: skip
    value = np.add.reduce(values.reshape(batch, -1), axis=1) * factor
    return torch.from_numpy(value.astype(kind)), gradient


class _Eager(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, *settings):  # type: ignore[override]
        value, gradient = _value_and_gradient(x, *settings, True)  # pyright: ignore[reportCallIssue]
        _remember(ctx, x, settings, gradient)
        return value

    @staticmethod
    def backward(ctx, outer):  # type: ignore[override]
        return _gradient(ctx, outer), None, None, None, None


# What ``torch.compile`` and ``vmap`` see.
_operator = torch.library.custom_op("jumpset::total_variation", _value_and_gradient, mutates_args=())


@_operator.register_fake
def _(x, beta, isotropic, joint, factor, with_gradient):  # noqa: ARG001
    gradient = torch.empty_like(x, memory_format=torch.contiguous_format)
    return x.new_empty(x.shape[0]), gradient if with_gradient else x.new_empty((0, 0, 0, 0))


def _vmap(_info, in_dims, x, *settings):
    x = x.movedim(in_dims[0], 0)
    value, gradient = _operator(x.flatten(0, 1), *settings)
    value = value.unflatten(0, x.shape[:2])
    if gradient.numel() == 0:
        return (value, gradient), (0, None)
    return (value, gradient.unflatten(0, x.shape[:2])), (0, 0)


if hasattr(_operator, "register_vmap"):  # torch 2.5 and later
    _operator.register_vmap(_vmap)


def _setup_operator(ctx, inputs, output):
    x, *settings, _ = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)
    _remember(ctx, x, settings, output[1].detach())


def _operator_backward(ctx, outer, _):
    return None if outer is None else _gradient(ctx, outer), None, None, None, None, None


_operator.register_autograd(_operator_backward, setup_context=_setup_operator)


def _remember(ctx: Any, x: Tensor, settings: Any, gradient: Tensor) -> None:
    ctx.save_for_backward(x)
    ctx.settings = settings
    # No saved tensor: the first backward pass hands it out, and may scale it in place.
    ctx.gradient = gradient


def _gradient(ctx: Any, outer: Tensor) -> Tensor:
    """Gradient of each image times its ``outer``."""
    (x,) = ctx.saved_tensors
    beta, isotropic, joint, factor = ctx.settings
    if torch.is_grad_enabled():  # to be differentiated again, which only the plain formula can be
        _, pull = torch.func.vjp(lambda x: total_variation_plain(x, beta, isotropic, joint), x)
        return pull(factor * outer)[0]
    gradient, ctx.gradient = ctx.gradient, None
    if gradient is None or gradient.numel() == 0:  # a second pass, or a gradient that nobody foresaw
        gradient = _operator(x, beta, isotropic, joint, factor, True)[1]
    if not _has_memory(outer):
        return gradient * outer.reshape(-1, 1, 1, 1)
    if outer.device.type != "cpu":
        return gradient.mul_(outer.reshape(-1, 1, 1, 1))
    if set(outer.tolist()) != {1.0}:
        width = x.shape[-1]
        rows = gradient.numpy().reshape(-1, width)
        factors = outer.detach().contiguous().numpy()
        # not by torch, whose threads go on spinning for a while and would hinder those of the next call
        in_bands(scale_rows, len(rows), rows, factors, least=_SCALED_BAND // width + 1)
    return gradient


def _has_memory(x: Tensor) -> bool:
    """Whether ``x`` is numbers, also for the older ``vmap`` of ``autograd.grad(is_grads_batched=True)``."""
    if type(x) is not Tensor:
        return False
    try:
        x.data_ptr()
    except RuntimeError:
        return False
    return True
