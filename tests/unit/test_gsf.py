"""GSF: the solver against dense algebra, the energy and its decrease, guidance and modes."""

import itertools

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset.kernels.filters import gsf as kernel
from jumpset.kernels.linear.window_laplacian import half_window, solve
from jumpset.smoothers import GSF


def dense_laplacian(edges, offsets):
    height, width = edges.shape[1:]
    L = np.zeros((height * width,) * 2)
    for k, (dy, dx) in enumerate(offsets):
        for y, x in np.ndindex(height, width):
            v, u = y + dy, x + dx
            if 0 <= v < height and 0 <= u < width:
                p, q, w = y * width + x, v * width + u, edges[k, y, x]
                L[p, p] += w
                L[q, q] += w
                L[p, q] -= w
                L[q, p] -= w
    return L


def inside(offsets, height, width):
    """Return 1 where the edge stays in the image, else 0."""
    y, x = np.mgrid[:height, :width]
    return np.array(
        [(y + dy < height) & (x + dx >= 0) & (x + dx < width) for dy, dx in offsets], float
    ).reshape(len(offsets), height, width)


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (2, 2), (5, 8), (40, 3)])
def test_solver_against_dense_algebra(radius, shape):
    rng = np.random.default_rng(0)
    offsets = half_window(radius)
    edges = 10 ** rng.uniform(-4, 4, (len(offsets), *shape)) * inside(offsets, *shape)
    d, b, u = rng.uniform(0.1, 2, shape), rng.random((3, *shape)), rng.random((3, *shape))
    exact = np.linalg.solve(np.diag(d.ravel()) + dense_laplacian(edges, offsets), b.reshape(3, -1).T).T
    iterations, residual = solve(u, d, edges, offsets, b, 1e-10)
    np.testing.assert_allclose(u.reshape(3, -1), exact, atol=1e-7)
    assert residual <= 1e-10
    assert iterations < 1000


def test_half_window_and_its_mirror_make_the_window():
    offsets = half_window(2)
    both = {tuple(o) for o in offsets} | {tuple(-o) for o in offsets}
    assert len(both) == 24
    assert (0, 0) not in both
    np.testing.assert_allclose(2 * kernel.gaussian(offsets, 2).sum(), 1)


def h(x, a, b):
    return np.where(x < a, x**2 / (2 * a), np.where(x < b, x - a / 2, b - a / 2))


def energy(u, f, g, m):
    """Return the objective of the docstring, pixel by pixel."""
    height, width = f.shape[1:]

    def window(radius):
        offsets = [(y, x) for y in range(-radius, radius + 1) for x in range(-radius, radius + 1) if y or x]
        w = np.exp([-(y * y + x * x) / (2 * radius**2) for y, x in offsets])
        return zip(offsets, w / w.sum(), strict=True)

    total = 0.0
    for y, x in np.ndindex(height, width):
        for (dy, dx), w in window(m.radius):
            v, s = y + dy, x + dx
            if 0 <= v < height and 0 <= s < width:
                guide = (1e-3 + np.abs(g[:, y, x] - g[:, v, s]).mean()) ** -m.exponent
                size = np.sqrt(((u[:, y, x] - u[:, v, s]) ** 2).mean())
                total += m.weight * w * guide * h(size, m.a, m.cutoff)
        if m.data_radius == 0:
            total += ((u[:, y, x] - f[:, y, x]) ** 2).mean()
            continue
        for (dy, dx), w in window(m.data_radius):
            v, s = y + dy, x + dx
            if 0 <= v < height and 0 <= s < width:
                size = np.sqrt(((u[:, y, x] - f[:, v, s]) ** 2).mean())
                total += w * h(size, m.a, m.data_cutoff)
    return total


MODES = [
    {"data_radius": 1},
    {"data_radius": 0},
    {"data_radius": 2, "radius": 2, "cutoff": 0.2, "data_cutoff": 0.15, "weight": 0.3},
]


@pytest.mark.parametrize("mode", MODES)
def test_recorded_energy_is_the_objective(mode):
    f = np.random.default_rng(1).random((6, 7, 3))
    method = GSF(**mode, n_steps=3)
    result = js.run(f, method)
    u, planes = np.moveaxis(result.image, -1, 0), np.moveaxis(f, -1, 0)
    assert result.history["energy"][-1] == pytest.approx(energy(u, planes, planes, method), rel=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_energy_falls(mode):
    f = js.datasets.textured(40, 50, seed=3)[0]
    history = js.run(f, GSF(**mode, tol=1e-6)).history["energy"]
    # beyond a cutoff the weight is 1e-7, not 0: the quadratic is above the energy by about that much
    assert all(after <= before + 1e-4 for before, after in itertools.pairwise(history))
    assert history[-1] < 0.9 * history[0]


def test_one_step_is_the_published_formula():
    """Solve (D_d + 2λ(D_s − W_s)) u = W_d f with explicit matrices."""
    rng = np.random.default_rng(2)
    f = rng.random((5, 6))
    lam, a = 0.3, 1e-3
    n = f.size
    Wd, Ws = np.zeros((n, n)), np.zeros((n, n))
    norm = 4 * np.exp(-0.5) + 4 * np.exp(-1)
    for y, x in np.ndindex(f.shape):
        for dy, dx in [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]:
            v, u = y + dy, x + dx
            if 0 <= v < 5 and 0 <= u < 6:
                d = abs(f[y, x] - f[v, u])
                w = np.exp(-(dy * dy + dx * dx) / 2) / norm * (1 / (2 * a) if d < a else 1 / (2 * d))
                Wd[y * 6 + x, v * 6 + u] = w
                Ws[y * 6 + x, v * 6 + u] = w / (1e-3 + d) ** 0.5
    A = np.diag(Wd.sum(1)) + 2 * lam * (np.diag(Ws.sum(1)) - Ws)
    exact = np.linalg.solve(A, Wd @ f.ravel()).reshape(5, 6)
    ours = js.smooth(f, "gsf", weight=lam, data_radius=1, n_steps=1, tol=1e-10)
    np.testing.assert_allclose(ours, exact, atol=1e-8)


def test_only_edges_of_the_guidance_are_kept():
    rng = np.random.default_rng(4)
    edge = (np.arange(30) >= 15).astype(float)[None].repeat(20, 0)
    image = 0.4 + 0.05 * edge + 0.02 * rng.standard_normal((20, 30))
    step = [
        js.smooth(image, "gsf", weight=0.05, exponent=1.0, guidance=g)[:, 15:].mean()
        for g in (edge, 0 * edge)
    ]
    assert step[0] > 0.445 > step[1]
    with pytest.raises(js.InputError, match="guidance"):
        js.smooth(image, "gsf", guidance=edge[1:])
    batch = torch.from_numpy(image)[None, None].repeat(2, 1, 1, 1)
    guides = torch.from_numpy(np.stack([edge, 0 * edge]))[:, None]
    both = js.smooth(batch, "gsf", weight=0.05, exponent=1.0, guidance=guides)
    assert both[0, 0, :, 15:].mean() == pytest.approx(step[0])
    assert both[1, 0, :, 15:].mean() == pytest.approx(step[1])


@pytest.mark.parametrize(
    "wrong",
    [{"radius": 0}, {"data_radius": -1}, {"exponent": -1}, {"cutoff": 1e-4}, {"tol": 1.0}, {"a": 0.0}],
)
def test_bad_parameters(wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        GSF(**wrong)
