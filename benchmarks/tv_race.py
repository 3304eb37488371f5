"""Compare TV with scikit-image's Chambolle: time to a stated accuracy, and memory bandwidth.

    python benchmarks/tv_race.py [REPEATS] [cpu]

The image is the scikit-image astronaut, 512×512 gray, plus noise of 0.1; the weight is 0.1. The error of a
result is (energy - minimum energy) / minimum energy, for the energy ½ ‖u - f‖² + weight TV(u). TV takes a
tolerance, which bounds that error. scikit-image takes the number of iterations that reaches it, which this
program finds first (scikit-image's stopping rule compares successive energies and gives no bound). Seconds
are the median (minimum … maximum) after one call that is not counted; the contestants run in alternation.
With `cpu`, seconds are processor time on a single thread, for machines on which other programs run.

Memory bandwidth: an iteration must read f, p and its predecessor and write the new p, which are 5 reads and 2
writes of a plane. The program times how fast torch copies that many bytes within arrays of the same size.
"""

import sys
import time
from functools import partial

import numpy as np
import torch
from skimage import color, data
from skimage.restoration import denoise_tv_chambolle
from timing import take_turns

import jumpset as js
from jumpset.kernels.buffers import Pool
from jumpset.kernels.tv import dual as kernel
from jumpset.smoothers.tv import TV

WEIGHT = 0.1
LEAST = {True: 1862.31318, False: 1968.71518}  # from runs to a gap of 2e-8 and less
GOALS = (1e-3, 2e-4, 1e-4, 1e-5, 1e-6)
clock = time.perf_counter


def energy(u, f, isotropic):
    down, right = np.zeros((2, *f.shape))
    down[:-1], right[:, :-1] = np.diff(u.astype(float), axis=0), np.diff(u.astype(float), axis=1)
    length = np.hypot(down, right) if isotropic else abs(down) + abs(right)
    return 0.5 * np.sum((u.astype(float) - f) ** 2) + WEIGHT * length.sum()


def iterations_needed(f, goal):
    """Return the iterations that scikit-image needs, within 2 %; its iterates do not depend on the limit."""

    def error(n):
        u = denoise_tv_chambolle(f, weight=WEIGHT, eps=0.0, max_num_iter=n)
        return energy(u, f, True) / LEAST[True] - 1

    low, high = 1, 16
    while error(high) > goal:
        low, high = high, 2 * high
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        low, high = (middle, high) if error(middle) > goal else (low, middle)
    return high


def race(f, repeats):
    for isotropic in (True, False):
        kind = "isotropic" if isotropic else "anisotropic"
        print(f"\n{kind}, {f.dtype}; minimum energy {LEAST[isotropic]}")
        print(f"{'goal':>8s}  {'method':34s}{'steps':>6s}{'error':>10s}   seconds")
        for goal in GOALS:
            method = TV(weight=WEIGHT, isotropic=isotropic, tol=goal)
            contestants = {"jumpset TV": (lambda m=method: js.run(f, m).image, js.run(f, method).n_steps)}
            if isotropic and goal >= 2e-4:
                count = iterations_needed(f, goal)
                chambolle = partial(denoise_tv_chambolle, f, weight=WEIGHT, eps=0.0, max_num_iter=count)
                contestants["scikit-image denoise_tv_chambolle"] = (chambolle, count)
            timings = take_turns([call for call, _ in contestants.values()], repeats)
            for (name, (call, steps)), timing in zip(contestants.items(), timings, strict=True):
                error = energy(call(), f, isotropic) / LEAST[isotropic] - 1
                print(f"{goal:8.0e}  {name:34s}{steps:6d}{error:10.1e}   {timing}", flush=True)
            if len(timings) > 1:
                print(f"{'':10s}{timings[1].median / timings[0].median:.1f} times faster")


def floor(f):
    """Print the milliseconds of one iteration, and of moving its bytes."""
    x = torch.from_numpy(f)[None, None]
    p, old = (torch.zeros(1, 2, 1, *f.shape, dtype=x.dtype) for _ in range(2))
    half = torch.zeros(7 * f.size // 2, dtype=x.dtype)  # a copy reads and writes: 3.5 planes move 7
    target = torch.zeros_like(half)
    for isotropic in (True, False):
        advance = partial(
            kernel.advance,
            *(x, p, old, Pool()),
            momentum=[0.9], weight=WEIGHT, step=0.125, isotropic=isotropic,
        )  # fmt: skip
        step, copy = take_turns([advance, lambda: target.copy_(half)], 200)
        moved = 7 * x.nbytes
        print(
            f"{f.dtype!s:8s} {'isotropic' if isotropic else 'anisotropic':12s}"
            f"one step {1e3 * step.median:.3f} ms (min {1e3 * min(step.runs):.3f}); "
            f"{moved / 1e6:.1f} MB by copies {1e3 * copy.median:.3f} ms (min {1e3 * min(copy.runs):.3f}, "
            f"{moved / min(copy.runs) / 1e9:.0f} GB/s); "
            f"ratio of the minima {min(step.runs) / min(copy.runs):.1f}"
        )


def main() -> None:
    global clock
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    if "cpu" in sys.argv:
        clock = time.thread_time
        torch.set_num_threads(1)
    noise = 0.1 * np.random.default_rng(0).standard_normal((512, 512))
    f = color.rgb2gray(data.astronaut()) + noise
    print(f"{torch.get_num_threads()} threads; 512×512 gray, weight {WEIGHT}")
    for dtype in (np.float32, np.float64):
        floor(f.astype(dtype))
    for dtype in (np.float32, np.float64):
        race(f.astype(dtype), repeats)


if __name__ == "__main__":
    main()
