"""The windowed cosine transforms of jumpset-net, and its texture statistics."""

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


def test_merge_inverts_split(spectrum):
    z = noise(2, 3, 24, 40)
    torch.testing.assert_close(spectrum.merge(spectrum.split(z)), z, rtol=0, atol=1e-6)


def test_coefficients_are_those_of_a_windowed_dct(spectrum):
    z = noise(1, 3, 32, 48)
    coefficients = spectrum.split(z)
    assert coefficients.shape == (1, 3, SIDE**2, 5, 7)
    wave = np.sin(np.pi * (np.arange(SIDE) + 0.5) / SIDE)
    for row, column in ((1, 1), (2, 4)):
        top, left = (row - 1) * STEP, (column - 1) * STEP
        window = z[0, 1, top : top + SIDE, left : left + SIDE].numpy() * np.outer(wave, wave)
        expected = dctn(window, norm="ortho").ravel()
        np.testing.assert_allclose(coefficients[0, 1, :, row, column], expected, rtol=0, atol=1e-6)


def test_to_rgb_inverts_components(spectrum):
    f, slopes = noise(2, 3, 8, 8), noise(2, 3, seed=1)
    there = spectrum.components(f, slopes)
    torch.testing.assert_close(spectrum.to_rgb(there, slopes), f, rtol=0, atol=1e-6)


def test_components_of_a_texture_are_uncorrelated(spectrum):
    mixed = torch.einsum("kc,bcyx->bkyx", noise(3, 3, seed=2), noise(1, 3, 64, 64)) / 20
    texture = spectrum.measure(mixed)
    z = spectrum.components(mixed, texture.slopes)[0].flatten(1)
    correlation = torch.corrcoef(z)
    assert (correlation - torch.eye(3)).abs().max() < 0.02


def test_deviations_against_components(spectrum):
    colours = torch.tensor([1.2, 1.0, 0.8])[:, None, None].double()
    residual = noise(1, 1, 256, 256) * colours / 25 + noise(1, 3, 256, 256, seed=1) / 250
    texture = spectrum.measure(residual)
    z = spectrum.components(residual, texture.slopes)
    torch.testing.assert_close(texture.deviations, z.std((2, 3)), rtol=0.05, atol=0)
    assert texture.deviations[0, 0] > 10 * texture.deviations[0, 1:].max()  # nearly one colour


def test_power_of_white_noise(spectrum):
    """The power of a coefficient is the square norm of its windowed wave: a quarter on average."""
    texture = spectrum.measure(noise(1, 3, 512, 512) / 20)
    n = np.arange(SIDE) + 0.5
    wave = np.cos(np.pi / SIDE * np.outer(np.arange(SIDE), n)) * np.sqrt(2 / SIDE)
    wave[0] /= np.sqrt(2)
    square = ((wave * np.sin(np.pi * n / SIDE)) ** 2).sum(axis=1)
    expected = torch.from_numpy(np.outer(square, square).ravel()).expand(1, 3, -1)
    torch.testing.assert_close(400 * texture.power, expected, rtol=0.2, atol=0)
    assert float(expected.mean()) == pytest.approx(0.25)


def test_edges_have_little_influence(spectrum):
    residual = noise(1, 3, 128, 128) / 25
    edged = residual.clone()
    edged[..., 60:62] += 0.5
    clean, spoilt = (spectrum.measure(r).power.mean() for r in (residual, edged))
    assert spoilt < 2.5 * clean
    assert (edged.square().mean() / residual.square().mean()) > 3


def test_residual_without_texture(spectrum):
    for residual in (torch.zeros(1, 3, 16, 24), torch.full((1, 3, 16, 24), 1e-4)):
        texture = spectrum.measure(residual.double())
        assert torch.isfinite(texture.slopes).all()
        assert (255 * texture.deviations).max() < 1
        assert texture.power.min() > 0


def test_slopes_are_bounded_without_gray(spectrum):
    """The variance of gray is 0 here."""
    residual = noise(1, 1, 64, 64) * torch.tensor([1.0, 0.0, -1.0])[:, None, None].double() / 20
    assert spectrum.measure(residual).slopes.abs().max() <= 2
    assert torch.isfinite(spectrum.measure(residual).deviations).all()


def test_large_images_are_measured_by_blocks(spectrum, monkeypatch):
    residual = noise(1, 3, 96, 128) / 25
    whole = spectrum.measure(residual)
    monkeypatch.setattr(_spectrum, "_BLOCK", 64)
    parts = spectrum.measure(residual)
    assert torch.equal(parts.slopes, whole.slopes)
    torch.testing.assert_close(parts.deviations, whole.deviations, rtol=0.05, atol=0)


def test_batch_equals_loop(spectrum):
    residuals = noise(3, 3, 32, 40) / torch.tensor([10.0, 20.0, 40.0])[:, None, None, None].double()
    together = spectrum.measure(residuals)
    for k in range(3):
        alone = spectrum.measure(residuals[k : k + 1])
        torch.testing.assert_close(alone.power, together.power[k : k + 1])
        torch.testing.assert_close(alone.slopes, together.slopes[k : k + 1])
