"""Generated images of every size, dtype, range and defect through every fast method.

Every method gives a finite answer of the image's shape and dtype, or an InputError; a flat image stays flat.
``JUMPSET_FUZZ=2000 pytest -m slow tests/contract/test_fuzz.py`` tries 2000 images.
"""

import os
import warnings

import numpy as np
import pytest

import jumpset as js
from jumpset._core.errors import RangeWarning

FAST = [name for name in js.methods() if not name.startswith("dip")]
DTYPES = ["bool", "uint8", "uint8", "uint16", "uint32", "int16", "int32", "float16", "float32", "float64"]
N_QUICK, N_ALL = 10, int(os.environ.get("JUMPSET_FUZZ", "100"))


def generated(seed):
    """An image, the options to smooth it with, whether it is constant, and whether it is sound."""
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(1, 40, 2))
    channels = int(rng.choice([0, 0, 1, 2, 3, 3, 3, 4, 5, 13]))
    shape = (height, width, *[channels] * (channels > 0))
    kind = rng.choice(["noise", "steps", "ramp", "flat", "binary"])
    if kind == "flat":
        x = np.full(shape, rng.random())
    elif kind == "ramp":
        levels = np.linspace(0, 1, width).reshape(-1, *[1] * (channels > 0))
        x = np.broadcast_to(levels, shape).copy()
    elif kind == "binary":
        x = (rng.random(shape) > 0.5).astype(float)
    else:
        x = rng.random(shape) if kind == "noise" else np.repeat(rng.random((1, *shape[1:])), height, 0)
    x = _damaged(x, rng, channels)
    dtype, options = np.dtype(rng.choice(DTYPES)), {}
    if rng.random() < 0.3:  # little of the range
        x = 0.4 + 0.005 * x
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        x = (info.min + x * (float(info.max) - float(info.min))).clip(info.min, info.max * (1 - 1e-9))
    elif dtype.kind == "f" and rng.random() < 0.3:
        x = 4095 * x - 100
        options["value_range"] = "data" if dtype != np.float16 else (-100, 4000)
    x = x.astype(dtype)
    is_sound = True
    if dtype.kind == "f" and rng.random() < 0.2:
        x.flat[rng.integers(x.size)], is_sound = rng.choice([np.nan, np.inf, -np.inf]), False
    if rng.random() < 0.2:
        x = x[:, ::-1]
    if rng.random() < 0.1:
        x.flags.writeable = False
    return x, options, x.size > 0 and is_sound and (x == x.flat[0]).all(), is_sound


def _damaged(x, rng, channels):
    """Bars, a constant or repeated band, clipped whites: each now and then."""
    height, n = x.shape[0], x.shape[0] // 4
    if rng.random() < 0.2 and n:
        x[:n], x[height - n :] = 0.0, 0.0
    if channels > 1 and rng.random() < 0.2:
        x[..., int(rng.integers(channels))] = rng.choice([0.0, 0.5, 1.0])
    if channels > 1 and rng.random() < 0.2:
        x[..., 1] = x[..., 0]
    if rng.random() < 0.2:
        x = np.minimum(x * 1.5, 1.0)
    return x


def check(seed, name):
    """Raise AssertionError unless the method deals with the generated image."""
    x, options, is_flat, is_sound = generated(seed)
    before = x.copy()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", RangeWarning)
            warnings.filterwarnings("ignore", "no JPEG grid", RuntimeWarning)
            answer = js.smooth(x, name, **options)
    except js.InputError:
        assert not is_sound or x.dtype == np.float16, f"{name}, seed {seed}: a sound image is refused"
        return
    assert is_sound
    assert (answer.shape, answer.dtype) == (x.shape, x.dtype)
    np.testing.assert_array_equal(x, before)
    assert np.isfinite(answer.astype(np.float64)).all()
    if is_flat:
        np.testing.assert_allclose(
            answer.astype(np.float64), x.astype(np.float64), atol=1e-3 if x.dtype.kind == "f" else 0
        )


@pytest.mark.parametrize("name", FAST)
def test_generated_images(name):
    for seed in range(N_QUICK):
        check(seed, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAST)
def test_many_generated_images(name):
    for seed in range(N_QUICK, N_ALL):
        check(seed, name)
