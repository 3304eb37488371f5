"""Convex proxes against a general convex solver, which knows nothing of our algorithms, on tiny pictures."""

import itertools

import numpy as np
import pytest
import torch

import jumpset as js

cp = pytest.importorskip("cvxpy")

SHAPE = (5, 6)


def differences(u):
    """Forward differences of a matrix variable, zero across the border: down and right."""
    height, width = u.shape
    down = cp.vstack([u[1:] - u[:-1], np.zeros((1, width))])
    right = cp.hstack([u[:, 1:] - u[:, :-1], np.zeros((height, 1))])
    return [down, right]


def norms(parts):
    """Sum over the places of the norm of the parts."""
    return cp.sum(cp.norm(cp.vstack([cp.vec(p, order="C") for p in parts]), axis=0))


def isotropic(us, joint):
    fields = [differences(u) for u in us]
    return norms(itertools.chain.from_iterable(fields)) if joint else sum(norms(f) for f in fields)


def anisotropic(us, joint):
    fields = [differences(u) for u in us]
    if joint:
        return sum(norms(direction) for direction in zip(*fields, strict=True))
    return sum(cp.sum(cp.abs(d)) for f in fields for d in f)


def latent(us, joint, window=3):
    """The definition: parts z on the windows, which add up to u."""
    height, width = us[0].shape
    corners = [(y, x) for y in range(height - window + 1) for x in range(width - window + 1)]
    total, constraints = 0, []
    groups = [us] if joint else [[u] for u in us]
    for group in groups:
        z = [[cp.Variable((window, window)) for _ in group] for _ in corners]
        total = total + sum(cp.norm(cp.hstack([cp.vec(p, order="C") for p in parts])) for parts in z)
        for c, u in enumerate(group):
            spread = 0
            for parts, (y, x) in zip(z, corners, strict=True):
                rows, columns = np.eye(height)[:, y : y + window], np.eye(width)[x : x + window]
                spread = spread + rows @ parts[c] @ columns
            constraints.append(spread == u)
    return total, constraints


def tgv(us, joint):
    """The definition: jumps to a vector field, and its bends, where the pixels of a difference exist."""
    height, width = us[0].shape
    jumps, bends = [], []
    for u in us:
        w = [cp.Variable((height, width)), cp.Variable((height, width))]
        g = differences(u)
        # the field stands where the difference does
        exists = [np.ones((height, width)), np.ones((height, width))]
        exists[0][-1], exists[1][:, -1] = 0, 0
        w = [cp.multiply(e, f) for e, f in zip(exists, w, strict=True)]
        jumps.append([a - b for a, b in zip(g, w, strict=True)])
        down = cp.vstack([np.zeros((1, width)), w[0][1:-1] - w[0][:-2], np.zeros((1, width))])
        right = cp.hstack([np.zeros((height, 1)), w[1][:, 1:-1] - w[1][:, :-2], np.zeros((height, 1))])
        mixed = (w[0][:-1, 1:] - w[0][:-1, :-1] + w[1][1:, :-1] - w[1][:-1, :-1]) * np.sqrt(0.5)
        mixed = cp.vstack([cp.hstack([mixed, np.zeros((height - 1, 1))]), np.zeros((1, width))])
        bends.append([down, right, mixed])
    if joint:
        return norms(itertools.chain.from_iterable(jumps)) + 2 * norms(itertools.chain.from_iterable(bends))
    return sum(norms(j) for j in jumps) + 2 * sum(norms(b) for b in bends)


def windows(us, joint, size=3):
    """Sliding groups: windows centred on every pixel and cut at the border."""
    height, width = us[0].shape
    total = 0
    for y in range(height):
        for x in range(width):
            cut = (slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2))
            parts = [cp.vec(u[cut], order="C") for u in us]
            total = total + (cp.norm(cp.hstack(parts)) if joint else sum(cp.norm(p) for p in parts))
    return total


CASES = {
    "tv": (js.TotalVariation(channels="separate"), isotropic, 1e-3),
    "tv-aniso": (js.TotalVariation(isotropic=False, channels="separate"), anisotropic, 1e-3),
    "tv-joint": (js.TotalVariation(channels="joint"), isotropic, 1e-3),
    "tv-aniso-joint": (js.TotalVariation(isotropic=False, channels="joint"), anisotropic, 1e-3),
    "sparse-tv": (
        js.SparseTV(channels="separate"),
        lambda u, j: isotropic(u, j) + 0.5 * sum(cp.sum(cp.abs(c)) for c in u),
        1e-3,
    ),
    "sparse-tv-aniso": (
        js.SparseTV(isotropic=False, channels="separate"),
        lambda u, j: anisotropic(u, j) + 0.5 * sum(cp.sum(cp.abs(c)) for c in u),
        1e-3,
    ),
    "tgv": (js.penalties.TGV2(channels="separate"), tgv, 1e-3),
    "tgv-joint": (js.penalties.TGV2(channels="joint"), tgv, 1e-3),
    "latent": (js.penalties.LatentGroups(3, channels="separate"), latent, 2e-4),
    "latent-joint": (js.penalties.LatentGroups(3, channels="joint"), latent, 2e-4),
    "sliding": (js.SlidingGroups(3, channels="separate"), windows, 2e-4),
    "sliding-joint": (js.SlidingGroups(3, channels="joint"), windows, 2e-4),
}


def pictures(seed=0):
    rng = np.random.default_rng(seed)
    v = 0.2 * rng.standard_normal((2, *SHAPE))
    v[:, 1:4, 2:5] += [[[1.0]], [[0.5]]]
    return v


def oracle(penalty, formula, v, tau):
    """Minimiser and least energy."""
    us = [cp.Variable(SHAPE) for _ in v]
    value = formula(us, penalty.channels == "joint")
    value, constraints = value if isinstance(value, tuple) else (value, [])
    fit = sum(0.5 * cp.sum_squares(u - f) for u, f in zip(us, v, strict=True))
    problem = cp.Problem(cp.Minimize(fit + tau * value), constraints)
    problem.solve(solver=cp.CLARABEL)
    return np.stack([u.value for u in us]), problem.value


def check(prox, name, tau):
    penalty, formula, tolerance = CASES[name]
    v = pictures()
    exact, least = oracle(penalty, formula, v, tau)
    found = prox(torch.from_numpy(v)[None], tau)
    scale = np.linalg.norm(v)
    assert np.linalg.norm(found[0].numpy() - exact) <= 3 * tolerance**0.5 * 0.1 * scale
    # the value of the package at the oracle's answer: the two mean the same penalty
    at_exact = torch.from_numpy(exact)[None]
    energy = lambda u: 0.5 * float((u - torch.from_numpy(v)).square().sum()) + tau * float(penalty.value(u))  # noqa: E731
    assert energy(at_exact) == pytest.approx(least, rel=2e-3)
    assert energy(found) <= least * (1 + tolerance) + 1e-9


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("tau", [0.03, 0.2])
def test_prox(name, tau):
    check(CASES[name][0].prox, name, tau)


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_prox_is_seen(name):
    penalty = CASES[name][0]
    with pytest.raises(AssertionError):
        check(lambda v, tau: penalty.prox(v, 1.3 * tau), name, 0.05)
