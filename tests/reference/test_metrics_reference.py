"""PSNR and SSIM against scikit-image, an explicit volume, and the published scores of a test set."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from jumpset import metrics
from jumpset.datasets import add_noise, coffee, pairs, shapes

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def noisy_pair(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    height, width, *rest = shape
    truth = (
        shapes(height, width, channels=rest[0] if rest else 1, seed=seed).reshape(shape).astype(np.float64)
    )
    image = np.clip(truth + rng.normal(0, 0.08, shape), 0, 1)
    if np.dtype(dtype).kind == "u":
        peak = np.iinfo(dtype).max
        return np.rint(image * peak).astype(dtype), np.rint(truth * peak).astype(dtype), float(peak)
    return image.astype(dtype), truth.astype(dtype), 1.0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
@pytest.mark.parametrize("shape", [(11, 11), (40, 31), (11, 12, 3), (37, 52, 3), (23, 20, 6)])
def test_per_channel_ssim_and_psnr_equal_scikit_image(shape, dtype):
    image, truth, peak = noisy_pair(shape, dtype)
    expected = structural_similarity(
        image,
        truth,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1 if len(shape) == 3 else None,
        data_range=peak,
    )
    assert metrics.ssim(image, truth) == pytest.approx(expected, abs=1e-10)
    assert metrics.ssim(image, truth, data_range=peak) == pytest.approx(expected, abs=1e-10)
    decibels = peak_signal_noise_ratio(truth, image, data_range=peak)
    assert metrics.psnr(image, truth) == pytest.approx(decibels, abs=1e-10)


def test_ssim_equals_scikit_image_on_a_photograph():
    truth = coffee()
    image = add_noise(truth, 20 / 255, seed=1)
    expected = structural_similarity(
        image,
        truth,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1,
        data_range=255,
    )
    assert metrics.ssim(image, truth) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("dtype", [np.float64, np.uint8])
def test_luma_ssim_is_that_of_the_gray_picture(dtype):
    image, truth, _ = noisy_pair((24, 31, 3), np.float64, seed=5)
    if dtype == np.uint8:
        image, truth = ((255 * x).clip(0, 255).astype(np.uint8) for x in (image, truth))
    gray = [structural_gray(x) for x in (image, truth)]
    peak = 255 if dtype == np.uint8 else 1
    expected = metrics.ssim(*gray, data_range=peak)
    assert metrics.ssim_luma(image, truth) == pytest.approx(expected, abs=1e-12)
    moved = [np.moveaxis(x, -1, 0) for x in (image, truth)]
    assert metrics.ssim_luma(*moved, channel_axis=0) == pytest.approx(expected, abs=1e-12)
    assert metrics.ssim_luma(image[..., 0], truth[..., 0]) == pytest.approx(
        metrics.ssim(image[..., 0], truth[..., 0]), abs=1e-12
    )


def structural_gray(x):
    red, green, blue = np.moveaxis(x.astype(float), -1, 0)
    return 0.299 * red + 0.587 * green + 0.114 * blue


@pytest.mark.parametrize("shape", [(1, 1, 3), (6, 4, 3), (7, 5, 1), (9, 13), (4, 3, 12)])
def test_volume_ssim_equals_explicit_windows(shape):
    image, truth, _ = noisy_pair(shape, np.float64, seed=3)
    axes = len(shape)
    distance = sum(np.square(g - 5) for g in np.indices((11,) * axes))
    window = np.exp(-distance / (2 * 1.5**2))
    window /= window.sum()
    x, y = (np.pad(a, 5, mode="edge") for a in (image, truth))
    values = []
    for corner in product(*map(range, shape)):
        here = tuple(slice(c, c + 11) for c in corner)
        a, b = x[here], y[here]
        ma, mb = (window * a).sum(), (window * b).sum()
        variances = (window * (a - ma) ** 2).sum() + (window * (b - mb) ** 2).sum()
        covariance = (window * (a - ma) * (b - mb)).sum()
        values.append(
            (2 * ma * mb + 1e-4) * (2 * covariance + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (variances + 9e-4))
        )
    assert metrics.ssim_volume(image, truth) == pytest.approx(np.mean(values), abs=1e-10)


@pytest.mark.skipif(not (DATA / "nks").is_dir(), reason="the NKS pictures are not on this machine")
def test_scores_of_the_nks_inputs_are_the_published_ones():
    found = pairs(DATA / "nks", "nks")
    assert len(found) == 40
    scores = [(metrics.psnr(x, y), metrics.ssim_volume(x, y)) for x, y in (pair.load() for pair in found)]
    decibels, similarity = np.mean(scores, axis=0)
    assert decibels == pytest.approx(28.135, abs=5e-4)
    assert similarity == pytest.approx(0.8372, abs=5e-5)


@pytest.mark.skipif(not (DATA / "clipart").is_dir(), reason="the clip art pictures are not on this machine")
def test_scores_of_the_clip_art_inputs_are_the_published_ones():
    found = pairs(DATA / "clipart", "clipart")
    assert [pair.name for pair in found] == [f"clip{n}" for n in range(1, 6)]
    scores = [(metrics.psnr(x, y), metrics.ssim_volume(x, y)) for x, y in (pair.load() for pair in found)]
    assert np.mean(scores, axis=0) == pytest.approx([26.76, 0.767], abs=5e-3)
