"""Collaborative filter: its loops equal dense matrices; a known spectrum helps against coloured noise."""

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset.kernels.filters import collaborative as kernel
from jumpset.kernels.filters import collaborative_plain as plain
from jumpset.smoothers import Collaborative


def lags(sigma, reach=6):
    lag = np.arange(-reach, reach + 1)
    one = np.exp(-(lag**2) / (4 * sigma**2))
    return np.outer(one, one)


LAGS = np.stack([0.04 * lags(1.1), 0.01 * lags(0.6)])


def test_covariance_table_equals_its_definition():
    table = kernel.covariance_table(LAGS, 5)
    basis = kernel.cosine_basis()
    rng = np.random.default_rng(0)
    for c, dy, dx, i, j in zip(
        [0, 1, 0, 0], *rng.integers(-5, 6, (2, 4)), *rng.integers(0, 8, (2, 4)), strict=True
    ):
        b = np.outer(basis[i], basis[j])
        total = 0.0
        for p in np.ndindex(8, 8):
            for q in np.ndindex(8, 8):
                y, x = p[0] - q[0] - dy, p[1] - q[1] - dx
                if max(abs(y), abs(x)) <= 6:
                    total += b[p] * b[q] * LAGS[c, 6 + y, 6 + x]
        assert table[c, 5 + dy, 5 + dx, 8 * i + j] == pytest.approx(total, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("n", [1, 2, 8])
def test_variances_and_transforms_equal_dense_matrices(n):
    rng = np.random.default_rng(n)
    shape = (19, 21)
    places = rng.integers(0, 11, (n, 2)).astype(np.int32)
    rows = plain.functionals(places, shape)
    covariance = plain.noise_covariance(LAGS[0], shape)
    variance = np.empty((n, 64), np.float32)
    table = kernel.covariance_table(LAGS[:1], 16)[0]
    kernel._variances(places, n, table, np.empty((n, n, 64), np.float32), variance)
    np.testing.assert_allclose(variance.ravel(), np.diag(rows @ covariance @ rows.T), rtol=1e-4, atol=1e-7)

    image = rng.random(shape).astype(np.float32)
    group = np.stack([image[y : y + 8, x : x + 8].ravel() for y, x in places])
    spare, basis = np.empty((8, 8), np.float32), kernel.cosine_basis().astype(np.float32)
    there = group.copy()
    kernel._transform(there, n, basis, spare)
    kernel._haar(there, n)
    np.testing.assert_allclose(there.ravel(), rows @ image.ravel(), atol=1e-5)
    kernel._unhaar(there, n)
    kernel._transform(there, n, np.ascontiguousarray(basis.T), spare)
    np.testing.assert_allclose(there, group, atol=1e-5)


@pytest.mark.parametrize("with_pilot", [False, True])
def test_kernel_equals_its_formula(with_pilot):
    rng = np.random.default_rng(5)
    noisy = rng.random((2, 17, 20)).astype(np.float32)
    pilot = rng.random((2, 17, 20)).astype(np.float32) if with_pilot else None
    rows, columns = kernel.grid(17, 4), kernel.grid(20, 4)
    found = kernel.match(noisy, rows, columns, kernel.search_offsets(8, 1), 4)
    table = kernel.covariance_table(LAGS, 16)
    fast = kernel.shrink(noisy, pilot, found, table, 1.5, 0.4)
    slow = plain.shrink_plain(noisy, pilot, found, LAGS, 1.5, 0.4)
    np.testing.assert_allclose(fast, slow, atol=2e-5)
    wrong = plain.shrink_plain(noisy, pilot, found, 1.3 * LAGS, 1.5, 0.4)
    assert np.abs(fast - wrong).max() > 1e-3


def test_match_finds_the_nearest():
    rng = np.random.default_rng(6)
    guide = rng.random((2, 18, 23)).astype(np.float32)
    rows, columns = kernel.grid(18, 4), kernel.grid(23, 5)
    offsets = kernel.search_offsets(7, 1)
    found = kernel.match(guide, rows, columns, offsets, 8)
    for r, y in enumerate(rows):
        for k, x in enumerate(columns):
            block = guide[:, y : y + 8, x : x + 8]
            near = sorted(
                float(np.square(guide[:, y + a : y + a + 8, x + b : x + b + 8] - block).sum())
                for a, b in offsets
                if 0 <= y + a <= 10 and 0 <= x + b <= 15
            )
            ours = [float(np.square(guide[:, a : a + 8, b : b + 8] - block).sum()) for a, b in found[r, k]]
            np.testing.assert_allclose(ours, near[:8], rtol=1e-4, atol=1e-5)
            assert tuple(found[r, k, 0]) == (y, x)


def test_fewer_candidates_than_a_group():
    found = kernel.match(
        np.zeros((1, 8, 9), np.float32), np.array([0]), np.array([0, 1]), kernel.search_offsets(3, 1), 8
    )
    np.testing.assert_array_equal((found[..., 0] >= 0).sum(-1), 2)


def coloured(seed=0, size=72):
    structure = np.full((size, size, 3), 0.4)
    structure[size // 3 :, size // 2 :] = [0.6, 0.5, 0.3]
    texture = js.texture.Texture(0.06 * np.eye(3), np.stack([lags(1.3)] * 3))
    return structure, structure + texture.sample(size, size, seed=seed), texture


def test_a_known_spectrum_beats_white():
    structure, image, texture = coloured()
    known = js.smooth(image, Collaborative(texture=texture))
    white = js.smooth(image, Collaborative(sigma=0.06))
    gain = js.metrics.psnr(known, structure) - js.metrics.psnr(white, structure)
    assert gain > 2.0
    assert js.metrics.psnr(known, structure) > js.metrics.psnr(image, structure) + 6.0


def photograph(size=96):
    """Edges, a ramp, stripes and detail of several scales, nearly gray."""
    y, x = np.mgrid[:size, :size] / size
    gray = 0.3 + 0.3 * x + 0.15 * (np.hypot(x - 0.4, y - 0.5) < 0.25) + 0.1 * np.sin(60 * x * y) * (y > 0.5)
    return np.stack([gray, 0.9 * gray + 0.03, 0.8 * gray + 0.05 * y], -1)


def error(u, truth):
    return float(np.square(u - truth).mean())


def test_axes_of_white_noise_use_what_the_channels_share():
    """Along the channels themselves each would be denoised alone; nearly gray images gain most."""
    truth = photograph()
    noisy = truth + 0.1 * np.random.default_rng(0).standard_normal(truth.shape)
    ours = js.smooth(noisy, Collaborative(sigma=0.1))
    channels = js.smooth(
        noisy, Collaborative(texture=js.texture.Texture(0.1 * np.eye(3), np.ones((3, 1, 1))))
    )
    assert error(ours, truth) < 0.8 * error(channels, truth)


def test_white_noise_is_searched_for_near_blocks():
    dense, sparse = kernel.search_offsets(24, dense=True), kernel.search_offsets(24)
    assert len({tuple(o) for o in dense}) == len(dense) == 297
    assert len(sparse) == 289
    assert {(a, b) for a in range(-7, 8) for b in range(-7, 8)} < {tuple(o) for o in dense}
    assert np.abs(dense).max() == np.abs(sparse).max() == 24
    np.testing.assert_array_equal(sparse % 3, 0)
    np.testing.assert_array_equal(kernel.search_offsets(0, dense=True), [[0, 0]])


def test_a_smaller_stride_is_not_worse():
    truth = photograph()[..., 0]
    noisy = truth + 0.08 * np.random.default_rng(1).standard_normal(truth.shape)
    errors = [error(js.smooth(noisy, Collaborative(sigma=0.08, stride=s)), truth) for s in (2, 3, 6, 8)]
    assert errors[1] < 1.02 * errors[2]
    assert errors == sorted(errors) or np.ptp(errors[:3]) < 0.05 * errors[0]


@pytest.mark.parametrize("sigma", [0.05, 0.1])
def test_a_photograph_is_no_texture(sigma):
    """By default its noise is removed, as with the estimated level, and its detail stays."""
    truth = photograph(160)
    noisy = truth + sigma * np.random.default_rng(2).standard_normal(truth.shape)
    blind, known = (js.smooth(noisy, Collaborative(sigma=s)) for s in (None, sigma))
    assert error(blind, truth) < 1.1 * error(known, truth)


def test_channels_without_noise():
    """A gray image as three channels, beside constant channels, and tinted: the answer of the gray image."""
    rng = np.random.default_rng(3)
    gray = 0.4 + 0.1 * (np.arange(40) > 20) + 0.06 * rng.standard_normal((48, 40))
    for settings in ({}, {"sigma": 0.06}):
        alone = js.smooth(gray, "collaborative", **settings)
        out = js.smooth(np.stack([0 * gray, gray, 0 * gray + 0.6, gray], -1), "collaborative", **settings)
        np.testing.assert_allclose(out[..., [1, 3]], np.stack([alone, alone], -1), rtol=0, atol=1e-6)
        np.testing.assert_allclose(
            out[..., [0, 2]], np.broadcast_to([0, 0.6], (48, 40, 2)), rtol=0, atol=1e-9
        )
    tints = np.array([1.0, 0.5, 0.7])
    tinted = js.smooth(gray[..., None] * tints, "collaborative")
    np.testing.assert_allclose(tinted, js.smooth(gray, "collaborative")[..., None] * tints, rtol=0, atol=0.01)


def test_estimated_texture_is_nearly_as_good_as_a_known_one():
    structure, image, texture = coloured(1)
    blind = js.smooth(image, "collaborative")
    known = js.smooth(image, "collaborative", texture=texture)
    assert js.metrics.psnr(blind, structure) > js.metrics.psnr(known, structure) - 2.0


def test_result_does_not_depend_on_threads():
    _, image, texture = coloured(2)
    before = torch.get_num_threads()
    try:
        answers = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            answers.append(js.smooth(image, Collaborative(texture=texture)))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        ("texture", 3), ("sigma", 0.0), ("coupling", 1.5), ("group", 3), ("radius", -1), ("stride", 0),
        ("stride", 9), ("threshold", -1.0),
    ],
)  # fmt: skip
def test_impossible_settings(setting, wrong):
    with pytest.raises(js.InputError, match=setting):
        Collaborative(**{setting: wrong})


def test_texture_and_sigma():
    with pytest.raises(js.InputError, match="exclude"):
        Collaborative(texture=js.texture.Texture(np.eye(1), np.ones((1, 1, 1))), sigma=0.1)
    with pytest.raises(js.InputError, match="channels"):
        js.smooth(
            np.zeros((9, 9, 3)), Collaborative(texture=js.texture.Texture(np.eye(1), np.ones((1, 1, 1))))
        )
