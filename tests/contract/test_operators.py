"""Every linear operator: adjoint, gradient, norm, direct solution, batches, dtypes; found by subclass."""

import numpy as np
import pytest
import scipy.sparse
import torch

import jumpset as js
from jumpset import operators as O  # noqa: N812
from jumpset.operators import adjoint_error, algebra, operator_norm
from jumpset.operators.algebra import LinearOperator

SHAPE = (7, 9)
CHANNELS = 3
R = np.random.default_rng(0)


def some(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


MATRIX = scipy.sparse.random(20, 63, density=0.2, random_state=0, format="csr")
COILS = torch.complex(some(2, *SHAPE, seed=1), some(2, *SHAPE, seed=2))
EXAMPLES = {
    "identity": O.Identity(),
    "mask": O.Mask(some(*SHAPE) > 0.4),
    "mask-of-weights": O.Mask(some(*SHAPE)),
    "blur": O.Blur(some(3, 4)),
    "blur-even": O.Blur.gaussian(0.6),
    "blur-periodic": O.Blur(some(4, 3), "periodic"),
    "blur-periodic-even": O.Blur.gaussian(0.9, boundary="periodic"),
    "motion": O.Blur.motion(4.5, 30.0),
    "blur-larger-than-the-image": O.Blur(some(17, 20)),
    "box": O.Downsample(2, SHAPE),
    "cubic": O.Downsample(2, SHAPE, "cubic"),
    "lanczos": O.Downsample(3, SHAPE, "lanczos"),
    "linear": O.Downsample(4, SHAPE, "linear"),
    "gaussian-samples": O.Downsample(2, SHAPE, 1.2),
    "bayer": O.ColorFilterArray(),
    "columns": O.ColorFilterArray(("RGBG",)),
    "radon": O.Radon(5, SHAPE),
    "radon-few": O.Radon([0.0, 45.0, 90.0, 100.0], SHAPE, detectors=4),
    "fan": O.FanBeam(6, SHAPE, source=20.0, detector=10.0),
    "lines": O.RaySums(R.standard_normal((4, 3, 4)), SHAPE),
    "fourier": O.Fourier(some(*SHAPE) > 0.5),
    "fourier-of-weights": O.Fourier(some(*SHAPE, seed=3)),
    "coils": O.Fourier(some(*SHAPE) > 0.5, COILS),
    "real-coils": O.Fourier(some(*SHAPE) > 0.5, some(2, *SHAPE)),
    "matrix": O.FlatOperator(MATRIX, SHAPE),
    "matrix-complex": O.FlatOperator(MATRIX.astype(complex) * (1 + 2j), SHAPE, (4, 5)),
    "matrix-joint": O.FlatOperator(
        scipy.sparse.random(20, 189, density=0.2, random_state=0), (3, *SHAPE), joint=True
    ),
    "pair": O.Pair(lambda u: u.flip(-1) * 2.0, lambda y: y.flip(-1) * 2.0),
    "composition": O.Downsample(2, SHAPE) @ O.Blur.motion(3.0, 70.0),
    "sum": O.Identity() + 0.5 * O.Blur.gaussian(0.7),
    "difference": O.Identity() - O.Blur.gaussian(0.7),
    "scaled": -2.5 * O.Mask(some(*SHAPE) > 0.4),
    "divided": np.float64(3.0) * (O.Blur.gaussian(0.6) / 2),
}
IMAGES = {"fourier-pairs": (O.Fourier(some(*SHAPE) > 0.5, is_complex=True), (2, 4, *SHAPE)),
          "coils-pairs": (O.Fourier(some(*SHAPE) > 0.5, COILS, is_complex=True), (2, 2, *SHAPE)),
          "line": (O.Blur(some(5)), (2, 1, 11)),
          "volume": (O.Downsample(2, (3, 4, 5)), (1, 2, 3, 4, 5)),
          "transposed": (O.Downsample(2, SHAPE, "cubic").T, (2, 3, 4, 5)),
          "one-pixel": (O.Blur.gaussian(1.0), (1, 1, 1, 1)),
          "one-row": (O.Radon(3, (1, 9)), (1, 1, 1, 9))}  # fmt: skip
CASES = {**{name: (op, (2, CHANNELS, *SHAPE)) for name, op in EXAMPLES.items()}, **IMAGES}


def dense(operator, shape):
    n = int(np.prod(shape))
    basis = torch.eye(n, dtype=torch.float64).reshape(n, *shape)
    return torch.stack([operator(e[None])[0].flatten() for e in basis], 1)


def test_every_class_has_an_example():
    def below(cls):
        return {cls} | {c for sub in cls.__subclasses__() for c in below(sub)}

    classes = {c for c in below(LinearOperator) if c.__module__.startswith("jumpset.operators")}
    assert classes - {LinearOperator} == {type(op) for op, _ in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_adjoint(name):
    operator, shape = CASES[name]
    assert adjoint_error(operator, some(*shape)) < 1e-14
    single = some(*shape).float()
    assert adjoint_error(operator, single) < 2e-6
    y = operator(single)
    assert y.dtype == operator.adjoint(y).dtype == torch.float32


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_the_adjoint(name):
    operator, shape = CASES[name]
    u = some(*shape).requires_grad_()
    y = operator(u)
    pull = some(*y.shape, seed=5)
    torch.testing.assert_close(torch.autograd.grad((y * pull).sum(), u)[0], operator.adjoint(pull))


@pytest.mark.parametrize("name", CASES)
def test_batch_equals_loop_and_input_is_kept(name):
    operator, shape = CASES[name]
    u = some(*shape)
    before = u.clone()
    y = operator(u)
    torch.testing.assert_close(y, torch.cat([operator(one) for one in u.split(1)]))
    assert torch.equal(u, before)
    assert operator.adjoint(y).shape == u.shape


@pytest.mark.parametrize("name", CASES)
def test_norm_and_direct_solution(name):
    operator, (_, *shape) = CASES[name]
    A = dense(operator, shape)
    largest = float(torch.linalg.matrix_norm(A, 2))
    assert largest * (1 - 1e-6) <= operator_norm(operator, some(1, *shape)) <= largest * 1.02
    b, rho = some(1, *shape), torch.full((1,) + (1,) * len(shape), 0.3, dtype=torch.float64)
    expected = torch.linalg.solve(A.mT @ A + 0.3 * torch.eye(A.shape[1]).double(), b.flatten()).reshape(
        b.shape
    )
    if algebra.is_direct(operator, b):
        torch.testing.assert_close(operator.solve(b, rho), expected)
    found = js.solvers.ConjugateGradient(tol=1e-12).solve(operator, b, rho, torch.zeros_like(b))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def test_algebra_by_matrices():
    A, B = O.Blur.motion(3.0, 20.0), O.Mask(some(*SHAPE))
    a, b = (dense(x, (1, *SHAPE)) for x in (A, B))
    for operator, matrix in (
        (A @ B, a @ b),
        (A + B, a + b),
        (A - 2 * B, a - 2 * b),
        ((A @ B).T, (a @ b).mT),
        (-A / 4, -a / 4),
        (A.T @ A, a.mT @ a),
    ):
        torch.testing.assert_close(dense(operator, (1, *SHAPE)), matrix)
    assert A.T.T is A


def test_mistakes_of_the_algebra():
    for wrong in (lambda: O.Identity() * float("nan"), lambda: O.Identity() / 0):
        with pytest.raises(js.InputError):
            wrong()
    for wrong in (lambda: O.Identity() @ 3, lambda: O.Identity() + some(2, 2)):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(js.InputError, match="one shape"):
        (O.Identity() + O.Downsample(2, SHAPE))(some(1, 1, *SHAPE))
