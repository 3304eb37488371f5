"""Torch operators of fused kernels, which compute value and gradient in one pass.

A kernel is a function ``(x, *settings, factor, with_gradient) -> value (B,), gradient`` with annotated
arguments, both results times ``factor``; the gradient is empty unless ``with_gradient``. Its definition
``plain(x, *settings)`` is differentiable any number of times. The operator works in eager mode, under
``torch.compile`` and under ``vmap``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from jumpset.kernels.threads import parallel_rows
from jumpset.kernels.tracing import is_eager
from jumpset.kernels.values.scaling_loops import scale_rows

_HAS_TRITON = find_spec("triton") is not None
_SCALED_BAND = 1 << 20  # entries per thread at least, where they are only multiplied


def takes(x: Any, gpu: bool = False) -> bool:
    """Return whether a kernel accepts ``x``: float32 or float64, on the CPU or (``gpu``) by triton on CUDA.

    Not under ``torch.func.grad`` or forward-mode differentiation, which torch's custom operators do not
    support.
    """
    return (
        isinstance(x, Tensor)
        and x.dtype in (torch.float32, torch.float64)
        and (x.device.type == "cpu" or (gpu and x.device.type == "cuda" and _HAS_TRITON))
        and x.numel() > 0
        and forward_ad._current_level < 0
        and not _is_transformed(x)
    )


def _is_transformed(x: Tensor) -> bool:
    """Return whether a ``torch.func`` transform other than ``vmap`` is, or may be, active."""
    if not torch._C._are_functorch_transforms_active():
        return False
    if x.requires_grad or torch.compiler.is_compiling():
        return True
    # ``grad`` around ``vmap``: the innermost tensor, that of vmap, does not say that it requires a gradient
    transforms = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]
    levels = transforms.get_interpreter_stack() or ()
    return any(level.key() != transforms.TransformType.Vmap for level in levels)


class FusedKernel:
    """A differentiable function: ``kernel(x, *settings, factor)`` is ``factor · R`` of each image, ``(B,)``.

    Parameters
    ----------
    name
        Name of the torch operator ``jumpset::name``.
    compute, plain
        The kernel and its definition, as the module's docstring describes them.
    """

    def __init__(
        self, name: str, compute: Callable[..., tuple[Tensor, Tensor]], plain: Callable[..., Tensor]
    ) -> None:
        self.compute, self.plain = compute, plain
        # For ``torch.compile`` and ``vmap``.
        self.operator: Any = torch.library.custom_op(f"jumpset::{name}", compute, mutates_args=())
        self.operator.register_fake(_fake)
        if hasattr(self.operator, "register_vmap"):  # torch 2.5 and later
            self.operator.register_vmap(self._vmap)
        self.operator.register_autograd(self._operator_backward, setup_context=self._setup)

    def __call__(self, x: Tensor, *settings: Any) -> Tensor:
        wanted = torch.is_grad_enabled() and x.requires_grad
        if not is_eager(x):
            return self.operator(x, *settings, wanted)[0]
        # Without the operator, whose first call loads torch's compiler for seconds and whose later calls take
        # microseconds more.
        return _Eager.apply(x, self, settings) if wanted else self.compute(x, *settings, False)[0]

    def gradient(self, ctx: Any, outer: Tensor) -> Tensor:
        """Return the gradient of each image times its ``outer``."""
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # for second derivatives, which only the plain formula has
            *settings, factor = ctx.settings
            pull = torch.func.vjp(lambda x: self.plain(x, *settings), x)[1]
            return pull(factor * outer)[0]
        gradient, ctx.gradient = ctx.gradient, None
        if (
            gradient is None or gradient.numel() == 0
        ):  # a second backward pass, or a kernel run without gradient
            gradient = self.operator(x, *ctx.settings, True)[1]
        return _scaled(gradient, outer)

    def _setup(self, ctx: Any, inputs: Any, output: Any) -> None:
        x, *settings, _ = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        _remember(ctx, x, settings, output[1].detach())

    def _operator_backward(self, ctx: Any, outer: Tensor | None, _: Any) -> tuple:
        nothing = (None,) * (len(ctx.settings) + 1)
        return None if outer is None else self.gradient(ctx, outer), *nothing

    def _vmap(self, _info: Any, in_dims: Any, x: Tensor, *settings: Any) -> tuple:
        x = x.movedim(in_dims[0], 0)
        several = x.shape[:2]
        value, gradient = self.operator(x.flatten(0, 1), *settings)
        value = value.unflatten(0, several)
        if gradient.numel() == 0:
            return (value, gradient), (0, None)
        return (value, gradient.unflatten(0, several)), (0, 0)


class _Eager(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, kernel, settings):  # type: ignore[override]
        value, gradient = kernel.compute(x, *settings, True)
        ctx.kernel = kernel
        _remember(ctx, x, settings, gradient)
        return value

    @staticmethod
    def backward(ctx, outer):  # type: ignore[override]
        return ctx.kernel.gradient(ctx, outer), None, None


def _remember(ctx: Any, x: Tensor, settings: Any, gradient: Tensor) -> None:
    ctx.save_for_backward(x)
    ctx.settings = settings
    # Not a saved tensor, since the first backward pass returns it and may scale it in place.
    ctx.gradient = gradient


def _fake(x, *settings):
    gradient = torch.empty_like(x, memory_format=torch.contiguous_format)
    return x.new_empty(x.shape[0]), gradient if settings[-1] else x.new_empty((0,) * x.ndim)


def _scaled(gradient: Tensor, outer: Tensor) -> Tensor:
    """Multiply each image of ``gradient`` by its ``outer``, in place where both have memory."""
    factors = outer.reshape(-1, *[1] * (gradient.ndim - 1))
    if not _has_memory(outer):
        return gradient * factors
    if outer.device.type != "cpu":
        return gradient.mul_(factors)
    if set(outer.tolist()) != {1.0}:
        width = gradient.shape[-1]
        rows = gradient.numpy().reshape(-1, width)
        # not by torch, whose threads keep spinning for a while and would slow those of the next call
        parallel_rows(
            scale_rows, len(rows), rows, outer.detach().contiguous().numpy(), least=_SCALED_BAND // width + 1
        )
    return gradient


def _has_memory(x: Tensor) -> bool:
    """Return whether ``x`` has memory; it has none under ``autograd.grad(is_grads_batched=True)``."""
    if type(x) is not Tensor:
        return False
    try:
        x.data_ptr()
    except RuntimeError:
        return False
    return True
