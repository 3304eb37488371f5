"""Compare total variation as a loss, value and gradient, with other libraries.

    python benchmarks/penalty_race.py [ROUNDS]

The contestants are jumpset's fused isotropic TV, the same formula in eager torch and through
``torch.compile``, and torchmetrics and kornia, which compute the anisotropic TV; float32, two threads. A
round times every contestant once, so that the load of the machine is the same for all; the table has the
median (minimum … maximum) of the rounds.

A fused pass must read the image once and write the gradient once. ``y.copy_(x)`` moves as much memory and
is the unit of the last columns. The table also has sliding-window groups with two window sizes.
"""

import sys

import torch
from kornia.losses import total_variation as kornia_tv
from timing import Timing, measure
from torchmetrics.functional.image import total_variation as torchmetrics_tv

from jumpset.penalties import SlidingGroups, TotalVariation

SHAPES = ((8, 3, 512, 512), (16, 1, 256, 256))


class Plain(TotalVariation):
    """The plain formula without the fused kernel."""

    def _fused(self, x, factor):  # noqa: ARG002
        return None


def step(loss, x):
    """Return a function that computes value and gradient, as a training step does."""

    def run():
        x.grad = None
        loss(x).backward()

    return run


def contestants(shape):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    y, watched = torch.empty_like(x), x.clone().requires_grad_()
    ours, plain = TotalVariation(channels="separate"), Plain(channels="separate")
    return {
        "y.copy_(x)": lambda: y.copy_(x),
        "jumpset": step(ours, watched),
        "jumpset, weighted": step(lambda x: 0.1 * ours(x), watched),
        "jumpset, value alone": lambda: ours(x),
        "sliding groups 5": step(SlidingGroups(5, channels="separate"), watched),
        "sliding groups 33": step(SlidingGroups(33, channels="separate"), watched),
        "eager torch": step(plain, watched),
        "torch.compile": step(torch.compile(plain), watched),
        "torchmetrics": step(lambda x: torchmetrics_tv(x), watched),
        "kornia": step(lambda x: kornia_tv(x).sum(), watched),
    }


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    torch.set_num_threads(2)
    for shape in SHAPES:
        functions = contestants(shape)
        runs = {name: [] for name in functions}
        for _ in range(rounds):
            for name, function in functions.items():
                # a long warm-up each time, so that the caches do not hold the data of another contestant
                runs[name].extend(measure(function, repeats=10, warm_up=15).runs)
        timings = {name: Timing(tuple(of)) for name, of in runs.items()}
        copy = timings["y.copy_(x)"]
        print(f"{shape}{'seconds':>16s}{'copies: median':>40s}{'min':>8s}")
        for name, timing in timings.items():
            least = min(timing.runs) / min(copy.runs)
            print(f"  {name:22s}{timing!s:40s}{timing.median / copy.median:8.1f}{least:8.1f}")


if __name__ == "__main__":
    main()
