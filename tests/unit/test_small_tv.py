"""The prox of total variation for batches of small images: solution, derivative, warm start."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

import jumpset as js
from jumpset.kernels.tv import tangent
from jumpset.prox import tv, tv_batches

PENALTIES = [
    js.TotalVariation(),
    js.TotalVariation(isotropic=False),
    js.TotalVariation(channels="joint"),
    js.SparseTV(ratio=0.3),
    js.SparseTV(ratio=0.3, isotropic=False),
    js.SparseTV(ratio=0.3, isotropic=False, channels="joint"),
]


def images(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    v = 0.1 * torch.randn(shape, generator=generator, dtype=torch.float64)
    v[..., : shape[-1] // 2] += 1.0
    return v.to(dtype)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
@pytest.mark.parametrize("shape", [(3, 2, 7, 9), (2, 1, 1, 12), (2, 3, 8, 1)])
def test_solution_of_the_general_solver(penalty, shape, monkeypatch):
    """The same minimiser as the dual method for images of any size, whose duality gap is computed otherwise."""
    v, tau = images(*shape), torch.tensor([0.1, 0.3, 0.0][: shape[0]], dtype=torch.float64)
    terms = penalty.prox_terms(v)
    settings = {"tol": 1e-10, "max_steps": 20_000, "dual": None, "lines": False}
    found = tv.tv_prox(v, tau, terms, **settings)
    assert float(found.gap.max()) <= 1e-10
    monkeypatch.setattr(tv_batches, "applies", lambda *_: False)
    expected = tv.tv_prox(v, tau, terms, **settings)
    torch.testing.assert_close(found.image, expected.image, rtol=0, atol=3e-5)
    again = tv.tv_prox(v, tau, terms, **{**settings, "dual": found.dual, "max_steps": 1})
    torch.testing.assert_close(again.image, found.image, rtol=0, atol=1e-9)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_derivative_against_finite_differences(penalty):
    v, tau = images(2, 2, 5, 6), torch.tensor([0.1, 0.06], dtype=torch.float64)
    layer = js.Prox(penalty, 0.1, tol=1e-13)
    g, direction = images(2, 2, 5, 6).roll(1, -1), torch.randn_like(v)
    moving, price = v.clone().requires_grad_(), tau.clone().requires_grad_()
    by_v, by_tau = torch.autograd.grad((layer(moving, price) * g).sum(), (moving, price))
    h = 1e-5
    change = (layer(v + h * direction, tau) - layer(v - h * direction, tau)) / (2 * h)
    torch.testing.assert_close((by_v * direction).sum(), (change * g).sum(), rtol=2e-3, atol=2e-3)
    change = (layer(v, tau + h) - layer(v, tau - h)) / (2 * h)
    torch.testing.assert_close(by_tau, (change * g).flatten(1).sum(1), rtol=2e-3, atol=2e-3)


def test_derivative_is_the_pseudoinverse():
    """``(Π (I + tau H) Π)⁺`` with dense matrices, from regions that are known."""
    rng = np.random.default_rng(0)
    u = np.zeros((2, 4, 5))
    u[:, :, 2:] = np.array([1.0, 2.0])[:, None, None]
    u[1, 2:, 4] = -1.0
    there = tangent.neighbors((4, 5))
    g = rng.standard_normal((1, 2, 20))
    p = np.ones((1, 2, 2, 20))
    arrays = u.reshape(1, 2, 20), p, g, there, np.array([0.7]), np.array([1e-9]), np.array([1e-9])
    found = tangent.derivative(*arrays, isotropic=True, tol=1e-12)

    def variation(x: Tensor) -> Tensor:
        return js.TotalVariation(channels="joint").value(x[None]).sum()

    smooth = torch.autograd.functional.hessian(variation, torch.from_numpy(u)).reshape(40, 40).numpy()
    steps = [np.abs(np.diff(u, axis=a, append=np.take(u, [-1], a))).max(0) for a in (1, 2)]
    constraints = []
    for y, x in np.argwhere(np.maximum(*steps) == 0):
        for other in ((y + 1, x), (y, x + 1)):
            if other[0] < 4 and other[1] < 5:
                for c in range(2):
                    row = np.zeros((2, 4, 5))
                    row[(c, y, x)], row[(c, *other)] = 1.0, -1.0
                    constraints.append(row.ravel())
    for c, y, x in np.argwhere(u == 0):
        row = np.zeros((2, 4, 5))
        row[c, y, x] = 1.0
        constraints.append(row.ravel())
    matrix = np.array(constraints)
    project = np.eye(40) - np.linalg.pinv(matrix) @ matrix
    expected = np.linalg.pinv(project @ (np.eye(40) + 0.7 * smooth) @ project) @ g.ravel()
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-8)


def test_warm_start_saves_steps_and_is_not_saved():
    v = images(4, 1, 16, 16, dtype=torch.float32)
    layer, cold = js.Prox(js.SparseTV(), 0.1, warm_start=True), js.Prox(js.SparseTV(), 0.1)
    first = layer(v)
    assert layer._start.dual is not None
    torch.testing.assert_close(layer(v), first, rtol=0, atol=2e-3)
    torch.testing.assert_close(first, cold(v))
    torch.testing.assert_close(layer(v[:2]), cold(v[:2]))  # another shape begins anew
    assert list(layer.state_dict()) == ["tau"]
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert copied._start.dual is None
        torch.testing.assert_close(copied(v), first)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("penalty", PENALTIES[:1] + PENALTIES[4:5], ids=repr)
def test_layer_at_extremes(penalty, dtype):
    """Weights 0 and huge, constant images, a NaN: the identity, the mean, the image, NaN of one image only."""
    v = images(4, 1, 6, 5, dtype=dtype)
    v[2] = 0.25
    v[3, 0, 0, 0] = torch.nan
    moving = v.clone().requires_grad_()
    u = js.Prox(penalty, torch.tensor([0.0, 1e6, 0.01, 0.1]))(moving)
    assert u.dtype == dtype
    torch.testing.assert_close(u[0], v[0])
    mean = v[1].double().mean() if penalty.name == "total-variation" else torch.zeros(()).double()
    torch.testing.assert_close(u[1].double(), mean.expand(1, 6, 5), rtol=1e-2, atol=1e-3)
    kept = 0.25 if penalty.name == "total-variation" else 0.25 - 0.003
    torch.testing.assert_close(u[2].double(), torch.full((1, 6, 5), kept).double(), rtol=0, atol=2e-3)
    assert bool(u[3].isnan().all())
    (slope,) = torch.autograd.grad(u[:3].sum(), moving)
    torch.testing.assert_close(slope[0], torch.ones_like(slope[0]))
    assert bool(slope[:3].isfinite().all())
    assert slope.dtype == dtype
