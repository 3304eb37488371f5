"""Compare proximal operators of total variation with prox_tv, scikit-image and pyproximal; measure scaling.

    python benchmarks/prox_race.py [--repeats N] [--photos DIR] [--largest N] [--cpu] [--only PART]

The first image is the scikit-image astronaut, 512×512 gray, plus noise of 0.1; tau 0.1 and 1. With
--photos, the files of a folder follow, gray, with the same noise and tau 0.1. The error of every result is
(energy − lower bound) / energy; the bound comes from a run of jumpset to a duality gap of 1e-8. Seconds are
the median (minimum … maximum) after a call that is not counted; the contestants run in alternation, and the
program names those that are not installed. With --cpu, seconds are processor time on a single thread, for
machines on which other programs run. prox_tv needs LAPACKE to build (Debian: liblapacke-dev).

Scaling: blocks with noise of 256² to N² pixels are solved to a gap of 1e-4, each in a new process. The
program prints the time per pixel and the growth of the process's peak memory, in planes of the image's
dtype. Small sizes fit into memory that the imports have freed.

Layer: a batch (16, 1, 64, 64) of blocks with noise, tau 0.1; seconds of the forward and of the backward pass,
and the error of the result, beside deepinv's TVPrior, pyproximal (no derivative), and cvxpylayers
(on 12×12 pixels, its time grows faster than theirs).
"""

import argparse
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from skimage import color, data, io
from skimage.restoration import denoise_tv_bregman, denoise_tv_chambolle
from timing import take_turns

import jumpset as js

clock = time.perf_counter


def energy(u, f, tau, isotropic):
    u, f = (np.asarray(x, dtype=np.float64) for x in (u, f))
    down, right = np.zeros((2, *f.shape))
    down[:-1], right[:, :-1] = np.diff(u, axis=0), np.diff(u, axis=1)
    length = np.hypot(down, right) if isotropic else abs(down) + abs(right)
    return 0.5 * np.sum((u - f) ** 2) + tau * length.sum()


def ours(f, tau, isotropic, tol):
    return (
        js.TotalVariation(isotropic=isotropic)
        .prox(torch.from_numpy(f)[None, None], tau, tol=tol)[0, 0]
        .numpy()
    )


def huber(f, tau, tol):
    return js.penalties.HuberTV(0.01).prox(torch.from_numpy(f)[None, None], tau, tol=tol)[0, 0].numpy()


def contestants(f, tau, isotropic):
    """Return a function for each name; the numbers of iterations range from fast to accurate."""
    calls = {f"jumpset, gap {tol:.0e}": partial(ours, f, tau, isotropic, tol) for tol in (1e-3, 1e-4, 1e-6)}
    single = f.astype(np.float32)
    calls["jumpset, gap 1e-06, float32"] = partial(ours, single, tau, isotropic, 1e-6)
    if isotropic:
        for count in (100, 1000):
            calls[f"scikit-image Chambolle, {count}"] = partial(
                denoise_tv_chambolle, f, weight=tau, eps=0.0, max_num_iter=count
            )
    calls["scikit-image Bregman, 100"] = partial(
        denoise_tv_bregman, f, weight=1 / tau, max_num_iter=100, eps=0.0, isotropic=isotropic
    )
    try:
        import prox_tv

        if not isotropic:
            calls["prox_tv, default (DR)"] = partial(prox_tv.tv1_2d, f, tau, n_threads=2)
            calls["prox_tv DR, 500"] = partial(
                prox_tv.tv1_2d, f, tau, n_threads=2, max_iters=500, method="dr"
            )
    except ImportError as reason:
        print(f"    without prox_tv: {reason}")
    try:
        import pyproximal

        if isotropic:
            for count in (100, 1000):
                operator = pyproximal.TV(dims=f.shape, sigma=1.0, niter=count, rtol=0.0)
                calls[f"pyproximal TV, {count}"] = lambda o=operator: o.prox(f.ravel(), tau).reshape(f.shape)
    except ImportError as reason:
        print(f"    without pyproximal: {reason}")
    return calls


def race(name, f, tau, repeats):
    for isotropic in (False, True):
        penalty = js.TotalVariation(isotropic=isotropic)
        best = penalty.prox_solution(torch.from_numpy(f)[None, None], tau, tol=1e-8, max_steps=100_000)
        bound = energy(best.image[0, 0].numpy(), f, tau, isotropic) * (1 - float(best.gap))
        kind = "isotropic" if isotropic else "anisotropic"
        above = bound / (1 - float(best.gap))
        print(f"\n{name}, {kind}, tau {tau}; minimum energy from {bound:.5f} to {above:.5f}")
        calls = contestants(f, tau, isotropic)
        for (label, call), timing in zip(
            calls.items(), take_turns(calls.values(), repeats, clock), strict=True
        ):
            error = 1 - bound / energy(call(), f, tau, isotropic)
            print(f"    {label:34s} error {error:8.1e}   seconds {timing}", flush=True)
    (timing,) = take_turns([partial(huber, f, tau, 1e-6)], repeats, clock)
    print(f"    {'jumpset HuberTV(0.01), gap 1e-06':34s} {'':14s}   seconds {timing}", flush=True)


def layers():
    """Return a function of a batch for each name, and whether it has a derivative; all isotropic, tau 0.1."""
    calls = {
        "js.Prox(TotalVariation())": (js.Prox(js.TotalVariation(), 0.1), True),
        "js.Prox(…, warm_start=True)": (js.Prox(js.TotalVariation(), 0.1, warm_start=True), True),
        "js.Prox(…, tol=1e-3)": (js.Prox(js.TotalVariation(), 0.1, tol=1e-3), True),
    }
    try:
        from deepinv.optim import TVPrior

        for count in (100, 1000):
            prior = TVPrior(n_it_max=count)
            calls[f"deepinv TVPrior, {count}"] = (partial(prior.prox, gamma=0.1), True)
    except ImportError as reason:
        print(f"    without deepinv: {reason}")
    try:
        import pyproximal

        def one_by_one(v, count):
            images = [x[0].double().numpy() for x in v.detach()]
            operator = pyproximal.TV(dims=images[0].shape, sigma=1.0, niter=count, rtol=0.0)
            found = [operator.prox(x.ravel(), 0.1).reshape(x.shape) for x in images]
            return torch.from_numpy(np.stack(found)[:, None]).to(v)

        calls["pyproximal TV, 100"] = (partial(one_by_one, count=100), False)
    except ImportError as reason:
        print(f"    without pyproximal: {reason}")
    return calls


def layer_of_cvxpy(size):
    """Return a layer of cvxpylayers for one channel of ``size`` × ``size`` pixels."""
    import cvxpy as cp
    from cvxpylayers.torch import CvxpyLayer

    u, f = cp.Variable((size, size)), cp.Parameter((size, size))
    # tv of cvxpy omits the differences at the last row and column
    down = cp.vstack([u[1:] - u[:-1], np.zeros((1, size))])
    right = cp.hstack([u[:, 1:] - u[:, :-1], np.zeros((size, 1))])
    length = cp.norm(cp.vstack([cp.vec(down, order="C"), cp.vec(right, order="C")]), axis=0)
    problem = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(u - f) + 0.1 * cp.sum(length)))
    layer = CvxpyLayer(problem, parameters=[f], variables=[u])
    return lambda v: layer(v[:, 0])[0][:, None]


def layer_race(repeats):
    v = torch.from_numpy(np.stack([blocks(128)[k : k + 64, k : k + 64] for k in range(0, 64, 4)])[:, None])
    calls = layers()
    race_of_layers(v, calls, repeats)
    try:
        small = v[..., 26:38, 26:38].double()
        own = "js.Prox(TotalVariation())"
        race_of_layers(small, {own: calls[own], "cvxpylayers": (layer_of_cvxpy(12), True)}, repeats)
    except ImportError as reason:
        print(f"    without cvxpylayers: {reason}")


def race_of_layers(v, calls, repeats):
    best = js.TotalVariation().prox(v.double(), 0.1, tol=1e-10).numpy()
    total = lambda us: sum(energy(u[0], f[0], 0.1, True) for u, f in zip(us, v.numpy(), strict=True))  # noqa: E731
    print(f"\nlayer, {tuple(v.shape)} {v.dtype}, isotropic, tau 0.1")
    for label, (layer, has_derivative) in calls.items():
        forward, backward = [], []
        for _ in range(repeats + 1):
            x = v.clone().requires_grad_(has_derivative)
            began = clock()
            u = layer(x)
            middle = clock()
            if has_derivative and u.requires_grad:
                u.square().sum().backward()
            forward.append(middle - began)
            backward.append(clock() - middle)
        error = 1 - total(best) / total(u.detach().numpy())
        first, second = (f"{1e3 * np.median(x[1:]):9.1f} ms" for x in (forward, backward))
        second = second if has_derivative else "      none"
        print(f"    {label:34s} error {error:8.1e}   forward {first}   backward {second}", flush=True)


def scaling(largest, cpu):
    """Run each call in a new process, so that its memory can be measured."""
    print("\nscaling, float32, gap 1e-4, tau 0.1, one call after a warm-up on 160²")
    for isotropic in (True, False):
        size = 256
        while size <= largest:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                seconds, planes = pool.submit(one_call, size, isotropic, cpu).result()
            kind = "isotropic" if isotropic else "anisotropic"
            print(
                f"    {kind:12s}{size:6d}²  {seconds:8.3f} s  {1e9 * seconds / size**2:7.1f} ns per pixel"
                f"  peak grew by {planes:.1f} planes",
                flush=True,
            )
            size *= 2


def one_call(size, isotropic, cpu):
    """Return seconds, and the growth of the process's peak memory in planes."""
    set_clock(cpu)
    ours(blocks(160), 0.1, isotropic, 1e-4)  # large enough to compile the kernels of large images
    f = blocks(size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = clock()
    ours(f, 0.1, isotropic, 1e-4)
    seconds = clock() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return seconds, grown * 1024 / f.nbytes


def set_clock(cpu):
    global clock
    if cpu:
        clock = time.process_time
        torch.set_num_threads(1)


def blocks(size):
    """Return blocks of 32×32 pixels of random gray with noise, whose statistics do not depend on the size."""
    g = np.random.default_rng(0)
    flat = np.kron(g.random((size // 32, size // 32), dtype=np.float32), np.ones((32, 32), np.float32))
    return flat + 0.1 * g.standard_normal((size, size), dtype=np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--largest", type=int, default=8192)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--only", choices=("race", "scaling", "layer"))
    given = parser.parse_args()
    set_clock(given.cpu)
    print(f"{torch.get_num_threads()} threads; Python {sys.version.split()[0]}, torch {torch.__version__}")
    if given.only in (None, "layer"):
        layer_race(given.repeats)
    if given.only in (None, "race"):
        noise = lambda shape: 0.1 * np.random.default_rng(0).standard_normal(shape)  # noqa: E731
        f = color.rgb2gray(data.astronaut()) + noise((512, 512))
        for tau in (0.1, 1.0):
            race("astronaut", f, tau, given.repeats)
        for path in sorted(given.photos.glob("*.png")) if given.photos else []:
            photo = color.rgb2gray(io.imread(path)[..., :3])
            race(path.stem, photo + noise(photo.shape), 0.1, given.repeats)
    if given.only in (None, "scaling"):
        scaling(given.largest, given.cpu)


if __name__ == "__main__":
    main()
