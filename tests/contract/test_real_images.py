"""What everyday images ask of every method: gray stored as RGB, constant channels, bars, margins, clipping."""

import functools

import numpy as np
import pytest

import jumpset as js

# Settings that make each method quick; the promises are the same for any setting.
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
ALL = sorted(js.methods())
LEARNED = [name for name in ALL if name in js.learned.SIZES]
# A deep image prior is at its image after hundreds of steps only; `dip-correction` begins there.
DRAWN = [name for name in ALL if name.startswith("dip") and name != "dip-correction"]
READY = [name for name in ALL if name not in DRAWN]
TEXTURE = ["collaborative", "structure-texture", "whitened"]

# What 3 equal channels change by the formula of a method: its fidelity or its distance of colours is a sum over
# channels, its weight or its count of jumps is not. The number is the factor on the weight with which the gray
# image has the same answer; None where the formula has no such factor.
COUPLED = {
    "bilateral": 3**-0.5,  # Euclidean distance of colours
    "domain-transform": 1 / 3,  # sum of absolute differences
    "fgs": None,  # Euclidean distance of colours against a fixed range
    "guided": 1 / 3,  # ridge against the sum of the channels' variances
    "l0": None,  # sum of squared gradients; the schedule begins at the weight
    "pnls": None,  # distance of patches and the means of their channels
    "potts-descent": 1 / 3,  # sum of squares, one count of jumps
    "region-fusion": 1 / 3,
    "rolling-guidance": None,  # as bilateral, from the second step on
    "semi-sparsity": None,  # as l0
    "sg-wls": None,  # as fgs
    "tv": 3**-0.5,  # Euclidean norm of the channels' gradients
    "wls": None,  # sum of squared gradients under an exponent
    "dip-correction": None,  # a network of 3 outputs, not of 1
}
# The windows of these see the mean over all channels, constant ones too, or count them.
DILUTED = {"gsf", "l0-projection", "pnls", "rtv", "dip-correction", *LEARNED}


def smooth(image, name, **settings):
    return js.smooth(image, name, **QUICK.get(name, {}) | settings)


def clean(size=40):
    truth = np.full((size, size), 0.35)
    truth[:, size // 2 :] = 0.6
    truth[8:18, 6:15] = 0.5
    return truth


@functools.cache
def gray(size=40):
    """8-bit levels, as float32."""
    noise = 0.05 * np.random.default_rng(0).standard_normal((size, size))
    return np.rint(255 * (clean(size) + noise).clip(0, 1)).astype(np.float32) / np.float32(255)


@functools.cache
def answer(name, weight=None):
    return smooth(gray(), name, **({} if weight is None else {"weight": weight}))


def rms(x):
    return float(np.sqrt(np.square(x).mean()))


@pytest.mark.parametrize("name", READY)
def test_equal_channels(name):
    """A gray image stored as RGB has the answer of the gray image, in all channels."""
    out = smooth(np.stack([gray()] * 3, axis=-1), name)
    np.testing.assert_allclose(np.ptp(out, axis=-1), 0, atol=1e-6)
    if name not in COUPLED:
        advice = "gray as RGB is smoothed otherwise: take means over channels, or add the method to COUPLED"
        np.testing.assert_allclose(out[..., 0], answer(name), rtol=0, atol=1e-6, err_msg=advice)
    elif (factor := COUPLED[name]) is not None:
        weight = factor * js.methods()[name].defaults["weight"]
        np.testing.assert_allclose(out[..., 0], answer(name, weight), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", TEXTURE)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_gray_stored_as_rgb_is_gray(name, dtype):
    scale = 1 if dtype == np.float64 else 255 if dtype == np.uint8 else 65535
    image = (np.rint(scale * gray().astype(float)) if scale > 1 else gray()).astype(dtype)
    result = js.run(np.stack([image] * 3, axis=-1), js.method(name))
    assert result.status is js.Status.CONVERGED
    expected = np.stack([smooth(image, name)] * 3, axis=-1)
    np.testing.assert_allclose(result.image, expected, rtol=0, atol=1e-12 if scale == 1 else 0)


@pytest.mark.parametrize("name", READY)
@pytest.mark.parametrize("levels", [(0.0, 0.0), (0.7, 1.0)])
def test_constant_channels(name, levels):
    """They stay as they are, and the other channel has the answer of its own gray image."""
    image = np.stack([gray(), *(np.full_like(gray(), level) for level in levels)], axis=-1)
    out = smooth(image, name)
    np.testing.assert_allclose(out[..., 1:], image[..., 1:], rtol=0, atol=5e-3 if name == "pnls" else 1e-5)
    assert np.isfinite(out).all()
    if name not in DILUTED:
        advice = "constant channels change the answer of the others: leave them out, or add it to DILUTED"
        np.testing.assert_allclose(out[..., 0], answer(name), rtol=0, atol=1e-5, err_msg=advice)


@pytest.mark.parametrize("name", [name for name in ALL if name not in READY])
def test_deep_priors_are_finite_without_variance(name):
    """Two steps, which is not enough for more: equal, constant and zero channels, and bars."""
    for image in (
        np.stack([gray()] * 3, axis=-1),
        np.stack([gray(), 0 * gray(), 0 * gray() + 0.5], axis=-1),
        np.pad(gray(), ((20, 20), (0, 0))),
        np.zeros((20, 20, 3), np.float32),
    ):
        result = js.run(image, js.method(name, **QUICK[name]))
        assert result.status in (js.Status.CONVERGED, js.Status.MAX_STEPS)
        assert np.isfinite(result.image).all()


@pytest.mark.parametrize("name", READY)
@pytest.mark.parametrize("share", [0.1, 0.4, 0.7])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_bars(name, share, value):
    """Bars of 10, 40 and 70 % of the image: the noise beside them is removed as without them."""
    size = len(gray())
    thick = round(size * share / (1 - share) / 2)
    barred = np.pad(gray(), ((thick, thick), (0, 0)), constant_values=value)
    inside = slice(thick + 6, thick + size - 6)  # beyond what an edge changes
    out = smooth(barred, name)
    assert np.isfinite(out).all()
    error, alone = rms(out[inside] - clean()[6:-6]), rms(answer(name)[6:-6] - clean()[6:-6])
    assert error <= (1.75 if name == "l0-projection" else 1.25) * alone + 0.003  # keeps a share of all jumps
    if thick > 10 and name not in LEARNED:
        np.testing.assert_allclose(out[: thick - 8], value, rtol=0, atol=0.05)


@pytest.mark.parametrize("name", READY)
def test_clipped_whites(name):
    """Noise that is cut off at white, beside a white margin: finite, not worse, and the margin stays white."""
    truth = clean() + 0.38
    image = np.clip(truth + 0.05 * np.random.default_rng(1).standard_normal(truth.shape), 0, 1)
    image[:12] = truth[:12] = 1.0
    out = smooth(image.astype(np.float32), name)
    assert np.isfinite(out).all()
    truth = truth.clip(0, 1)
    assert rms(out - truth) <= 1.02 * rms(image - truth)
    np.testing.assert_allclose(out[:4], 1.0, rtol=0, atol=0.06)


@pytest.mark.parametrize("name", [name for name in READY if name != "dip-correction"])
@pytest.mark.parametrize("shape", [(24, 40, 3), (24, 40), (20, 20, 13)])
@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_flat_stays_flat(name, shape, level):
    image = np.full(shape, level, np.float32)
    np.testing.assert_allclose(smooth(image, name), image, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", TEXTURE)
def test_an_area_of_noise_on_a_page(name):
    """A small image on a white page, and one beside a black pillar: the gain of the image alone."""
    alone = rms(answer(name)[6:-6, 6:-6] - clean()[6:-6, 6:-6])
    for pad, value in ((((60, 30), (20, 50)), 1.0), (((0, 0), (70, 0)), 0.0)):
        out = smooth(np.pad(gray(), pad, constant_values=value), name)
        (top, _), (left, _) = pad
        inside = out[top + 6 : top + 34, left + 6 : left + 34]
        assert rms(inside - clean()[6:-6, 6:-6]) < 1.3 * alone + 0.003
