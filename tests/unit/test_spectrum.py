"""The windowed cosine transforms of jumpset-net, and what it tells of a texture with them."""

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from jumpset.learned import _spectrum
from jumpset.learned._spectrum import SIDE, STEP, Spectrum

pytestmark = pytest.mark.usefixtures("one_thread")


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def spectrum():
    return Spectrum().double()


def test_windows_come_back_as_the_picture(spectrum):
    z = noise(2, 3, 24, 40)
    torch.testing.assert_close(spectrum.merge(spectrum.split(z)), z, rtol=0, atol=1e-6)


def test_a_window_is_a_cosine_transform(spectrum):
    z = noise(1, 3, 32, 48)
    coefficients = spectrum.split(z)
    assert coefficients.shape == (1, 3, SIDE**2, 5, 7)
    wave = np.sin(np.pi * (np.arange(SIDE) + 0.5) / SIDE)
    for row, column in ((1, 1), (2, 4)):
        top, left = (row - 1) * STEP, (column - 1) * STEP
        window = z[0, 1, top : top + SIDE, left : left + SIDE].numpy() * np.outer(wave, wave)
        expected = dctn(window, norm="ortho").ravel()
        np.testing.assert_allclose(coefficients[0, 1, :, row, column], expected, rtol=0, atol=1e-6)


def test_colours_come_back(spectrum):
    f, leans = noise(2, 3, 8, 8), noise(2, 3, seed=1)
    there = spectrum.components(f, leans)
    torch.testing.assert_close(spectrum.colour(there, leans), f, rtol=0, atol=1e-6)


def test_components_of_a_texture_are_uncorrelated(spectrum):
    mixed = torch.einsum("kc,bcyx->bkyx", noise(3, 3, seed=2), noise(1, 3, 64, 64)) / 20
    texture = spectrum.measure(mixed)
    z = spectrum.components(mixed, texture.leans)[0].flatten(1)
    correlation = torch.corrcoef(z)
    assert (correlation - torch.eye(3)).abs().max() < 0.02


def test_deviations_are_those_of_the_components(spectrum):
    colours = torch.tensor([1.2, 1.0, 0.8])[:, None, None].double()
    residual = noise(1, 1, 256, 256) * colours / 25 + noise(1, 3, 256, 256, seed=1) / 250
    texture = spectrum.measure(residual)
    z = spectrum.components(residual, texture.leans)
    torch.testing.assert_close(texture.deviations, z.std((2, 3)), rtol=0.05, atol=0)
    assert texture.deviations[0, 0] > 10 * texture.deviations[0, 1:].max()  # nearly of one colour


def test_a_spectrum_is_that_of_the_noise(spectrum):
    """White noise has the square of the windowed wave in every coefficient: a quarter in the mean."""
    texture = spectrum.measure(noise(1, 3, 512, 512) / 20)
    n = np.arange(SIDE) + 0.5
    wave = np.cos(np.pi / SIDE * np.outer(np.arange(SIDE), n)) * np.sqrt(2 / SIDE)
    wave[0] /= np.sqrt(2)
    square = ((wave * np.sin(np.pi * n / SIDE)) ** 2).sum(axis=1)
    expected = torch.from_numpy(np.outer(square, square).ravel()).expand(1, 3, -1)
    torch.testing.assert_close(400 * texture.power, expected, rtol=0.2, atol=0)
    assert float(expected.mean()) == pytest.approx(0.25)


def test_edges_hardly_count(spectrum):
    residual = noise(1, 3, 128, 128) / 25
    edged = residual.clone()
    edged[..., 60:62] += 0.5
    clean, spoilt = (spectrum.measure(r).power.mean() for r in (residual, edged))
    assert spoilt < 2.5 * clean
    assert (edged.square().mean() / residual.square().mean()) > 3


def test_no_texture_is_no_texture(spectrum):
    for residual in (torch.zeros(1, 3, 16, 24), torch.full((1, 3, 16, 24), 1e-4)):
        texture = spectrum.measure(residual.double())
        assert torch.isfinite(texture.leans).all()
        assert (255 * texture.deviations).max() < 1
        assert texture.power.min() > 0


def test_hue_without_gray_leans_on_nothing(spectrum):
    """The least eigenvalue may be nought; nothing grows without bound."""
    residual = noise(1, 1, 64, 64) * torch.tensor([1.0, 0.0, -1.0])[:, None, None].double() / 20
    assert spectrum.measure(residual).leans.abs().max() <= 2
    assert torch.isfinite(spectrum.measure(residual).deviations).all()


def test_large_pictures_are_measured_in_parts(spectrum, monkeypatch):
    residual = noise(1, 3, 96, 128) / 25
    whole = spectrum.measure(residual)
    monkeypatch.setattr(_spectrum, "_BLOCK", 64)
    parts = spectrum.measure(residual)
    assert torch.equal(parts.leans, whole.leans)
    torch.testing.assert_close(parts.deviations, whole.deviations, rtol=0.05, atol=0)


def test_a_batch_is_each_alone(spectrum):
    residuals = noise(3, 3, 32, 40) / torch.tensor([10.0, 20.0, 40.0])[:, None, None, None].double()
    together = spectrum.measure(residuals)
    for k in range(3):
        alone = spectrum.measure(residuals[k : k + 1])
        torch.testing.assert_close(alone.power, together.power[k : k + 1])
        torch.testing.assert_close(alone.leans, together.leans[k : k + 1])
