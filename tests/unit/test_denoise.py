"""The denoisers, and the automatic weight."""

import numpy as np
import pytest
import torch
from skimage.restoration import denoise_tv_chambolle

import jumpset as js
from jumpset._core.errors import RangeWarning
from jumpset.weights.auto import _count


def noisy(sigma=0.1, shape=(40, 44), seed=0):
    clean = np.full(shape, 0.2)
    clean[8:28, 10:30] = 0.8
    return clean, clean + sigma * np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("channel_axis", [None, -1])
def test_denoise_tv_is_scikit_images(channel_axis):
    f = np.random.default_rng(0).random((14, 15) if channel_axis is None else (14, 15, 3))
    ours = js.interop.skimage.denoise_tv(
        f, 0.1, channel_axis=channel_axis, channels="separate", tol=1e-7, max_steps=100_000
    )
    theirs = denoise_tv_chambolle(f, 0.1, eps=1e-12, max_num_iter=20_000, channel_axis=channel_axis)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


DENOISERS = [
    js.interop.skimage.denoise_tv,
    js.interop.skimage.denoise_sparse_tv,
    js.interop.skimage.denoise_groups,
]


@pytest.mark.parametrize("denoise", DENOISERS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_kind_and_dtype_are_kept(denoise, dtype):
    image = np.random.default_rng(1).random((9, 10, 3))
    image = image.astype(dtype) if dtype.startswith("float") else (image * np.iinfo(dtype).max).astype(dtype)
    before = image.copy()
    out = denoise(image, 0.05, channel_axis=-1)
    assert (out.shape, out.dtype) == (image.shape, image.dtype)
    np.testing.assert_array_equal(image, before)
    first = denoise(np.moveaxis(image, -1, 0), 0.05, channel_axis=0)
    np.testing.assert_array_equal(np.moveaxis(first, 0, -1), out)
    assert denoise(image[..., 0], 0.05).shape == (9, 10)
    tensor = torch.rand(2, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    assert denoise(tensor, 0.05).shape == tensor.shape


@pytest.mark.parametrize("denoise", DENOISERS)
def test_denoisers_refuse(denoise):
    image = np.random.default_rng(1).random((9, 10))
    for weight in (-1.0, float("nan"), "a"):
        with pytest.raises(js.InputError, match="weight"):
            denoise(image, weight)
    with pytest.raises(js.InputError, match="channel_axis"):
        denoise(np.zeros((4, 5, 3)), 0.1)
    np.testing.assert_allclose(denoise(image, 0.0), image, atol=1e-12)


def test_sparse_ones_make_zeros():
    clean, f = noisy(0.03)
    f = np.where(clean > 0.5, f, f - 0.2).clip(-0.1, 1)
    for denoise, weight in (
        (js.interop.skimage.denoise_sparse_tv, 0.1),
        (js.interop.skimage.denoise_groups, 0.03),
    ):
        u = denoise(f, weight)
        assert (u[clean < 0.5] == 0).mean() > 0.7
        assert (u[12:24, 14:26] > 0).all()


def test_denoise_potts_1d():
    rng = np.random.default_rng(0)
    clean = np.repeat([0.0, 5.0, 2.0], 30)
    f = clean + 0.2 * rng.standard_normal(90)
    u = js.interop.skimage.denoise_potts_1d(f, 2.0)
    assert np.flatnonzero(np.diff(u)).tolist() == [29, 59]
    spoiled = f.copy()
    spoiled[5::10] += 30.0
    assert np.flatnonzero(
        np.diff(js.interop.skimage.denoise_potts_1d(spoiled, 35.0, data="l1"))
    ).tolist() == [29, 59]
    weights = np.ones(90)
    weights[5::10] = 0
    assert np.flatnonzero(
        np.diff(js.interop.skimage.denoise_potts_1d(spoiled, 2.0, sample_weights=weights))
    ).tolist()[:1] == [29]
    two = js.interop.skimage.denoise_potts_1d(np.stack([f, -f], 1).astype(np.float32), 2.0)
    assert (two.shape, two.dtype) == ((90, 2), np.float32)
    for wrong in (np.zeros(3, int), np.zeros((2, 2, 2)), np.array([np.nan]), np.zeros(0)):
        with pytest.raises(js.InputError):
            js.interop.skimage.denoise_potts_1d(wrong)
    with pytest.raises(js.InputError, match="sample_weights"):
        js.interop.skimage.denoise_potts_1d(f, sample_weights=-np.ones(90))


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_noise_is_estimated(sigma):
    _, f = noisy(sigma, (128, 128))
    assert js.weights.estimate_noise(f) == pytest.approx(sigma, rel=0.05)
    colours = np.stack([f, f[::-1], f[:, ::-1]], -1)
    assert js.weights.estimate_noise(colours) == pytest.approx(sigma, rel=0.05)
    assert js.weights.estimate_noise(noisy(0)[0]) == 0
    assert js.weights.estimate_noise(f[:1]) == 0


@pytest.mark.parametrize("rule", ["discrepancy", "sure"])
def test_black_bars_do_not_make_the_weight_too_small(rule):
    """The noise beside bars is removed as without them, but for the contrast at their edge that TV takes."""
    clean, f = noisy(0.1, (64, 64))
    barred = np.pad(f, ((40, 40), (0, 0)), constant_values=f.min())
    found, alone = (js.auto_weight(x, "tv", rule, n_trials=10) for x in (barred, f))
    assert found.sigma == pytest.approx(alone.sigma, rel=0.01)
    errors = [np.square(u - clean).mean() for u in (found.image[40:-40], alone.image, f)]
    assert errors[1] < errors[0] < 0.1 * errors[2]


def test_discrepancy_matches_the_noise():
    _, f = noisy()
    found = js.auto_weight(f, "tv", "discrepancy", sigma=0.1)
    assert np.mean((found.image - f) ** 2) == pytest.approx(0.01, rel=0.05)
    assert found.sigma == 0.1
    np.testing.assert_array_equal(found.image, js.smooth(f, "tv", weight=found.weight))
    values = [v for _, v in found.curve]
    assert values == sorted(values)
    estimated = js.auto_weight(f, "tv")
    assert estimated.sigma == pytest.approx(0.1, rel=0.1)
    with pytest.warns(RangeWarning, match="is a bound"):
        assert js.auto_weight(f, "tv", sigma=5.0).weight == 10.0  # more noise than there is picture


def test_sure_is_near_the_best_weight():
    clean, f = noisy()
    found = js.auto_weight(f, "tv", "sure", sigma=0.1, bounds=(1e-3, 1.0), tol=1e-5)
    error = lambda w: np.mean((js.smooth(f, "tv", weight=w) - clean) ** 2)  # noqa: E731
    best = min(error(w) for w in np.geomspace(1e-3, 1, 25))
    assert error(found.weight) <= 1.15 * best
    # the estimate itself: near the true error over the useful range
    for weight, value in found.curve:
        if 0.03 < weight < 0.3:
            assert value == pytest.approx(error(weight), abs=1e-3)
    again = js.auto_weight(f, "tv", "sure", sigma=0.1, bounds=(1e-3, 1.0), tol=1e-5)
    assert again.curve == found.curve


@pytest.mark.parametrize("method", ["tv", "region-fusion"])
def test_regions(method):
    _, f = noisy()
    found = js.auto_weight(f, method, "regions", regions=20, bounds=(1e-4, 10.0), n_trials=10)
    assert _count(torch.from_numpy(found.image)[None, None]) <= 20
    less = [v for w, v in found.curve if w < found.weight]
    assert all(v > 20 for v in less)


def test_counting_regions():
    u = torch.zeros(1, 2, 6, 6)
    u[0, 0, 1:3, 1:3] = 1.0
    u[0, 1, 4, 4] = 0.5
    assert _count(u) == 3
    assert _count(u + 1e-5 * torch.rand(u.shape)) == 3


def test_auto_weight_refuses():
    _, f = noisy()
    for wrong in (
        {"method": "nothing"},
        {"rule": "best"},
        {"rule": "regions"},
        {"rule": "regions", "regions": 0},
        {"rule": "regions", "regions": 1, "bounds": (1e-4, 2e-4)},
        {"bounds": (1.0, 0.5)},
        {"bounds": 3},
        {"n_trials": 1},
        {"sigma": -1.0},
        {"weight": 0.1},
    ):
        with pytest.raises(js.InputError):
            js.auto_weight(f, **wrong)
    with pytest.raises(js.InputError, match="batch"):
        js.auto_weight(torch.rand(2, 1, 5, 5))


def test_volumes_as_scikit_image_counts_axes():
    peer = pytest.importorskip("skimage.restoration")
    volume = np.random.default_rng(0).random((4, 9, 10))
    expected = peer.denoise_tv_chambolle(volume, 0.1, eps=1e-12, max_num_iter=5000)
    out = js.interop.skimage.denoise_tv(volume, 0.1, tol=1e-7)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-4)
    for denoise in DENOISERS:
        bands = np.stack([volume, volume])
        assert denoise(bands, 0.05, channel_axis=0).shape == bands.shape
        assert denoise(volume[0, 0], 0.05).shape == (10,)
        with pytest.raises(js.InputError, match="one to three axes"):
            denoise(bands[None], 0.05)
