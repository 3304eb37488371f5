"""The fused kernel equals its plain formula, wherever torch may call it from."""

import dataclasses
import itertools
import os
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jumpset.kernels import buffers, threads
from jumpset.kernels.values import total_variation as kernel
from jumpset.kernels.values.total_variation_loops import run_rows
from jumpset.penalties import TotalVariation

SETTINGS = [
    TotalVariation(beta, isotropic=isotropic, channels=channels)
    for beta, isotropic, channels in itertools.product(
        (1.0, 2.0, 0.5, 1.7), (True, False), ("separate", "joint")
    )
]


# torch's own forward-mode differentiation and compiler still use torch.jit.script
JIT = "ignore:.torch.jit.script:DeprecationWarning"


def picture(shape, dtype=torch.float64, seed=0):
    x = torch.from_numpy(np.random.default_rng(seed).random(shape)).to(dtype)
    x[..., : shape[-1] // 2] = 0.5  # flat in one half
    return x


class Unfused(TotalVariation):
    """The formula of :meth:`TotalVariation.terms`, never the kernel."""

    def _fused(self, x, factor):
        return None


def unfused(penalty):
    return Unfused(**dataclasses.asdict(penalty))


def both(penalty, x, fused):
    """Value of each image, and the gradient of a sum in which each image has its own factor."""
    x = x.clone().requires_grad_()
    value = (penalty if fused else unfused(penalty)).value(x)
    factors = torch.linspace(-1, 2, len(x), dtype=x.dtype)
    return value.detach(), torch.autograd.grad((factors * value).sum(), x)[0]


@settings(deadline=None, max_examples=150)
@given(
    shape=st.tuples(
        st.integers(1, 3),
        st.integers(1, 4),
        st.integers(1, 9),
        st.one_of(st.integers(1, 40), st.sampled_from([32, 64])),
    ),
    penalty=st.sampled_from(SETTINGS),
    double=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_kernel_equals_the_formula(shape, penalty, double, seed):
    x = picture(shape, torch.float64 if double else torch.float32, seed)
    rtol, atol = (1e-12, 1e-12) if double else (2e-5, 2e-5)
    for fast, plain in zip(both(penalty, x, True), both(penalty, x, False), strict=True):
        assert fast.dtype == x.dtype
        torch.testing.assert_close(fast, plain, rtol=rtol, atol=atol)


@pytest.mark.parametrize("penalty", SETTINGS, ids=str)
def test_plain_formula_of_the_kernel_is_that_of_the_penalty(penalty):
    x = picture((2, 3, 4, 5))
    plain = kernel.total_variation_plain(x, penalty.beta, penalty.isotropic, penalty.channels == "joint")
    torch.testing.assert_close(plain, unfused(penalty).value(x))


@pytest.mark.parametrize("normalize", ["sum", "mean"])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("channels", ["separate", "joint"])  # loops of one channel, and of any number
def test_the_loss_is_the_same(normalize, reduction, channels):
    x = picture((3, 2, 5, 6)).requires_grad_()
    options = {"normalize": normalize, "reduction": reduction}
    results = []
    for loss in (TotalVariation(channels=channels)(x, **options), Unfused(channels=channels)(x, **options)):
        results.append((loss.detach(), torch.autograd.grad(0.3 * loss.sum(), x)[0]))
    torch.testing.assert_close(results[0], results[1])


def test_what_goes_through_the_kernel(monkeypatch):
    calls = []
    monkeypatch.setattr(kernel, "total_variation", lambda x, *_: calls.append(x) or torch.zeros(len(x)))
    x = picture((2, 2, 4, 5))
    for fused in (x, x.float(), x.to(memory_format=torch.channels_last)):
        TotalVariation().value(fused)
        TotalVariation()(fused)
    assert len(calls) == 6
    calls.clear()
    TotalVariation(order=2)(x)
    TotalVariation(scheme="upwind")(x)
    TotalVariation()(x, mask=x > 0.2)
    TotalVariation()(x, weight_map=x)
    TotalVariation()(x[:, :, 0])
    TotalVariation()(x[:, :, None])
    TotalVariation()(x.half())
    TotalVariation()(x.numpy())
    TotalVariation()(x[:0], reduction="sum")
    assert calls == []


def test_no_gradient_is_computed_that_nobody_wants(monkeypatch):
    asked = []
    monkeypatch.setattr(kernel, "run_rows", lambda *a: (asked.append(a[-3]), run_rows(*a)))
    x = picture((1, 1, 4, 5)).requires_grad_()
    TotalVariation()(x)
    TotalVariation()(x.detach())
    with torch.no_grad():
        TotalVariation()(x)
    assert asked == [True, False, False]


@pytest.mark.parametrize("penalty", SETTINGS, ids=str)
def test_gradcheck_twice(penalty):
    x = torch.from_numpy(np.random.default_rng(1).random((2, 2, 3, 4))).requires_grad_()
    assert torch.autograd.gradcheck(penalty.value, x)
    assert torch.autograd.gradgradcheck(penalty.value, x)


def test_backward_twice():
    x = picture((2, 1, 5, 6)).requires_grad_()
    loss = TotalVariation()(x)
    (first,) = torch.autograd.grad(2.0 * loss, x, retain_graph=True)
    kept = first.clone()
    (second,) = torch.autograd.grad(2.0 * loss, x, retain_graph=True)
    third = torch.autograd.grad(loss, x)[0]
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(first, 2.0 * third)
    assert torch.equal(first, kept)  # not overwritten by the later passes


def test_factors_that_want_a_gradient_themselves():
    x = picture((2, 1, 5, 6)).requires_grad_()
    factors = torch.tensor([2.0, -1.0], dtype=x.dtype, requires_grad=True)
    gradients = [torch.autograd.grad(p.value(x), x, factors)[0] for p in (TotalVariation(), Unfused())]
    torch.testing.assert_close(*gradients)


def test_gradients_add_up():
    x = picture((2, 1, 5, 6)).requires_grad_()
    (TotalVariation()(x) + TotalVariation()(2.0 * x)).backward()
    once = x.grad.clone()
    TotalVariation()(x).backward()
    torch.testing.assert_close(x.grad, once * 4.0 / 3.0)


def test_any_memory_layout():
    x = picture((2, 3, 6, 8))
    value, gradient = both(TotalVariation(), x, True)
    for same in (x.to(memory_format=torch.channels_last), x.mT.contiguous().mT):
        torch.testing.assert_close(both(TotalVariation(), same, True), (value, gradient))
    thin = x[:, :, ::2, 1::2]
    torch.testing.assert_close(both(TotalVariation(), thin, True), both(TotalVariation(), thin, False))
    wide = x[:, :1].expand(2, 3, 6, 8).requires_grad_()
    torch.testing.assert_close(TotalVariation()(wide), TotalVariation()(wide.contiguous()))


# --- kinks


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("penalty", SETTINGS, ids=str)
def test_gradients_are_finite(penalty, dtype):
    info = torch.finfo(dtype)
    for size in (0.0, info.tiny, info.tiny**0.5 * 0.7, info.tiny**0.5 * 1.5, 1e-3, info.max**0.25):
        x = (size * picture((1, 2, 5, 6), dtype)).requires_grad_()
        penalty(x).backward()
        assert torch.isfinite(x.grad).all()
    flat = torch.full((1, 1, 4, 4), 0.3, dtype=dtype, requires_grad=True)
    penalty(flat).backward()
    assert not flat.grad.any()


def test_nan_is_seen():
    for penalty in SETTINGS:
        x = picture((1, 1, 4, 5))
        x[0, 0, 2, 2] = torch.nan
        assert torch.isnan(penalty(x))
        assert torch.isnan(penalty(x.requires_grad_()))


# --- threads and memory


@pytest.mark.parametrize("penalty", SETTINGS, ids=str)
def test_bands_do_not_show(penalty):
    x = picture((2, 3, 5, 7)).numpy()
    images = x if penalty.channels == "joint" else x.reshape(6, 1, 5, 7)
    rows = len(images) * 5
    half, factor = np.float64(penalty.beta / 2), np.float64(penalty.beta)
    results = []
    for cuts in ([0, rows], [0, 3, rows], [0, 1, 5, 6, 9, rows], range(rows + 1)):
        values, gradient = np.zeros(rows), np.zeros_like(images)
        for start, stop in itertools.pairwise(cuts):
            run_rows(start, stop, images, half, factor, penalty.isotropic, True, values, gradient)
        results.append((values, gradient))
    for values, gradient in results[1:]:
        np.testing.assert_array_equal(values, results[0][0])
        np.testing.assert_array_equal(gradient, results[0][1])


def test_many_python_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(kernel, "_BAND", 64)
    pictures = [picture((2, 2, 16, 16), seed=k) for k in range(24)]
    alone = [both(TotalVariation(), x, True) for x in pictures]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda x: both(TotalVariation(), x, True), pictures))
    assert all(
        torch.equal(a, b)
        for one, two in zip(alone, together, strict=True)
        for a, b in zip(one, two, strict=True)
    )


@pytest.mark.parametrize("n", [1, 2, 7])
def test_in_bands_covers_the_range_once(monkeypatch, n):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    counts = np.zeros(n, int)

    def kernel(start, stop, out):
        out[start:stop] += 1

    threads.parallel_rows(kernel, n, counts)
    assert (counts == 1).all()


def test_in_bands_waits_and_reports_errors(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)

    def kernel(start, stop):
        if stop == 4:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        threads.parallel_rows(kernel, 4)


def test_in_bands_lets_go_of_its_arrays(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    for _ in range(200):
        out = np.zeros(6)
        alive = weakref.ref(out)
        threads.parallel_rows(lambda start, stop, out: out[start:stop].fill(1.0), 6, out)
        del out
        assert alive() is None


def test_memory_is_used_again_but_never_shared():
    first = buffers.empty((3, 5), np.dtype(np.float32))
    place = first.data_ptr()
    second = buffers.empty((3, 5), np.dtype(np.float32))
    assert second.data_ptr() != place  # the first is still held
    place = second.data_ptr()
    part = second[1:].detach()
    del second
    assert buffers.empty((3, 5), np.dtype(np.float32)).data_ptr() != place  # a part of it is still held
    del part
    third = buffers.empty((5, 3), np.dtype(np.float32))
    place = third.data_ptr()
    del third
    assert buffers.empty((3, 5), np.dtype(np.float32)).data_ptr() == place
    assert buffers.empty((0, 4), np.dtype(np.float64)).shape == (0, 4)


# --- what torch may do with it


def test_operator_check():
    x = picture((2, 1, 3, 4)).requires_grad_()
    for wanted in (True, False):
        torch.library.opcheck(torch.ops.jumpset.total_variation.default, (x, 1.0, True, False, 0.5, wanted))


@pytest.mark.parametrize("dynamic", [False, True])
def test_compile(dynamic):
    loss = TotalVariation()
    compiled = torch.compile(
        lambda x: loss(2.0 * x) + 1.0, fullgraph=True, backend="aot_eager", dynamic=dynamic
    )
    for shape in ((2, 3, 4, 5), (1, 2, 6, 3)):
        x = picture(shape).requires_grad_()
        ours, theirs = compiled(x), loss(2.0 * x) + 1.0
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(torch.autograd.grad(3.0 * ours, x), torch.autograd.grad(3.0 * theirs, x))
        with torch.no_grad():
            torch.testing.assert_close(compiled(x), theirs.detach())


@pytest.mark.slow
@pytest.mark.filterwarnings(JIT)
def test_compile_to_machine_code():
    loss = TotalVariation()
    compiled = torch.compile(lambda x: loss(x.sin()), fullgraph=True)
    x = picture((2, 3, 4, 5)).requires_grad_()
    torch.testing.assert_close(*(torch.autograd.grad(f(x), x) for f in (compiled, lambda x: loss(x.sin()))))


@pytest.mark.filterwarnings(JIT)
def test_vmap_and_the_other_transforms():
    x = picture((3, 2, 4, 5))
    loss = lambda x: TotalVariation()(x[None])  # noqa: E731
    one_by_one = [torch.autograd.grad(loss(y.requires_grad_()), y)[0] for y in x.clone()]
    torch.testing.assert_close(torch.vmap(loss)(x), torch.stack([loss(y) for y in x]))
    torch.testing.assert_close(torch.vmap(loss, in_dims=3)(x.movedim(0, 3)), torch.vmap(loss)(x))
    torch.testing.assert_close(torch.vmap(torch.func.grad(loss))(x), torch.stack(one_by_one))
    watched = x.clone().requires_grad_()
    torch.testing.assert_close(
        torch.autograd.grad(torch.vmap(loss)(watched).sum(), watched)[0], torch.stack(one_by_one)
    )
    compiled = torch.compile(torch.func.grad(loss), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x[0]), one_by_one[0])
    _, slope = torch.func.jvp(loss, (x[0],), (torch.ones_like(x[0]),))
    torch.testing.assert_close(slope, torch.zeros_like(slope))


@pytest.mark.filterwarnings(JIT)
def test_hessian_and_batched_gradients():
    x = torch.from_numpy(np.random.default_rng(2).random((1, 1, 3, 3)))
    plain = torch.autograd.functional.hessian(Unfused(), x)
    torch.testing.assert_close(torch.func.hessian(TotalVariation())(x), plain)
    torch.testing.assert_close(torch.autograd.functional.hessian(TotalVariation(), x), plain)
    y = picture((3, 1, 3, 4)).requires_grad_()
    value = TotalVariation().value(y)
    several = torch.autograd.grad(
        value, y, torch.eye(3, dtype=y.dtype), is_grads_batched=True, retain_graph=True
    )[0]
    torch.testing.assert_close(several.sum(0), torch.autograd.grad(value.sum(), y)[0])


# --- the GPU's kernel, by triton's interpreter

_TRITON = """
import itertools, sys
import torch
from jumpset.kernels.values.total_variation import _value_and_gradient as cpu
from jumpset.kernels.values.total_variation_triton import value_and_gradient
torch.manual_seed(0)
for shape, dtype in itertools.product([(1, 1, 1, 1), (2, 3, 5, 7), (1, 2, 33, 40)],
                                      [torch.float32, torch.float64]):
    x = torch.rand(shape, dtype=dtype)
    x[..., :2] = 0.5
    tol = 1e-11 if dtype == torch.float64 else 5e-5
    for beta, isotropic, joint in itertools.product([1.0, 2.0, 0.7], [True, False], [True, False]):
        ours = value_and_gradient(x, beta, isotropic, joint, 0.3, True)
        torch.testing.assert_close(ours, cpu(x, beta, isotropic, joint, 0.3, True), rtol=tol, atol=tol)
        value, nothing = value_and_gradient(x, beta, isotropic, joint, 0.3, False)
        assert torch.equal(value, ours[0]) and nothing.numel() == 0
print("equal")
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_gpu_kernel_in_the_interpreter():
    package = Path(kernel.__file__).parents[2]
    path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": path}
    run = subprocess.run([sys.executable, "-c", _TRITON], env=environment, capture_output=True, text=True)
    assert run.stdout.strip() == "equal", run.stderr
