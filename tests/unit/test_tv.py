"""TV: the loops equal the plain formula, the gap is a certificate, and properties of the model hold."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import jumpset as js
from jumpset.kernels.buffers import Pool
from jumpset.kernels.tv import dual as kernel
from jumpset.kernels.tv import gap
from jumpset.operators import divergence, gradient
from jumpset.smoothers.tv import TV

sizes = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 9), st.integers(1, 20))
CLOSE = {torch.float64: 1e-12, torch.float32: 2e-6}


def images(*shape, seed=0, dtype=torch.float64):
    return torch.from_numpy(np.random.default_rng(seed).random(shape)).to(dtype)


def dual_field(f, weight, isotropic, seed):
    """Return a random feasible field, partly on the bound."""
    p = gradient(torch.randn(f.shape, generator=torch.Generator().manual_seed(seed), dtype=f.dtype)) * weight
    norm = torch.linalg.vector_norm(p, dim=(1, 2) if isotropic else 2, keepdim=True)
    return p * (weight / norm.clamp_min(weight))


def energy(u, f, weight, isotropic=True, channels="joint"):
    """Return the objective as the docstring states it, one number per image."""
    axes = tuple(k for k, on in ((1, isotropic), (2, channels == "joint")) if on)
    squares = gradient(u).square()
    length = (squares.sum(axes) if axes else squares).sqrt().flatten(1).sum(1)
    return 0.5 * (u - f).square().flatten(1).sum(1) + weight * length


def solve(f, **settings):
    result = js.run(f, TV(**settings))
    assert result.status is js.Status.CONVERGED, result.status
    return result


# --- loops and plain formulas ---------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(sizes, st.booleans(), st.sampled_from([torch.float32, torch.float64]), st.integers(0, 2**31))
def test_loops_equal_the_plain_formulas(shape, isotropic, dtype, seed):
    f = images(*shape, seed=seed, dtype=dtype)
    p, old = (dual_field(f, 0.1, isotropic, seed + k) for k in (1, 2))
    common = {
        "momentum": [0.7] * len(f),
        "weight": 0.1,
        "step": 0.125,
        "isotropic": isotropic,
    }
    fast = kernel.advance(f, p, old, Pool(), **common)
    close = {"rtol": 0, "atol": CLOSE[dtype]}
    torch.testing.assert_close(fast, kernel.advance_plain(f, p, old, **common), **close)
    u = kernel.primal(f, fast)
    torch.testing.assert_close(u, kernel.primal_plain(f, fast), **close)
    torch.testing.assert_close(u, f + divergence(fast), **close)
    for k in range(len(f)):
        both = [m(u[k], f[k], fast[k], 0.1, isotropic) for m in (gap.measure, gap.measure_plain)]
        np.testing.assert_allclose(*both, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_result_does_not_depend_on_threads(isotropic, channels, monkeypatch):
    monkeypatch.setattr(kernel, "LEAST_BAND", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    f = images(1, channels, 23, 37, dtype=torch.float32)
    many = solve(f, isotropic=isotropic)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    one = solve(f, isotropic=isotropic)
    assert torch.equal(many.image, one.image)
    assert many.history["gap"] == one.history["gap"]


def test_several_callers_at_once(monkeypatch):
    monkeypatch.setattr(kernel, "LEAST_BAND", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    f = [images(1, 1, 40, 30, seed=k, dtype=torch.float32) for k in range(8)]
    alone = [solve(x).image for x in f]
    with ThreadPoolExecutor(4) as callers:
        together = list(callers.map(lambda x: solve(x).image, f))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_plain_path_gives_gradients():
    f = images(2, 2, 3, 4).requires_grad_()
    method = TV(weight=0.05, tol=1e-12)

    def ten_steps(x):
        state = method.init(x)
        for _ in range(10):
            state = method.step(state)
        return method.image(state)

    assert torch.autograd.gradcheck(ten_steps, f)
    with torch.no_grad():
        torch.testing.assert_close(ten_steps(f), ten_steps(f.detach()), rtol=0, atol=1e-12)


# --- the certificate ------------------------------------------------------------------------------------------


def check_certificate(method, f, best, steps=60):
    """At every reading, energy - gap ≤ best ≤ energy, and both equal a direct calculation."""
    state = method.init(f)
    for n in range(steps):
        if n % 10 == 0:
            record = method.record(state)
            u, p = method.image(state), state.groups[0].p
            primal = energy(u, f, method.weight, method.isotropic).sum()
            dual = 0.5 * f.square().sum() - 0.5 * (f + divergence(p)).square().sum()
            size = torch.linalg.vector_norm(p, dim=(1, 2) if method.isotropic else 2)
            assert size.max() <= method.weight * (1 + 1e-12)
            np.testing.assert_allclose(record["energy"], primal, rtol=1e-12)
            np.testing.assert_allclose(record["gap"] * record["energy"], primal - dual, rtol=1e-9, atol=1e-10)
            assert dual <= best + 1e-10
            assert best <= primal + 1e-10
        state = method.step(state)
    assert record["gap"] < 0.05


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("channels", [1, 2])
def test_gap_is_a_certificate(isotropic, channels):
    f = images(1, channels, 12, 9)
    best = solve(f, isotropic=isotropic, tol=1e-11, max_steps=200_000).history["energy"][-1]
    check_certificate(TV(isotropic=isotropic), f, best)


@pytest.mark.parametrize("isotropic", [True, False])
def test_certificate_detects_a_wrong_border(isotropic, monkeypatch):
    """The check fails for loops with flow out of the image."""
    f = images(1, 1, 12, 9)
    best = solve(f, isotropic=isotropic, tol=1e-11, max_steps=200_000).history["energy"][-1]
    right = kernel.advance

    def leaky(f, p, old, pool, **settings):
        new = right(f, p, old, pool, **settings)
        new[..., -1] = new[..., -2]  # the last column should have no difference to the right
        return new

    monkeypatch.setattr(kernel, "advance", leaky)
    with pytest.raises(AssertionError):
        check_certificate(TV(isotropic=isotropic), f, best)


def test_certificate_detects_a_wrong_projection(monkeypatch):
    """The check fails for a field outside the dual ball, which overestimates the lower bound."""
    f = images(1, 1, 12, 9)
    best = solve(f, tol=1e-11, max_steps=200_000).history["energy"][-1]
    right = kernel.advance
    monkeypatch.setattr(kernel, "advance", lambda *a, **k: right(*a, **{**k, "weight": 1.2 * k["weight"]}))
    with pytest.raises(AssertionError):
        check_certificate(TV(), f, best)


def test_float32_is_converted_to_float64_where_tol_requires_it():
    f = images(1, 1, 30, 30, dtype=torch.float32)
    assert solve(f, tol=1e-4).state.done[0].f.dtype == torch.float32
    result = solve(f, tol=1e-9, max_steps=100_000)
    assert result.state.done[0].f.dtype == torch.float64
    exact = solve(f.double(), tol=1e-9, max_steps=100_000).image
    torch.testing.assert_close(result.image, exact.float(), rtol=0, atol=0)


@pytest.mark.parametrize("factor", [1e-20, 1e20])
def test_extreme_units(factor):
    """The method itself, unlike `run`, accepts intensities in any unit."""
    f = images(1, 1, 8, 9, dtype=torch.float32)
    method = TV(weight=0.1 * factor)
    state = method.init(f * factor)
    while method.finished(state) is None:
        state = method.step(state)
    torch.testing.assert_close(method.image(state) / factor, solve(f, weight=0.1).image, rtol=0, atol=5e-3)


# --- properties of the model ----------------------------------------------------------------------------------

MODES = [(isotropic, channels) for isotropic in (True, False) for channels in ("joint", "separate")]


@pytest.mark.parametrize(("isotropic", "channels"), MODES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_equals_loop_bit_for_bit(isotropic, channels, dtype):
    f = images(5, 3, 14, 11, seed=4, dtype=dtype)
    f[1] *= 0.1  # takes another number of steps
    f[2] = 0.4  # needs no step
    f[3] = 0.5 + 0.01 * f[3]  # the weight is so large that the answer is the mean
    f[4] = 0.5 + 1e-4 * f[4]
    method = TV(weight=0.03, isotropic=isotropic, channels=channels)
    together = js.run(f, method)
    assert together.status is js.Status.CONVERGED
    alone = torch.cat([js.run(f[k : k + 1], method).image for k in range(len(f))])
    assert torch.equal(together.image, alone)
    energies = energy(alone.double(), f.double(), 0.03, isotropic, channels).sum()
    np.testing.assert_allclose(together.history["energy"][-1], energies, rtol=1e-5)


@pytest.mark.parametrize(("isotropic", "channels"), MODES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (17, 1), (2, 2), (9, 13)])
def test_scale_and_shift(isotropic, channels, shape):
    f = images(1, 3, *shape)
    settings = {"isotropic": isotropic, "channels": channels, "tol": 1e-10, "max_steps": 100_000}
    plain = solve(f, weight=0.1, **settings).image
    other = solve(0.25 * f + 0.3, weight=0.025, **settings).image
    torch.testing.assert_close(other, 0.25 * plain + 0.3, rtol=0, atol=2e-5)
    assert plain.min() >= f.min() - 1e-6
    assert plain.max() <= f.max() + 1e-6
    torch.testing.assert_close(plain.mean((-2, -1)), f.mean((-2, -1)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("isotropic", [True, False])
def test_transposed_image_gives_transposed_answer(isotropic):
    f = images(1, 2, 9, 13)
    settings = {"isotropic": isotropic, "tol": 1e-9, "max_steps": 100_000}
    one, other = solve(f, **settings).image, solve(f.mT.contiguous(), **settings).image
    torch.testing.assert_close(other, one.mT, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weight_zero_and_flat_images_are_exact(dtype):
    f = images(2, 3, 7, 8, dtype=dtype)
    assert torch.equal(solve(f, weight=0.0).image, f)
    flat = torch.full((1, 2, 9, 7), 0.1, dtype=dtype)
    flat[:, 1] = 0.7
    result = solve(flat)
    assert torch.equal(result.image, flat)
    assert (result.n_steps, result.history["energy"], result.history["gap"]) == (0, [0.0], [0.0])


@pytest.mark.parametrize(("isotropic", "channels"), MODES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_weight_gives_the_mean(isotropic, channels, dtype):
    f = images(2, 3, 16, 12, dtype=dtype)
    result = solve(f, weight=10.0, isotropic=isotropic, channels=channels)
    mean = f.mean((-2, -1), keepdim=True)
    torch.testing.assert_close(result.image, mean.expand_as(f), rtol=0, atol=1e-6)
    np.testing.assert_allclose(result.history["energy"], 0.5 * (f - mean).square().sum(), rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weight_just_below_the_shortcut_converges_to_the_mean(dtype):
    """Large weights for which no shortcut proves that the answer is the mean give it by iteration."""
    f = images(1, 1, 16, 12, dtype=dtype)
    method = TV(weight=0.8, max_steps=50_000)
    assert len(method.init(f).running[0].places) == 1
    result = solve(f, weight=method.weight, max_steps=method.max_steps)
    assert result.n_steps > 0
    torch.testing.assert_close(result.image, f.mean().expand_as(f), rtol=0, atol=5e-3)


def test_readings_do_not_change_the_result():
    """The result depends neither on how often the record is read nor on callbacks that read the image."""
    f = images(2, 1, 20, 20, dtype=torch.float32)
    seen = []
    usual, often = (
        js.run(f, TV()),
        js.run(f, TV(), check_every=5, callback=lambda step: seen.append(step.image)),
    )
    assert usual.n_steps - often.n_steps in (0, 5)
    assert torch.equal(seen[0], f)
    shared = [k for k, step in enumerate(often.history["step"]) if step in usual.history["step"]]
    count = len(shared)
    assert [often.history["gap"][k] for k in shared] == usual.history["gap"][:count]


@pytest.mark.parametrize(
    "wrong",
    [{"weight": -1.0}, {"weight": float("nan")}, {"isotropic": 1}, {"channels": "both"}, {"tol": 0.0}, {"max_steps": -1}],
)  # fmt: skip
def test_wrong_parameters(wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        TV(**wrong)
