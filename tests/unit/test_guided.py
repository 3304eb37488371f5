"""The guided filter: dense least squares, and weights that are small beside rounding."""

import numpy as np
import pytest

import jumpset as js
from jumpset.smoothers import Guided


def few_colors(rng):
    """Return boxes of 16 pixels: the colours of most windows lie on a line or a plane."""
    return np.kron(rng.random((4, 4, 3)), np.ones((16, 16, 1)))


@pytest.mark.parametrize("weight", [1e-300, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3])
@pytest.mark.parametrize("kind", ["few colors", "equal channels", "noise"])
@pytest.mark.parametrize("guided", [False, True])
def test_float32_has_the_answer_of_float64(weight, kind, guided):
    rng = np.random.default_rng(0)
    image = few_colors(rng) if kind == "few colors" else rng.random((64, 64, 3))
    if kind == "equal channels":
        image[...] = image[..., :1]
    single, double = image.astype(np.float32), image.astype(np.float32).astype(float)
    answers = [
        js.smooth(x[..., :1] if guided else x, Guided(weight, guidance=x if guided else None))
        for x in (single, double)
    ]
    assert answers[0].dtype == np.float32
    np.testing.assert_allclose(*answers, rtol=0, atol=1e-6)
    if weight <= 1e-9:  # the model of every window is exact
        np.testing.assert_allclose(answers[1], double[..., : answers[1].shape[2]], rtol=0, atol=1e-5)


def test_the_least_ridge_grows_with_the_range():
    """The same image in other units, with the weight in these units squared, has the same answer."""
    image = few_colors(np.random.default_rng(0))
    for scale in (1e-3, 1e3):
        scaled = js.smooth(scale * image, Guided(1e-9), value_range=(0.0, scale)) / scale
        np.testing.assert_allclose(scaled, js.smooth(image, Guided(1e-9)), rtol=0, atol=1e-9)


def test_windows_equal_dense_least_squares():
    """Each window's affine model by `np.linalg.solve`, and the mean of the models over the windows."""
    rng = np.random.default_rng(1)
    f, g, radius, weight = rng.random((7, 8)), rng.random((7, 8, 3)), 2, 1e-8
    models, counts = np.zeros((7, 8, 4)), np.zeros((7, 8, 1))
    for y, x in np.ndindex(7, 8):
        window = slice(max(y - radius, 0), y + radius + 1), slice(max(x - radius, 0), x + radius + 1)
        A = np.c_[g[window].reshape(-1, 3), np.ones(f[window].size)]
        ridge = f[window].size * weight * np.diag([1.0, 1.0, 1.0, 0.0])
        models[window] += np.linalg.solve(A.T @ A + ridge, A.T @ f[window].ravel())
        counts[window] += 1
    models /= counts
    expected = (models[..., :3] * g).sum(-1) + models[..., 3]
    ours = js.smooth(f, Guided(weight, radius=radius, guidance=g))
    np.testing.assert_allclose(ours, expected, atol=1e-9)
