"""RTV, WLS, FGS, SG-WLS and ILS: their solvers against dense algebra, their steps against the formulas."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

import jumpset as js
from jumpset.kernels.filters.gradient_magnitudes import gradient_magnitudes, gradient_magnitudes_plain
from jumpset.kernels.linear import grid_laplacian, line_solvers
from jumpset.kernels.linear.strips import smooth_strips
from jumpset.smoothers import FGS, ILS, RTV, SGWLS, WLS

GUIDED = ["wls", "fgs", "sg-wls"]
sizes = st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40))


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def grid_matrix(right, down):
    """Return the dense I + L of a grid with the given edge weights."""
    height, width = right.shape
    matrix = np.eye(height * width)
    for y, x in np.ndindex(height, width):
        for w, (j, i) in ((right[y, x], (y, x + 1)), (down[y, x], (y + 1, x))):
            if j < height and i < width:
                p, q = y * width + x, j * width + i
                matrix[[p, q], [p, q]] += w
                matrix[[p, q], [q, p]] -= w
    return matrix


def exact(matrix, f):
    """Return the solution for each band of (C, H, W)."""
    return np.linalg.solve(matrix, f.reshape(len(f), -1).T).T.reshape(f.shape)


def random_weights(rng, height, width, decades):
    right, down = (10.0 ** rng.uniform(-decades, decades, (height, width)) for _ in range(2))
    right[:, -1] = down[-1] = 0.0
    return right, down


@settings(deadline=None, max_examples=40)
@given(sizes, st.floats(1e-3, 1e6), st.integers(0, 2**31))
def test_line_solves_equal_dense_algebra(shape, scale, seed):
    rng = np.random.default_rng(seed)
    u, links = rng.random(shape), rng.random((shape[1] - 1, shape[2]))
    expected = line_solvers.solve_lines_plain(u, links, scale)
    columns, rows = u.copy(), np.ascontiguousarray(u.swapaxes(1, 2))
    line_solvers.solve_columns(columns, links, scale)
    line_solvers.solve_rows(rows, links, scale)
    np.testing.assert_allclose(columns, expected, atol=1e-9)
    np.testing.assert_array_equal(rows.swapaxes(1, 2), columns)


def test_line_solves_keep_the_mean_in_float32(rng):
    u = rng.random((1, 4000, 2), dtype=np.float32)
    out = u.copy()
    line_solvers.solve_columns(out, np.ones((3999, 2), np.float32), 1e6)
    np.testing.assert_allclose(out.mean(1), u.mean(1), rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (9, 13), (20, 17)])
@pytest.mark.parametrize("decades", [1, 4])
def test_grid_solver_equals_dense_algebra(shape, decades, rng):
    right, down = random_weights(rng, *shape, decades)
    f = rng.random((3, *shape))
    u = f.copy()
    iterations, residual = grid_laplacian.solve(u, right, down, f, 1e-8)
    assert residual <= 1e-8
    assert iterations <= 3 * f[0].size + 20
    np.testing.assert_allclose(u, exact(grid_matrix(right, down), f), atol=1e-6)
    np.testing.assert_allclose(u.mean((1, 2)), f.mean((1, 2)), rtol=1e-12)


def test_grid_solver_reaches_its_tolerance_in_float32(rng):
    right, down = random_weights(rng, 24, 20, 2)
    f = rng.random((2, 24, 20)) + 3.0
    u = f.astype(np.float32)
    grid_laplacian.solve(u, right.astype(np.float32), down.astype(np.float32), u.copy(), 1e-5)
    error = u - exact(grid_matrix(right, down), f)
    assert np.linalg.norm(error) <= 1e-5 * np.linalg.norm(f)


def test_the_comparison_detects_a_wrong_grid_solver(rng, monkeypatch):
    """The comparison fails for a product with weaker vertical edges."""
    right_one = grid_laplacian._product

    def weaker(start, stop, x, right, down, *rest):
        right_one(start, stop, x, right, 0.999 * down, *rest)

    monkeypatch.setattr(grid_laplacian, "_product", weaker)
    right, down = random_weights(rng, 9, 13, 2)
    f = rng.random((1, 9, 13))
    u = f.copy()
    grid_laplacian.solve(u, right, down, f, 1e-8)
    assert not np.allclose(u, exact(grid_matrix(right, down), f), atol=1e-6)


@pytest.mark.parametrize("squares", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 5, 9), (1, 1, 1, 4), (1, 2, 3, 1)])
def test_gradient_magnitudes(squares, shape, rng):
    x = torch.from_numpy(rng.random(shape))
    for fast, plain in zip(
        gradient_magnitudes(x, squares=squares), gradient_magnitudes_plain(x, squares=squares), strict=True
    ):
        torch.testing.assert_close(fast, plain)


def test_wls_solves_the_published_system(rng):
    f = rng.random((3, 11, 14))
    f[:, 4:, 5:] += 0.4
    logarithm = np.log(f + 1e-4)
    right, down = np.zeros((11, 14)), np.zeros((11, 14))
    right[:, :-1] = 2.0 / (np.linalg.norm(np.diff(logarithm, axis=2), axis=0) ** 1.4 + 1e-4)
    down[:-1] = 2.0 / (np.linalg.norm(np.diff(logarithm, axis=1), axis=0) ** 1.4 + 1e-4)
    ours = js.smooth(f, WLS(2.0, exponent=1.4, epsilon=1e-4, tol=1e-9), channel_axis=0)
    np.testing.assert_allclose(ours, exact(grid_matrix(right, down), f), atol=1e-7)


def test_rtv_equals_its_formulas_with_dense_solves(rng):
    f = rng.random((2, 12, 9))
    s, sigma = f, 2.0
    for _ in range(3):
        g = [np.diff(s, axis=a, append=np.take(s, [-1], axis=a)) for a in (2, 1)]
        w = 0.005 / 2 / np.maximum(np.sqrt(g[0] ** 2 + g[1] ** 2).mean(0), 0.03)
        blurred = gaussian_filter(s, (0, sigma, sigma), truncate=2.5)
        b = [np.diff(blurred, axis=a, append=np.take(blurred, [-1], axis=a)) for a in (2, 1)]
        right, down = (w / np.maximum(np.abs(x).mean(0), 1e-3) for x in b)
        s, sigma = exact(grid_matrix(right, down), f), max(sigma / 2, 0.5)
    ours = js.smooth(f, RTV(weight=0.005, sigma=2.0, sharpness=0.03, n_steps=3, tol=1e-10), channel_axis=0)
    np.testing.assert_allclose(ours, s, atol=1e-7)


def test_rtv_removes_a_texture_and_keeps_the_structure():
    y, x = np.mgrid[:40, :48]
    structure = np.where(x < 24, 0.3, 0.7)
    texture = 0.12 * np.where((x + y) % 2, 1, -1)
    out = js.smooth(structure + texture, "rtv", preset="paper")
    assert np.abs(out - structure)[:, np.r_[:21, 27:48]].max() < 0.02
    assert np.abs(out[:, 24] - out[:, 23]).min() > 0.3


def test_fgs_equals_dense_line_solves(rng):
    f, g = rng.random((2, 7, 9)), rng.random((1, 7, 9))
    u, T, weight = f.copy(), 4, 60.0
    right = np.exp(-np.abs(np.diff(g[0], axis=1)) / 0.2)
    down = np.exp(-np.abs(np.diff(g[0], axis=0)) / 0.2)
    for t in range(1, T + 1):
        w = 1.5 * 4 ** (T - t) / (4**T - 1) * weight
        u = line_solvers.solve_lines_plain(u.swapaxes(1, 2), right.T, w).swapaxes(1, 2)
        u = line_solvers.solve_lines_plain(u, down, w)
    ours = js.smooth(f, FGS(weight, sigma=0.2, n_steps=T, guidance=g[0]), channel_axis=0)
    np.testing.assert_allclose(ours, u, atol=1e-12)


def dense_strips(f, g, radius, weight, exponent, delta):
    """Return the average of the solutions on strips of rows, each with a dense matrix."""
    height, width = f.shape[1:]
    total, count, first = np.zeros_like(f), np.zeros(height), 0
    while True:
        rows = range(first, min(first + 2 * radius + 1, height))
        path = [(y, x) for x in range(width) for y in (rows if x % 2 == 0 else reversed(rows))]
        matrix = np.eye(len(path))
        for k, p in enumerate(path):
            for m in range(k + 1, min(k + 1 + radius, len(path))):
                q = path[m]
                away = (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2
                difference = np.linalg.norm(g[:, p[0], p[1]] - g[:, q[0], q[1]])
                w = weight * np.exp(-away / (2 * radius**2)) / (difference**exponent + delta)
                matrix[[k, m], [k, m]] += w
                matrix[[k, m], [m, k]] -= w
        y, x = np.array(path).T
        total[:, y, x] += np.linalg.solve(matrix, f[:, y, x].T).T
        count[list(rows)] += 1
        if rows[-1] == height - 1:
            return total / count[:, None]
        first += radius + 1


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (5, 4), (7, 3), (8, 6)])
def test_strips_equal_dense_solves(shape, radius, rng):
    f, g = rng.random((2, *shape)), rng.random((3, *shape))
    ours = smooth_strips(f, g, radius, 5.0, 1.5, 0.01)
    np.testing.assert_allclose(ours, dense_strips(f, g, radius, 5.0, 1.5, 0.01), atol=1e-9)


@pytest.mark.parametrize("guided", [False, True])
def test_sg_wls_step_equals_its_formula(guided, rng):
    """Columns, then rows; differences of the guidance in units of 1/255, and δ = 0.01."""
    f, guidance = rng.random((2, 7, 6)), rng.random((3, 7, 6)) if guided else None
    g = 255 * (guidance if guided else f)
    columns = dense_strips(f.swapaxes(1, 2), g.swapaxes(1, 2), 1, 900.0, 2.0, 0.01).swapaxes(1, 2)
    expected = dense_strips(columns, g, 1, 900.0, 2.0, 0.01)
    ours = js.smooth(f, SGWLS(900.0, exponent=2.0, n_steps=1, guidance=guidance), channel_axis=0)
    np.testing.assert_allclose(ours, expected, atol=1e-9)


def test_ils_equals_dense_algebra_and_its_energy_never_rises(rng):
    f = rng.random((2, 6, 8))
    lam, p, eps = 0.7, 0.8, 1e-3
    c = p * eps ** (p / 2 - 1)
    D = np.zeros((2, 48, 48))
    for y, x in np.ndindex(6, 8):
        k = 8 * y + x
        if x < 7:
            D[0, k, [k, k + 1]] = -1, 1
        if y < 5:
            D[1, k, [k, k + 8]] = -1, 1
    D = D.reshape(96, 48)
    u = f.reshape(2, 48).T
    for _ in range(3):
        slopes = D @ u
        mu = c * slopes - p * slopes * (slopes**2 + eps) ** (p / 2 - 1)
        u = np.linalg.solve(np.eye(48) + lam / 2 * c * D.T @ D, f.reshape(2, 48).T + lam / 2 * D.T @ mu)
    method = ILS(lam, p=p, epsilon=eps, n_steps=3)
    np.testing.assert_allclose(js.smooth(f, method, channel_axis=0).reshape(2, 48).T, u, atol=1e-10)
    energies = js.run(f, ILS(lam, p=p, epsilon=eps, n_steps=60), channel_axis=0).history["energy"]
    assert (np.diff(energies) <= 1e-12 * energies[0]).all()
    slopes = D @ f.reshape(2, 48).T
    assert energies[0] == pytest.approx(lam * ((slopes**2 + eps) ** (p / 2)).sum())


@pytest.mark.parametrize("name", GUIDED)
def test_guidance(name, rng):
    """Edges of a guidance of any number of bands are kept; the default guidance is the image itself."""
    f = rng.random((16, 18, 3))
    steps = {"n_steps": 1} if name == "sg-wls" else {}  # later steps are guided by the last result
    np.testing.assert_allclose(
        js.smooth(f, name, guidance=f, **steps), js.smooth(f, name, **steps), atol=1e-12
    )
    guide = np.zeros((16, 18, 5))
    guide[:, 9:] = 1.0
    f = np.where(np.arange(18) < 9, 0.3, 0.6)[None].repeat(16, 0) + 0.1 * rng.standard_normal((16, 18))
    out = js.smooth(f, name, guidance=guide, weight=0.1 if name == "wls" else 2000.0)
    assert np.abs(out[:, :9] - 0.3).max() < 0.1
    assert np.abs(out[:, 9:] - 0.6).max() < 0.1
    assert out.std(axis=0).max() < 0.02
    batch = torch.from_numpy(rng.random((2, 1, 8, 9)))
    guides = torch.from_numpy(rng.random((2, 2, 8, 9)))
    together = js.smooth(batch, name, guidance=guides)
    for k in range(2):
        alone = js.smooth(batch[k : k + 1], name, guidance=guides[k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [*GUIDED, "bilateral", "domain-transform"])
def test_norms_of_more_than_three_guidance_channels_are_those_of_three(name, rng):
    """Twelve equal channels are as different as three; one, two and three are summed as in the papers."""
    f, g = rng.random((9, 11)), rng.random((9, 11, 1))
    three, twelve = (js.smooth(f, name, guidance=np.repeat(g, n, axis=2)) for n in (3, 12))
    np.testing.assert_allclose(twelve, three, atol=1e-6 if name == "wls" else 1e-12)
    one, two = (js.smooth(f, name, guidance=np.repeat(g, n, axis=2)) for n in (1, 2))
    assert np.abs(one - three).max() > 1e-4 < np.abs(two - three).max()


@pytest.mark.parametrize("name", ["wls", "rtv", "ils", "fgs", "gsf"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weight", [1e6, 1e9, 1e12])
def test_a_huge_weight_gives_the_mean(name, dtype, weight, rng):
    """Rounding beside such weights neither ends the solver with an error nor shifts the mean."""
    f = (0.4 + 0.2 * rng.random((24, 20, 2))).astype(dtype)
    out = js.smooth(f, name, weight=weight)
    np.testing.assert_allclose(out, np.broadcast_to(f.mean((0, 1), dtype=float), f.shape), rtol=0, atol=1e-5)


def test_sg_wls_steps_are_guided_by_the_last_result(rng):
    f = rng.random((9, 11))
    twice = js.smooth(js.smooth(f, SGWLS(50.0, n_steps=1)), SGWLS(50.0, n_steps=1))
    np.testing.assert_allclose(js.smooth(f, SGWLS(50.0, n_steps=2)), twice, atol=1e-12)


@pytest.mark.parametrize("name", GUIDED)
@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ("a", "guidance cannot be used: the file does not exist"),
        (np.zeros(3), "guidance cannot be used"),
        (np.full((8, 9), np.nan), "non-finite"),
        (np.zeros((9, 8)), "height and width"),
        (torch.zeros(3, 1, 8, 9), "one for each image of the batch"),
    ],
)
def test_wrong_guidance(name, wrong, match):
    with pytest.raises(js.InputError, match=match):
        js.smooth(np.zeros((8, 9)), name, guidance=wrong)


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (RTV, {"sigma": 0}),
        (RTV, {"sharpness": 0}),
        (RTV, {"n_steps": 0}),
        (RTV, {"tol": 1}),
        (WLS, {"exponent": -1}),
        (WLS, {"epsilon": 0}),
        (FGS, {"sigma": 0}),
        (FGS, {"n_steps": 1.5}),
        (SGWLS, {"radius": 0}),
        (ILS, {"p": 3}),
        (ILS, {"epsilon": 0}),
    ],
)
def test_bad_parameters(cls, wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        cls(**wrong)
