"""TV against others: scikit-image, general solvers on tiny pictures, and all partitions in one dimension."""

from itertools import pairwise, product

import numpy as np
import pytest
from scipy.optimize import NonlinearConstraint, minimize
from skimage import color, data
from skimage.restoration import denoise_tv_chambolle

import jumpset as js
from jumpset.smoothers.tv import TV


def energy(u, f, weight, isotropic=True):
    """½ ‖u - f‖² + weight TV(u) of (H, W, C) arrays, channels jointly."""
    squares = np.zeros((2, *u.shape))
    squares[0, :-1], squares[1, :, :-1] = np.diff(u, axis=0) ** 2, np.diff(u, axis=1) ** 2
    length = np.sqrt(squares.sum((0, 3)) if isotropic else squares.sum(3))
    return 0.5 * np.sum((u - f) ** 2) + weight * length.sum()


def solve(f, weight, *, tol=1e-10, **settings):
    result = js.run(f, TV(weight=weight, tol=tol, max_steps=200_000, **settings))
    assert result.status is js.Status.CONVERGED
    return result.image


@pytest.mark.parametrize("weight", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("channels", [1, 3])
def test_scikit_image(weight, channels):
    """It treats channels separately; the weights mean the same."""
    rng = np.random.default_rng(0)
    f = np.kron(rng.random((3, 4, channels)), np.ones((9, 7, 1))) + 0.1 * rng.standard_normal(
        (27, 28, channels)
    )
    theirs = denoise_tv_chambolle(f, weight=weight, eps=1e-7, max_num_iter=5000, channel_axis=-1)
    ours = solve(f, weight, tol=1e-6, channels="separate")
    their_energy, our_energy = (
        sum(energy(u[..., c : c + 1], f[..., c : c + 1], weight) for c in range(channels))
        for u in (theirs, ours)
    )
    assert our_energy <= their_energy * (1 + 1e-6)
    np.testing.assert_allclose(our_energy, their_energy, rtol=2e-3)
    np.testing.assert_allclose(ours, theirs, atol=0.03)


def dense_gradient(height, width):
    n = height * width
    D = np.zeros((2, n, n))
    for y, x in np.ndindex(height, width):
        k = y * width + x
        if y + 1 < height:
            D[0, k, [k, k + width]] = -1, 1
        if x + 1 < width:
            D[1, k, [k, k + 1]] = -1, 1
    return D


def test_anisotropic_against_a_box_constrained_solver():
    """The dual of the gray case is a quadratic in a box, which L-BFGS-B solves."""
    height, width, weight = 5, 6, 0.2
    f = np.random.default_rng(1).random(height * width)
    D = dense_gradient(height, width).reshape(-1, height * width)

    def dual(p):
        u = f - D.T @ p
        return 0.5 * u @ u, -D @ u

    box = [(-weight, weight)] * len(D)
    options = {"maxiter": 20_000, "maxfun": 100_000, "ftol": 0.0, "gtol": 1e-12}
    answer = minimize(dual, np.zeros(len(D)), jac=True, bounds=box, method="L-BFGS-B", options=options)
    u = (f - D.T @ answer.x).reshape(height, width, 1)
    picture = f.reshape(height, width, 1)
    ours = solve(picture, weight, isotropic=False)
    np.testing.assert_allclose(ours, u, atol=1e-5)
    np.testing.assert_allclose(
        energy(ours, picture, weight, False), energy(u, picture, weight, False), rtol=1e-8
    )


@pytest.mark.parametrize(("isotropic", "channels"), [(True, 1), (True, 2), (False, 2)])
def test_joint_norms_against_a_cone_constrained_solver(isotropic, channels):
    """minimise ½ ‖u - f‖² + weight Σ t, with ‖grad u‖² ≤ t² for each norm, by sequential quadratic programming."""
    height, width, weight = 3, 4, 0.15
    n = height * width
    f = np.random.default_rng(2).random((n, channels))
    D = dense_gradient(height, width)

    def split(x):
        return x[: n * channels].reshape(n, channels), x[n * channels :]

    def norms(u):
        grad = np.einsum("dij,jc->dic", D, u)
        squares = np.sum(grad**2, axis=(0, 2)) if isotropic else np.sum(grad**2, axis=2).ravel()
        return grad, np.sqrt(squares + 1e-14)

    def objective(x):
        u, t = split(x)
        slope = np.concatenate([(u - f).ravel(), np.full(len(t), weight)])
        return 0.5 * np.sum((u - f) ** 2) + weight * t.sum(), slope

    def slack(x):
        u, t = split(x)
        return t - norms(u)[1]

    def slack_slope(x):
        grad, size = norms(split(x)[0])
        each = np.einsum("dic,dij->dijc", grad, D)
        each = (each.sum(0) if isotropic else each.reshape(2 * n, n, channels)) / size[:, None, None]
        return np.hstack([-each.reshape(len(size), -1), np.eye(len(size))])

    start = np.concatenate([f.ravel(), norms(f)[1] + 0.01])
    cone = NonlinearConstraint(slack, 0, np.inf, jac=slack_slope)
    options = {"maxiter": 500, "ftol": 1e-14}
    answer = minimize(objective, start, jac=True, method="SLSQP", constraints=[cone], options=options)
    theirs = split(answer.x)[0].reshape(height, width, channels)
    picture = f.reshape(height, width, channels)
    ours = solve(picture, weight, isotropic=isotropic)
    least = energy(ours, picture, weight, isotropic)
    np.testing.assert_allclose(energy(theirs, picture, weight, isotropic), least, rtol=1e-5)
    np.testing.assert_allclose(ours, theirs, atol=3e-3)


def all_partitions(f, weight):
    """The least 1-D energy: each edge jumps up, down or not at all; then each segment has a closed form.

    The minimiser is among these candidates, and each candidate's own energy is an upper bound.
    """
    n, best = len(f), np.inf
    for jumps in product((-1, 0, 1), repeat=n - 1):
        edges = [0, *(k + 1 for k, s in enumerate(jumps) if s), n]
        signs = [0, *(s for s in jumps if s), 0]
        u = np.empty(n)
        for k, (start, stop) in enumerate(pairwise(edges)):
            u[start:stop] = f[start:stop].mean() + weight * (signs[k + 1] - signs[k]) / (stop - start)
        best = min(best, 0.5 * np.sum((u - f) ** 2) + weight * np.abs(np.diff(u)).sum())
    return best


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("weight", [0.03, 0.15, 0.6])
def test_one_dimension_against_all_partitions(isotropic, axis, weight):
    f = np.random.default_rng(3).random(8)
    picture = np.expand_dims(f, (1 - axis, 2))
    ours = solve(picture, weight, isotropic=isotropic)
    np.testing.assert_allclose(energy(ours, picture, weight), all_partitions(f, weight), rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("isotropic", "least"), [(True, 1862.31318), (False, 1968.71518)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_astronaut(isotropic, least, dtype):
    """Known optima: the anisotropic one from an exact solver, the isotropic one from a run to a gap of 2e-8."""
    rng = np.random.default_rng(0)
    f = color.rgb2gray(data.astronaut()) + 0.1 * rng.standard_normal((512, 512))
    result = js.run(f.astype(dtype), TV(isotropic=isotropic, tol=1e-6))
    assert result.status is js.Status.CONVERGED
    found = energy(
        result.image[..., None].astype(float), f[..., None].astype(dtype).astype(float), 0.1, isotropic
    )
    assert least * (1 - 1e-6) <= found <= least * (1 + 2e-6)
