"""What every method of the registry promises. A new method is tested by being listed."""

import functools
import inspect

import numpy as np
import pytest
import torch

import jumpset as js

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
KNOBS = {"l0-projection": ("fraction", 1.0, (0.5, 0.1, 0.01))}
ALL = sorted(js.methods())
LEARNED = [name for name in ALL if name in js.learned.SIZES]
CLASSICAL = [name for name in ALL if not name.startswith("dip") and name not in LEARNED]
TOLERANCE = {"float64": 1e-9, "float32": 1e-5, "float16": 2e-3}


def knob_of(name):
    """The parameter that smooths: the value that changes nothing, and three from rough to smooth."""
    if name not in KNOBS and "weight" not in js.methods()[name].defaults:
        pytest.skip("the method has no weight; name the parameter that smooths in KNOBS")
    return KNOBS.get(name, ("weight", 0.0, (0.01, 0.1, 1.0)))


def smooth(image, name, **settings):
    return js.smooth(image, name, **QUICK.get(name, {}) | settings)


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


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_constant_is_a_fixed_point(name, dtype):
    image = np.full((9, 12, 3), [0.2, 0.7, 1.0], dtype=dtype)
    np.testing.assert_allclose(smooth(image, name), image, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("name", CLASSICAL + LEARNED)
def test_zero_weight_changes_nothing(name, rng):
    image = rng.random((9, 12, 3), dtype=np.float32)
    knob, off, _ = knob_of(name)
    np.testing.assert_allclose(smooth(image, name, **{knob: off}), image, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", CLASSICAL + LEARNED)
def test_larger_weight_is_smoother(name, rng):
    if name in LEARNED and "untrained" in js.learned.model_card(name):
        pytest.skip("no weights are shipped yet")
    image = rng.random((24, 20), dtype=np.float32)
    if name in LEARNED:  # white noise of full range is nothing that they have ever seen
        image = 0.4 + 0.2 * image
    knob, _, values = knob_of(name)
    roughness = [np.abs(np.diff(smooth(image, name, **{knob: v}))).sum() for v in values]
    assert roughness[0] >= roughness[1] >= roughness[2]


@pytest.mark.parametrize("name", CLASSICAL)
def test_mean_is_kept(name, rng):
    if not js.methods()[name].cls.keeps_mean:
        pytest.skip("the method declares keeps_mean = False")
    image = rng.random((14, 11, 3))
    np.testing.assert_allclose(smooth(image, name).mean((0, 1)), image.mean((0, 1)), atol=1e-6)


@pytest.mark.parametrize("name", CLASSICAL)
def test_rows_and_columns_are_alike(name, rng):
    if not js.methods()[name].cls.is_symmetric:
        pytest.skip("the method declares is_symmetric = False")
    image = rng.random((10, 13))
    np.testing.assert_allclose(smooth(image.T, name), smooth(image, name).T, atol=5e-3)


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
    assert changed == method.in_place


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
    np.testing.assert_allclose(*answers, rtol=0, atol=1e-5)  # running sums carry rounding far


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


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), "a", None, True])
def test_impossible_weight(name, weight):
    if "weight" not in js.methods()[name].defaults:
        pytest.skip("the method has no weight")
    with pytest.raises(js.InputError, match="weight"):
        js.method(name, weight=weight)
