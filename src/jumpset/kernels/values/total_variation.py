"""The fused kernel of total variation: value and gradient in one pass, as a torch operator.

The image is read once, and the gradient is written once where it is required: as much memory as a copy moves.
The plain formula moves about forty times the memory of the image. The loops are in
:mod:`jumpset.kernels.values.total_variation_loops`, and for CUDA in
:mod:`jumpset.kernels.values.total_variation_triton`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels.buffers import empty
from jumpset.kernels.threads import parallel_rows
from jumpset.kernels.values import _operator
from jumpset.kernels.values.total_variation_loops import run_rows

_BAND = 1 << 15  # pixels per thread at least


def applies(x: Any) -> bool:
    """Return whether a fused kernel accepts ``x``, a ``(B, C, H, W)`` tensor of float32 or float64."""
    return _operator.takes(x, gpu=True) and x.ndim == 4


def total_variation(x: Tensor, beta: float, isotropic: bool, joint: bool, factor: float = 1.0) -> Tensor:
    """Return ``factor · R(x)`` of each image, with R as in :func:`total_variation_plain`.

    Parameters
    ----------
    x
        ``(B, C, H, W)`` that :func:`applies` accepts.
    beta
        Exponent, above 0.
    isotropic
        Whether the directions share a root.
    joint
        Whether the channels share a root.
    factor
        Factor of the value and of the gradient, which saves a later pass over the gradient.

    Returns
    -------
    Tensor ``(B,)``
    """
    return _kernel(x, beta, isotropic, joint, factor)


def total_variation_plain(x: Tensor, beta: float, isotropic: bool, joint: bool) -> Tensor:
    """Compute ``Σ_p (Σ_k d_k²)^(β/2)``, the definition of the kernel, differentiable any number of times.

    The forward differences d_k are zero across the border. Where ``isotropic`` is false, the sum over the
    directions k is outside the power; where ``joint``, the sum over the channels is inside.
    """
    squares = []
    for axis, border in ((-1, (0, 1)), (-2, (0, 0, 0, 1))):
        square = torch.nn.functional.pad(x.diff(dim=axis), border).square()
        squares.append(square.sum(1, keepdim=True) if joint else square)
    if isotropic:
        squares = [squares[0] + squares[1]]
    powers = [torch.where(s != 0, torch.where(s != 0, s, 1.0) ** (beta / 2), 0.0) for s in squares]
    return torch.stack(powers).sum(dim=(0, 2, 3, 4))


def _value_and_gradient(
    x: Tensor, beta: float, isotropic: bool, joint: bool, factor: float, with_gradient: bool
) -> tuple[Tensor, Tensor]:
    """Return ``factor · R(x)``, ``(B,)``, and its gradient, which is empty unless ``with_gradient``."""
    if x.device.type == "cuda":
        from jumpset.kernels.values import total_variation_triton as gpu

        return gpu.value_and_gradient(x, beta, isotropic, joint, factor, with_gradient)
    batch, channels, height, width = x.shape
    images = x.detach().contiguous().numpy()
    if not joint:
        images = images.reshape(batch * channels, 1, height, width)
    kind = images.dtype.type
    gradient = empty(x.shape if with_gradient else (0, 0, 0, 0), images.dtype)
    values = np.empty(len(images) * height)
    parallel_rows(
        run_rows, len(values), images, kind(beta / 2), kind(beta * factor), isotropic, with_gradient, values,
        gradient.numpy().reshape(images.shape if with_gradient else gradient.shape),
        least=_BAND // (images.shape[1] * width) + 1,
    )  # fmt: skip
    value = np.add.reduce(values.reshape(batch, -1), axis=1) * factor
    return torch.from_numpy(value.astype(kind)), gradient


_kernel = _operator.FusedKernel("total_variation", _value_and_gradient, total_variation_plain)
