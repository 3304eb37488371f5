"""Other libraries' "TV", reproduced by a named setting and held against the packages themselves."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import jumpset
from jumpset.penalties import TotalVariation
from jumpset.penalties.conventions import CONVENTIONS

EYE = torch.eye(4).expand(2, 3, 4, 4).contiguous()
# for EYE; piq, deepinv and the DIP program by values stated for it, as they are not installed here
VALUES = {
    "kornia-sum": 12.0,
    "kornia-mean": 1.0,
    "torchmetrics-sum": 72.0,
    "torchmetrics-mean": 36.0,
    "tensorflow": 36.0,
    "piq-l1": 36.0,
    "piq-l2": 6.0,
    "piq-l2-squared": 36.0,
    "deepinv-TVPrior": 30.7279,
    "deepinv-TVL1Prior": 36.0,
    "deepinv-TVLoss": 2.0,
    "dip-program": 49.456,
    "blog-TVLoss": 2.0,
}


@pytest.fixture(params=[(2, 3, 4, 4), (3, 1, 7, 5), (1, 2, 2, 9)])
def x(request):
    return torch.from_numpy(np.random.default_rng(0).random(request.param, dtype=np.float32))


@pytest.mark.parametrize("name", sorted(CONVENTIONS))
def test_stated_values(name):
    ours = CONVENTIONS[name](EYE)
    torch.testing.assert_close(ours, torch.full_like(ours, VALUES[name]), rtol=2e-6, atol=5e-5)


@pytest.mark.parametrize("name", sorted(CONVENTIONS))
@pytest.mark.parametrize("library", ["numpy", "jax.numpy", "tensorflow"])
def test_every_library(name, library, x):
    xp = pytest.importorskip(library)
    theirs = CONVENTIONS[name](xp.asarray(x.numpy()) if hasattr(xp, "asarray") else xp.constant(x.numpy()))
    np.testing.assert_allclose(np.asarray(theirs), CONVENTIONS[name](x).numpy(), rtol=1e-5)
    if library == "tensorflow":
        traced = xp.function(CONVENTIONS[name], input_signature=[xp.TensorSpec([None] * 4, xp.float32)])
        np.testing.assert_allclose(traced(x.numpy()).numpy(), np.asarray(theirs), rtol=1e-5)


@pytest.mark.parametrize("name", ["kornia-mean", "deepinv-TVLoss", "blog-TVLoss"])
def test_half_precision_does_not_overflow(name):
    x = 100 * torch.arange(4.0).repeat(1, 3, 200, 200).half()  # the sum of the differences is above 65 504
    torch.testing.assert_close(CONVENTIONS[name](x), CONVENTIONS[name](x.float()))


def test_the_module_is_an_attribute():
    assert jumpset.penalties.conventions.CONVENTIONS is CONVENTIONS


def test_every_convention_has_a_stated_value():
    assert CONVENTIONS.keys() == VALUES.keys()


@pytest.mark.parametrize(("beta", "value"), [(0.5, 49.456), (1, 60.0), (2, 96.0)])
def test_dip_program_exponents(beta, value):
    assert CONVENTIONS["dip-program"](EYE, beta=beta).item() == pytest.approx(value, abs=5e-4)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_kornia(x, reduction):
    losses = pytest.importorskip("kornia.losses")
    torch.testing.assert_close(CONVENTIONS[f"kornia-{reduction}"](x), losses.total_variation(x, reduction))


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_torchmetrics(x, reduction):
    image = pytest.importorskip("torchmetrics.functional.image")
    torch.testing.assert_close(
        CONVENTIONS[f"torchmetrics-{reduction}"](x), image.total_variation(x, reduction)
    )


def test_tensorflow(x):
    tf = pytest.importorskip("tensorflow")
    theirs = tf.image.total_variation(tf.constant(x.permute(0, 2, 3, 1).numpy())).numpy()
    np.testing.assert_allclose(CONVENTIONS["tensorflow"](x).numpy(), theirs, rtol=1e-5)


def test_the_blogs_loss(x):
    """The loss as it is handed around, restated from its formula."""

    class TVLoss(nn.Module):
        def forward(self, x):
            batch, channels, height, width = x.shape
            down = (x[:, :, 1:] - x[:, :, :-1]).pow(2).sum() / (channels * (height - 1) * width)
            right = (x[:, :, :, 1:] - x[:, :, :, :-1]).pow(2).sum() / (channels * height * (width - 1))
            return 2 * (down + right) / batch

    torch.testing.assert_close(CONVENTIONS["blog-TVLoss"](x), TVLoss()(x))


def test_formulas_of_absent_packages(x):
    """piq's and deepinv's definitions, restated from their documentation."""
    down, right = (x[:, :, 1:] - x[:, :, :-1]), (x[:, :, :, 1:] - x[:, :, :, :-1])
    squares = down.pow(2).sum((1, 2, 3)) + right.pow(2).sum((1, 2, 3))
    torch.testing.assert_close(CONVENTIONS["piq-l2"](x), squares.sqrt().mean())
    torch.testing.assert_close(CONVENTIONS["piq-l2-squared"](x), squares.mean())


def test_one_formula_in_every_library():
    """NumPy, JAX and TensorFlow arrays through the same `terms`, values and gradients."""
    jax = pytest.importorskip("jax")
    tf = pytest.importorskip("tensorflow")
    array = np.random.default_rng(3).random((2, 3, 6, 5), dtype=np.float32)
    array[:, :, :3] = 0.5  # flat: the kink
    mask = np.random.default_rng(4).random((2, 1, 6, 5)) > 0.3
    for penalty in (TotalVariation(), TotalVariation(beta=0.5, order=2), TotalVariation(scheme="upwind")):
        tensor = torch.tensor(array, requires_grad=True)
        value = penalty(tensor, mask=torch.tensor(mask))
        value.backward()
        expected, gradient = value.item(), tensor.grad.numpy()
        assert float(penalty(array, mask=mask)) == pytest.approx(expected, rel=1e-6)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the other libraries' own
            jax_value, jax_gradient = jax.jit(jax.value_and_grad(lambda z, p=penalty: p(z, mask=mask)))(array)

            @tf.function(input_signature=[tf.TensorSpec((None, 3, 6, 5))])
            def loss(z, p=penalty):
                return p(z, mask=tf.constant(mask))

            with tf.GradientTape() as tape:
                z = tf.constant(array)
                tape.watch(z)
                tf_value = loss(z)
            tf_gradient = tape.gradient(tf_value, z)
        for other in (jax_value, tf_value):
            assert float(other) == pytest.approx(expected, rel=1e-5)
        for other in (jax_gradient, tf_gradient):
            np.testing.assert_allclose(np.asarray(other), gradient, rtol=1e-4, atol=1e-7)
