"""What every method of the registry promises. A new method is tested by being listed."""

import copy
import functools
import inspect
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset._core.errors import RangeWarning

# Settings that make each method quick on tiny pictures; the promises are the same for any setting.
QUICK = {
    "tv": {"tol": 1e-5},
    "ils": {"n_steps": 4},
    "dip": {"n_steps": 2},
    "dip-tv": {"n_steps": 2},
    "dip-aitv": {"n_steps": 2},
    "dip-potts": {"outer_steps": 2, "inner_steps": 1},
    "dip-l0": {"outer_steps": 2, "inner_steps": 1},
    "dip-correction": {"outer_steps": 2, "inner_steps": 1},
}
# The parameter that smooths where it is not `weight`; see `knob_of`.
KNOBS = {"l0-projection": ("fraction", 1.0, (0.5, 0.1, 0.01), (0.9, 0.5, 0.2, 0.1, 0.02))}
ALL = sorted(js.methods())
LEARNED = [name for name in ALL if name in js.learned.SIZES]
# Without deep image priors, whose networks have done nothing yet after the few steps of a test: how smooth an
# answer is, its symmetry and its precision say something of the other methods only.
CLASSICAL = [name for name in ALL if not name.startswith("dip") and name not in LEARNED]
TOLERANCE = {"float64": 1e-9, "float32": 1e-5, "float16": 2e-3}


def knob_of(name):
    """The parameter that smooths: the value that changes nothing, and three and five from rough to smooth."""
    if name in KNOBS:
        return KNOBS[name]
    defaults = js.methods()[name].defaults
    if "weight" not in defaults:
        pytest.skip("the method has no weight; name the parameter that smooths in KNOBS")
    factors = (0.1, 0.3, 0.5, 0.8, 1.0) if name in LEARNED else (0.1, 0.3, 1.0, 3.0, 10.0)
    return "weight", 0.0, (0.01, 0.1, 1.0), tuple(factor * defaults["weight"] for factor in factors)


def smooth(image, name, **settings):
    return js.smooth(image, name, **QUICK.get(name, {}) | settings)


@functools.cache
def photograph():
    image = js.datasets.coffee()[100:148, 200:256].copy()
    image.flags.writeable = False
    return image


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 9), (9, 1), (7, 10), (13, 6, 1), (12, 11, 3), (8, 9, 5), (1, 1, 2)]
)
def test_shapes(name, shape, rng):
    """Any number of rows, columns and bands; the same values as a ``(C, H, W)`` array give the same answer."""
    image = rng.random(shape, dtype=np.float32)
    before = image.copy()
    out = smooth(image, name)
    assert (out.shape, out.dtype) == (shape, np.float32)
    np.testing.assert_array_equal(image, before, err_msg="the input was changed")
    planes = np.ascontiguousarray(np.moveaxis(np.atleast_3d(image), -1, 0))
    np.testing.assert_array_equal(
        np.moveaxis(smooth(planes, name, channel_axis=0), 0, -1).reshape(shape), out
    )
    if shape[:2] == (1, 1) and name in CLASSICAL:
        np.testing.assert_allclose(out, image, atol=1e-6)


@functools.cache
def answer(name, binary, dtype):
    """An image of 256 levels (or 2) from 0 to 1, and its answer: ``(H, W)`` arrays of ``dtype``."""
    levels = np.random.default_rng(7).integers(0, 2 if binary else 256, (10, 9)).astype(dtype)
    image = levels / (1 if binary else 255)
    return image, smooth(torch.from_numpy(image)[None, None], name)[0, 0].numpy()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "uint16", "int16", "int32", "float16", "float32", "float64"]
)
def test_dtypes(name, dtype):
    """The same intensities give the same answer in every dtype, rounded to the nearest number of it."""
    binary, wide = dtype in ("bool", "float16"), "float64" if dtype in ("int32", "float64") else "float32"
    image, expected = answer(name, binary, wide)
    if "int" in dtype:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        image = np.rint(image.astype(float) * (high - low) + low)
        expected = np.rint(expected.astype(float).clip(0, 1) * (high - low) + low)
    elif dtype == "bool":
        expected = expected > 0.5
    out = smooth(image.astype(dtype), name)
    assert (out.dtype, out.shape) == (dtype, (10, 9))
    # float32 rounds before it is scaled: half a number in 2^16 more
    np.testing.assert_allclose(out, expected.astype(dtype), rtol=0, atol=1 if dtype[-2:] == "16" else 0)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.uint8])
def test_tensors_keep_their_kind(name, dtype, rng):
    """A tensor of images has the answer of each as an array, and of the same intensities in another dtype."""
    image = torch.from_numpy(rng.random((2, 3, 8, 9)))
    if dtype == torch.float64:
        each = [torch.from_numpy(smooth(x.numpy(), name, channel_axis=0)) for x in image]
        expected = torch.stack(each)
    elif dtype == torch.bfloat16:
        image = image.to(dtype)
        expected = smooth(image.float(), name).to(dtype)
    else:
        image = (255 * image).to(dtype)
        expected = (255 * smooth(image.float() / 255, name).double()).round().clamp(0, 255).to(dtype)
    out = smooth(image, name)
    assert isinstance(out, torch.Tensor)
    assert (out.shape, out.dtype, out.device) == (image.shape, image.dtype, image.device)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12 if dtype == torch.float64 else 0)


@pytest.mark.parametrize("name", ALL)
def test_batch_equals_loop(name, rng):
    batch = torch.from_numpy(rng.random((3, 2, 9, 7), dtype=np.float32))
    batch[1] *= 0.1  # converges at another step than its neighbours
    together = smooth(batch, name)
    alone = torch.cat([smooth(batch[k : k + 1], name) for k in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol={"l0": 1e-6, "ils": 5e-6}.get(name, 0))


@pytest.mark.parametrize("name", CLASSICAL + LEARNED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_constant_is_a_fixed_point(name, dtype):
    image = np.full((9, 12, 3), [0.2, 0.7, 1.0], dtype=dtype)
    tolerance = TOLERANCE["float32" if name in LEARNED else dtype]  # networks compute in float32
    np.testing.assert_allclose(smooth(image, name), image, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", CLASSICAL + LEARNED)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("tones", [0.0, 0.047, 1.0, (0.816, 0.671, 0.0), (0.863, 0.02, 0.541)])
def test_flat_integers_stay_flat(name, dtype, tones):
    """No response to borders or to the phase of a pixel makes two levels of one."""
    image = np.full((33, 40, 3), tones) * np.iinfo(dtype).max
    image = np.rint(image).astype(dtype)
    off = 1 if (name, dtype) == ("pnls", "uint16") else 0  # float32 in CIELAB has fewer digits for dark tones
    np.testing.assert_allclose(smooth(image, name).astype(int), image, rtol=0, atol=off)


@pytest.mark.parametrize("name", CLASSICAL + LEARNED)
def test_zero_weight_changes_nothing(name, rng):
    image = rng.random((9, 12, 3), dtype=np.float32)
    knob, off, *_ = knob_of(name)
    np.testing.assert_allclose(smooth(image, name, **{knob: off}), image, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", CLASSICAL + LEARNED)
def test_larger_weight_is_smoother(name, rng):
    if name in LEARNED and "untrained" in js.learned.model_card(name):
        pytest.skip("no weights are shipped yet")
    image = rng.random((24, 20), dtype=np.float32)
    if name in LEARNED:  # white noise of full range is nothing that they have ever seen
        image = 0.4 + 0.2 * image
    knob, _, values, _ = knob_of(name)
    roughness = [np.abs(np.diff(smooth(image, name, **{knob: v}))).sum() for v in values]
    assert roughness[0] >= roughness[1] >= roughness[2]


def total_variation(image):
    return sum(np.abs(np.diff(image.astype(float), axis=axis)).sum() for axis in (0, 1))


def changed_neighbors(image):
    return sum(int((np.diff(image.astype(int), axis=axis) != 0).any(-1).sum()) for axis in (0, 1))


# What a larger weight makes smaller, where it is not the total variation.
ROUGHNESS = dict.fromkeys(
    ("l0", "l0-projection", "potts", "potts-descent", "region-fusion"), changed_neighbors
)


@pytest.mark.parametrize("name", CLASSICAL + LEARNED)
def test_five_weights_from_rough_to_smooth(name):
    """On a photograph of 8 bits; the l0 family has fewer pairs of neighbours that differ."""
    knob, _, _, values = knob_of(name)
    measure = ROUGHNESS.get(name, total_variation)
    roughness = [measure(smooth(photograph(), name, **{knob: value})) for value in values]
    assert roughness == sorted(roughness, reverse=True)
    assert roughness[-1] < measure(photograph()) or name == "dejpeg"  # which leaves a PNG as it is


@pytest.mark.parametrize("name", CLASSICAL)
def test_mean_is_kept(name, rng):
    if not js.methods()[name].cls.keeps_mean:
        pytest.skip("the method declares keeps_mean = False")
    image = rng.random((14, 11, 3))
    advice = "the mean changed: correct it, or declare keeps_mean = False"
    means = smooth(image, name).mean((0, 1)), image.mean((0, 1))
    np.testing.assert_allclose(*means, atol=1e-6, err_msg=advice)


@pytest.mark.parametrize("name", CLASSICAL)
def test_rows_and_columns_are_alike(name, rng):
    if not js.methods()[name].cls.is_symmetric:
        pytest.skip("the method declares is_symmetric = False")
    image = rng.random((10, 13))
    advice = "rows and columns are not alike: correct it, or declare is_symmetric = False"
    np.testing.assert_allclose(smooth(image.T, name), smooth(image, name).T, atol=5e-3, err_msg=advice)


# Largest difference between the answer to a mirrored image and the mirrored answer, in intensities, on a
# photograph. Greedy methods and those with forward differences decide otherwise where two choices are nearly
# equal; networks are not symmetric; all others differ by rounding.
FLIPPED = {
    "collaborative": 0.1,
    "deep-wls": 0.05,
    "domain-transform": 0.05,
    "jess-net": 0.1,
    "jumpset-net": 0.1,
    "l0": 0.15,
    "l0-projection": 0.3,
    "pnls": 0.05,
    "potts-descent": 0.4,
    "region-fusion": 0.4,
    "resnet": 0.1,
    "rtv": 0.1,
    "sg-wls": 0.2,
    "structure-texture": 0.2,
    "tv": 0.05,
    "vdcnn": 0.1,
    "whitened": 0.4,
}


@pytest.mark.parametrize("name", CLASSICAL + LEARNED)
def test_mirrored_image(name):
    image = photograph() / np.float32(255)
    expected = smooth(image, name)
    advice = "the mirrored image has another answer: break ties alike, or state the difference in FLIPPED"
    for axis in (0, 1):
        mirrored = np.flip(smooth(np.flip(image, axis).copy(), name), axis)
        np.testing.assert_allclose(mirrored, expected, rtol=0, atol=FLIPPED.get(name, 1e-5), err_msg=advice)
        assert np.median(np.abs(mirrored - expected)) <= 0.1 * FLIPPED.get(name, 1e-4)


# Largest difference between the answers to the same photograph in float32 and in float64.
SINGLE = {"gsf": 1e-4, "structure-texture": 0.03}


@pytest.mark.parametrize("name", CLASSICAL + LEARNED)
def test_float32_has_the_answer_of_float64(name):
    image = photograph() / np.float32(255)
    answers = smooth(image, name), smooth(image.astype(float), name)
    advice = "float32 decides otherwise: compute in float64, or state the difference in SINGLE"
    np.testing.assert_allclose(*answers, rtol=0, atol=SINGLE.get(name, 1e-5), err_msg=advice)


# How many times more noise is left in the worst number of bands than in the best. The papers sum over one band and
# over three alike (domain-transform, fgs, wls), project on a share of all gradients (l0-projection), smooth three
# bands in CIELAB (pnls), or read a spectrum, of which there are more in more bands (whitened).
BANDS = {"domain-transform": 2.5, "fgs": 1.7, "l0-projection": 1.6, "pnls": 3.5, "wls": 2.0, "whitened": 2.0}
# Their energies are sums over all bands, as they are stated: strong noise stays where there are many.
SUMS = ("potts", "potts-descent", "region-fusion", "tv")


def noise_left(name, sigma, bands):
    """The share of white noise of standard deviation ``sigma``, equal in each band, that an answer has."""
    noise = sigma * np.random.default_rng(3).standard_normal((32, 40, 13))
    return float((smooth((0.5 + noise[..., :bands]).astype(np.float32), name) - 0.5).std()) / sigma


@pytest.mark.parametrize("name", CLASSICAL + LEARNED)
def test_noise_is_smoothed_alike_in_any_number_of_bands(name):
    counts = (1, 2, 4, 6, 13) if name in LEARNED else (1, 2, 3, 4, 6, 13)  # networks take three as colours
    left = [max(noise_left(name, 0.03, bands), 0.05) for bands in counts]
    advice = "take means over channels, or sums over three, or state the ratio in BANDS"
    assert max(left) <= BANDS.get(name, 1.5) * min(left), (advice, left)


@pytest.mark.parametrize("name", CLASSICAL)
def test_no_method_fades_with_many_bands(name):
    """Of stronger noise, which some methods begin to keep, no more is left in 13 bands than in one or three."""
    if name in SUMS:
        pytest.skip("the energy is a sum over all bands")
    left = [noise_left(name, 0.06, bands) for bands in (1, 3, 6, 13)]
    advice = "sums over channels grow with their number: take means, or add a stated energy to SUMS"
    assert max(left[2:]) <= 1.2 * max(left[:2]) + 0.05, (advice, left)


@pytest.mark.parametrize("name", ALL)
def test_repeats_bit_for_bit(name, rng):
    image = rng.random((11, 9, 3), dtype=np.float32)
    np.testing.assert_array_equal(smooth(image, name), smooth(image, name))


@pytest.mark.parametrize("name", ALL)
def test_rgba_passes_alpha_through(name, rng):
    image = rng.integers(0, 256, (8, 9, 4), dtype=np.uint8)
    out = smooth(image, name)
    np.testing.assert_array_equal(out[..., 3], image[..., 3])
    np.testing.assert_array_equal(out[..., :3], smooth(image[..., :3], name))


@pytest.mark.parametrize("name", ALL)
def test_views_are_read_rightly(name, rng):
    image = rng.random((16, 18, 3), dtype=np.float32)[::2, ::-2]
    np.testing.assert_array_equal(smooth(image, name), smooth(image.copy(), name))


@pytest.mark.parametrize("name", ALL)
def test_any_memory_layout(name, rng):
    """Fortran order, the other byte order, and tensors in channels-last order or without memory of their own."""
    image = rng.random((9, 8, 3), dtype=np.float32)
    expected = smooth(image, name)
    np.testing.assert_array_equal(smooth(np.asfortranarray(image), name), expected)
    np.testing.assert_array_equal(smooth(image.astype(">f4"), name), expected)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]  # (1, 3, 9, 8), bands innermost
    for layout in (torch.channels_last, torch.contiguous_format):
        out = smooth(tensor.contiguous(memory_format=layout), name)
        np.testing.assert_array_equal(out[0].permute(1, 2, 0).numpy(), expected)
    for out in smooth(tensor.expand(2, -1, -1, -1), name):
        np.testing.assert_array_equal(out.permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize("name", [n for n in ALL if "guidance" in js.methods()[n].defaults])
def test_guidance_is_only_read(name, rng):
    image, guidance = rng.random((9, 8, 3), dtype=np.float32), rng.random((9, 8, 2), dtype=np.float32)
    expected = smooth(image, name, guidance=guidance)
    for view in (guidance.copy(), np.asfortranarray(guidance), guidance[::-1].copy()[::-1]):
        view.flags.writeable = False
        np.testing.assert_array_equal(smooth(image, name, guidance=view), expected)


@pytest.mark.parametrize("name", [n for n in ALL if "guidance" in js.methods()[n].defaults])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_guidance_is_scaled_like_an_image(name, dtype):
    """The image as its own guidance changes nothing, and integers are those intensities that they stand for."""
    scale = 1 if dtype == "float32" else np.iinfo(dtype).max
    image = (
        np.rint(photograph() / 255.0 * scale).astype(dtype) if scale > 1 else photograph() / np.float32(255)
    )
    once = {"n_steps": 1} if name == "sg-wls" else {}  # later steps are guided by the last result
    expected = smooth(image, name, **once)
    np.testing.assert_array_equal(smooth(image, name, guidance=image, **once), expected)
    answers = [smooth(image, name, guidance=g) for g in (image, (image / scale).astype(np.float32))]
    difference = np.abs(answers[0].astype(float) - answers[1])
    assert difference.max() <= (1e-6 if scale == 1 else 1)


@pytest.mark.parametrize("name", ALL)
def test_methods_and_results_can_be_copied(name, rng):
    """Pickled or copied, a method gives the same answer, and a result holds the same numbers."""
    image, method = rng.random((9, 8, 3), dtype=np.float32), js.method(name, **QUICK.get(name, {}))
    result = js.run(image, method)
    for copied in (pickle.loads(pickle.dumps(method)), copy.deepcopy(method)):
        assert copied == method
        np.testing.assert_array_equal(js.smooth(image, copied), result.image)
    for copied in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        np.testing.assert_array_equal(copied.image, result.image)
        assert (copied.status, copied.n_steps, copied.history) == (
            result.status,
            result.n_steps,
            result.history,
        )
        assert copied.method == method
        last = torch.from_numpy(np.moveaxis(result.image, -1, 0))[None]
        torch.testing.assert_close(method.image(copied.state), last, rtol=0, atol=0)


@pytest.mark.parametrize("name", ALL)
def test_two_threads_have_the_answers_of_one(name, rng):
    images = [rng.random((14, 15, 3), dtype=np.float32) for _ in range(4)]
    method = js.method(name, **QUICK.get(name, {}))  # one object for all threads
    expected = [js.smooth(image, method) for image in images]
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda image: js.smooth(image, method), images))
    for ours, one in zip(answers, expected, strict=True):
        np.testing.assert_array_equal(ours, one)


@pytest.mark.parametrize("name", ALL)
def test_step_is_pure(name, rng):
    """``image`` and ``record`` of a state stay the same after ``step``; a method that works in place says so."""
    method = js.method(name, **QUICK.get(name, {}))
    image = torch.from_numpy(rng.random((1, 3, 12, 11), dtype=np.float32))
    kept = image.clone()
    changed = False
    with torch.no_grad():
        state = method.init(image)
        for _ in range(min(40, method.max_steps)):
            before, numbers = method.image(state).clone(), method.record(state)
            following = method.step(state)
            changed |= not torch.equal(method.image(state), before) or method.record(state) != numbers
            state = following
    assert torch.equal(image, kept), "the input was changed"
    assert changed == method.in_place, "step changed its state: make a new one, or declare in_place = True"


@pytest.mark.parametrize("name", ALL)
def test_a_preview_stays_what_it_was(name, rng):
    method, image = js.method(name, **QUICK.get(name, {})), rng.random((12, 11, 3), dtype=np.float32)
    seen, steps = [], []
    js.run(image, method, check_every=1, callback=lambda step: (steps.append(step), seen.append(step.image)))
    for step, then in zip(steps, seen, strict=True):
        np.testing.assert_array_equal(step.image, then)


@pytest.mark.parametrize("name", ALL)
def test_read_only_arrays(name, rng):
    image = rng.random((9, 10, 3), dtype=np.float32)
    expected = smooth(image, name)
    image.flags.writeable = False
    np.testing.assert_array_equal(smooth(image, name), expected)


@pytest.mark.parametrize("name", ALL)
def test_names_of_the_field(name):
    info = js.methods()[name]
    for alias, ours in info.cls.aliases.items():
        assert ours in info.defaults
        assert alias not in info.defaults
        value = 2 * info.defaults[ours]
        assert js.method(name, **{alias: value}) == js.method(name, **{ours: value})
        with pytest.raises(js.InputError, match=alias):
            js.method(name, **{alias: value, ours: value})


@pytest.mark.parametrize("name", ALL)
def test_an_answer_depends_on_its_halo_only(name, rng):
    method = js.method(name, **QUICK.get(name, {}))
    if method.halo is None:
        pytest.skip("the answer depends on the whole image")
    far = method.halo + 3
    image = rng.random((2 * far + 5, 9), dtype=np.float32)
    other = image.copy()
    other[far + 1 :] = rng.random(other[far + 1 :].shape)
    answers = js.smooth(other, method)[:2], js.smooth(image, method)[:2]
    advice = "pixels beyond the declared halo have an influence"
    np.testing.assert_allclose(*answers, rtol=0, atol=1e-5, err_msg=advice)  # running sums carry rounding far


@pytest.mark.parametrize("name", ALL)
def test_history_and_status(name, rng):
    method = js.method(name, **QUICK.get(name, {}))
    result = js.run(rng.random((9, 8), dtype=np.float32), method)
    assert result.status in (js.Status.CONVERGED, js.Status.MAX_STEPS)
    lengths = {len(v) for v in result.history.values()}
    assert len(lengths) == 1
    assert result.history["step"][-1] == result.n_steps
    assert all(np.isfinite(v).all() for v in result.history.values())
    assert result.method is method


@pytest.mark.parametrize("name", ALL)
def test_usable_right_after_init(name, rng):
    """Before the first step the answer is the image, or the region fusion or network output to begin with."""
    image, method = rng.random((9, 8), dtype=np.float32), js.method(name, **QUICK.get(name, {}))
    out = js.run(image, method, max_steps=0).image
    assert (out.shape, out.dtype) == (image.shape, image.dtype)
    if name == "dip-correction":  # its network, not trained yet
        assert 0.5 < out.min() <= out.max() < 0.6
    elif name in ("potts-descent", "dip-l0", "dip-potts"):
        energies = [js.metrics.energy_edge(u, image, method.weight) for u in (out, image)]
        assert energies[0] < energies[1]
    else:
        np.testing.assert_array_equal(out, image)


@pytest.mark.parametrize("name", ALL)
def test_method_is_documented(name):
    info = js.methods()[name]
    assert info.cls.name == name
    assert info.summary.endswith(".")
    assert info.paper[-4:].isdigit()
    doc = info.cls.__doc__
    assert "Parameters" in doc
    assert ".. math::" in doc
    assert "Notes" in doc
    for parameter in info.defaults:
        assert f"\n    {parameter}" in doc or f", {parameter}" in doc, f"{parameter} is not in the docstring"
    for preset in info.presets:
        js.method(name, preset=preset)


@pytest.mark.parametrize("name", ALL)
def test_no_parameter_hides_behind_one_of_smooth(name):
    """`smooth(picture, name, alpha=...)` is about transparency: a hyper-parameter of that name is out of reach."""
    taken = set(inspect.signature(js.smooth).parameters) - {"max_steps"}  # there it means the same
    assert taken.isdisjoint(js.methods()[name].defaults)


@pytest.mark.parametrize("name", CLASSICAL)
def test_extreme_weights_are_refused_or_have_a_finite_answer(name, rng):
    """Never another error, and never a divergence, which would silently return the image."""
    if "weight" not in js.methods()[name].defaults:
        pytest.skip("the method has no weight")
    images = [rng.random((7, 8)), rng.random((7, 8, 3), dtype=np.float32), np.full((5, 6), 0.3)]
    for weight in (1e-300, 1e-160, 1e-30, 1e10, 1e30, 1e31, 1e38, 1e40, 1e160, 1e300):
        for image in images:
            try:
                method = js.method(name, weight=weight)
            except js.InputError:
                assert weight > 1e30
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RangeWarning)
                result = js.run(image, method, max_seconds=5)
            assert np.isfinite(result.image).all(), weight
            assert result.status is not js.Status.DIVERGED, weight


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), "a", None, True])
def test_impossible_weight(name, weight):
    if "weight" not in js.methods()[name].defaults:
        pytest.skip("the method has no weight")
    with pytest.raises(js.InputError, match="weight"):
        js.method(name, weight=weight)
