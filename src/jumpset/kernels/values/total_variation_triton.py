"""Total variation on a GPU: value and gradient in one launch. Imported for CUDA tensors only; needs triton.

A program processes a block of pixels of one image. A pixel's gradient needs the weights of three pixels: the
pixel itself, the previous one in its row and the one above. Each weight is computed where it is needed from
cached values, so that the image is read once and the gradient is written once.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 1024


def value_and_gradient(
    x: Tensor, beta: float, isotropic: bool, joint: bool, factor: float, with_gradient: bool
) -> tuple[Tensor, Tensor]:
    """Return ``factor · R(x)``, ``(B,)``, and its gradient, which is empty unless ``with_gradient``.

    :func:`jumpset.kernels.values.total_variation.total_variation_plain` is the definition of R.
    """
    batch, channels, height, width = x.shape
    x = x.detach().contiguous()
    members = channels if joint else 1  # channels that share a root
    images = batch * channels // members
    blocks = triton.cdiv(height * width, _BLOCK)
    gradient = torch.empty_like(x) if with_gradient else x.new_empty((0, 0, 0, 0))
    sums = x.new_empty((batch, images * blocks // batch), dtype=torch.float64)
    factors = x.new_full((1,), beta * factor)  # a tensor, since triton converts a number to float32
    with torch.cuda.device_of(x):
        _kernel[(images * blocks,)](  # pyright: ignore[reportIndexIssue]
            x, gradient, sums, factors, height, width, members, blocks, beta / 2, torch.finfo(x.dtype).tiny,
            isotropic, with_gradient, _BLOCK,
        )  # fmt: skip
    return (factor * sums.sum(1)).to(x.dtype), gradient


@triton.jit
def _square(difference):
    return difference * difference


@triton.jit
def _power(squares, half: tl.constexpr):
    if half == 0.5:
        return tl.sqrt(squares)
    elif half == 1.0:
        return squares
    else:
        positive = squares != 0  # NaN as well, which stays
        return tl.where(positive, tl.exp2(half * tl.log2(tl.where(positive, squares, 1.0))), 0.0)


@triton.jit
def _weight(squares, half: tl.constexpr, tiny: tl.constexpr):
    # d(s ** half) / ds / half where s is large enough that it is finite
    safe = tl.where(squares < tiny, 1.0, squares)
    return tl.where(squares < tiny, 0.0, _power(safe, half) / safe)


@triton.jit
def _differences(x, p, row, column, height, width, inside):
    """Return differences across and down: of the pixel, of the previous one in its row, of the one above."""
    right, lower = inside & (column + 1 < width), inside & (row + 1 < height)
    left, upper = inside & (column > 0), inside & (row > 0)
    here = tl.load(x + p, mask=inside, other=0.0)
    before = tl.load(x + p - 1, mask=left, other=0.0)
    above = tl.load(x + p - width, mask=upper, other=0.0)
    across = tl.where(right, tl.load(x + p + 1, mask=right, other=0.0) - here, 0.0)
    down = tl.where(lower, tl.load(x + p + width, mask=lower, other=0.0) - here, 0.0)
    before_across = tl.where(left, here - before, 0.0)
    below_before = tl.load(x + p + width - 1, mask=left & lower, other=0.0)
    before_down = tl.where(left & lower, below_before - before, 0.0)
    right_of_above = tl.load(x + p - width + 1, mask=upper & right, other=0.0)
    above_across = tl.where(upper & right, right_of_above - above, 0.0)
    above_down = tl.where(upper, here - above, 0.0)
    return across, down, before_across, before_down, above_across, above_down


@triton.jit
def _kernel(
    x, gradient, sums, factors, height, width, members, blocks, half: tl.constexpr, tiny: tl.constexpr,
    isotropic: tl.constexpr, with_gradient: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    program = tl.program_id(0)
    p = (program % blocks) * block + tl.arange(0, block)
    inside = p < height * width
    row, column = p // width, p % width
    start = (program // blocks).to(tl.int64) * members * height * width
    factor = tl.load(factors)
    here_across = tl.zeros((block,), x.dtype.element_ty)
    here_down, before, above = here_across, here_across, here_across
    for c in range(members):
        image = x + start + c * height * width
        a, d, ba, bd, aa, ad = _differences(image, p, row, column, height, width, inside)
        here_across += _square(a)
        here_down += _square(d)
        if isotropic:
            before += _square(ba) + _square(bd)
            above += _square(aa) + _square(ad)
        else:
            before += _square(ba)
            above += _square(ad)
    if isotropic:
        here_across += here_down
        here_down = here_across
        value = _power(here_across, half)
    else:
        value = _power(here_across, half) + _power(here_down, half)
    tl.store(sums + program, tl.sum(value.to(tl.float64), axis=0))
    if with_gradient:
        here_across, here_down = _weight(here_across, half, tiny), _weight(here_down, half, tiny)
        before, above = _weight(before, half, tiny), _weight(above, half, tiny)
        for c in range(members):
            image = x + start + c * height * width
            a, d, ba, _, _, ad = _differences(image, p, row, column, height, width, inside)
            flux = before * ba + above * ad - here_across * a - here_down * d
            tl.store(gradient + start + c * height * width + p, factor * flux, mask=inside)
