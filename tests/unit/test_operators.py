"""Gradient and divergence: by hand, by their adjoint identity, and against the formula language."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import jumpset as js
from jumpset.operators import divergence, gradient
from jumpset.operators.differences import forward

spatial = st.lists(st.integers(1, 6), min_size=1, max_size=3)


def random(shape, seed):
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) - 0.5


@settings(deadline=None, max_examples=80)
@given(spatial, st.integers(1, 2), st.integers(1, 3), st.integers(0, 2**31))
def test_negative_adjoints(sizes, batch, channels, seed):
    u = random((batch, channels, *sizes), seed)
    p = random((batch, len(sizes), channels, *sizes), seed + 1)  # with entries that point out of the picture
    left, right = (gradient(u) * p).sum(), -(u * divergence(p)).sum()
    torch.testing.assert_close(left, right, rtol=1e-13, atol=1e-13)


@settings(deadline=None, max_examples=30)
@given(spatial, st.integers(0, 2**31))
def test_the_formula_language_says_the_same(sizes, seed):
    u = random((2, 3, *sizes), seed)
    each = [forward(u, axis) for axis in range(2, u.ndim)]
    torch.testing.assert_close(gradient(u), torch.stack(each, dim=1), rtol=0, atol=0)


def test_by_hand():
    u = torch.tensor([[[[1.0, 4.0], [9.0, 16.0]]]])
    down, right = gradient(u)[0, :, 0]
    assert down.tolist() == [[8.0, 12.0], [0.0, 0.0]]
    assert right.tolist() == [[3.0, 0.0], [7.0, 0.0]]
    assert divergence(gradient(u))[0, 0].tolist() == [[11.0, 9.0], [-1.0, -19.0]]


@pytest.mark.parametrize("sizes", [(9,), (9, 8), (9, 8, 7)])
def test_norm_is_below_two_root_of_dimensions(sizes):
    """The dual step 1 / (4 D) rests on it."""
    u = random((1, 1, *sizes), 3)
    for _ in range(200):
        u = -divergence(gradient(u))
        norm = u.norm()
        u = u / norm
    assert 0.9 * 4 * len(sizes) < norm < 4 * len(sizes)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept_and_constants_vanish(dtype):
    u = torch.full((2, 1, 4, 5), 0.3, dtype=dtype)
    assert gradient(u).dtype == divergence(gradient(u)).dtype == dtype
    assert not gradient(u).any()


def test_differentiable():
    u = random((1, 2, 3, 4), 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: divergence(gradient(x)), u)


@pytest.mark.parametrize("shape", [(3, 4), (1, 1, 2, 2, 2, 2)])
def test_gradient_names_the_wrong_shape(shape):
    with pytest.raises(js.InputError, match="one to three spatial axes"):
        gradient(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 1, 4), (1, 3, 1, 4, 4), (1, 4, 1, 2, 2, 2, 2)])
def test_divergence_names_the_wrong_shape(shape):
    with pytest.raises(js.InputError, match="one field for each"):
        divergence(torch.zeros(shape))
