"""The l1 norm on a GPU: value and gradient in one launch. Imported for CUDA tensors only; needs triton."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 4096


def value_and_gradient(x: Tensor, factor: float, with_gradient: bool) -> tuple[Tensor, Tensor]:
    """Return ``factor · Σ |x|``, ``(B,)``, and its gradient, which is empty unless ``with_gradient``."""
    x = x.detach().contiguous()
    size = x.numel() // len(x)
    blocks = triton.cdiv(size, _BLOCK)
    gradient = torch.empty_like(x) if with_gradient else x.new_empty((0,) * x.ndim)
    sums = x.new_empty((len(x), blocks), dtype=torch.float64)
    factors = x.new_full((1,), factor)  # a tensor, since triton converts a number to float32
    with torch.cuda.device_of(x):
        _kernel[(len(x) * blocks,)](  # pyright: ignore[reportIndexIssue]
            x, gradient, sums, factors, size, blocks, with_gradient, _BLOCK
        )
    return (factor * sums.sum(1)).to(x.dtype), gradient


@triton.jit
def _kernel(x, gradient, sums, factors, size, blocks, with_gradient: tl.constexpr, block: tl.constexpr):
    program = tl.program_id(0)
    p = (program % blocks) * block + tl.arange(0, block)
    inside = p < size
    start = (program // blocks).to(tl.int64) * size
    here = tl.load(x + start + p, mask=inside, other=0.0)
    tl.store(sums + program, tl.sum(tl.abs(here).to(tl.float64), axis=0))
    if with_gradient:
        factor = tl.load(factors)
        slope = tl.where(here > 0, factor, tl.where(here < 0, -factor, here * factor))  # 0 at 0, NaN at NaN
        tl.store(gradient + start + p, slope, mask=inside)
