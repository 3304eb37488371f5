"""L0: the kernel equals its definition, the solves are exact, the schedule is the published one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import jumpset as js
from jumpset.kernels.filters.l0 import keep_jumps, keep_jumps_plain
from jumpset.operators.spectral import _dct, _idct, dct2, idct2, laplacian_eigenvalues
from jumpset.smoothers import L0Smoothing

sizes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))


def differences(height, width):
    """Return dense D: forward differences, right then down, zero across the border."""
    n = height * width
    D = np.zeros((2 * n, n))
    for y, x in np.ndindex(height, width):
        p = y * width + x
        if x + 1 < width:
            D[p, [p, p + 1]] = -1, 1
        if y + 1 < height:
            D[n + p, [p, p + width]] = -1, 1
    return D


@settings(deadline=None, max_examples=60)
@given(sizes, st.floats(0, 1), st.booleans(), st.integers(0, 2**31))
def test_kernel_equals_its_definition(shape, threshold, double, seed):
    x = torch.from_numpy(np.random.default_rng(seed).random(shape)).to(
        torch.float64 if double else torch.float32
    )
    fast, plain = keep_jumps(x, threshold), keep_jumps_plain(x, threshold)
    torch.testing.assert_close(fast[0], plain[0], rtol=0, atol=1e-12 if double else 1e-6)
    torch.testing.assert_close(fast[1], plain[1])


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 4), (7, 3)])
def test_transforms(shape):
    x = torch.from_numpy(np.random.default_rng(1).random((2, 3, *shape)))
    torch.testing.assert_close(idct2(dct2(x)), x)
    torch.testing.assert_close(_dct(_dct(x).mT).mT, dct2(x))  # the form used on a GPU
    torch.testing.assert_close(_idct(_idct(x).mT).mT, idct2(x))
    D = differences(*shape)
    laplacian = torch.from_numpy(x.numpy().reshape(6, -1) @ (D.T @ D)).reshape(x.shape)
    torch.testing.assert_close(idct2(laplacian_eigenvalues(*shape, like=x) * dct2(x)), laplacian)


@pytest.mark.parametrize("shape", [(1, 1), (6, 5), (4, 9)])
def test_against_dense_algebra(shape):
    """The whole method with explicit matrices and `np.linalg.solve`."""
    height, width = shape
    f = np.random.default_rng(2).random((height * width, 3))
    D, lam = differences(height, width), 0.03
    S, beta = f.copy(), 2 * lam
    while beta < 1e5:
        g = (D @ S).reshape(2, -1, 3)
        g[:, (g**2).sum((0, 2)) < lam / beta] = 0
        S = np.linalg.solve(np.eye(len(f)) + beta * D.T @ D, f + beta * D.T @ g.reshape(-1, 3))
        beta *= 2
    ours = js.smooth(f.reshape(height, width, 3), "l0", preset="paper", weight=lam)
    np.testing.assert_allclose(ours.reshape(-1, 3), S, atol=1e-9)


def test_schedule():
    method = js.method("l0", preset="paper")
    assert method.max_steps == 22
    result = js.run(np.random.default_rng(0).random((8, 8)), method)
    assert (result.n_steps, result.status) == (22, js.Status.CONVERGED)
    assert L0Smoothing(weight=1e9).max_steps == 1


def test_a_step_edge_in_noise_stays_sharp():
    rng = np.random.default_rng(0)
    image = np.where(np.arange(40) < 20, 0.2, 0.8)[None].repeat(30, 0) + 0.02 * rng.standard_normal((30, 40))
    out = js.smooth(image, "l0", preset="paper")
    assert np.median(np.abs(np.diff(out[:, :20], axis=1))) < 1e-4
    assert np.abs(np.diff(out[:, :20], axis=1)).max() < 0.02  # noise along the edge remains
    assert np.abs(out[:, 20] - out[:, 19] - 0.6).max() < 0.05


@pytest.mark.parametrize("wrong", [{"kappa": 1.0}, {"beta_max": 0}, {"weight": -1}])
def test_bad_parameters(wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        L0Smoothing(**wrong)
