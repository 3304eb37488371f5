"""The fused kernel of the l1 norm: value and gradient in one pass, as a torch operator.

The image is read once, and the gradient is written once where it is required. The plain formula moves about
ten times the memory of the image.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels.buffers import empty
from jumpset.kernels.threads import parallel_rows
from jumpset.kernels.values import _operator
from jumpset.kernels.values.l1_loops import run_parts

_BAND = 1 << 17  # entries per thread at least
_PARTS = 16  # parts of an image at most, for the threads


def applies(x: Tensor) -> bool:
    """Return whether a fused kernel accepts ``x``, a tensor of float32 or float64 on the CPU or on CUDA."""
    return _operator.takes(x, gpu=True)


def l1(x: Tensor, factor: float = 1.0) -> Tensor:
    """Return ``factor · Σ |x|`` of each image, ``(B,)``, for an x ``(B, …)`` that :func:`applies` accepts."""
    return _kernel(x, factor)


def l1_plain(x: Tensor) -> Tensor:
    """Compute :func:`l1` by its definition; its gradient at 0 is 0."""
    return x.abs().flatten(1).sum(1)


def _value_and_gradient(x: Tensor, factor: float, with_gradient: bool) -> tuple[Tensor, Tensor]:
    """Return ``factor · Σ |x|``, ``(B,)``, and its gradient, which is empty unless ``with_gradient``."""
    if x.device.type == "cuda":
        from jumpset.kernels.values import l1_triton as gpu

        return gpu.value_and_gradient(x, factor, with_gradient)
    images = x.detach().contiguous().numpy()
    size = images.size // len(images)
    parts = next(n for n in range(min(_PARTS, size), 0, -1) if size % n == 0)
    rows = images.reshape(len(images) * parts, size // parts)
    gradient = empty(x.shape if with_gradient else (0,) * x.ndim, images.dtype)
    values = np.empty(len(rows))
    parallel_rows(
        run_parts, len(rows), rows, images.dtype.type(factor), with_gradient, values,
        gradient.numpy().reshape(rows.shape if with_gradient else (0, 0)),
        least=_BAND // rows.shape[1] + 1,
    )  # fmt: skip
    value = np.add.reduce(values.reshape(len(images), parts), axis=1) * factor
    return torch.from_numpy(value.astype(images.dtype)), gradient


_kernel = _operator.FusedKernel("l1", _value_and_gradient, l1_plain)
