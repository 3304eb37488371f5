"""Whole numbers at the edges of their ranges: a clear error before any work, or an answer that is finite."""

import numpy as np
import pytest

import jumpset as js

SHAPES = (12, 13, 3), (1, 5), (7, 1, 3)
VALUES = 0, 1, 2, 3, 5, 8, 40
CASES = [
    (name, key)
    for name, info in js.methods().items()
    for key, default in info.defaults.items()
    if isinstance(default, int) and not isinstance(default, bool)
]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.filterwarnings("ignore:no JPEG grid was found:RuntimeWarning")
@pytest.mark.parametrize(("name", "key"), CASES)
def test_whole_numbers(name, key):
    rng = np.random.default_rng(0)
    images = [rng.random(shape) for shape in SHAPES]
    refused = {}
    for value in VALUES:
        if value > 8 and "step" in key:
            continue
        try:
            method = js.method(name, **{key: value})
        except js.InputError as error:
            refused[value] = str(error)
            continue
        for image in images:
            try:
                result = js.run(image, method, max_steps=min(2, method.max_steps))
            except js.InputError:
                continue
            assert np.isfinite(result.image).all(), (value, image.shape)
            assert result.status is not js.Status.DIVERGED, (value, image.shape)
    assert len(refused) < len(VALUES)
    assert all(str(value) in message for value, message in refused.items()), refused


def test_patches_that_leave_pixels_out():
    for sizes in ({"stride": 7}, {"patch": 3}):
        with pytest.raises(js.InputError, match="stride must be at most patch"):
            js.method("pnls", **sizes)
    js.method("pnls", patch=3, stride=3)
