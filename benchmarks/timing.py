"""Time functions: warm up, repeat, report the median and the range."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of several runs."""

    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median of the runs."""
        return statistics.median(self.runs)

    def __str__(self) -> str:
        """Return the median, and the range in brackets."""
        return f"{self.median:.4f} ({min(self.runs):.4f} … {max(self.runs):.4f})"


def measure(function: Callable[[], object], repeats: int = 7, warm_up: int = 1) -> Timing:
    """Run ``function`` ``warm_up`` times without timing, then ``repeats`` times with it."""
    for _ in range(warm_up):
        function()
    runs = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        runs.append(time.perf_counter() - began)
    return Timing(tuple(runs))


def take_turns(calls, repeats, clock=time.perf_counter):
    """Time several functions in alternation: one call of each in every round."""
    runs = [[] for _ in calls]
    for k in range(repeats + 1):
        for call, seconds in zip(calls, runs, strict=True):
            began = clock()
            call()
            if k > 0:  # the first round compiles and warms up
                seconds.append(clock() - began)
    return [Timing(tuple(seconds)) for seconds in runs]
