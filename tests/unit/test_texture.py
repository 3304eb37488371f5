"""The texture's model is consistent with its samples; the estimate recovers a known texture."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import jumpset as js
from jumpset.texture.estimate import spread
from jumpset.texture.support import clipped, varying


def blurred(sigma, reach=12):
    """Autocovariance of variance 1 of white noise after a Gaussian blur, which is a Gaussian again."""
    lag = np.arange(-reach, reach + 1)
    one = np.exp(-(lag**2) / (4 * sigma**2))
    return np.outer(one, one)


@pytest.fixture
def texture():
    mixing = np.array([[0.03, 0.004, 0.001], [0.03, -0.004, 0.001], [0.03, 0.0, -0.003]])
    return js.texture.Texture(mixing, np.stack([blurred(1.2), blurred(0.8), blurred(0.4)]))


def circular_covariance(x, reach):
    """Mean over all pixels of x_p x_{p + lag}, on a torus."""
    power = np.abs(np.fft.fft2(x)) ** 2 / x.size
    lags = np.arange(-reach, reach + 1)
    return np.fft.ifft2(power).real[np.ix_(lags, lags)]


def test_sample_has_the_covariances_of_the_model(texture):
    sample = texture.sample(400, 380, seed=3).astype(float)
    assert sample.shape == (400, 380, 3)
    np.testing.assert_allclose(np.cov(sample.reshape(-1, 3).T), texture.covariance, rtol=0.06)
    wanted = np.einsum("k,kyx->yx", texture.mixing[0] ** 2, texture.autocovariance)
    found = circular_covariance(sample[..., 0], 12)
    np.testing.assert_allclose(found, wanted, atol=0.05 * wanted.max())
    np.testing.assert_array_equal(sample, texture.sample(400, 380, seed=3))
    assert np.abs(sample - texture.sample(400, 380, seed=4)).max() > 0.01


def test_the_covariance_test_sees_white_noise(texture):
    white = js.texture.Texture(texture.mixing, np.ones((3, 1, 1)))
    found = circular_covariance(white.sample(400, 380)[..., 0].astype(float), 1)
    assert found[1, 2] < 0.1 * found[1, 1]


def test_spectrum(texture):
    power = texture.spectrum(50, 37)
    assert power.shape == (3, 50, 37)
    assert power.min() >= 0
    np.testing.assert_allclose(power.mean((1, 2)), 1.0, rtol=1e-6)
    np.testing.assert_allclose(js.texture.Texture(np.eye(2), np.full((2, 1, 1), 0.3)).spectrum(5, 1), 0.3)
    # more lags than frequencies: lags wrap around, and their sum is kept
    np.testing.assert_allclose(texture.spectrum(3, 1)[0, 0, 0], blurred(1.2).sum(), rtol=1e-9)


def test_strength_and_lengths(texture):
    np.testing.assert_allclose(texture.strength**2, np.diag(texture.covariance))
    lengths = js.texture.Texture(np.eye(1), blurred(1.2)[None]).correlation_lengths
    np.testing.assert_allclose(lengths, 2 * 1.2 * np.sqrt(np.log(2)), rtol=0.02)
    np.testing.assert_allclose(js.texture.Texture(np.eye(1), np.ones((1, 1, 1))).correlation_lengths, 0.0)
    white = np.zeros((1, 5, 5))
    white[0, 2, 2] = 1
    np.testing.assert_allclose(js.texture.Texture(np.eye(1), white).correlation_lengths, 0.5)


def test_image(texture):
    assert texture.image(20, 30).shape == (20, 30, 3)
    gray = js.texture.Texture(np.eye(1) * 0.5, blurred(1.0)[None]).image(20, 30)
    assert gray.shape == (20, 30)
    assert gray.min() >= 0
    assert gray.max() <= 1


def test_energy(texture):
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.random((2, 3, 8, 9)))
    white = js.texture.Texture(0.1 * np.eye(3), np.ones((3, 1, 1)))
    torch.testing.assert_close(white.energy(x), x.square().sum((1, 2, 3)) / 0.01)
    assert torch.autograd.gradcheck(texture.energy, x.requires_grad_())
    # the energy of a sample is about its number of values; of white noise of the same strength far more
    rough = js.texture.Texture(np.eye(1), (0.8 * blurred(0.5) + 0.2 * blurred(0.01))[None])
    sample = torch.from_numpy(rough.sample(64, 64)).permute(2, 0, 1)[None].double()
    assert 0.9 < float(rough.energy(sample)) / 64**2 < 1.1
    assert float(rough.energy(torch.from_numpy(rng.standard_normal((1, 1, 64, 64))))) > 1.3 * 64**2


def test_fit_is_the_minimum(texture):
    rng = np.random.default_rng(1)
    f, v = torch.from_numpy(rng.random((2, 2, 3, 10, 7)))
    u = texture.fit(f, v, 0.7).requires_grad_()
    objective = texture.energy(u - f).sum() + 0.7 * texture.whiten(u - v).square().sum()
    (slope,) = torch.autograd.grad(objective, u)
    at_v = v.clone().requires_grad_()
    (start,) = torch.autograd.grad(texture.energy(at_v - f).sum(), at_v)
    assert slope.abs().max() < 1e-8 * start.abs().max()


def test_whiten(texture):
    x = torch.from_numpy(np.random.default_rng(2).random((2, 3, 4, 5)))
    torch.testing.assert_close(texture.unwhiten(texture.whiten(x)), x)
    sample = torch.from_numpy(texture.sample(300, 300)).permute(2, 0, 1)[None]
    flat = texture.whiten(sample)[0].reshape(3, -1).numpy()
    np.testing.assert_allclose(np.cov(flat), np.eye(3), atol=0.06)


def two_regions(height, width):
    u = np.full((height, width, 3), [0.3, 0.5, 0.6])
    u[:, width // 2 :] = [0.6, 0.4, 0.5]
    return u


def test_estimate_recovers_a_known_texture(texture):
    structure = two_regions(192, 192)
    image = structure + texture.sample(192, 192, seed=1)
    found = js.estimate_texture(image, structure)
    np.testing.assert_allclose(found.strength, texture.strength, rtol=0.12)
    np.testing.assert_allclose(found.covariance, texture.covariance, atol=0.15 * texture.covariance.max())
    middle = found.autocovariance.shape[1] // 2

    def correlations(t, reach):
        lags = np.einsum("k,kyx->yx", t.mixing[0] ** 2, t.autocovariance)
        return (
            np.array([lags[reach, reach + 1], lags[reach + 1, reach], lags[reach, reach + 3]])
            / lags[reach, reach]
        )

    np.testing.assert_allclose(correlations(found, middle), correlations(texture, 12), atol=0.06)
    # without the structure
    blind = js.estimate_texture(image)
    np.testing.assert_allclose(blind.strength, texture.strength, rtol=0.25)
    np.testing.assert_allclose(correlations(blind, middle), correlations(texture, 12), atol=0.12)


def test_units_follow_the_value_range(texture):
    image = two_regions(64, 64) + texture.sample(64, 64)
    a = js.estimate_texture(image)
    b = js.estimate_texture(image * 2, value_range=(0, 2))
    np.testing.assert_allclose(a.strength, b.strength, rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 5, 5), (20, 70, 2)])
def test_any_size_and_bands(shape):
    """The strength is bounded by the deviation of the image, and a brighter image has the same texture."""
    image = np.random.default_rng(0).random(shape)
    found, brighter = (js.estimate_texture(x) for x in (image, image + 0.25))
    np.testing.assert_allclose(brighter.covariance, found.covariance, atol=1e-12)
    np.testing.assert_allclose(brighter.autocovariance, found.autocovariance, atol=1e-12)
    assert (found.strength <= 1.5 * np.atleast_3d(image).std((0, 1))).all()
    assert np.abs(found.sample(5, 6)).max() <= 5 * found.strength.max()


def test_a_flat_image_has_no_texture():
    image = two_regions(64, 80)
    assert spread(torch.from_numpy(image).permute(2, 0, 1)[None]) == 0.0
    np.testing.assert_array_equal(js.estimate_texture(image).strength, 0.0)


def test_edges_are_no_texture(texture):
    """The same texture under strong blurred edges that the structure does not have."""
    structure = two_regions(160, 160)
    image = gaussian_filter(structure, (1.5, 1.5, 0)) + texture.sample(160, 160, seed=5)
    found = js.estimate_texture(image, structure)
    np.testing.assert_allclose(found.strength, texture.strength, rtol=0.15)


def test_constant_and_repeated_channels_have_no_influence(texture):
    rng = np.random.default_rng(0)
    one, two = (two_regions(64, 64) + texture.sample(64, 64) + 0.02 * rng.standard_normal((64, 64, 3)))[
        ..., :2
    ].T
    alone = js.estimate_texture(np.stack([one, two], -1))
    found = js.estimate_texture(np.stack([0 * one, one, two, one, 0 * one + 0.7], -1))
    expected = np.zeros((5, 5))
    source = [None, 0, 1, 0, None]
    for i, a in enumerate(source):
        for j, b in enumerate(source):
            expected[i, j] = 0.0 if a is None or b is None else alone.covariance[a, b]
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-12, atol=1e-18)
    np.testing.assert_array_equal(found.autocovariance[:2], alone.autocovariance)
    np.testing.assert_array_equal(found.autocovariance[2:], 0.0)


def test_linearly_dependent_channels():
    """A tinted gray image: the covariance has rank 1, and nothing is divided by zero."""
    gray = 0.4 + 0.05 * np.random.default_rng(0).standard_normal((64, 64))
    found = js.estimate_texture(gray[..., None] * [1.0, 0.8, 0.6])
    alone = js.estimate_texture(gray)
    np.testing.assert_allclose(found.strength, alone.strength * [1.0, 0.8, 0.6], rtol=0.01)
    assert (found.variances == 0).sum() == 2


@pytest.mark.parametrize(
    "pad", [((30, 30), (0, 0)), ((0, 0), (3, 40)), ((70, 20), (90, 30)), ((2, 2), (2, 2))]
)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_bars_and_margins_do_not_count(texture, pad, value):
    """The area that varies is marked, with the texture that it has without bars."""
    image = two_regions(80, 80) + texture.sample(80, 80, seed=2)
    padded = np.pad(image, (*pad, (0, 0)), constant_values=value)
    marked = varying(padded.transpose(2, 0, 1))
    inside = np.pad(np.ones((80, 80), bool), pad)
    np.testing.assert_array_equal(marked, [inside] * 3)
    found, expected = js.estimate_texture(padded), js.estimate_texture(image)
    np.testing.assert_allclose(found.strength, expected.strength, rtol=0.08)
    sigma = js.weights.estimate_noise(image)
    assert js.weights.estimate_noise(padded) == pytest.approx(sigma, rel=1e-6)


def test_a_drawing_is_not_taken_for_bars():
    """Constant areas of many values, or hardly anything else: no part of the image is noise."""
    for drawing in (js.datasets.shapes(120, 120, seed=1), two_regions(64, 64)):
        planes = np.asarray(drawing, float).transpose(2, 0, 1)
        assert varying(planes).all()
        assert spread(torch.from_numpy(planes)[None]) == 0.0
    rng = np.random.default_rng(0)
    marks = np.where(rng.random((1, 96, 96)) < 0.05, rng.random((1, 96, 96)), 0.0)
    assert spread(torch.from_numpy(marks)[None]) == 0.0
    assert js.weights.estimate_noise(marks[0]) == 0.0
    lines = np.ones((96, 96))
    lines[20:60:3, 20:60] = 0.0  # one-pixel lines with white gaps
    assert varying(lines[None]).all()


@pytest.mark.parametrize("levels", [1, 2, 40])
def test_weak_quantised_noise_is_no_constant_area(levels):
    noise = np.rint(100 + levels * np.random.default_rng(0).standard_normal((96, 96)))
    assert varying(noise[None]).all()
    assert js.weights.estimate_noise(noise.astype(np.uint8)) == pytest.approx(
        levels / 255, rel=0.15 if levels > 1 else 0.5
    )


def test_clipped_pixels():
    x = np.random.default_rng(0).normal(0.8, 0.1, (64, 64))
    where = np.ones((1, 64, 64), bool)
    np.testing.assert_array_equal(clipped(x[None], where), False)
    cut = np.minimum(x, 0.9)
    np.testing.assert_array_equal(clipped(cut[None], where)[0], x >= 0.9)
    np.testing.assert_array_equal(clipped(np.minimum(x, 0.7)[None], where), False)  # most of it: empty
    np.testing.assert_array_equal(clipped(np.full((1, 64, 64), 0.5), where), False)
    np.testing.assert_array_equal(clipped(cut[None], ~where), False)
    sigma = js.weights.estimate_noise(np.clip(np.random.default_rng(0).normal(0.95, 0.06, (128, 128)), 0, 1))
    assert sigma == pytest.approx(0.06, rel=0.2)


@pytest.mark.parametrize(
    ("mixing", "lags"),
    [
        (np.eye(2), np.ones((3, 1, 1))),
        (np.eye(2), np.ones((2, 2, 2))),
        (np.ones((2, 3)), np.ones((2, 1, 1))),
        (np.zeros((1, 1)), np.ones((1, 1, 1))),
        (np.eye(1), np.full((1, 1, 1), np.nan)),
    ],
)
def test_impossible_textures(mixing, lags):
    with pytest.raises(js.InputError, match="texture"):
        js.texture.Texture(mixing, lags)


def test_wrong_arguments(texture):
    with pytest.raises(js.InputError, match="channels"):
        texture.energy(torch.zeros(1, 2, 4, 4))
    with pytest.raises(js.InputError, match="rho"):
        texture.fit(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), 0.0)
    with pytest.raises(js.InputError, match="shape"):
        js.estimate_texture(np.zeros((4, 4)), np.zeros((4, 5)))
    with pytest.raises(js.InputError, match="one image"):
        js.estimate_texture(torch.zeros(2, 1, 4, 4))
    with pytest.raises(js.InputError, match="rounds"):
        js.estimate_texture(np.zeros((4, 4)), rounds=0)
    with pytest.raises(js.InputError, match="factor"):
        texture.scaled(-1.0)
