"""Semi-sparsity: the kernel equals its definition, the solve is exact, slopes have no cost."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import jumpset as js
from jumpset.kernels.filters.semi_sparsity import (
    threshold_second_differences,
    threshold_second_differences_plain,
)
from jumpset.smoothers import SemiSparsity

DIRECTIONS = [(0, 1), (1, 0), (1, 1), (1, -1)]
sizes = st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))


def mirrored(i, n):
    i %= 2 * n
    return min(i, 2 * n - 1 - i)


def second_differences(height, width):
    """Return dense B: four directions, mirrored borders."""
    n = height * width
    B = np.zeros((4, n, n))
    for k, (dy, dx) in enumerate(DIRECTIONS):
        for y, x in np.ndindex(height, width):
            for sign, w in ((1, 0.25), (0, -0.5), (-1, 0.25)):
                q = mirrored(y + sign * dy, height) * width + mirrored(x + sign * dx, width)
                B[k, y * width + x, q] += w
    return B


def first_differences(height, width):
    """Return dense D⊤D of the mirrored image: half forwards, half backwards, since mirroring exchanges them."""
    n = height * width
    out = np.zeros((n, n))
    for dy, dx in DIRECTIONS:
        for sign in (1, -1):
            D = np.zeros((n, n))
            for y, x in np.ndindex(height, width):
                q = mirrored(y + sign * dy, height) * width + mirrored(x + sign * dx, width)
                D[y * width + x, q] += 0.5
                D[y * width + x, y * width + x] -= 0.5
            out += D.T @ D / 2
    return out


@settings(deadline=None, max_examples=60)
@given(sizes, st.floats(0, 0.5), st.booleans(), st.integers(0, 2**31))
def test_kernel_equals_its_definition(shape, threshold, double, seed):
    x = torch.from_numpy(np.random.default_rng(seed).random(shape)).to(
        torch.float64 if double else torch.float32
    )
    fast, plain = threshold_second_differences(x, threshold), threshold_second_differences_plain(x, threshold)
    torch.testing.assert_close(fast[0], plain[0], rtol=0, atol=1e-12 if double else 1e-6)
    torch.testing.assert_close(fast[1], plain[1])


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1), (2, 3), (6, 5)])
def test_against_dense_algebra(shape):
    """Compute all steps with explicit matrices, which include the borders, and `np.linalg.solve`."""
    height, width = shape
    f = np.random.default_rng(2).random((height * width, 3))
    B, DD = second_differences(height, width), first_differences(height, width)
    BB, lam, alpha = sum(b.T @ b for b in B), 0.03, 0.1
    S, rho = f.copy(), 10 * lam
    while rho < 1e4:
        g = B @ S
        g[:, (g**2).sum((0, 2)) < lam / rho] = 0
        right = f + alpha * DD @ S + rho * np.einsum("kpq,kpc->qc", B, g)
        S = np.linalg.solve(np.eye(len(f)) + alpha * DD + rho * BB, right)
        rho, alpha = 1.5 * rho, 0.95 * alpha
    ours = js.smooth(
        f.reshape(height, width, 3),
        "semi-sparsity",
        weight=lam,
        kappa=1.5,
        rho_max=1e4,
        slope_weight=0.1,
        start=10.0,
    )
    np.testing.assert_allclose(ours.reshape(-1, 3), S, atol=1e-9)


def test_published_schedule():
    method = js.method("semi-sparsity", preset="paper")
    assert method.max_steps == 110
    result = js.run(np.random.default_rng(0).random((8, 8)), method)
    assert (result.n_steps, result.status) == (110, js.Status.CONVERGED)
    assert SemiSparsity(weight=1e9, rho_max=1e8).max_steps == 1
    assert {SemiSparsity(weight=w).max_steps for w in (1e-6, 0.011, 0.25, 1e9)} == {42}


@pytest.mark.parametrize("rho_max", [None, 3e3])
@pytest.mark.parametrize("weight", [1e6, 1e9])
def test_a_huge_weight_smooths(weight, rho_max):
    """The end of the schedule is never before its first step."""
    image = np.random.default_rng(0).random((20, 30))
    result = js.run(image, SemiSparsity(weight, rho_max=rho_max))
    assert result.n_steps >= 1
    assert result.image.std() < 0.8 * image.std()


def test_a_larger_weight_keeps_fewer_bends():
    image = js.datasets.coffee()[::3, ::3]
    results = [js.run(image, SemiSparsity(w)) for w in (0.001, 0.004, 0.011, 0.05, 0.25)]
    kept = [result.history["bends"][-1] for result in results]
    sizes = [sum(np.abs(np.diff(r.image.astype(int), axis=axis)).sum() for axis in (0, 1)) for r in results]
    assert kept == sorted(kept, reverse=True)
    assert sizes == sorted(sizes, reverse=True)


def test_a_slope_stays_a_slope():
    """The l0 norm of first differences turns a slope into stairs."""
    rng = np.random.default_rng(0)
    slope = np.linspace(0.2, 0.8, 60)[None].repeat(40, 0)
    noisy = slope + 0.02 * rng.standard_normal(slope.shape)
    inner = (slice(4, -4), slice(4, -4))
    error = np.abs(js.smooth(noisy, "semi-sparsity", preset="paper", weight=0.002) - slope)[inner].mean()
    stairs = np.abs(js.smooth(noisy, "l0", preset="paper", weight=0.002) - slope)[inner].mean()
    assert error < 0.002
    assert error < 0.5 * stairs


@pytest.mark.parametrize("wrong", [{"kappa": 1.0}, {"rho_max": 0}, {"weight": -1}, {"slope_weight": -0.1}])
def test_bad_parameters(wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        SemiSparsity(**wrong)
