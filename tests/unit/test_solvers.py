"""Operators by their adjoint identity; solvers against a dense solver and against each other."""

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset import solvers as S  # noqa: N812
from jumpset.operators import operator_norm


def psf(*shape, even=False):
    h = torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    if even:
        for k in range(h.ndim):
            h = h + h.flip(k)
    return h / h.sum()


def picture(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def radon(u):
    """Sums over rows and over columns: a tomograph with two angles."""
    return torch.cat([u.sum(-1, keepdim=True).mT, u.sum(-2, keepdim=True)], -1)


def back(y, height=7, width=9):
    rows, columns = y[..., :height], y[..., height:]
    return rows.mT.expand(*y.shape[:2], height, width) + columns.expand(*y.shape[:2], height, width)


OPERATORS = {
    "identity": S.Identity(),
    "mask": S.Mask(torch.rand(7, 9, generator=torch.Generator().manual_seed(2)) > 0.4),
    "blur": S.Blur(psf(3, 4)),
    "blur-even": S.Blur(psf(5, 3, even=True)),
    "blur-periodic": S.Blur(psf(4, 3), boundary="periodic"),
    "blur-larger-than-the-picture": S.Blur(psf(17, 20)),
    "downsample": S.Downsample(2, (7, 9)),
    "pair": S.Pair(radon, back),
}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_adjoint_identity(name, dtype):
    error = S.adjoint_error(OPERATORS[name], picture(2, 3, 7, 9).to(dtype))
    assert error < (1e-14 if dtype == torch.float64 else 1e-6)


def test_a_wrong_adjoint_is_seen():
    assert S.adjoint_error(S.Pair(radon, lambda y: 2 * back(y)), picture(1, 1, 7, 9)) > 0.01
    blur = S.Blur(psf(3, 4))
    assert S.adjoint_error(S.Pair(blur, blur), picture(1, 1, 7, 9)) > 1e-3


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("boundary", ["symmetric", "periodic"])
def test_blur_is_scipys_convolution(axes, boundary):
    from scipy.ndimage import convolve

    h, u = psf(*(3, 4, 5)[:axes]), picture(1, 1, *(6, 5, 7)[:axes])
    mode = {"symmetric": "reflect", "periodic": "wrap"}[boundary]
    expected = convolve(u[0, 0].numpy(), h.numpy(), mode=mode)
    np.testing.assert_allclose(S.Blur(h, boundary)(u)[0, 0].numpy(), expected, atol=1e-13)
    assert S.adjoint_error(S.Blur(h, boundary), u) < 1e-14


@pytest.mark.parametrize("shape", [(8, 6), (7, 9), (1, 5)])
def test_downsample_takes_block_means(shape):
    u, factor = picture(1, 2, *shape), 3
    out = S.Downsample(factor, shape)(u)
    for y, x in np.ndindex(*out.shape[2:]):
        block = u[..., y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
        torch.testing.assert_close(out[..., y, x], block.mean((-2, -1)))


@pytest.mark.parametrize("name", OPERATORS)
def test_norm_bounds_the_largest_singular_value(name):
    operator, shape = OPERATORS[name], (1, 1, 7, 9)
    basis = torch.eye(63, dtype=torch.float64).reshape(63, *shape[1:])
    matrix = torch.stack([operator(e[None])[0].flatten() for e in basis], 1)
    largest = float(torch.linalg.matrix_norm(matrix, 2))
    found = operator_norm(operator, picture(*shape))
    assert largest * (1 - 1e-6) <= found <= largest * 1.02


def run(solver, f, **settings):
    return js.run(f, solver, **settings)


SOLVERS = [S.FISTA, S.ADMM, S.DouglasRachford, S.PDHG]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", OPERATORS)
def test_least_squares_with_l1_against_coordinate_descent(solver, name):
    """An independent solver on the dense matrix: exact minimisation along one coordinate at a time."""
    operator, weight = OPERATORS[name], 0.05
    f = operator(picture(1, 1, 7, 9))
    scale = float(f.abs().max())
    f = f / scale
    basis = torch.eye(63, dtype=torch.float64).reshape(63, 1, 1, 7, 9)
    A = torch.stack([operator(e)[0].flatten() for e in basis], 1).numpy()
    b, u = f.flatten().numpy(), np.zeros(63)
    energy = lambda u: 0.5 * np.sum((A @ u - b) ** 2) + weight * np.abs(u).sum()  # noqa: E731
    for _ in range(1000):
        before = u.copy()
        for k in range(63):
            size = A[:, k] @ A[:, k]
            if size > 0:
                slope = A[:, k] @ (b - A @ u) + size * u[k]
                u[k] = np.sign(slope) * max(abs(slope) - weight, 0) / size
        if np.abs(u - before).max() < 1e-10:
            break
    result = run(solver(js.L1(), weight, operator, tol=1e-7, max_steps=2000), f)
    ours = solver.image(result.method, result.state).flatten().numpy()
    np.testing.assert_allclose(energy(ours), energy(u), rtol=1e-3)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_equals_loop(solver, dtype):
    f = picture(3, 2, 6, 7).to(dtype)
    f[1] *= 0.1
    method = solver(js.penalties.TiledGroups(2), 0.3, S.Blur(psf(3, 3)), tol=1e-4, max_steps=400)
    together = run(method, f)
    alone = torch.cat([run(method, f[k : k + 1]).image for k in range(3)])
    assert together.image.dtype == dtype
    torch.testing.assert_close(together.image, alone, rtol=0, atol=1e-12 if dtype == torch.float64 else 1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_denoising_is_the_prox(solver):
    f = picture(1, 2, 6, 7)
    penalty = js.penalties.TiledGroups(2)
    result = run(solver(penalty, 0.3, tol=1e-9, max_steps=20_000), f)
    torch.testing.assert_close(result.image, penalty.prox(f, 0.3), rtol=0, atol=1e-7)


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("channels", ["joint", "separate"])
def test_pdhg_certifies_total_variation(isotropic, channels):
    f = picture(2, 3, 8, 9)
    penalty = js.TotalVariation(isotropic=isotropic, channels=channels)
    result = run(S.PDHG(penalty, 0.1, tol=1e-7), f)
    assert result.history["gap"][-1] < 1e-5
    other = js.smooth(
        f, "tv", weight=0.1, isotropic=isotropic, channels=channels, tol=1e-8, max_steps=100_000
    )
    torch.testing.assert_close(result.image, other, rtol=0, atol=1e-4)


def test_pdhg_huber_certificate():
    f = picture(1, 2, 8, 9)
    result = run(S.PDHG(js.penalties.HuberTV(delta=0.05), 0.1, tol=1e-7), f)
    assert abs(result.history["gap"][-1]) < 1e-5


def test_pdhg_and_admm_agree_on_deblurring_with_total_variation():
    clean = torch.zeros(1, 1, 12, 14, dtype=torch.float64)
    clean[..., 3:8, 4:10] = 1.0
    blur = S.Blur(psf(5, 5, even=True))
    f = blur(clean) + 0.01 * picture(1, 1, 12, 14)
    penalty = js.TotalVariation(isotropic=False)
    first = run(S.PDHG(penalty, 0.01, blur, tol=1e-6), f)
    second = run(S.FISTA(penalty, 0.01, blur, tol=1e-6), f)
    assert first.status is second.status is js.Status.CONVERGED
    assert first.history["objective"][-1] == pytest.approx(second.history["objective"][-1], rel=1e-4)


def test_spectral_and_conjugate_gradient_agree():
    b, rho = picture(2, 1, 7, 9), torch.tensor([0.3, 2.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    for name in ("identity", "mask", "blur-even", "blur-periodic"):
        operator = OPERATORS[name]
        exact = S.Spectral().solve(operator, b, rho, b)
        torch.testing.assert_close(operator.adjoint(operator(exact)) + rho * exact, b)
        other = S.ConjugateGradient(tol=1e-12).solve(operator, b, rho, 0 * b)
        torch.testing.assert_close(exact, other, rtol=1e-7, atol=1e-9)
    with pytest.raises(js.InputError, match="ConjugateGradient"):
        S.Spectral().solve(OPERATORS["blur"], b, rho, b)


@pytest.mark.parametrize("solver", SOLVERS)
def test_record_and_first_answer(solver):
    f = np.random.default_rng(0).random((6, 7, 3)).astype(np.float32)
    result = run(solver(js.L1(), 0.1), f, max_steps=0)
    assert result.image.shape == f.shape
    result = run(solver(js.L1(), 0.1), f)
    assert result.history["objective"][-1] <= result.history["objective"][0]
    assert np.isfinite(result.history["objective"]).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_mistakes_are_said(solver):
    for wrong in ({"weight": -1.0}, {"tol": 0.0}, {"max_steps": -1}, {"operator": 3}):
        with pytest.raises(js.InputError):
            solver(js.L1(), **wrong)
    with pytest.raises(js.InputError, match="penalty"):
        solver("l1")
    with pytest.raises(js.JumpsetError, match="proximal"):
        run(solver(js.penalties.GraphNet(), 0.1), picture(1, 1, 4, 4))


def test_wrong_operators_are_said():
    for wrong in (torch.empty(0, 3), torch.ones(2, 2, 2, 2), torch.full((3, 3), torch.nan)):
        with pytest.raises(js.InputError):
            S.Blur(wrong)
    with pytest.raises(js.InputError, match="axes"):
        S.Blur(torch.ones(3))(picture(1, 1, 4, 4))
    with pytest.raises(js.InputError, match="factor"):
        S.Downsample(0, (4, 4))
    with pytest.raises(js.InputError, match="mask"):
        S.Mask(torch.tensor([torch.inf]))
