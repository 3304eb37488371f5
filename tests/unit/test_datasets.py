"""Synthetic images, corruptions and folders: properties and invalid arguments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jumpset import datasets
from jumpset._core.errors import FileError, InputError
from jumpset.metrics import gradient_count, psnr

# --- images -------------------------------------------------------------------------------------------------


def test_coffee_is_a_copy_of_a_colour_photograph():
    a = datasets.coffee()
    assert (a.shape, a.dtype) == ((400, 600, 3), np.uint8)
    assert a.std() > 30
    a[:] = 0  # a copy: the next caller sees the photograph
    assert datasets.coffee().any()


@pytest.mark.parametrize("make", [datasets.shapes, lambda *a, **k: datasets.textured(*a, **k)[0]])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (33, 20)])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_sizes_and_numbers_of_channels(make, size, channels):
    u = make(*size, channels=channels, seed=3)
    assert u.shape == (size if channels == 1 else (*size, channels))
    assert u.dtype == np.float32
    assert u.min() >= 0
    assert u.max() <= 1
    assert u.tobytes() == make(*size, channels=channels, seed=3).tobytes()


def test_seeds_differ():
    assert not np.array_equal(datasets.shapes(20, 30, seed=0), datasets.shapes(20, 30, seed=1))
    assert not np.array_equal(datasets.textured(20, 30, seed=0)[0], datasets.textured(20, 30, seed=1)[0])


@pytest.mark.parametrize("seed", range(5))
def test_shapes_are_flat_after_rounding_to_8_bits(seed):
    u = datasets.shapes(seed=seed)
    assert u.shape == (192, 256, 3)
    changing = gradient_count(u) / (192 * 256)
    assert 0.01 < changing < 0.4
    # Flat regions have whole 255ths up to float32 precision, so that rounding does not change them.
    flat = np.all(np.diff(u, axis=1) == 0, axis=-1)
    assert np.abs(u[:, 1:][flat] * 255 - np.rint(u[:, 1:][flat] * 255)).mean() < 0.01
    # Anti-aliasing: some pixels lie between.
    assert np.abs(u * 255 - np.rint(u * 255)).max() > 0.1


@pytest.mark.parametrize("seed", range(6))
def test_statistics_of_textures(seed):
    # Without clipping: a weak texture, and only pixels strictly inside (0, 1).
    image, structure = datasets.textured(192, 256, seed=seed, fade=0.0, texture_std=0.01)
    texture = (image - structure).astype(np.float64)
    inside = np.all((structure > 0.06) & (structure < 0.94), axis=-1)
    assert inside.mean() > 0.2
    assert texture[inside].mean() == pytest.approx(0.0, abs=2e-3)
    assert texture[inside].std() == pytest.approx(0.01, rel=0.1)

    def correlation(lag):
        both = inside[:, lag:] & inside[:, :-lag]
        return np.corrcoef(texture[:, lag:][both].ravel(), texture[:, :-lag][both].ravel())[0, 1]

    assert 0.55 < correlation(1) < 0.85
    assert 0.2 < correlation(2) < 0.5
    assert correlation(3) < correlation(2) < correlation(1)
    across = np.corrcoef(texture[inside].T)
    assert across.min() > 0.5


def test_textured_fades_the_shapes():
    image, structure = datasets.textured(40, 50, seed=4, fade=0.25, texture_std=0.0)
    np.testing.assert_array_equal(structure, datasets.shapes(40, 50, seed=4))
    np.testing.assert_allclose(image, 0.75 * structure, atol=1e-7)
    assert 24 < psnr(*datasets.textured(seed=4)) < 34


@pytest.mark.parametrize(
    "arguments",
    [
        {"height": 0},
        {"width": 2.5},
        {"channels": 0},
        {"seed": -1},
        {"fade": -0.1},
        {"texture_std": float("nan")},
    ],
)
def test_invalid_arguments_of_textured(arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        datasets.textured(**arguments)


# --- corruptions --------------------------------------------------------------------------------------------


def test_standard_deviation_and_seeds_of_noise():
    flat = np.full((100, 100, 3), 0.5)
    y = datasets.add_noise(flat, 0.1, seed=1)
    assert y.std() == pytest.approx(0.1, rel=0.02)
    assert y.mean() == pytest.approx(0.5, abs=0.003)
    np.testing.assert_array_equal(y, datasets.add_noise(flat, 0.1, seed=1))
    assert not np.array_equal(y, datasets.add_noise(flat, 0.1, seed=2))
    assert datasets.add_noise(np.zeros((50, 50)), 0.1).min() < 0  # floats are not clipped
    np.testing.assert_array_equal(flat, 0.5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_noise_is_in_units_of_the_range(dtype):
    info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
    low, high = (float(info.min), float(info.max)) if info else (0.0, 1.0)
    flat = np.full((80, 80), round((low + high) / 2) if info else 0.5, dtype)
    y = datasets.add_noise(flat, 0.1)
    assert y.dtype == dtype
    assert y.std() / (high - low) == pytest.approx(0.1, rel=0.03)
    np.testing.assert_array_equal(datasets.add_noise(flat, 0.0), flat)


def test_noise_below_half_a_level_is_rounded_away():
    x = np.full((20, 20), 100, np.uint8)
    np.testing.assert_array_equal(datasets.add_noise(x, 0.05 / 255), x)


def test_noise_on_uint8_does_not_wrap_around():
    x = np.repeat(np.array([[0, 255]], np.uint8), 500, axis=0)
    y = datasets.add_noise(x, 0.05)
    assert y[:, 0].max() < 100
    assert y[:, 1].min() > 155


@pytest.mark.parametrize("shape", [(1, 1), (17, 9), (17, 9, 1), (16, 24, 3), (1, 5, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_jpeg_keeps_shape_and_dtype_and_changes_little_at_best_quality(shape, dtype):
    x = datasets.shapes(*shape[:2], channels=3 if shape[-1] == 3 else 1).reshape(shape)
    if dtype != np.float32:
        x = np.rint(x * np.iinfo(dtype).max).astype(dtype)
    y = datasets.jpeg(x, 100, "4:4:4")
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert psnr(y, x) > 35


def test_jpeg_loses_more_at_lower_quality_and_by_subsampling():
    x = datasets.shapes(seed=2)
    scores = [psnr(datasets.jpeg(x, quality), x) for quality in (5, 30, 90)]
    assert scores == sorted(scores)
    assert psnr(datasets.jpeg(x, 90, "4:4:4"), x) > scores[-1]


def test_jpeg_of_uint8_equals_jpeg_of_floats():
    x = datasets.coffee()[:64, :80]
    from_floats = datasets.jpeg(x / 255, 10)
    np.testing.assert_array_equal(np.rint(from_floats * 255), datasets.jpeg(x, 10))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: datasets.jpeg(x, 0), "quality"),
        (lambda x: datasets.jpeg(x, 101), "quality"),
        (lambda x: datasets.jpeg(x, 7.5), "quality"),
        (lambda x: datasets.jpeg(x, 10, "4:1:1"), "subsampling"),
        (lambda x: datasets.jpeg(np.stack([x, x], -1), 10), "JPEG holds"),
        (lambda x: datasets.jpeg(np.zeros((1, 65501)), 10), "65500"),
        (lambda x: datasets.add_noise(x, -0.1), "sigma"),
        (lambda x: datasets.add_noise(x, 0.1, seed=-1), "seed"),
        (lambda x: datasets.add_noise(x * np.inf, 0.1), "finite"),
        (lambda x: datasets.add_noise(x[:0], 0.1), "empty"),
        (lambda x: datasets.add_noise(x.astype(int), 0.1), "no agreed range"),
    ],
)
def test_invalid_arguments_of_corruptions(call, match):
    with pytest.raises(InputError, match=match):
        call(np.ones((4, 4)))


# --- folders ------------------------------------------------------------------------------------------------


def save(path: Path, array: np.ndarray, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def gray(height=3, width=4, value=7):
    return np.full((height, width), value, np.uint8)


def names(found):
    return [pair.name for pair in found]


def test_nks_inputs_share_truths_in_natural_order(tmp_path):
    for name in ("S10_T1", "S2_T10", "S2_T9", "S1_T3_extra"):
        save(tmp_path / "input" / f"{name}.png", gray())
    for name in ("S1", "S2", "S10"):
        save(tmp_path / "truth" / f"{name}.png", gray(value=int(name[1:])))
    found = datasets.pairs(tmp_path, kind="nks")
    assert names(found) == ["S1_T3_extra", "S2_T9", "S2_T10", "S10_T1"]
    assert [pair.truth.name for pair in found] == ["S1.png", "S2.png", "S2.png", "S10.png"]
    x, y = found[-1].load()
    assert x.dtype == y.dtype == np.uint8
    assert (x[0, 0], y[0, 0]) == (7, 10)


@pytest.mark.parametrize("kind", ["folder", "clipart"])
def test_pairs_by_stem_skip_other_files(tmp_path, kind):
    save(tmp_path / "input" / "a_b.JPG", gray(), format="JPEG")
    save(tmp_path / "truth" / "a_b.png", gray())
    save(tmp_path / "truth" / "unused.png", gray())
    save(tmp_path / "input" / ".hidden.png", gray())
    (tmp_path / "input" / "notes.txt").write_text("not an image")
    assert names(datasets.pairs(str(tmp_path), kind=kind)) == ["a_b"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 10, 25])
def test_limit_samples_the_list_evenly(tmp_path, limit):
    for number in range(10):
        for side in ("input", "truth"):
            save(tmp_path / side / f"p{number}.png", gray())
    chosen = [int(name[1:]) for name in names(datasets.pairs(tmp_path, limit=limit))]
    assert len(chosen) == min(limit, 10)
    assert chosen == sorted(set(chosen))
    assert np.mean(chosen) == pytest.approx(4.5, abs=0.5)
    assert np.ptp(np.diff(chosen)) <= 1 if limit > 1 else chosen == [5]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_composited_on_black_and_rounded(tmp_path, mode):
    rng = np.random.default_rng(0)
    rgba = rng.integers(0, 256, (16, 16, 4), dtype=np.uint8)
    if mode == "LA":
        rgba[..., 1] = rgba[..., 2] = rgba[..., 0]
        image = Image.fromarray(np.ascontiguousarray(rgba[..., [0, 3]]))
    elif mode == "P":
        index = rng.integers(0, 4, (16, 16), dtype=np.uint8)
        colours, alphas = rng.integers(0, 256, (4, 3), dtype=np.uint8), bytes([0, 100, 255, 31])
        rgba = np.concatenate([colours, np.frombuffer(alphas, np.uint8)[:, None]], axis=1)[index]
        image = Image.fromarray(index)
        image.putpalette(colours.tobytes())
        image.info["transparency"] = alphas
    else:
        image = Image.fromarray(rgba)
    save(tmp_path / "input" / "a.png", np.zeros((16, 16, 3), np.uint8))
    (tmp_path / "truth").mkdir()
    image.save(tmp_path / "truth" / "a.png")
    (pair,) = datasets.pairs(tmp_path, kind="clipart")
    expected = np.rint(rgba[..., :3].astype(float) * rgba[..., 3:] / 255).astype(np.uint8)
    np.testing.assert_array_equal(pair.load()[1], expected)


def test_opaque_alpha_is_dropped_and_gray_is_repeated(tmp_path):
    rgb = np.random.default_rng(1).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    save(tmp_path / "truth" / "a.png", np.dstack([rgb, np.full((5, 6), 255, np.uint8)]))
    save(tmp_path / "input" / "a.png", gray(5, 6, 9))
    x, y = datasets.pairs(tmp_path)[0].load()
    np.testing.assert_array_equal(y, rgb)
    assert x.shape == (5, 6, 3)
    assert (x == 9).all()


def test_two_gray_files_stay_gray(tmp_path):
    for side in ("input", "truth"):
        save(tmp_path / side / "a.png", gray())
    assert [a.shape for a in datasets.pairs(tmp_path)[0].load()] == [(3, 4), (3, 4)]


def test_missing_folders(tmp_path):
    for missing, make in (
        (tmp_path / "no", "no"),
        (tmp_path / "input", "input"),
        (tmp_path / "truth", "truth"),
    ):
        root = tmp_path / "no" if make == "no" else tmp_path
        with pytest.raises(FileError, match="folder is missing") as caught:
            datasets.pairs(root)
        assert str(missing) in str(caught.value)
        (tmp_path / make).mkdir()
    with pytest.raises(FileError, match="no image in the folder"):
        datasets.pairs(tmp_path)


def test_mismatched_pairs(tmp_path):
    save(tmp_path / "input" / "a.png", gray())
    save(tmp_path / "truth" / "b.png", gray())
    with pytest.raises(FileError, match=r"no truth.*a\.png"):
        datasets.pairs(tmp_path)
    with pytest.raises(FileError, match=r"no truth.*a\.png"):
        datasets.pairs(tmp_path, "nks", limit=1)
    save(tmp_path / "truth" / "a.png", gray(4, 4))
    with pytest.raises(FileError, match="3 x 4 and 4 x 4"):
        datasets.pairs(tmp_path)
    save(tmp_path / "truth" / "a.webp", gray())
    with pytest.raises(FileError, match=r"more than one file.*a\.png and .*a\.webp"):
        datasets.pairs(tmp_path)
    (tmp_path / "truth" / "a.png").unlink()
    save(tmp_path / "input" / "a.tif", gray())
    with pytest.raises(FileError, match=r"more than one file.*a\.png and .*a\.tif"):
        datasets.pairs(tmp_path)


def test_unreadable_files(tmp_path):
    for side in ("input", "truth"):
        save(tmp_path / side / "a.png", gray())
    pair = datasets.pairs(tmp_path)[0]
    whole = pair.input.read_bytes()
    pair.input.write_bytes(whole[:45])
    with pytest.raises(FileError, match="truncated"):
        pair.load()
    pair.input.write_bytes(b"no image")
    with pytest.raises(FileError, match="cannot be read"):
        datasets.pairs(tmp_path)
    save(pair.input, np.full((3, 4), 40000, np.uint16))
    with pytest.raises(FileError, match="8-bit"):
        pair.load()
    save(pair.input, gray(9, 9))
    with pytest.raises(FileError, match="differ in size"):
        pair.load()


@pytest.mark.parametrize("arguments", [{"kind": "zip"}, {"limit": 0}, {"limit": 2.0}])
def test_invalid_arguments_of_pairs(tmp_path, arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        datasets.pairs(tmp_path, **arguments)


def test_synthetic_pairs():
    found = datasets.synthetic_pairs()
    assert len({pair.name for pair in found}) == len(found) == 20
    for pair in datasets.synthetic_pairs(5):
        image, truth = pair.load()
        assert image.dtype == truth.dtype == np.uint8
        assert image.shape == truth.shape
        assert (image != truth).mean() > 0.03
        np.testing.assert_array_equal(pair.load()[0], image)
        if pair.kind == "sparse":
            assert image.ndim == 2
            assert (truth == 0).mean() >= 0.7
    with pytest.raises(InputError, match="limit"):
        datasets.synthetic_pairs(0)
