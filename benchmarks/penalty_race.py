"""Compare total variation and sliding groups as losses, value and gradient, with other libraries.

    python benchmarks/penalty_race.py [ROUNDS] [--threads N]

The contestants are jumpset's fused isotropic TV, the same formula in eager torch and through
``torch.compile``, and torchmetrics and kornia, which compute the anisotropic TV; sliding groups with two
windows, fused, eager and compiled; float32. A round times every contestant once, so that the load of the
machine is the same for all; the table has the median (minimum … maximum) of the rounds. A contestant that is
not installed, or fails, is named and left out. Three rounds take about two minutes on two idle cores.

A fused pass must read the image once and write the gradient once. ``y.copy_(x)`` moves as much memory: it is
the floor, and the last columns say how near a contestant is, in copies. "with a weight" multiplies the loss
by 0.1, outside of the penalty (another pass over the gradient) and inside (none).
"""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module

import torch
from timing import Timing, measure

from jumpset.penalties import Penalty, SlidingGroups, TotalVariation

SHAPES = ((8, 3, 512, 512), (16, 1, 256, 256))
WARM_UP_SECONDS, REPEATS = 0.1, 10


class PlainTV(TotalVariation):
    """The plain formula without the fused kernel."""

    def _fused(self, x, factor):  # noqa: ARG002
        return None


class PlainGroups(SlidingGroups):
    """The same for sliding groups."""

    def _fused(self, x, factor):  # noqa: ARG002
        return None


def step(loss: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Callable[[], None]:
    """Return a function that computes value and gradient, as a training step does."""

    def run() -> None:
        x.grad = None
        loss(x).backward()

    return run


def peers() -> dict[str, Callable]:
    """Return the total variation of the installed libraries."""
    found = {}
    for name, module in (("torchmetrics", "torchmetrics.functional.image"), ("kornia", "kornia.losses")):
        try:
            function = import_module(module).total_variation
        except ImportError as error:
            print(f"without {name}: {error}")
        else:
            found[name] = lambda x, f=function: f(x).sum()
    return found


def contestants(shape: tuple[int, ...]) -> dict[str, Callable[[], object]]:
    """Return a function for each row of the table."""
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    y, watched = torch.empty_like(x), x.clone().requires_grad_()
    ours: Penalty = TotalVariation(channels="separate")
    losses = {
        "jumpset": ours,
        "with a weight outside": lambda x: 0.1 * ours(x),
        "with a weight inside": 0.1 * ours,
        "eager torch": PlainTV(channels="separate"),
        "torch.compile": torch.compile(PlainTV(channels="separate")),
        **peers(),
        "sliding groups 5": SlidingGroups(5, channels="separate"),
        "sliding groups 33": SlidingGroups(33, channels="separate"),
        "groups 5, eager torch": PlainGroups(5, channels="separate"),
        "groups 5, torch.compile": torch.compile(PlainGroups(5, channels="separate")),
    }
    values = {"y.copy_(x)": lambda: y.copy_(x), "jumpset, value alone": lambda: ours(x)}
    return values | {name: step(loss, watched) for name, loss in losses.items()}


def working(functions: dict[str, Callable]) -> dict[str, tuple[Callable, int]]:
    """Return the contestants whose first calls succeed, each with its number of calls to warm up."""
    found = {}
    for name, function in functions.items():
        try:
            function()  # compiles
            seconds = measure(function, repeats=2).median
            print(f"  ready: {name}", file=sys.stderr, flush=True)
        except Exception as error:  # a compiler that is missing, a version that does not fit
            print(f"without {name.strip()}: {type(error).__name__}: {str(error).splitlines()[:1]}")
        else:
            found[name] = function, max(1, min(15, round(WARM_UP_SECONDS / seconds)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for shape in SHAPES:
        functions = working(contestants(shape))
        runs: dict[str, list[float]] = {name: [] for name in functions}
        for _ in range(arguments.rounds):
            for name, (function, warm_up) in functions.items():
                # warm each time, so that the caches do not hold the data of another contestant
                runs[name].extend(measure(function, repeats=REPEATS, warm_up=warm_up).runs)
        timings = {name: Timing(tuple(1e3 * seconds for seconds in of)) for name, of in runs.items()}
        floor = timings["y.copy_(x)"]
        print(f"{shape!s:24s}{'milliseconds':>22s}{'copies: median':>36s}{'minimum':>9s}")
        for name, timing in timings.items():
            least = min(timing.runs) / min(floor.runs)
            print(f"  {name:24s}{timing!s:44s}{timing.median / floor.median:12.1f}{least:9.1f}", flush=True)


if __name__ == "__main__":
    main()
