"""The l1 kernel equals its plain formula, and sums of penalties hand their factors down to the kernels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import jumpset as js
from jumpset.kernels.values import l1 as kernel
from jumpset.kernels.values.l1_loops import run_parts


def picture(shape, dtype=torch.float64, seed=0):
    x = torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).to(dtype)
    return torch.where(x.abs() < 0.3, 0.0, x)


@settings(deadline=None, max_examples=60)
@given(
    shape=st.lists(st.integers(1, 9), min_size=3, max_size=5).map(tuple),
    double=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_kernel_equals_the_formula(shape, double, seed):
    x = picture(shape, torch.float64 if double else torch.float32, seed).requires_grad_()
    weights = torch.linspace(-1, 2, len(x), dtype=x.dtype)
    results = []
    for value in (kernel.l1(x, 0.7), 0.7 * kernel.l1_plain(x)):
        results.append((value.detach(), torch.autograd.grad((weights * value).sum(), x)[0]))
    torch.testing.assert_close(*results)


def test_parts_do_not_show(monkeypatch):
    x = picture((2, 1, 120, 100), torch.float32).requires_grad_()  # more than one run of entries in a part
    monkeypatch.setattr(kernel, "_PARTS", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    one = torch.autograd.grad(kernel.l1(x).sum(), x)[0]
    monkeypatch.setattr(kernel, "_PARTS", 16)
    monkeypatch.setattr(kernel, "_BAND", 64)
    assert torch.equal(torch.autograd.grad(kernel.l1(x).sum(), x)[0], one)
    torch.testing.assert_close(kernel.l1(x), kernel.l1_plain(x))
    assert torch.equal(one, x.detach().sign())


def test_no_gradient_is_computed_that_nobody_wants(monkeypatch):
    asked = []
    monkeypatch.setattr(kernel, "run_parts", lambda *a: (asked.append(a[4]), run_parts(*a)))
    x = picture((1, 1, 4, 5)).requires_grad_()
    js.L1()(x)
    js.L1()(x.detach())
    assert asked == [True, False]


def test_nan_is_seen():
    x = picture((1, 1, 4, 5))
    x[0, 0, 2, 2] = torch.nan
    assert torch.isnan(js.L1()(x))
    assert torch.isnan(js.L1()(x.requires_grad_()))


def test_what_torch_may_do_with_it():
    x = picture((2, 1, 3, 4)).requires_grad_()
    for wanted in (True, False):
        torch.library.opcheck(torch.ops.jumpset.l1.default, (x, 0.5, wanted))
    compiled = torch.compile(lambda x: js.L1()(2 * x), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(
        *(torch.autograd.grad(f(x), x)[0] for f in (compiled, lambda x: js.L1()(2 * x)))
    )
    many = torch.stack([x.detach(), -2 * x.detach()])
    torch.testing.assert_close(torch.vmap(js.L1())(many), torch.stack([js.L1()(one) for one in many]))
    assert torch.autograd.gradgradcheck(js.L1().value, picture((1, 1, 2, 3)).add(5.0).requires_grad_())


SUMS = [
    js.SparseTV(ratio=0.3),
    js.SparseTV(isotropic=False, channels="separate"),
    js.penalties.GraphNet(),
    js.penalties.SparseGroup(js.SlidingGroups(3), ratio=0.2),
    js.penalties.SparseGroup(js.penalties.TiledGroups(3)),
    0.7 * js.TotalVariation() + 0.3 * js.L1() + 0.0 * js.penalties.Cauchy(),
    2.0 * (js.penalties.Charbonnier() + js.SlidingGroups(3)),
]


@pytest.mark.parametrize("penalty", SUMS, ids=repr)
@pytest.mark.parametrize("normalize", ["sum", "mean"])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_sums_equal_their_terms(penalty, normalize, reduction):
    x = picture((3, 2, 6, 7)).requires_grad_()
    value = penalty.terms(x).sum((1, 2, 3)) / (42 if normalize == "mean" else 1)
    expected = {"none": value, "sum": value.sum(), "mean": value.mean()}[reduction]
    loss = penalty(x, normalize=normalize, reduction=reduction)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(*(torch.autograd.grad(0.3 * out.sum(), x)[0] for out in (loss, expected)))
