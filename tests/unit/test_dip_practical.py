"""Deep image priors: early stopping, rollbacks, tiles, memory, operators, starts, solvers."""

import os
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from shutil import which

import numpy as np
import pytest
import torch
from PIL import Image

import jumpset as js
from jumpset._core.iterate import solve
from jumpset.dip import DIP, DIPAITV, DIPTV, DIPCorrection, DIPl0, DIPPotts, architecture, fit_memory, memory
from jumpset.dip.fitting import Fit
from jumpset.dip.networks import THIN
from jumpset.dip.stopping import VarianceEarlyStopping
from jumpset.dip.tiling import tiles
from jumpset.jpeg.chroma import ChromaSubsampling
from jumpset.operators import Blur, Downsample, Identity, Mask, Pair, adjoint_error
from jumpset.operators.observations import observe, tikhonov_estimate
from jumpset.regions.fusion import fuse
from jumpset.smoothers import L0Smoothing, PottsADMM, PottsDescent, RegionFusion
from jumpset.texture.whitened_colors import WhitenedColors

pytestmark = pytest.mark.usefixtures("one_thread")


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def blocks(height, width):
    """Flat rectangles, ``(1, 3, H, W)``."""
    out = torch.full((1, 3, height, width), 0.7)
    out[:, 0, : height // 2, width // 3 :] = 0.2
    out[:, 2, height // 3 :, : width // 2] = 0.1
    return out


def psnr(x, y):
    return -10 * torch.log10((x - y).square().mean()).item()


# --- stopping -----------------------------------------------------------------------------------------------


def test_running_variance_is_the_formula():
    outputs = [noise(1, 1, 3, 4, seed=k).double() for k in range(40)]
    watch = VarianceEarlyStopping.begin(torch.zeros(1, 1, 3, 4).double())
    for x in outputs:
        watch = watch.seen(x, x, torch.tensor(True))
    mean, variance, seen = outputs[0], 0.0, []
    for x in outputs[1:]:
        variance = 0.9 * (variance + 0.1 * float((x - mean).square().mean()))
        mean = 0.9 * mean + 0.1 * x
        seen.append(variance)
    best = int(np.argmin(seen[19:])) + 20  # index among the outputs; the first 20 are ignored
    assert float(watch.variance) == pytest.approx(variance)
    torch.testing.assert_close(watch.mean, mean)
    assert float(watch.least) == pytest.approx(min(seen[19:]))
    assert torch.equal(watch.best, outputs[best])
    assert int(watch.waited) == len(outputs) - 1 - best


def test_early_stopping_returns_the_answer_at_the_least_variance():
    watch = VarianceEarlyStopping.begin(torch.zeros(1, 1, 2, 2))
    for k in range(120):  # the outputs vary less and less until 60, then more and more
        output = torch.full((1, 1, 2, 2), (-1.0) ** k * abs(60 - k) / 60)
        watch = watch.seen(output, torch.full_like(output, k), torch.tensor(True))
    assert 60 <= float(watch.best[0, 0, 0, 0]) < 80
    assert watch.over(30)
    assert not watch.over(100)


def test_early_stopping_ignores_unsound_outputs():
    watch = VarianceEarlyStopping.begin(torch.zeros(1, 1, 2, 2))
    for k in range(40):
        sound = k != 30
        output = torch.full((1, 1, 2, 2), 0.5 if sound else torch.nan)
        watch = watch.seen(output, output, torch.tensor(sound))
    assert torch.isfinite(watch.variance)
    assert torch.isfinite(watch.best).all()


@pytest.mark.parametrize(
    "method",
    [
        DIP(n_steps=300, average=0.0, step_size=0.1),
        DIPl0(outer_steps=150, average=0.0, start_blend=0.0),
    ],
)
def test_patience_stops_and_returns_the_best(method):
    method = replace(method, patience=3)
    result = js.run(noise(1, 1, 16, 16), method)
    assert result.status is js.Status.CONVERGED
    assert torch.equal(result.image, result.state.stopping.best)
    assert result.n_steps < method.max_steps
    assert int(result.state.stopping.waited) >= 3


def test_patience_changes_no_step():
    x = noise(1, 3, 16, 16)
    assert torch.equal(
        js.run(x, DIP(n_steps=30)).state.average, js.run(x, DIP(n_steps=30, patience=100)).state.average
    )


# --- rollbacks ----------------------------------------------------------------------------------------------


def _fit(x, **settings):
    return Fit(x, **{"network": THIN, "step_size": 0.01, "seed": 0} | settings)


def test_a_jump_is_rolled_back():
    x = blocks(16, 16)
    fit = _fit(x)

    def step():
        return fit.step(lambda g: (g - x).square().mean())

    for _ in range(41):
        step()
    good = fit.output()
    with torch.no_grad():
        fit._parts[0].network.last.bias.sub_(8.0)  # all black
    sounds = [bool(step()[2]) for _ in range(10)]
    assert not any(sounds)  # detected in the same step
    assert fit.rollbacks == 1
    assert psnr(fit.output(), good) > 25
    losses = [float(step()[1]) for _ in range(20)]
    assert all(loss < 0.05 for loss in losses)
    assert fit.rollbacks == 1
    assert fit._adam.param_groups[0]["lr"] == 0.01


def test_a_second_jump_from_the_same_weights_halves_the_step():
    x = blocks(16, 16)
    fit = _fit(x)
    for _ in range(21):
        fit.step(lambda g: (g - x).square().mean())
    sizes = []
    for _ in range(3):
        with torch.no_grad():
            fit._running_error.fill_(1e-6)
            fit._image = x + 5.0  # far from any output
        for _ in range(10):
            fit.step(lambda g: (g - x).square().mean())
        sizes.append(fit._adam.param_groups[0]["lr"])
        fit._image = x
    assert sizes == [0.01, 0.005, 0.0025]
    assert fit.rollbacks == 3


@pytest.mark.parametrize("method", [DIP(n_steps=31), DIPl0(outer_steps=16)])
def test_a_jump_is_counted_and_stays_out_of_the_answer(method):
    x = blocks(16, 16)
    state = method.init(x)
    for _ in range(21):
        state = method.step(state)
    earlier, before, record = state, method.image(state).clone(), method.record(state)
    with torch.no_grad():
        state.fit._parts[0].network.last.bias.sub_(30.0)
    for _ in range(10):
        state = method.step(state)
    assert method.record(state)["rollbacks"] == 1.0
    assert method.record(earlier) == record
    assert record["rollbacks"] == 0.0
    assert torch.equal(method.image(earlier), before)
    assert psnr(method.image(state), before) > 30


@pytest.mark.parametrize("method", [DIP(n_steps=150), DIPTV(n_steps=150), DIPl0(outer_steps=75)])
def test_ordinary_runs_never_roll_back(method):
    x = (blocks(24, 32) + 0.1 * (noise(1, 3, 24, 32) - 0.5)).clamp(0, 1)
    assert js.run(x, method).history["rollbacks"][-1] == 0


# --- tiles and memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 64), (65, 64), (100, 300), (129, 128), (1, 200), (513, 70)])
def test_windows_are_a_partition_of_unity(size):
    total = torch.zeros(size)
    for tile in tiles(*size, 64):
        assert tile.height <= 64
        assert tile.width <= 64
        assert (tile.window > 0).all()
        tile.cut(total).add_(tile.window)
    torch.testing.assert_close(total, torch.ones(size))


def test_one_tile_for_a_small_image():
    assert len(tiles(64, 50, 64)) == len(tiles(500, 500, 0)) == 1


def test_tiled_step_is_the_gradient_of_the_blended_objective():
    x = blocks(70, 90)
    fit = _fit(x, tile=64)
    assert len(fit._parts) == 4
    with torch.enable_grad():
        whole = torch.zeros_like(x)
        for part in fit._parts:
            image = part.window * fit._forward(part, part.input)
            pad = (part.place.left, 90 - part.place.left - part.place.width,
                   part.place.top, 70 - part.place.top - part.place.height)  # fmt: skip
            whole = whole + torch.nn.functional.pad(image, pad)
        expected_loss = js.TotalVariation().value(whole).sum()
        weights = [p for part in fit._parts for p in part.network.parameters()]
        expected = torch.autograd.grad(expected_loss, weights)
    output, loss, _ = fit.step(lambda g: js.TotalVariation().value(g).sum())
    torch.testing.assert_close(output, whole.detach())
    torch.testing.assert_close(loss, expected_loss.detach())
    for p, slope in zip(weights, expected, strict=True):
        torch.testing.assert_close(p.grad, slope, rtol=1e-3, atol=1e-4)


def test_tiles_leave_no_seams():
    """Steps across the middle lines of the overlaps are no larger than elsewhere on a smooth image."""
    y, x = np.mgrid[:64, :104] / 104
    smooth = torch.from_numpy(0.3 + 0.4 * x * y)[None, None].float()
    fit = _fit(smooth, tile=64)
    for _ in range(70):
        fit.step(lambda g: (g - smooth).square().mean())
    out = fit.output()
    assert psnr(out, smooth) > 25
    jumps = out.diff(dim=-1).abs().mean(dim=(0, 1, 2))
    borders = sorted({part.place.left for part in fit._parts} - {0})
    assert borders
    for border in borders:
        assert jumps[border - 1] < 3 * jumps.median()


def test_any_method_runs_in_tiles():
    x = noise(1, 2, 70, 80)
    for method in (DIP(n_steps=2, tile=64), DIPAITV(n_steps=2, tile=64), DIPl0(outer_steps=1, tile=64)):
        result = js.run(x, method)
        assert result.image.shape == x.shape
        assert torch.equal(result.image, js.run(x, method).image)


@pytest.mark.parametrize("network", ["thin", "jpeg"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_memory_estimate_holds_what_a_step_keeps(network, precision):
    x, network = noise(1, 3, 160, 224), architecture(network)
    fit = _fit(x, network=network, precision=precision)
    kept = {}

    def note(t):
        kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        fit.step(lambda g: (g - x).square().mean())
    estimate = fit_memory(network, 160, 224, 3, precision=precision)
    assert sum(kept.values()) < estimate < 2.5 * sum(kept.values()) + 40e6


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler itself
@pytest.mark.skipif(which("g++") is None and which("clang++") is None, reason="no C++ compiler")
def test_compiled_networks_give_the_same_image():
    """Up to rounding, which changes the sign of some of Adam's first steps, all of the same size."""
    x = blocks(8, 12)  # a network of few scales: each is compiled for seconds
    pair = [js.run(x, DIP(n_steps=20, precision="float32", compiled=c)) for c in (False, True)]
    distance = (pair[1].image - pair[0].image).square().mean().sqrt()
    assert [r.state.fit._parts[0].network._compiled_call_impl is not None for r in pair] == [False, True]
    assert 0 <= distance < 0.02 * (pair[0].image - x).square().mean().sqrt()
    assert pair[1].state.fit.rollbacks == 0


def test_memory_grows_with_the_image_and_shrinks_with_tiles():
    whole = fit_memory(THIN, 2048, 2048)
    assert 3.5 < whole / fit_memory(THIN, 1024, 1024) < 4.5
    assert fit_memory(THIN, 2048, 2048, tile=256) < 0.5 * whole
    assert fit_memory(THIN, 1, 1) > 0
    with pytest.raises(js.InputError, match="network"):
        fit_memory("huge", 10, 10)
    with pytest.raises(js.InputError, match="height"):
        fit_memory(THIN, 0, 10)


def test_tiles_are_chosen_where_memory_is_short(monkeypatch):
    x = noise(1, 3, 300, 400)
    whole = fit_memory(THIN, 300, 400, precision="float32")
    choose = memory.choose_tile
    monkeypatch.setattr(memory, "free_memory", lambda _: whole * 2)
    assert choose(THIN, x, half=False, tile=0) == 0
    assert choose(THIN, x, half=False, tile=128) == 128
    monkeypatch.setattr(memory, "free_memory", lambda _: whole)
    side = choose(THIN, x, half=False, tile=0)
    assert 128 <= side < 400
    assert fit_memory(THIN, 300, 400, precision="float32", tile=side) < 0.8 * whole
    monkeypatch.setattr(memory, "free_memory", lambda _: None)
    assert choose(THIN, x, half=False, tile=0) == 0
    monkeypatch.setattr(memory, "free_memory", lambda _: 10**6)
    with pytest.raises(js.InputError, match="too large for the free memory"):
        js.run(x, DIP(n_steps=1))


def test_free_memory_is_known_here():
    assert memory.free_memory(torch.device("cpu")) > 10**8


# --- operators ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    [DIP(n_steps=2), DIPTV(n_steps=2), DIPAITV(n_steps=2), DIPl0(outer_steps=2)],
    ids=lambda m: m.name,
)
def test_the_answer_has_the_size_of_the_domain(method):
    x = noise(1, 3, 8, 9)
    out = js.run(x, replace(method, operator=Downsample(2, (16, 18)))).image
    assert out.shape == (1, 3, 16, 18)
    assert torch.isfinite(out).all()
    array = x[0].permute(1, 2, 0).numpy()
    assert js.run(array, replace(method, operator=Downsample(2, (16, 18)))).image.shape == (16, 18, 3)


def test_the_identity_as_an_operator_changes_nothing_in_the_objective():
    x = noise(1, 3, 12, 12)
    one = Identity()
    assert torch.allclose(
        js.run(x, DIP(n_steps=5)).image, js.run(x, DIP(n_steps=5, operator=one)).image, atol=1e-3
    )


def test_tikhonov_estimate_fills_holes_smoothly_and_keeps_the_rest():
    y, x = np.mgrid[:20, :24] / 24
    truth = torch.from_numpy(0.2 + 0.3 * x + 0.2 * y)[None, None].float()
    mask = torch.ones_like(truth)
    mask[..., 6:12, 8:15] = 0
    filled = tikhonov_estimate(mask * truth, Mask(mask))
    assert (filled - truth).abs().max() < 0.02
    half = Downsample(2, (20, 24))
    doubled = tikhonov_estimate(half(truth), half)
    assert doubled.shape == truth.shape
    assert (doubled - truth).abs().max() < 0.03
    psf = torch.ones(3, 3) / 9
    assert (tikhonov_estimate(Blur(psf)(truth), Blur(psf)) - truth).abs().max() < 0.03
    assert observe(truth).initial() is observe(truth, Identity()).initial() is truth


def test_tikhonov_estimate_without_data_is_finite():
    black = torch.zeros(1, 1, 5, 6)
    assert torch.equal(tikhonov_estimate(black, Mask(torch.zeros_like(black))), black)


def test_linear_observation_is_the_operator_and_its_data():
    u, blur = noise(1, 3, 9, 8), Blur(torch.ones(3, 3) / 9)
    f = blur(u) + 0.01
    data = observe(f, blur)
    torch.testing.assert_close(data.misfit(u), torch.full_like(u, -0.01))
    assert torch.equal(data.initial(), tikhonov_estimate(f, blur))
    assert data.project(u) is data.to_image(u) is u
    assert (data.scale, data.is_constrained) == (1.0, False)


def test_a_run_through_functions_continues_from_a_checkpoint(tmp_path):
    x, operator = noise(1, 1, 8, 9), Pair(lambda u: 0.5 * u, lambda y: 0.5 * y)
    for method in (DIP(n_steps=4, operator=operator), DIPl0(outer_steps=2, operator=operator)):
        whole, file = js.run(x, method).image, tmp_path / f"{method.name}.ckpt"
        js.run(x, method, checkpoint=file, checkpoint_every=1, max_steps=2)
        assert torch.equal(js.run(x, method, checkpoint=file).image, whole)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (7, 4), (8, 9)])
@pytest.mark.parametrize("block", [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_chroma_subsampling_has_an_adjoint_and_keeps_luma(size, block):
    operator = ChromaSubsampling(*block)
    u = noise(2, 3, *size).double()
    assert adjoint_error(operator, u) < 1e-12
    out = operator(u)
    luma = torch.tensor([0.299, 0.587, 0.114]).double()
    torch.testing.assert_close((out.movedim(1, -1) * luma).sum(-1), (u.movedim(1, -1) * luma).sum(-1))
    if block == (1, 1):
        torch.testing.assert_close(out, u)
    gray = u[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(operator(gray), gray)
    assert operator(u[:, :1]) is not None
    with pytest.raises(js.InputError, match="channels"):
        operator(noise(1, 2, 4, 4))


def test_chroma_subsampling_matches_a_jpeg_decoder():
    rng = np.random.default_rng(0)
    coarse = rng.random((12, 10, 3)).repeat(4, 0).repeat(4, 1)[:45, :39]
    pixels = np.rint(255 * (0.2 + 0.6 * coarse)).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg", quality=98, subsampling="4:2:0")
    decoded = np.asarray(Image.open(buffer)).astype(np.float32) / 255
    x = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
    y = torch.from_numpy(decoded).permute(2, 0, 1)[None]
    assert psnr(ChromaSubsampling()(x), y) > 38 > psnr(x, y) + 8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dip", "dip-tv", "dip-l0"])
def test_holes_are_filled(name):
    truth = blocks(48, 64)
    mask = (noise(1, 1, 48, 64, seed=5) > 0.4).float().expand_as(truth)
    settings = {"n_steps": 600} if name != "dip-l0" else {}
    out = js.run(mask * truth, js.method(name, operator=Mask(mask), **settings)).image
    assert psnr(out, truth) > psnr(tikhonov_estimate(mask * truth, Mask(mask)), truth) + 1


def test_jpeg_preset_takes_colour_and_gray_images():
    method = replace(js.method("dip-l0", preset="jpeg"), outer_steps=1)
    assert isinstance(method.operator, ChromaSubsampling)
    for channels in (1, 3):
        assert torch.isfinite(js.run(noise(1, channels, 9, 11), method).image).all()
    with pytest.raises(js.InputError, match="channels"):
        js.run(noise(1, 5, 9, 11), method)


def test_wrong_operators():
    for wrong in (3, "mask", lambda x: x):
        with pytest.raises(js.InputError, match="operator"):
            DIP(operator=wrong)


# --- starts and solvers -------------------------------------------------------------------------------------


def test_an_image_may_be_the_start():
    f, start = noise(1, 3, 12, 14), blocks(12, 14)
    method = DIPl0(start=start, start_blend=0.25, outer_steps=2)
    state = method.init(f)
    assert torch.equal(state.v, start)
    assert torch.equal(method.image(state), start)
    torch.testing.assert_close(state.fit._parts[0].input[:, :3, :12, :14], start - 0.5)
    array = (start[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    from_array = DIPl0(start=array).init(f)
    assert (from_array.v - start).abs().max() < 1 / 255
    assert torch.isfinite(js.run(f, method).image).all()


def test_a_start_of_another_size_is_an_error():
    with pytest.raises(js.InputError, match="size and the channels"):
        js.run(noise(1, 3, 12, 14), DIPl0(start=blocks(12, 13)))
    with pytest.raises(js.InputError, match="start"):
        DIPl0(start="zeros")


def test_every_solver_removes_noise():
    x = (blocks(20, 24) + 0.1 * (noise(1, 3, 20, 24) - 0.5)).clamp(0, 1)
    for solver in (RegionFusion(levels=20), PottsADMM(), PottsDescent(), L0Smoothing()):
        v = solve(replace(solver, weight=0.05), x)
        assert v.shape == x.shape
        assert v.dtype == x.dtype
        assert psnr(v, blocks(20, 24)) > psnr(x, blocks(20, 24)) + 3, solver


def test_the_solver_is_used(monkeypatch):
    x = noise(1, 3, 12, 12)
    seen = []

    def spy(solver, image):
        seen.append((solver.weight, solver.name))
        return fuse(image, solver.weight, 20)

    monkeypatch.setattr("jumpset.dip.dip_l0.solve", spy)
    js.run(x, DIPPotts(outer_steps=2, weight=0.03, rho=2.0))
    js.run(x, DIPl0(outer_steps=1, solver=L0Smoothing()))
    assert seen == [(0.03, "potts-descent")] * 2 + [(2 * 0.025 / 2.25, "l0")]


def test_aitv_objective_is_the_formula():
    g, f = noise(1, 2, 4, 5).double(), noise(1, 2, 4, 5, seed=1).double()
    method = DIPAITV(weight=0.3, isotropic_share=0.4)
    total = 0.5 * float((g - f).square().sum())
    for i in range(4):
        for j in range(5):
            right = g[0, :, i, j + 1] - g[0, :, i, j] if j < 4 else torch.zeros(2)
            down = g[0, :, i + 1, j] - g[0, :, i, j] if i < 3 else torch.zeros(2)
            a, b = float(right.norm()), float(down.norm())
            total += 0.3 * (a + b - 0.4 * (a * a + b * b) ** 0.5)
    assert float(method.objective(g, observe(f))) == pytest.approx(total / g.numel())


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"patience": -1}, "patience"),
        ({"tile": 63}, "tile"),
        ({"tile": 1.5}, "tile"),
        ({"isotropic_share": 2.0}, "isotropic_share"),
    ],
)
def test_wrong_parameters(wrong, named):
    with pytest.raises(js.InputError, match=named):
        DIPAITV(**wrong)
    with pytest.raises(js.InputError, match="solver"):
        DIPl0(solver="region-fusion")


# --- corrections in the colours of a texture ----------------------------------------------------------------

SHORT = DIPCorrection(outer_steps=2)


def textured(channels=3):
    image, _ = js.datasets.textured(72, 88, texture_std=10 / 255)
    return image[..., :channels].astype(np.float32)


def tensor(image):
    return torch.from_numpy(image.transpose(2, 0, 1)[None].copy())


def test_whitened_misfit_is_the_mahalanobis_distance():
    image = textured()
    f = tensor(image)
    texture = js.estimate_texture(image)
    rough = fuse(f, 0.02)
    colours = WhitenedColors.of(f, texture)
    z = colours.components(f)
    assert z.min() == pytest.approx(0.0, abs=1e-6)
    assert z.max() == pytest.approx(1.0, abs=1e-6)
    torch.testing.assert_close(colours.to_image(z), f, atol=1e-5, rtol=0)
    difference = (rough - f)[0].reshape(3, -1).double().numpy()
    covariance = texture.mixing @ texture.mixing.T
    fidelity = np.einsum("cp,cd,dp->", difference, np.linalg.inv(covariance), difference)
    fidelity *= np.trace(covariance) / 3
    measured = float((colours.components(rough) - z).double().square().sum())
    assert measured == pytest.approx(colours.scale * fidelity, rel=1e-4)


def test_white_noise_keeps_the_sum_of_squares():
    f = noise(1, 3, 6, 7)
    colours = WhitenedColors.of(f, js.texture.Texture(0.05 * np.eye(3), np.ones((3, 1, 1))))
    u = noise(1, 3, 6, 7, seed=1)
    measured = (colours.components(u) - colours.components(f)).square().sum() / colours.scale
    torch.testing.assert_close(measured, (u - f).square().sum())


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_textured_image_starts_at_structure_texture(channels):
    f = textured(channels)
    state = SHORT.init(tensor(f))
    start = js.smooth(f, method="structure-texture")
    shown = SHORT.image(state)[0].permute(1, 2, 0).numpy()
    assert np.abs(shown - start.reshape(shown.shape)).max() < 1e-4
    torch.testing.assert_close(state.fit.output(), state.v, atol=1e-6, rtol=0)
    result = js.run(f, SHORT)
    assert np.isfinite(result.image).all()
    assert 0.0 < np.abs(result.image - start).max() < 0.2


def test_the_weight_of_structure_texture_is_proportional():
    f = textured()
    state = replace(SHORT, weight=0.0125).init(tensor(f))
    start = js.smooth(f, method="structure-texture", weight=0.5)
    shown = SHORT.image(state)[0].permute(1, 2, 0).numpy()
    assert np.abs(shown - start).max() < 1e-4


def test_a_correction_in_tiles_starts_at_the_start():
    state = replace(SHORT, tile=64).init(tensor(textured()))
    assert len(state.fit._parts) > 1
    torch.testing.assert_close(state.fit.output(), state.v, atol=1e-5, rtol=0)


def test_without_a_texture_the_network_draws_from_region_fusion():
    f = tensor(js.datasets.shapes(200, 220, seed=1).astype(np.float32))
    state = SHORT.init(f)
    assert not isinstance(state.observation, WhitenedColors)
    assert torch.equal(state.v, DIPl0().init(f).v)


def test_a_photograph_is_drawn_from_region_fusion():
    detail = noise(1, 1, 160, 160).repeat_interleave(3, dim=1)
    detail[..., :110] = 0.4 + 0.2 * detail[..., :110]  # power in one part of the image: no stationary texture
    state = replace(SHORT, weight=0.01).init(detail)
    assert not isinstance(state.observation, WhitenedColors)
    assert torch.equal(state.v, fuse(detail, 0.01, SHORT.solver.levels))


def test_a_correction_has_no_operator_no_tables_and_no_start():
    for name in ("operator", "tables", "start"):
        with pytest.raises(js.InputError, match=name):
            js.method("dip-correction", **{name: None})


def test_without_weight_nothing_is_smoothed_at_the_start():
    f = tensor(textured())
    state = replace(SHORT, weight=0.0).init(f)
    assert torch.equal(state.v, f)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_fork_while_a_thread_draws_a_network():
    """The child has no thread that would release the lock which its parent's thread held."""
    code = """
import os, threading
from jumpset.dip import networks
ready, done = threading.Event(), threading.Event()
def hold():
    with networks._seeding:
        ready.set()
        done.wait()
thread = threading.Thread(target=hold)
thread.start()
ready.wait()
child = os.fork()
if child == 0:
    os._exit(0 if networks._seeding.acquire(timeout=5) else 1)
status = os.waitpid(child, 0)[1]
done.set()
thread.join()
raise SystemExit(os.waitstatus_to_exitcode(status))
"""
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60).returncode == 0
