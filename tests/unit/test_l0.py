"""L0: the kernel equals its definition, the solves are exact, the schedule is the published one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import jumpset as js
from jumpset.kernels.filters.l0 import keep_jumps, keep_jumps_plain
from jumpset.operators.spectral import _dct, _idct, dct, idct, laplacian_eigenvalues
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
    torch.testing.assert_close(idct(dct(x)), x)
    torch.testing.assert_close(_dct(_dct(x).mT).mT, dct(x))  # the form used on a GPU
    torch.testing.assert_close(_idct(_idct(x).mT).mT, idct(x))
    D = differences(*shape)
    laplacian = torch.from_numpy(x.numpy().reshape(6, -1) @ (D.T @ D)).reshape(x.shape)
    torch.testing.assert_close(idct(laplacian_eigenvalues(*shape, like=x) * dct(x)), laplacian)


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
    assert L0Smoothing(weight=1e9, beta_max=1e5).max_steps == 1
    assert [L0Smoothing(weight=w).max_steps for w in (1e-6, 0.0125, 0.1, 1.0, 1e9)] == [12, 12, 15, 16, 16]


def changed_neighbors(image):
    """Count the pairs of neighbours that differ, in an integer image ``(H, W, C)``."""
    return sum(int((np.diff(image.astype(int), axis=axis) != 0).any(-1).sum()) for axis in (0, 1))


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("coffee", None),
        ("coffee", "paper"),
        ("coffee", "clip-art"),
        ("textured", None),
        ("textured", "clip-art"),
    ],
)
def test_a_larger_weight_keeps_fewer_gradients(name, preset):
    textured = js.datasets.synthetic_pairs(1)[0].load()[0][:160, :160]
    image = js.datasets.coffee()[::3, ::3] if name == "coffee" else textured
    counts = [
        changed_neighbors(js.smooth(image, "l0", preset=preset, weight=w))
        for w in (0.001, 0.004, 0.0125, 0.05, 0.25)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 1.3 * counts[-1]


@pytest.mark.parametrize("beta_max", [None, 100.0, 1e5])
@pytest.mark.parametrize("weight", [50.0, 1e4, 1e9])
def test_a_huge_weight_smooths(weight, beta_max):
    """The end of the schedule is never before its first step."""
    image = np.random.default_rng(0).random((20, 30))
    result = js.run(image, L0Smoothing(weight, beta_max=beta_max))
    assert result.n_steps >= 1
    assert result.image.std() < 0.8 * image.std()
    assert result.image.mean() == pytest.approx(image.mean(), abs=1e-9)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 13])
def test_more_than_three_channels_cost_as_much_as_three(channels):
    image = np.random.default_rng(0).random((9, 8, channels))
    weight = 0.03 * max(1.0, channels / 3)
    expected = js.smooth(image, L0Smoothing(0.03, beta_max=1e3))
    f, D, S = image.reshape(72, -1), differences(9, 8), image.reshape(72, -1)
    beta = 0.06
    while beta < 1e3:
        g = (D @ S).reshape(2, -1, channels)
        g[:, (g**2).sum((0, 2)) < weight / beta] = 0
        S = np.linalg.solve(np.eye(72) + beta * D.T @ D, f + beta * D.T @ g.reshape(-1, channels))
        beta *= 2
    np.testing.assert_allclose(expected.reshape(72, -1), S, atol=1e-9)


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
