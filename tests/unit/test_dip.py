from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset import run
from jumpset._core.errors import InputError
from jumpset._core.types import Status
from jumpset.dip import DIP, DIPTV, DIPl0, inputs, networks
from jumpset.dip.dip_tv import total_variation
from jumpset.dip.networks import ARCHITECTURES, SMALL, SkipNet
from jumpset.metrics import psnr
from jumpset.regions.fusion import fuse
from jumpset.smoothers import RegionFusion, StructureTexture

SHORT = [
    DIP(n_steps=3),
    DIP(n_steps=2, network=SMALL, input_noise=0.0),
    DIPTV(n_steps=3),
    DIPl0(outer_steps=1, inner_steps=3),
    DIPl0(outer_steps=2, inner_steps=1, start="random"),
]
SIZES = [(1, 1), (1, 7), (5, 3), (33, 47)]


pytestmark = pytest.mark.usefixtures("one_thread")


def random_image(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def edges(height: int, width: int) -> np.ndarray:
    """Discs and bars of flat colour."""
    y, x = np.mgrid[:height, :width]
    out = np.full((height, width, 3), (0.85, 0.8, 0.6))
    out[(x - 0.3 * width) ** 2 + (y - 0.5 * height) ** 2 < (0.3 * height) ** 2] = (0.2, 0.3, 0.7)
    out[(x + y) % 50 < 12] = (0.7, 0.2, 0.2)
    out[:, int(0.7 * width) : int(0.8 * width)] = (0.1, 0.5, 0.3)
    return out


# --- networks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "count"), [("full", 2_217_831), ("jpeg", 572_827), ("thin", 264_863)])
def test_parameter_counts_for_rgb(name, count):
    network = SkipNet(ARCHITECTURES[name], 3)
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("size", [(2, 2), (4, 6), (5, 3)])
def test_doubling_by_slices_equals_torch(size):
    x = random_image(1, 3, *size).double().requires_grad_()
    ours, theirs = networks.double_by_slices(x), networks.double(x)
    torch.testing.assert_close(ours, theirs)
    weights = random_image(*ours.shape, seed=1).double()
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (ours, theirs)]
    torch.testing.assert_close(*gradients)


def test_reflection_equals_torch():
    x = random_image(1, 2, 4, 5)
    torch.testing.assert_close(
        networks._Reflect()(x), torch.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
    )


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 500), (7, 3), (33, 47), (64, 64), (65, 384), (512, 384)]
)
def test_canvas_holds_the_image_and_all_scales(height, width):
    n, rows, columns = networks.canvas(height, width, 5)
    assert 1 <= n <= 5
    assert rows >= height
    assert columns >= width
    assert rows % 2**n == columns % 2**n == 0
    assert min(rows, columns) // 2**n >= 2
    if min(height, width) >= 64:
        assert n == 5


def test_input_noise_range_and_repetition():
    z = inputs.noise(4, (8, 9), seed=3)
    assert z.shape == (1, 4, 8, 9)
    assert 0 <= z.min()
    assert z.max() < 0.1
    assert torch.equal(z, inputs.noise(4, (8, 9), seed=3))


# --- all methods --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", SHORT, ids=lambda m: f"{m.name}-{m.max_steps}")
@pytest.mark.parametrize("size", SIZES)
def test_any_size(method, size):
    result = run(random_image(1, 3, *size), method)
    assert result.image.shape == (1, 3, *size)
    assert torch.isfinite(result.image).all()
    assert result.status is Status.CONVERGED
    assert result.n_steps == method.max_steps


@pytest.mark.parametrize(
    "method", [DIP(n_steps=2), DIPTV(n_steps=2), DIPl0(outer_steps=1, inner_steps=2)], ids=lambda m: m.name
)
class TestEveryMethod:
    @pytest.mark.parametrize("channels", [1, 3, 5])
    def test_any_number_of_bands(self, method, channels):
        assert run(random_image(1, channels, 9, 12), method).image.shape == (1, channels, 9, 12)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_dtype_is_kept(self, method, dtype):
        x = random_image(1, 1, 8, 9).to(dtype)
        assert method.image(method.init(x)).dtype == dtype
        assert run(x, method).image.dtype == dtype

    def test_repeats_bit_for_bit(self, method):
        x = random_image(1, 3, 33, 47)
        first, second = (run(x, method).image for _ in range(2))
        assert torch.equal(first, second)

    def test_another_seed_gives_another_image(self, method):
        x = random_image(1, 3, 12, 17)
        assert not torch.equal(run(x, method).image, run(x, replace(method, seed=1)).image)

    def test_global_random_state_is_unchanged(self, method):
        before = torch.get_rng_state()
        run(random_image(1, 1, 8, 8), method)
        assert torch.equal(before, torch.get_rng_state())

    def test_input_is_unchanged(self, method):
        x = random_image(1, 3, 9, 8)
        kept = x.clone()
        state = method.init(x)
        method.step(state)
        assert torch.equal(x, kept)

    def test_steps_are_pure(self, method):
        state = method.init(random_image(1, 3, 9, 8))
        shown, record = method.image(state).clone(), method.record(state)
        after = method.step(method.step(state))
        assert torch.equal(method.image(state), shown)
        assert method.record(state) == record
        assert not torch.equal(method.image(after), shown)

    def test_usable_before_the_first_step(self, method):
        x = random_image(1, 3, 9, 8)
        result = run(x, method, max_steps=0)
        assert result.status is Status.MAX_STEPS
        assert torch.isfinite(result.image).all()
        assert all(math.isfinite(v[0]) for v in result.history.values())

    def test_a_batch_equals_a_loop(self, method):
        x = random_image(3, 3, 17, 14) * torch.tensor([1.0, 0.3, 0.8])[:, None, None, None]
        together = run(x, method)
        assert torch.equal(together.image, torch.cat([run(f[None], method).image for f in x]))
        assert together.n_steps == method.max_steps

    def test_a_network_is_for_one_image(self, method):
        with pytest.raises(InputError, match="one image"):
            method.init(random_image(2, 3, 8, 8))

    def test_divergence_is_detected_and_leaves_a_finite_image(self, method, monkeypatch):
        monkeypatch.setattr(type(method), "step", _poisoned(type(method).step))
        result = run(random_image(1, 3, 16, 16), replace(method, **_longer(method)), check_every=1)
        assert result.status is Status.DIVERGED
        assert torch.isfinite(result.image).all()

    def test_image_is_finite_even_before_divergence_is_read(self, method, monkeypatch):
        monkeypatch.setattr(type(method), "step", _poisoned(type(method).step))
        state = method.init(random_image(1, 3, 16, 16))
        for _ in range(6):
            state = method.step(state)
        assert not all(math.isfinite(v) for v in method.record(state).values())
        assert torch.isfinite(method.image(state)).all()

    def test_values_beyond_one_can_be_reached(self, method):
        x = torch.full((1, 1, 8, 8), -1.0)
        x[..., 3:] = 2.0
        state = method.init(x)
        low, high = state.fit._low, state.fit._high
        assert low == x.min()
        assert high == x.max()


def _poisoned(step):
    """The method's step, with a weight that becomes NaN after the second."""

    def poisoned(self, state):
        if state.n_steps == 2:
            with torch.no_grad():
                state.fit._parts[0].network.last.bias.fill_(math.nan)
        return step(self, state)

    return poisoned


def _longer(method):
    return {"outer_steps": 4} if isinstance(method, DIPl0) else {"n_steps": 8}


@pytest.mark.parametrize("method_type", [DIP, DIPTV, DIPl0])
def test_presets_are_valid(method_type):
    for preset in method_type.presets.values():
        assert method_type(**preset).max_steps > 0


@pytest.mark.parametrize(
    ("method_type", "wrong"),
    [
        (DIP, {"network": "fulll"}),
        (DIP, {"n_steps": -1}),
        (DIP, {"step_size": 0.0}),
        (DIP, {"average": 1.0}),
        (DIP, {"input_noise": -0.1}),
        (DIP, {"seed": 1.5}),
        (DIPTV, {"weight": -1.0}),
        (DIPl0, {"weight": float("nan")}),
        (DIPl0, {"rho": 0.0}),
        (DIPl0, {"inner_steps": 0}),
        (DIPl0, {"start": "zero"}),
    ],
)
def test_wrong_parameters(method_type, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        method_type(**wrong)


# --- DIP and DIP-TV -----------------------------------------------------------------------------------------


def test_dip_average_starts_at_the_first_output():
    method = DIP(n_steps=3, input_noise=0.0, average=0.75)
    state = method.init(random_image(1, 1, 9, 8))
    expected = None
    for _ in range(3):
        g = state.fit.output()
        expected = g if expected is None else 0.75 * expected + 0.25 * g
        state = method.step(state)
        torch.testing.assert_close(method.image(state), expected)


@pytest.mark.parametrize(
    "method", [DIP(n_steps=60, average=0.0, input_noise=0.0), DIPTV(n_steps=60, average=0.0, input_noise=0.0)]
)
def test_objective_falls(method):
    losses = run(edges(24, 36).astype(np.float32), method, check_every=5).history["loss"]
    assert losses[-1] < 0.25 * losses[0]


def test_total_variation_is_the_formula():
    x = random_image(1, 3, 4, 5).double()
    expected = 0.0
    for i in range(4):
        for j in range(5):
            right = x[0, :, i, j + 1] - x[0, :, i, j] if j < 4 else torch.zeros(3)
            down = x[0, :, i + 1, j] - x[0, :, i, j] if i < 3 else torch.zeros(3)
            expected += math.sqrt(float((right**2).sum() + (down**2).sum()))
    assert float(total_variation(x)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "x", [torch.zeros(1, 3, 5, 6), torch.full((1, 1, 1, 1), 0.3), torch.ones(1, 2, 1, 4)]
)
def test_total_variation_of_a_flat_image_has_gradient_zero(x):
    x.requires_grad_()
    total_variation(x).backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_total_variation_gradient():
    x = random_image(1, 2, 4, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(total_variation, x)


# --- DIP-l0 -------------------------------------------------------------------------------------------------


def _plain_dip_l0(method, f):
    """The ADMM of the paper, written independently with the same network and start."""
    fit = method.init(f).fit
    adam = torch.optim.Adam(fit._parts[0].network.parameters(), lr=method.step_size)
    generator = torch.Generator().manual_seed(method.seed)
    v = torch.rand(f.shape, generator=generator)
    w = torch.rand(f.shape, generator=generator)
    average, n_fusions = f, 0
    for _ in range(method.outer_steps):
        for _ in range(method.inner_steps):
            with torch.enable_grad():
                g = fit._forward(fit._parts[0], fit._parts[0].input)
                loss = ((f - g) ** 2).sum() + (w * (v - g)).sum() + method.rho / 2 * ((v - g) ** 2).sum()
                adam.zero_grad()
                loss.backward()
            adam.step()
        g = fit.output()
        v = fuse(g - w / method.rho, 2 * method.weight / method.rho, 50)
        n_fusions += 1
        w = w + method.rho * (v - g)
        average = method.average * average + (1 - method.average) * g
    return average, v, w, n_fusions


def test_dip_l0_bookkeeping(monkeypatch):
    f = random_image(1, 3, 11, 14)
    method = DIPl0(**{**DIPl0.presets["paper-jpeg"], "outer_steps": 3, "inner_steps": 2})
    calls = []

    def counted(solver, image):
        calls.append((solver.weight, solver.levels))
        return fuse(image, solver.weight, solver.levels)

    monkeypatch.setattr("jumpset.dip.dip_l0.solve", counted)
    result = run(f, method)
    average, v, w, n_fusions = _plain_dip_l0(method, f)
    assert result.n_steps == 6
    assert calls == [(2 * 0.025 / 2.0, 50)] * n_fusions
    torch.testing.assert_close(result.image, average)
    torch.testing.assert_close(result.state.v, v)
    torch.testing.assert_close(result.state.w, w)


@pytest.mark.parametrize(("preset", "rho"), [("paper", 2.25), ("paper-jpeg", 2.0)])
def test_dip_l0_presets_are_the_papers(preset, rho):
    method = js.method("dip-l0", preset=preset)
    assert method.network == js.dip.architecture("full")
    assert method.network.inputs == 32
    assert (method.weight, method.rho) == (0.025, rho)
    assert (method.outer_steps, method.inner_steps, method.step_size) == (100, 25, 0.001)
    assert (method.start, method.network_input, method.start_blend) == ("random", "noise", 0.0)
    assert method.solver == RegionFusion(levels=50)


def test_dip_l0_starts_at_the_solvers_answer():
    f = random_image(1, 3, 20, 24)
    method = DIPl0(inner_steps=2, weight=0.02)
    state = method.init(f)
    flat = fuse(f, 0.02, 20)
    assert torch.equal(state.v, flat)
    assert torch.equal(method.image(state), flat)
    assert not state.w.any()
    z = state.fit._parts[0].input
    assert z.shape == (1, 6, 24, 24)
    torch.testing.assert_close(z[..., :20, :24], torch.cat([flat, f], dim=1) - 0.5)
    torch.testing.assert_close(z[..., 20:, :], z[..., 19:20, :].expand(-1, -1, 4, -1))


@pytest.mark.parametrize("start", ["random", None, RegionFusion(weight=0.1), StructureTexture()])
@pytest.mark.parametrize("network_input", ["noise", "image"])
def test_dip_l0_inputs_and_starts_can_be_mixed(network_input, start):
    result = run(random_image(1, 2, 9, 13), DIPl0(network_input=network_input, start=start, outer_steps=1))
    assert torch.isfinite(result.image).all()


def test_dip_l0_start_blend_is_the_share_of_the_start():
    f = random_image(1, 3, 20, 24)
    method = DIPl0(outer_steps=3, start_blend=0.25)
    mixed = run(f, method).image
    alone = run(f, replace(method, start_blend=0.0)).image
    flat = fuse(f, method.weight, method.solver.levels)
    torch.testing.assert_close(mixed, 0.75 * alone + 0.25 * flat)
    torch.testing.assert_close(run(f, replace(method, start_blend=1.0)).image, flat)


def test_components_are_objects_and_their_names_are_shorthand():
    named = js.method("dip-l0", solver="potts", network="jpeg", start="region-fusion")
    assert named == DIPl0(solver=js.method("potts"), network=SMALL, start=RegionFusion())
    assert js.method("dip-l0", start="random") == DIPl0(start="random")
    with pytest.raises(InputError, match="network"):
        js.method("dip", network="fulll")
    for wrong in ({"solver": "potts"}, {"network": "jpeg"}, {"start": "region-fusion"}):
        with pytest.raises(InputError, match=r"jumpset\.method"):
            DIPl0(**wrong)


def test_dip_l0_ignores_unfinished_outer_iterations():
    method = DIPl0(inner_steps=3)
    state = method.init(random_image(1, 1, 8, 8))
    shown = method.image(state)
    for _ in range(2):
        state = method.step(state)
    assert torch.equal(method.image(state), shown)
    assert not torch.equal(method.image(method.step(state)), shown)


def test_dip_l0_keeps_a_constant_image():
    x = np.full((40, 56, 3), (0.2, 0.5, 0.9))
    assert np.abs(run(x, DIPl0(outer_steps=100)).image - x).max() < 0.03


@pytest.mark.slow
def test_dip_l0_default_removes_texture():
    rng = np.random.default_rng(0)
    truth = edges(96, 128)
    texture = rng.normal(size=(96, 128, 1))
    for axis in (0, 1):  # correlated over a few pixels, like cloth and paper
        texture = texture + np.roll(texture, 1, axis)
    textured = truth + 0.05 * texture / texture.std()
    result = run(textured.astype(np.float32), DIPl0())
    assert psnr(result.image, truth.astype(np.float32)) > psnr(textured, truth) + 3
