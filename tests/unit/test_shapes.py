"""The shapes of the annotations are checked in every test; here: that the check bites."""

import dataclasses

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset.operators import gradient
from jumpset.smoothers import L0Smoothing

pytest.importorskip("jaxtyping", reason="without jaxtyping and beartype no shape is checked")
pytest.importorskip("beartype", reason="without jaxtyping and beartype no shape is checked")


class Cropped(js.L1):
    def prox(self, v, tau):
        return super().prox(v, tau)[..., 1:]


class Summed(js.L1):
    def _value(self, x, mask, weight_map):
        return super()._value(x, mask, weight_map).sum()


def test_calls_with_fitting_shapes_return():
    u = torch.rand(2, 3, 5, 4)
    assert gradient(u).shape == (2, 2, 3, 5, 4)
    assert js.L1().value(np.ones((2, 3, 5))).shape == (2,)


def test_a_wrong_result_is_noticed():
    layer = js.Prox(Cropped(), 0.1)
    with pytest.raises(AssertionError, match="return does not fit"):
        layer(torch.rand(1, 1, 4, 5))
    with pytest.raises(AssertionError, match="value: return does not fit"):
        Summed().value(torch.rand(2, 1, 4, 5))


def test_fields_of_a_result_are_checked():
    solution = js.TotalVariation().prox_solution(torch.rand(2, 1, 3, 3), 0.1)
    with pytest.raises(AssertionError, match="__init__: gap does not fit"):
        dataclasses.replace(solution, gap=solution.gap[:1])


def test_a_method_is_checked_by_the_annotations_of_its_base():
    method = L0Smoothing()
    state = method.init(torch.rand(1, 1, 4, 4))
    assert method.image(state).shape == (1, 1, 4, 4)
    with pytest.raises(AssertionError, match="image: return does not fit"):
        method.image(dataclasses.replace(state, smoothed=torch.zeros(4)))


def test_refused_arguments_raise_their_own_error():
    with pytest.raises(js.InputError):
        gradient(torch.rand(4, 4))
