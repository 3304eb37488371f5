"""Structures, textures, pairs and batches of pairs: properties and invalid arguments."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
from PIL import Image

from jumpset import datasets
from jumpset._core.errors import InputError
from jumpset.datasets import _drawing, _fields, _palettes, _scenes, _textures, _weaves, synthesis

_SIZES = [(1, 1), (1, 7), (7, 1), (33, 20)]


# --- structures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", _SIZES)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_sizes_and_numbers_of_channels(size, channels):
    shape = size if channels == 1 else (*size, channels)
    for seed in range(8):
        made = (
            datasets.structure(*size, channels=channels, seed=seed),
            datasets.texture(*size, channels=channels, seed=seed),
            *datasets.synthetic(*size, channels=channels, seed=seed),
        )
        for array in made:
            assert (array.shape, array.dtype) == (shape, np.float32)
            assert np.isfinite(array).all()
            assert array.flags.c_contiguous
        for array in (made[0], *made[2:]):
            assert array.min() >= 0
            assert array.max() <= 1


@pytest.mark.parametrize("make", [datasets.structure, datasets.texture, datasets.synthetic])
def test_seeds(make):
    drawn = [np.stack(make(24, 31, seed=seed)) for seed in range(12)]
    for seed, array in enumerate(drawn):
        assert array.tobytes() == np.stack(make(24, 31, seed=seed)).tobytes()
    assert len({array.tobytes() for array in drawn}) == len(drawn)


@pytest.mark.parametrize("channels", [1, 3])
def test_structures_have_8_bits(channels):
    for seed in range(12):
        levels = 255 * datasets.structure(40, 50, channels=channels, seed=seed)
        np.testing.assert_allclose(levels, np.rint(levels), atol=2e-5)


def test_share_of_changing_pixels_in_structures():
    changing = []
    for seed in range(30):
        u = datasets.structure(96, 96, seed=seed)
        changing.append((np.diff(u, axis=1) != 0).any(axis=-1).mean())
    # NKS has 7 to 39 %. The range here is wider, since edges are several pixels wide: small and busy scenes change
    # nearly everywhere.
    assert 0.08 < np.median(changing) < 0.4
    assert min(changing) < 0.1
    assert np.mean(np.array(changing) > 0.6) < 0.3


def test_downsampling_filters():
    """After most filters a hard edge is at least four differences wide and overshoots, as in NKS."""
    rng, widths, over = np.random.default_rng(0), [], 0
    large = np.full((60, 120, 3), 40, np.uint8)
    large[:, 61:] = 200
    for _ in range(200):
        row = _drawing.shrink(rng, Image.fromarray(large), (60, 30), 2)[15, :, 0].astype(int)
        widths.append(np.count_nonzero(np.diff(row)))
        over += row.max() > 203
    assert np.mean(np.array(widths) >= 4) > 0.5 > np.mean(np.array(widths) <= 2)
    assert 0.4 < over / 200 < 0.95


def test_contrast_of_edges_in_structures():
    steps = []
    for seed in range(30):
        d = np.abs(np.diff(255 * datasets.structure(48, 48, seed=seed), axis=1)).max(axis=-1)
        steps.append(np.median(d[d > 0.5]) if (d > 0.5).any() else 0.0)
    assert min(steps) < 6
    assert max(steps) > 60


@pytest.mark.parametrize("family", _scenes.FAMILIES, ids=lambda f: f.__name__)
def test_each_family_at_any_scale(family):
    for seed in range(6):
        for height, width, unit in ((1, 1, 0.6), (2, 5, 3.0), (60, 47, 2.0), (96, 120, 5.0)):
            drawn = family(np.random.default_rng(seed), height, width, unit)
            assert (drawn.shape, drawn.dtype) == ((height, width, 3), np.uint8)


def test_families_are_not_constant():
    for family in _scenes.FAMILIES:
        drawn = [family(np.random.default_rng(seed), 80, 80, 1.0) for seed in range(4)]
        assert max(len(np.unique(image.reshape(-1, 3), axis=0)) for image in drawn) > 1, family.__name__


def test_shares_sum_to_1():
    for module in (_scenes, _weaves):
        assert len(module.SHARES) == len(module.FAMILIES)
        assert sum(module.SHARES) == pytest.approx(1)
    assert list(synthesis._CUMULATIVE) == sorted(synthesis._CUMULATIVE)
    assert len(synthesis._CUMULATIVE) == len(synthesis._CORRUPTIONS) - 1


def test_apply_palette_against_indexing():
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (37, 3), dtype=np.uint8)
    labels = rng.integers(0, 37, (9, 14), dtype=np.uint8)
    np.testing.assert_array_equal(_drawing.apply_palette(labels, colours), colours[labels])


def test_quantize_against_drawn_shares():
    values = np.linspace(0, 1, 10000, dtype=np.float32).reshape(100, 100)
    labels = _drawing.quantize(np.random.default_rng(3), values, 6)
    inner = np.cumsum(np.random.default_rng(3).dirichlet(np.full(6, 2.0)))
    shares = np.cumsum(np.bincount(labels.ravel(), minlength=6)) / labels.size
    np.testing.assert_allclose(shares, inner, atol=2e-3)


def test_ramp_near_a_colour():
    colours = _palettes.ramp(np.random.default_rng(0), 9, around=np.full(3, 128, np.uint8))
    assert np.abs(colours.astype(int) - 128).max() < 100


# --- fields and textures ------------------------------------------------------------------------------------


def test_correlation_of_filtered_noise():
    down, across = _fields.frequencies(256, 256)
    sigma = 1.2
    gain = np.exp(-2 * np.pi**2 * sigma**2 * (down**2 + across**2))
    field = _fields.filtered_noise(np.random.default_rng(0), 256, 256, gain, 2).astype(np.float64)
    np.testing.assert_allclose(field.mean(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(field.std(axis=(1, 2)), 1, atol=1e-5)
    for lag in (1, 2, 3):
        measured = (field * np.roll(field, lag, axis=2)).mean()
        assert measured == pytest.approx(np.exp(-(lag**2) / (4 * sigma**2)), abs=0.03)
    assert abs((field[0] * field[1]).mean()) < 0.03


def test_rough_field_removes_fine_details():
    coarse, full = (
        _drawing.rough_field(np.random.default_rng(1), 128, 128, 40.0, 2.0, fine=fine) for fine in (8.0, 0.0)
    )
    assert np.diff(coarse, axis=1).std() < 0.3 * np.diff(full, axis=1).std()
    assert (coarse.shape, coarse.dtype) == ((128, 128), np.float32)


def test_convolve_against_shifts():
    rng = np.random.default_rng(0)
    planes = rng.standard_normal((12, 9)).astype(np.float32)
    kernel = np.zeros((12, 9), np.float32)
    kernel[0, 0], kernel[0, 1], kernel[2, 0] = 0.5, 0.3, -0.2
    expected = 0.5 * planes + 0.3 * np.roll(planes, 1, axis=1) - 0.2 * np.roll(planes, 2, axis=0)
    np.testing.assert_allclose(_fields.convolve(planes, np.fft.rfft2(kernel)), expected, atol=1e-5)


def test_standardize_sets_constant_planes_to_0():
    assert not _fields.standardize(np.full((2, 4, 5), 3.0)).any()


@pytest.mark.parametrize("family", _weaves.FAMILIES, ids=lambda f: f.__name__)
def test_each_texture_family_has_mean_0_and_deviation_1(family):
    for seed in range(8):
        field = family(np.random.default_rng(seed), 64, 91)
        assert (field.shape, field.dtype) == ((64, 91), np.float32)
        assert abs(field.mean()) < 1e-4
        assert field.std() == pytest.approx(1, abs=1e-3)


def test_textures_have_mean_0_and_the_given_deviation():
    for seed in range(20):
        t = datasets.texture(70, 65, seed=seed, std=0.04).astype(np.float64)
        np.testing.assert_allclose(t.mean(axis=(0, 1)), 0, atol=1e-6)
        assert t.std() == pytest.approx(0.04, rel=1e-4)
    assert not datasets.texture(20, 20, std=0.0).any()
    assert not datasets.texture(1, 1).any()
    # The deviation is drawn in any case.
    a, b = datasets.texture(30, 30, seed=1), datasets.texture(30, 30, seed=1, std=1.0)
    np.testing.assert_allclose(a, b * a.std(), atol=1e-5)


def test_statistics_of_textures():
    lags, coupling, stds = [], [], []
    for seed in range(100):
        t = datasets.texture(64, 64, seed=seed).astype(np.float64)
        stds.append(255 * t.std())
        lags.append((t[:, 1:] * t[:, :-1]).mean() / np.square(t).mean())
        coupling.append(np.corrcoef(t.reshape(-1, 3).T)[0, 1])
    assert min(stds) > 2.9
    assert max(stds) < 25.1
    assert 0.6 < np.mean([6 <= std <= 14 for std in stds]) < 0.95
    assert 0.55 < np.median(lags) < 0.8
    low, high = np.quantile(lags, [0.1, 0.9])
    assert low < 0.4
    assert high > 0.8
    assert 0.6 < np.mean(np.array(coupling) > 0.6) < 0.97
    assert np.mean(np.array(coupling) > 0.999) > 0.1  # gray ones


def test_same_spectrum_keeps_the_correlation():
    rng = np.random.default_rng(0)
    down, across = _fields.frequencies(128, 128)
    field = _fields.filtered_noise(rng, 128, 128, np.exp(-40 * (down**2 + across**2)))[0]
    own = _textures._same_spectrum(rng, field, 2)
    for lag in (1, 2):
        wanted = (field * np.roll(field, lag, axis=1)).mean()
        assert (own * np.roll(own, lag, axis=2)).mean() == pytest.approx(wanted, abs=0.05)
    assert abs(np.corrcoef(own.reshape(2, -1))[0, 1]) < 0.1


# --- pairs --------------------------------------------------------------------------------------------------


def test_truth_is_the_structure():
    for seed in range(4):
        _, truth = datasets.synthetic(20, 30, seed=seed)
        assert truth.tobytes() == datasets.structure(20, 30, seed=seed).tobytes()


@pytest.mark.parametrize(
    ("fade", "least", "most", "far"),
    [(0.08, 0.85, 1.02, 30), (0.0, 0.97, 1.03, 30), (0.6, 0.5, 0.9, 150)],
)
def test_texture_with_fading_and_rounding(fade, least, most, far):
    kept, rounded = [], 0
    for seed in range(30):
        image, truth = datasets.synthetic(64, 64, kind="texture", fade=fade, seed=seed)
        s = truth - truth.mean(axis=(0, 1))
        if truth.std() > 0.05 and 0.15 < truth.min() and truth.max() < 0.85:
            kept.append(float((image * s).mean() / (s * s).mean()))
        rounded += np.allclose(255 * image, np.rint(255 * image), atol=1e-4)
        assert 1 < 255 * np.abs(image - truth).mean() < far
    assert 20 <= rounded < 30
    assert len(kept) > 0
    assert least < np.mean(kept) < most


def test_frequencies_of_corruptions():
    rng = np.random.default_rng(0)
    ways = [synthesis._draw_corruption(rng, "mixed") for _ in range(4000)]
    shares = [ways.count(way) / len(ways) for way in synthesis._CORRUPTIONS]
    np.testing.assert_allclose(shares, [0.7, 0.1, 0.06, 0.08, 0.06], atol=0.025)
    assert synthesis._draw_corruption(rng, "jpeg") == "jpeg"


@pytest.fixture
def cheap_scenes(monkeypatch):
    """Replace scenes and textures by noise."""

    def drawn(pool, what, rng):
        kind = np.uint8 if what == "scene" else np.int16
        return rng.integers(0, 256, (pool.channels, pool.side, pool.side)).astype(kind)

    monkeypatch.setattr(synthesis._Pool, "_draw", drawn)


def test_jpeg_pairs_have_regions_of_pure_black_or_white():
    truths = np.concatenate([t for _, t in islice(datasets.batches(8, 32, kind="jpeg", seed=1), 10)])
    for pure in ((truths == 0).all(1), (truths == 1).all(1)):
        assert 0.15 < np.mean(pure.mean((1, 2)) > 0.05) < 0.6


def test_stretch_to_pure_colours():
    planes = np.random.default_rng(0).uniform(0.05, 0.95, (1, 9, 8)).astype(np.float32)
    seen = set()
    for seed in range(40):
        out = synthesis._stretch_to_pure_colours(np.random.default_rng(seed), planes)
        assert out.dtype == np.float32
        assert (0 <= out.min()) & (out.max() <= 1)
        np.testing.assert_allclose(255 * out, np.rint(255 * out), atol=2e-5)
        black, white = (out == 0).all(0).any(), (out == 1).all(0).any()
        seen.add((bool(black), bool(white)))
        order = np.argsort(planes.ravel())
        assert (np.diff(out.ravel()[order]) >= 0).all()  # the order of the values is kept
    assert seen == {(False, False), (True, False), (False, True), (True, True)}


@pytest.mark.usefixtures("cheap_scenes")
def test_some_mixed_pairs_have_no_corruption():
    same = 0
    for images, truths in islice(datasets.batches(64, 8, seed=2), 4):
        same += sum(np.array_equal(p, t) for p, t in zip(images, truths, strict=True))
    assert 4 <= same <= 40


@pytest.mark.parametrize("kind", ["mixed", "texture", "jpeg"])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_batches(monkeypatch, kind, channels):
    monkeypatch.setattr(synthesis, "_POOL", 1)
    for images, truths in islice(datasets.batches(5, 17, kind=kind, channels=channels, seed=5), 2):
        for array in (images, truths):
            assert (array.shape, array.dtype) == ((5, channels, 17, 17), np.float32)
            assert array.flags.c_contiguous
            assert np.isfinite(array).all()
            assert array.min() >= 0
            assert array.max() <= 1
        np.testing.assert_allclose(255 * truths, np.rint(255 * truths), atol=2e-5)


def check_batches_depend_on_their_number_only(n):
    whole = list(islice(datasets.batches(2, 16, seed=3), n))
    assert len({images.tobytes() for images, _ in whole}) == n
    for k in (0, 1, n // 3, n - 1):
        again = next(datasets.batches(2, 16, seed=3, start=k))
        assert [a.tobytes() for a in again] == [a.tobytes() for a in whole[k]]
    for worker in range(3):
        mine = islice(datasets.batches(2, 16, seed=3, start=worker, step=3), n // 3)
        for k, (images, _) in enumerate(mine):
            assert images.tobytes() == whole[worker + 3 * k][0].tobytes()
    assert next(datasets.batches(2, 16, seed=4))[0].tobytes() != whole[0][0].tobytes()


@pytest.mark.usefixtures("cheap_scenes")
def test_batches_depend_on_their_number_only(monkeypatch):
    # scenes are replaced after a few batches
    monkeypatch.setattr(synthesis, "_USES", 0.0005)
    monkeypatch.setattr(synthesis, "_POOL", 3)
    check_batches_depend_on_their_number_only(26)


def test_batches_of_real_scenes_depend_on_their_number_only(monkeypatch):
    monkeypatch.setattr(synthesis, "_POOL", 1)
    check_batches_depend_on_their_number_only(6)


@pytest.mark.usefixtures("cheap_scenes")
def test_scenes_are_replaced_one_by_one():
    pool = synthesis._Pool(seed=0, lane=0, size=64, channels=3, batch_size=64)
    assert pool.life > 8
    held = []
    for time in range(2 * pool.life):
        pool.time = time
        held.append([pool.scene(slot)[:, :8].tobytes() for slot in range(synthesis._POOL)])
    changes = [sum(a != b for a, b in zip(old, new, strict=True)) for old, new in pairwise(held)]
    assert max(changes) <= -(-synthesis._POOL // pool.life) + 1
    assert synthesis._POOL < sum(changes) <= 2 * synthesis._POOL
    assert pool.texture(0)[:, :8].tobytes() != pool.scene(0)[:, :8].astype(np.int16).tobytes()


def test_deviation_of_textures_in_the_pool():
    pool = synthesis._Pool(seed=0, lane=0, size=16, channels=3, batch_size=2)
    for slot in range(3):
        assert pool.texture(slot).dtype == np.int16
        assert pool.texture(slot).std() / synthesis._UNIT == pytest.approx(1, abs=0.03)


def test_shifted_jpeg_has_shifted_blocks():
    rng = np.random.default_rng(1)
    planes = np.round(rng.random((3, 40, 40), dtype=np.float32) * 255) / 255
    coded = [synthesis._compress(np.random.default_rng(s), planes, shifted=True) for s in range(4)]
    for array in coded:
        assert (array.shape, array.dtype) == (planes.shape, np.float32)
        assert 0 < np.abs(array - planes).mean() < 0.5
    whole = synthesis._compress(np.random.default_rng(0), planes, shifted=False)
    draws = np.random.default_rng(0)
    quality, subsampling = int(draws.integers(5, 96)), str(draws.choice(synthesis.SUBSAMPLINGS))
    expected = datasets.jpeg(planes.transpose(1, 2, 0), quality, subsampling).transpose(2, 0, 1)
    np.testing.assert_array_equal(whole, expected)


@pytest.mark.parametrize("make", [datasets.structure, datasets.texture, datasets.synthetic])
@pytest.mark.parametrize(
    "wrong", [{"height": 0}, {"width": 2.5}, {"channels": 0}, {"channels": True}, {"seed": -1}]
)
def test_invalid_arguments(make, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        make(**wrong)


@pytest.mark.parametrize("std", [-1.0, float("nan"), float("inf"), "x"])
def test_invalid_deviation(std):
    with pytest.raises(InputError, match="std"):
        datasets.texture(std=std)


@pytest.mark.parametrize("fade", [-0.1, 1.5, float("nan"), "x"])
def test_invalid_fade(fade):
    with pytest.raises(InputError, match="fade"):
        datasets.synthetic(fade=fade)
    with pytest.raises(InputError, match="fade"):
        datasets.batches(2, 8, fade=fade)


def test_invalid_kinds():
    with pytest.raises(InputError, match="texture"):
        datasets.synthetic(kind="textures")
    with pytest.raises(InputError, match="jpeg"):
        datasets.batches(2, 8, kind="jpg")


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"size": 0},
        {"channels": 0},
        {"seed": -1},
        {"start": -1},
        {"step": 0},
        {"size": 2.0},
    ],
)
def test_batches_raise_at_the_call(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        datasets.batches(**{"batch_size": 2, "size": 8} | wrong)
