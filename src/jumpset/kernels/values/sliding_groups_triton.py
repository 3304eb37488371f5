"""Sliding-window groups on a GPU, in two launches. Imported for CUDA tensors only; needs triton.

The first launch sums φ of each window's norm n and stores its weight φ'(n) / n; the second multiplies each
pixel by the sum of the weights of the windows that contain it. Both read a window from the cache, pixel by
pixel: the work grows with the window, unlike that of the loops on the CPU.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 512


def value_and_gradient(
    x: Tensor, reach: tuple[int, int, int, int], phi: str, parameter: float, joint: bool, factor: float,
    with_gradient: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return ``factor · R(x)``, ``(B,)``, and its gradient, which is empty unless ``with_gradient``.

    ``reach`` has the numbers of rows above and below, and of columns left and right of a window's centre.
    :func:`jumpset.kernels.values.sliding_groups.sliding_groups_plain` is the definition of R.
    """
    batch, channels, height, width = x.shape
    x = x.detach().contiguous()
    members = channels if joint else 1  # channels that share a group
    images = batch * channels // members
    blocks = triton.cdiv(height * width, _BLOCK)
    weights = x.new_empty((images, height, width) if with_gradient else (0, 0, 0))
    gradient = torch.empty_like(x) if with_gradient else x.new_empty((0, 0, 0, 0))
    sums = x.new_empty((batch, images * blocks // batch), dtype=torch.float64)
    numbers = x.new_tensor([parameter, factor])  # a tensor, since triton converts numbers to float32
    top, bottom, left, right = reach
    sizes = (height, width, members, blocks)
    with torch.cuda.device_of(x):
        _windows[(images * blocks,)](  # pyright: ignore[reportIndexIssue]
            x, weights, sums, numbers, *sizes, top, bottom, left, right, phi, torch.finfo(x.dtype).tiny,
            with_gradient, _BLOCK,
        )  # fmt: skip
        if with_gradient:
            _gradient[(images * blocks,)](  # pyright: ignore[reportIndexIssue]
                x, weights, gradient, numbers, *sizes, top, bottom, left, right, _BLOCK
            )
    return (factor * sums.sum(1)).to(x.dtype), gradient


@triton.jit
def _profile(squares, parameter, phi: tl.constexpr, tiny: tl.constexpr):
    """Return φ(n) and φ'(n) / n for squared norms; the weight of an empty window is 0."""
    is_large = squares >= tiny  # false for NaN, which the value keeps
    safe = tl.where(is_large, squares, 1.0)
    norm = tl.sqrt(safe)
    if phi == "log":
        ratio = norm / parameter
        value, weight = parameter * tl.log(1.0 + ratio), 1.0 / (norm + safe / parameter)
        # the logarithm of 1 + ratio has no digits of a small ratio
        value = tl.where(ratio < 1e-3, norm * (1.0 - ratio * (0.5 - ratio * (1.0 / 3 - ratio / 4))), value)
    elif phi == "mcp":
        norm = tl.minimum(norm, parameter)
        value, weight = norm - 0.5 * norm * norm / parameter, 1.0 / norm - 1.0 / parameter
    elif phi == "lp":
        power = tl.exp2(0.5 * parameter * tl.log2(safe))
        value, weight = power, parameter * power / safe
    elif phi == "charbonnier":
        root = tl.sqrt(parameter * parameter + tl.where(is_large, squares, 0.0))
        return squares / (root + parameter), 1.0 / root
    else:
        value, weight = norm, 1.0 / norm
    return tl.where(is_large, value, 0.0 * squares), tl.where(is_large, weight, 0.0)


@triton.jit
def _windows(
    x, weights, sums, numbers, height, width, members, blocks, top, bottom, left, right, phi: tl.constexpr,
    tiny: tl.constexpr, with_gradient: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    program = tl.program_id(0)
    p = (program % blocks) * block + tl.arange(0, block)
    inside = p < height * width
    row, column = p // width, p % width
    image = (program // blocks).to(tl.int64)
    squares = tl.zeros((block,), x.dtype.element_ty)
    for c in range(members):
        plane = x + (image * members + c) * height * width
        for i in range(-top, bottom + 1):
            for j in range(-left, right + 1):
                near = inside & (row + i >= 0) & (row + i < height) & (column + j >= 0) & (column + j < width)
                one = tl.load(plane + p + i * width + j, mask=near, other=0.0)
                squares += one * one
    value, weight = _profile(squares, tl.load(numbers), phi, tiny)
    tl.store(sums + program, tl.sum(tl.where(inside, value, 0.0).to(tl.float64), axis=0))
    if with_gradient:
        tl.store(weights + image * height * width + p, weight, mask=inside)


@triton.jit
def _gradient(
    x, weights, gradient, numbers, height, width, members, blocks, top, bottom, left, right,
    block: tl.constexpr,
):  # fmt: skip
    program = tl.program_id(0)
    p = (program % blocks) * block + tl.arange(0, block)
    inside = p < height * width
    row, column = p // width, p % width
    image = (program // blocks).to(tl.int64)
    total = tl.zeros((block,), x.dtype.element_ty)
    for i in range(-bottom, top + 1):  # the centres of the windows that contain the pixel
        for j in range(-right, left + 1):
            near = inside & (row + i >= 0) & (row + i < height) & (column + j >= 0) & (column + j < width)
            total += tl.load(weights + image * height * width + p + i * width + j, mask=near, other=0.0)
    factor = tl.load(numbers + 1)
    for c in range(members):
        start = (image * members + c) * height * width
        here = tl.load(x + start + p, mask=inside, other=0.0)
        tl.store(gradient + start + p, factor * here * total, mask=inside)
