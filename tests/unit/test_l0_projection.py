"""L0 projection: the constraint holds, the solves are exact, `fraction` is the fraction of gradients kept."""

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset.smoothers import L0Projection
from jumpset.smoothers.l0_projection import _gradient, _keep_largest, _transpose


def jumps(u, above):
    size = np.zeros(u.shape[:2])
    size[:, :-1] += ((u[:, 1:] - u[:, :-1]) ** 2).sum(-1)
    size[:-1] += ((u[1:] - u[:-1]) ** 2).sum(-1)
    return np.count_nonzero(size > above**2)


@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.3])
def test_no_more_gradients_than_allowed(fraction):
    f = js.datasets.textured(40, 50, seed=1)[0].astype(np.float64)
    result = js.run(f, L0Projection(fraction=fraction, tol=1e-5))
    assert result.status is js.Status.CONVERGED
    # the other gradients are zero up to tol in the mean: allow a few larger ones
    assert jumps(result.image, 1e-3) <= fraction * f[..., 0].size + 5
    assert np.square(result.image - f).sum() < np.square(f - f.mean((0, 1))).sum()


def test_an_image_with_few_jumps_is_kept():
    """An image that satisfies the constraint is its own projection."""
    f = js.datasets.shapes(40, 50, seed=2)
    share = jumps(f, 0) / f[..., 0].size
    np.testing.assert_allclose(js.smooth(f, "l0-projection", fraction=share + 0.01), f, atol=1e-4)
    assert np.abs(js.smooth(f, "l0-projection", fraction=0.5 * share) - f).max() > 0.05


def test_fraction_zero_gives_the_mean():
    f = np.random.default_rng(0).random((9, 11, 3))
    out = js.smooth(f, "l0-projection", fraction=0.0)
    np.testing.assert_allclose(out, np.broadcast_to(f.mean((0, 1)), f.shape), atol=2e-3)


def test_the_number_of_kept_gradients_is_exact():
    g = torch.ones(2, 2, 3, 4, 5)  # all equal
    for fraction, count in ((0.0, 0), (0.1, 2), (0.3, 6), (0.999, 19), (1.0, 20)):
        kept = _keep_largest(g, fraction)
        assert (kept.sum((1, 2)) > 0).sum((1, 2)).tolist() == [count, count]
    assert torch.equal(
        _keep_largest(torch.arange(10.0).reshape(1, 1, 1, 2, 5), 0.2).flatten()[-2:], torch.tensor([8.0, 9.0])
    )


def test_transposed_gradient():
    rng = np.random.default_rng(1)
    for shape in ((1, 1), (1, 6), (4, 5)):
        u, v = (torch.from_numpy(rng.random((2, 3, *shape))) for _ in range(2))
        assert float((_gradient(u) * _gradient(v)).sum()) == pytest.approx(
            float((u * _transpose(_gradient(v))).sum())
        )


def test_one_step_is_the_formula():
    """Compute u = (1 + D⊤D / γ)⁻¹ (f + D⊤ z / γ) with explicit matrices."""
    f = np.random.default_rng(2).random((4, 5))
    method = L0Projection(fraction=0.2, gamma=0.7)
    tensor = torch.from_numpy(f)[None, None]
    basis = torch.eye(20, dtype=torch.float64).reshape(20, 1, 4, 5)
    D = _gradient(basis).reshape(20, -1).T.numpy()
    z = _keep_largest(_gradient(tensor), 0.2).reshape(-1).numpy()
    exact = np.linalg.solve(np.eye(20) + D.T @ D / 0.7, f.ravel() + D.T @ z / 0.7)
    ours = method.step(method.init(tensor)).u
    np.testing.assert_allclose(ours.numpy().ravel(), exact, atol=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fraction": 1.5},
        {"fraction": -0.1},
        {"fraction": float("nan")},
        {"decay": 1.0},
        {"gamma": 0},
        {"tol": 0},
    ],
)
def test_bad_parameters(wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        L0Projection(**wrong)
