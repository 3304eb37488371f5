"""Measure the overhead of the fused total variation on small images: kernel, threads, autograd.

    python benchmarks/penalty_overhead.py

Prints microseconds, minimum and median of 500 calls, for (16, 1, 256, 256) and for an image of 8×8 pixels,
whose time is all overhead. "bands" is the number of row bands per thread: more bands balance the load
better on a busy machine, fewer bands need less scheduling.
"""

import time

import torch

from jumpset.kernels import threads as pool
from jumpset.kernels.values import total_variation as kernel
from jumpset.penalties import TotalVariation

LARGE, TINY = (16, 1, 256, 256), (1, 1, 8, 8)


def microseconds(function, repeats: int = 500) -> str:
    for _ in range(30):
        function()
    runs = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        runs.append(1e6 * (time.perf_counter() - began))
    runs.sort()
    return f"{runs[0]:8.1f}{runs[len(runs) // 2]:8.1f}"


class Minimal(torch.autograd.Function):
    """The smallest possible autograd step: returns a number, and a given gradient in the backward pass."""

    @staticmethod
    def forward(ctx, x):
        ctx.gradient = torch.empty_like(x)
        return x.new_zeros(())

    @staticmethod
    def backward(ctx, outer):  # noqa: ARG004
        return ctx.gradient


def step(loss, x):
    def run():
        x.grad = None
        loss(x).backward()

    return run


def main() -> None:
    penalty = TotalVariation(channels="separate")
    for shape in (TINY, LARGE):
        x = torch.rand(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
        y, plain = torch.empty_like(x), x.detach()
        print(f"{shape!s:28s}     min  median")
        for threads in (1, 2):
            torch.set_num_threads(threads)
            print(f"  {threads} threads, y.copy_(x)    {microseconds(lambda y=y, p=plain: y.copy_(p))}")
        print(f"  minimal autograd step    {microseconds(step(Minimal.apply, x))}")
        for threads, bands in ((1, 1), (2, 1), (2, 2), (2, 4), (2, 8)):
            torch.set_num_threads(threads)
            pool._BANDS_PER_THREAD = bands
            settings = (1.0, True, False, 1.0)
            raw = microseconds(lambda x=x, s=settings: kernel._value_and_gradient(x, *s, True))
            print(f"  {threads} threads, {bands} bands: kernel{raw}, step{microseconds(step(penalty, x))}")


if __name__ == "__main__":
    main()
