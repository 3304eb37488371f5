"""Images that are exactly zero except for a few marks."""

import numpy as np
import pytest

import jumpset as js


def test_most_pixels_are_exactly_zero():
    images = [js.datasets.marks(64, 64, seed=seed) for seed in range(40)]
    assert all(x.dtype == np.float32 and x.shape == (64, 64) for x in images)
    assert all(0 <= x.min() and x.max() <= 1 for x in images)
    support = np.mean([(x > 0).mean() for x in images])
    assert 0.08 < support < 0.18
    found = [js.metrics.contiguity(x) for x in images]
    isolated = sum(int((one.component_sizes == 1).sum()) for one in found)
    assert isolated <= 2  # a mark that is cut by the border may have one pixel
    assert 1.5 < np.mean([one.n_components for one in found]) < 8


def test_seeds_and_sizes():
    np.testing.assert_array_equal(js.datasets.marks(30, 40, seed=3), js.datasets.marks(30, 40, seed=3))
    assert (js.datasets.marks(30, 40, seed=3) != js.datasets.marks(30, 40, seed=4)).any()
    assert js.datasets.marks(1, 1).shape == (1, 1)
    assert js.datasets.marks(7, 300).shape == (7, 300)


@pytest.mark.parametrize("wrong", [{"height": 0}, {"width": 2.5}, {"seed": -1}])
def test_invalid_arguments(wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        js.datasets.marks(**wrong)
