"""What a run is given: the range of values, images that belong to the input, data of operators, devices."""

import warnings

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset._core.errors import RangeWarning
from jumpset.dip import DIPl0
from jumpset.operators import Blur, Mask, Pair

RNG = np.random.default_rng(0)
GUIDED = [name for name, info in js.methods().items() if "guidance" in info.defaults]


def dim(dtype="uint16", low=200, high=400):
    """Two levels and noise in 1/200 of the range of 16 bits."""
    image = np.full((40, 48), float(low))
    image[10:30, 12:36] = high
    return (image + RNG.normal(0, 8, image.shape)).astype(dtype)


@pytest.mark.parametrize("name", ["region-fusion", "tv", "potts", "sg-wls"])
@pytest.mark.parametrize("dtype", ["uint16", "int32", "uint32", "int16"])
def test_integers_that_use_little_of_their_range(name, dtype):
    x = dim(dtype)
    with pytest.warns(RangeWarning, match="of the range of its dtype"):
        js.smooth(x, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_data = js.smooth(x, name, value_range="data")
        explicit = js.smooth(x, name, value_range=(int(x.min()), int(x.max())))
    np.testing.assert_array_equal(by_data, explicit)
    assert abs(int(by_data[20, 24]) - 400) < 8
    assert abs(int(by_data[0, 0]) - 200) < 8


def test_the_range_of_the_data_makes_the_answer_independent_of_units():
    x = dim().astype(np.float64)
    expected = js.smooth(x, "tv", value_range="data")
    metres = js.smooth(x * 1e-6 - 3.0, "tv", value_range="data")
    np.testing.assert_allclose((metres + 3.0) * 1e6, expected, rtol=1e-9)


def test_the_range_of_constant_data_and_of_alpha():
    constant = np.full((5, 6), 7.0)
    np.testing.assert_array_equal(js.smooth(constant, "tv", value_range="data"), constant)
    rgba = RNG.integers(90, 110, (8, 9, 4), dtype=np.uint8)
    rgba[..., 3] = 255  # is not part of the range of the colours
    answer = js.smooth(rgba, "tv", value_range="data", weight=0.05)
    np.testing.assert_array_equal(
        answer[..., :3], js.smooth(rgba[..., :3].copy(), "tv", value_range="data", weight=0.05)
    )


def test_no_warning_for_eight_bits_constants_and_given_ranges():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        js.smooth((100 + RNG.integers(0, 4, (16, 16))).astype(np.uint8), "bilateral", weight=1e-3)
        js.smooth(np.full((8, 8), 300, np.uint16), "tv")
        js.smooth(dim(), "tv", value_range=(0, 4095), weight=1e-3)


def test_a_constant_answer_to_an_image_that_is_not_constant():
    x = RNG.random((16, 16))
    with pytest.warns(RangeWarning, match="the answer is constant: tv found nothing"):
        js.smooth(x, "tv", weight=100.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        js.smooth(np.full((16, 16), 0.3), "tv", weight=100.0)
        js.smooth(x, "tv", weight=0.01)


@pytest.mark.parametrize("value_range", ["all", (3, 1), (0, np.nan), 5])
def test_a_range_that_is_none(value_range):
    with pytest.raises(js.InputError, match="value_range must be 'data', or two finite numbers"):
        js.smooth(dim(), "tv", value_range=value_range)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.filterwarnings("ignore:the weight .* is a bound")
@pytest.mark.parametrize("values", ["8 bits", "constant"])
def test_integers_of_64_bits_need_a_range(dtype, values):
    """NumPy's default integers nearly always hold small numbers, of which their range leaves nothing."""
    x = dim(dtype, 50, 200) if values == "8 bits" else np.full((6, 7), 5, dtype)
    entries = [
        js.smooth,
        lambda x, **more: js.run(x, js.smoothers.TV(), **more).image,
        lambda x, **more: js.RegionTree(x, **more).smooth(n_regions=2),
        lambda x, **more: js.auto_weight(x, n_trials=4, sigma=0.05, **more).image,
        lambda x, **more: js.interop.skimage.denoise_tv(x, **more),
        lambda x, **more: js.smooth(torch.from_numpy(x.astype(np.int64))[None, None], **more)[0, 0].numpy(),
        lambda x, **more: js.weights.weight_for_regions(x, 2, **more),
    ]
    for entry in entries:
        with pytest.raises(js.InputError, match=r"64 bits have no agreed range.*value_range=\(0, 255\)"):
            entry(x)
        answer = np.asarray(entry(x, value_range=(0, 255)))
        if answer.ndim == 2:
            assert answer.dtype.kind in "iu"
            assert abs(int(answer[0, 0]) - int(x[0, 0])) < 40
    np.testing.assert_array_equal(js.smooth(np.zeros((5, 6), dtype)), np.zeros((5, 6), dtype))


def test_channels_of_weight_for_regions():
    x = np.zeros((12, 13, 3), np.uint16)
    x[3:8, 4:9] = (300, 4000, 900)
    count = js.weights.weight_for_regions(x, 1, value_range=(0, 4095))
    planes = np.moveaxis(x, -1, 0).copy()
    assert count == js.weights.weight_for_regions(planes, 1, channel_axis=0, value_range=(0, 4095))


# --- images of the method ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GUIDED)
def test_guidance_has_the_range_of_the_image(name):
    x = RNG.random((12, 14))
    plain = js.smooth(x, name, guidance=x)
    levels = x * 4095
    scaled = js.smooth(levels, name, guidance=levels, value_range=(0, 4095))
    np.testing.assert_allclose(scaled, 4095 * plain, atol=1e-8)


@pytest.mark.parametrize("name", [n for n in GUIDED if n != "sg-wls"])  # it is guided by its last step
@pytest.mark.parametrize(
    "options", [{"value_range": (0, 4095)}, {"value_range": "data"}, {"channel_axis": 0}]
)
def test_the_image_as_its_own_guidance_changes_nothing(name, options):
    dtype = np.uint16 if "value_range" in options else np.uint8
    x = (RNG.random((3, 12, 14)) * (4095 if dtype == np.uint16 else 255)).astype(dtype)
    x = x if options.get("channel_axis") == 0 else np.moveaxis(x, 0, -1).copy()
    np.testing.assert_array_equal(js.smooth(x, name, guidance=x, **options), js.smooth(x, name, **options))


def test_the_image_as_its_own_guidance_loses_alpha_too():
    rgba = RNG.integers(0, 256, (12, 14, 4), dtype=np.uint8)
    np.testing.assert_array_equal(js.smooth(rgba, "guided", guidance=rgba), js.smooth(rgba, "guided"))


def test_guidance_of_another_dtype_keeps_its_own_range():
    depth, photo = RNG.random((12, 14)) * 4095, RNG.integers(0, 256, (12, 14, 3), dtype=np.uint8)
    answer = js.smooth(depth, "guided", guidance=photo, value_range=(0, 4095))
    np.testing.assert_allclose(
        answer, 4095 * js.smooth(depth / 4095, "guided", guidance=photo / np.float64(255)), rtol=1e-5
    )


def test_bad_guidance_is_named():
    with pytest.raises(js.InputError, match="guidance cannot be used: the image has non-finite pixels"):
        js.smooth(RNG.random((8, 8)), "wls", guidance=np.full((8, 8), np.nan))


def test_a_start_has_the_range_of_the_image():
    x = RNG.random((16, 16, 3)).astype(np.float32)
    quick = {"outer_steps": 0, "start_blend": 1.0}
    start = js.smooth(x, "tv")
    expected = js.run(x, DIPl0(start=start, **quick)).image
    answer = js.run(x * 4095, DIPl0(start=start * 4095, **quick), value_range=(0, 4095)).image
    np.testing.assert_allclose(answer / 4095, expected, atol=1e-5)


def test_auto_weight_converts_guidance_alike():
    x = RNG.random((16, 18))
    plain = js.auto_weight(x, "bilateral", sigma=0.1, guidance=x, n_trials=5)
    levels = js.auto_weight(
        4095 * x, "bilateral", sigma=0.1, guidance=4095 * x, value_range=(0, 4095), n_trials=5
    )
    assert levels.weight == pytest.approx(plain.weight)


# --- data of an operator ----------------------------------------------------------------------------------


def test_data_of_an_operator_are_no_image():
    """Values of -30 to 30, as a tensor ``(B, C, L)``."""
    truth = torch.zeros(1, 1, 16, 20, dtype=torch.float64)
    truth[..., 4:12, 5:15] = 1.0
    matrix = torch.randn(240, 320, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sums = Pair(lambda u: u.flatten(2) @ matrix.T, lambda y: (y @ matrix).reshape(*y.shape[:2], 16, 20))
    data = sums(truth)
    assert data.shape == (1, 1, 240)
    assert data.abs().max() > 20.0
    method = js.solvers.FISTA(js.TotalVariation(), 0.1, sums, max_steps=300)
    result = js.run(data, method)
    assert result.image.shape == truth.shape
    assert float((result.image - truth).square().mean().sqrt()) < 0.02
    assert float((sums(result.image) - data).abs().max()) < 0.1
    halved = js.run(data, method, value_range=(0, 2.0)).image  # a scale, which is undone, and no shift
    assert float((halved - truth).square().mean().sqrt()) < 0.02


def test_data_of_an_operator_are_not_shifted():
    blur = js.solvers.FISTA(js.TotalVariation(), 1e-3, Blur(torch.ones(3, 3) / 9), max_steps=3)
    with pytest.raises(js.InputError, match="can be scaled, but not shifted"):
        js.run(torch.rand(1, 1, 8, 8), blur, value_range=(1, 2))
    assert js.run(torch.rand(1, 1, 8, 8) * 500, blur).image.shape == (1, 1, 8, 8)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_integer_data_of_an_operator_are_not_scaled(dtype):
    """Counts: their unit is theirs, and what fits them is no integer."""
    blur = js.solvers.FISTA(js.TotalVariation(), 0.5, Blur(torch.ones(3, 3) / 9), max_steps=40)
    counts = torch.randint(0, 90, (1, 1, 8, 9), generator=torch.Generator().manual_seed(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = js.run(counts.to(dtype), blur).image
        of_array = js.run(counts[0, 0].numpy(), blur).image
    wide = torch.float64 if dtype in (torch.int32, torch.int64) else torch.float32
    assert answer.dtype == wide
    torch.testing.assert_close(answer, js.run(counts.to(wide), blur).image)
    assert of_array.dtype == np.float64
    np.testing.assert_allclose(of_array, answer[0, 0], rtol=1e-3)
    scaled = js.run(counts.to(dtype), blur, value_range=(0, 255)).image
    assert scaled.dtype == dtype


@pytest.mark.parametrize("shape", [(2, 1, 30), (1, 2, 5, 6, 7)])
def test_lines_and_volumes_of_a_method_that_takes_them(shape):
    x = torch.rand(shape, dtype=torch.float64)
    result = js.run(x, js.solvers.FISTA(js.TotalVariation(), 0.1, tol=1e-8))
    torch.testing.assert_close(result.image, js.TotalVariation().prox(x, 0.1), atol=1e-4, rtol=0)
    with pytest.raises(js.InputError, match=r"must be \(B, C, H, W\)"):
        js.run(x, js.smoothers.RTV())


# --- devices ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["nonsense", "meta", "cuda:77", 3.5])
def test_devices_that_are_not_there(device):
    with pytest.raises(js.InputError, match="the device is not available"):
        js.smooth(RNG.random((8, 8)), "tv", device=device)


# --- auto_weight at a bound -----------------------------------------------------------------------------------


def test_auto_weight_says_when_it_stops_at_a_bound():
    x = dim().astype(np.float64)
    x = (x - x.min()) / (x.max() - x.min())
    with pytest.warns(RangeWarning, match="is a bound of the search"):
        found = js.auto_weight(x, "tv", sigma=0.5, bounds=(1e-4, 1e-2))
    assert (found.weight, found.at_bound) == (1e-2, "high")
    with pytest.warns(RangeWarning, match="is a bound of the search"):
        found = js.auto_weight(x, "tv", sigma=0.0, bounds=(1e-4, 1e-2))
    assert (found.weight, found.at_bound) == (1e-4, "low")
    assert js.auto_weight(x, "tv", sigma=0.04).at_bound is None


def test_auto_weight_with_missing_pixels_reads_the_valid_ones():
    x = dim().astype(np.float64)
    x = (x - x.min()) / (x.max() - x.min())
    mask = RNG.random(x.shape) > 0.3
    holes = np.where(mask, x, 0.77)
    found = js.auto_weight(holes, "tv", sigma=0.05, mask=mask, n_trials=8)
    residual = np.sqrt(np.square(found.image - x)[mask].mean())
    assert residual == pytest.approx(0.05, abs=0.01)


def test_auto_weight_takes_missing_pixels_and_refuses_a_number_without_its_rule():
    x = RNG.random((12, 14))
    x[2, 3] = np.nan
    assert js.auto_weight(x, "tv", sigma=0.1, missing="nan", n_trials=5).weight > 0
    with pytest.raises(js.InputError, match="needs the rule 'regions'"):
        js.auto_weight(np.nan_to_num(x), "region-fusion", regions=3)


# --- units of guidance, masks of operators, advice ------------------------------------------------------------


def test_guidance_in_unit_range_beside_an_image_beyond_it():
    depth, colours = (1 + 4 * RNG.random((12, 14))), RNG.random((12, 14, 3))
    expected = 10 * js.smooth(depth / 10, "guided", guidance=colours)
    np.testing.assert_allclose(
        js.smooth(depth, "guided", value_range=(0, 10), guidance=colours), expected, atol=1e-9
    )
    assert np.isfinite(js.smooth(depth, "guided", value_range="data", guidance=colours)).all()


def test_masks_of_operators():
    x, mask = torch.rand(1, 1, 12, 12), np.ones((12, 12), bool)
    mask[3:6, 3:6] = False

    def answer(given):
        method = js.solvers.FISTA(js.TotalVariation(), 0.1, Mask(given), max_steps=50)
        return js.run(x, method).image

    expected = answer(torch.from_numpy(mask))
    for same in (mask, mask.astype(np.uint8) * 255, torch.from_numpy(mask).float()):
        assert torch.equal(answer(same), expected)
    with pytest.raises(js.InputError, match="mask does not fit the images"):
        answer(torch.ones(5, 5))


@pytest.mark.parametrize(
    ("image", "advice"),
    [
        (b"photo.png", r"read_picture\(path\)"),
        (np.ma.masked_array(np.ones((4, 4))), "mask=~np.ma.getmaskarray"),
        ([[0.0, 1.0]], "np.asarray"),
        (np.array([[-1.7e308, 1.7e308]] * 3), "range of the image is too large"),
    ],
)
def test_advice_for_what_is_no_image(image, advice):
    with pytest.raises(js.InputError, match=advice):
        js.smooth(image, "tv", value_range="data")
