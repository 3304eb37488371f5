"""Structure and texture: separation, images without texture, the effect of each step; whitened fidelity."""

import dataclasses

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset.smoothers import RegionFusion, StructureTexture
from jumpset.smoothers.whitened import Whitened
from jumpset.texture.cross_channel import predict
from jumpset.texture.stationarity import power_nonuniformity


@pytest.fixture(scope="module")
def pair():
    return js.datasets.textured(120, 140, seed=3, fade=0.0, texture_std=10 / 255)


def psnr(u, truth):
    return js.metrics.psnr(np.clip(u, 0, 1), truth, data_range=1.0)


def test_better_than_single_methods(pair):
    image, structure = pair
    ours = psnr(js.smooth(image, "structure-texture"), structure)
    assert ours > psnr(image, structure) + 6
    assert ours > psnr(js.smooth(image, "region-fusion"), structure) + 1
    assert ours > psnr(js.smooth(image, "collaborative"), structure) + 1


def test_result_contains_both_parts(pair):
    image, _ = pair
    result = js.run(image, StructureTexture())
    state = result.state
    torch.testing.assert_close(state.structure + state.texture, state.source)
    np.testing.assert_array_equal(result.image, state.structure[0].permute(1, 2, 0).numpy())
    assert result.status is js.Status.CONVERGED
    assert len(result.history["texture"]) == 7
    (found,) = state.textures
    np.testing.assert_allclose(found.strength, 10 / 255, rtol=0.4)


def test_every_step_is_nearer_to_the_truth(pair):
    image, structure = pair
    scores = []
    js.run(image, StructureTexture(), callback=lambda step: scores.append(psnr(step.image, structure)))
    assert scores[0] < scores[1] < scores[2] < scores[4] < scores[5] < scores[6]


def test_the_fourth_step_is_its_formula(pair):
    """It is y + 0.7 exp(-|y - v|² / 2 s²) (v - y), s half of the texture's deviation, with the mean of y."""
    _, structure = pair
    texture = js.texture.Texture(0.04 * np.eye(3), np.ones((3, 1, 1)))
    noisy = structure + texture.sample(*structure.shape[:2], seed=1)
    method = StructureTexture(texture=texture, group=8, radius=8)
    y, ours = (js.run(noisy, method, max_steps=n).state.structure.double() for n in (3, 4))
    # refusion = 2 is in units of a component's variance; inner fusions have 50 levels
    v = js.run(y, RegionFusion(weight=2 * 0.04**2, levels=50)).image
    s2 = 0.5**2 * 3 * 0.04**2
    blend = y + 0.7 * torch.exp(-(y - v).square().sum(1, keepdim=True) / (2 * s2)) * (v - y)
    expected = blend + (y - blend).mean((-2, -1), keepdim=True)
    assert (v - y).square().sum(1).max() > 2 * s2  # the exponential is far from 1 somewhere
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cut", [0, 2])
def test_a_resumed_run_equals_an_uninterrupted_one(pair, cut, tmp_path):
    image, method = pair[0][:48, :56], StructureTexture(group=8, radius=8)
    js.run(image, method, max_steps=cut, checkpoint=tmp_path / "run")
    resumed = js.run(image, method, checkpoint=tmp_path / "run").image
    np.testing.assert_array_equal(resumed, js.smooth(image, method))


def test_without_texture_nothing_changes():
    clean = js.datasets.shapes(90, 110, seed=1)
    np.testing.assert_array_equal(js.smooth(clean, "structure-texture"), clean)


def test_white_noise(pair):
    _, structure = pair
    noisy = structure + 0.05 * np.random.default_rng(0).standard_normal(structure.shape).astype(np.float32)
    assert psnr(js.smooth(noisy, "structure-texture"), structure) > psnr(noisy, structure) + 7


def test_a_known_texture_is_used(pair):
    image, structure = pair
    texture = js.estimate_texture(image, structure)
    result = js.run(image, StructureTexture(texture=texture))
    assert result.state.textures == (texture,)
    assert psnr(result.image, structure) > psnr(image, structure) + 6


def test_weight_is_in_units_of_the_texture(pair):
    image, _ = pair
    texture = js.estimate_texture(image)
    stronger = js.smooth(image, StructureTexture(texture=texture, weight=2.0))
    same = js.smooth(image, StructureTexture(texture=texture.scaled(2.0)))
    np.testing.assert_allclose(stronger, same, atol=1e-6)


def test_prediction_takes_edges_from_cleaner_components():
    """Where z[0] is a multiple of z[1] with an error, the error is removed; an edge of z[0] alone is kept."""
    rng = np.random.default_rng(0)
    ramp = np.clip((np.mgrid[:40, :40].sum(axis=0) - 40) / 3 + 0.5, 0, 1)  # an anti-aliased diagonal
    truth = np.stack([8 * ramp, 50 * ramp])
    own = np.zeros((40, 40))
    own[30:, :8] = 6.0
    z = truth + np.stack([own + 0.3 * rng.standard_normal((40, 40)), np.zeros((40, 40))])
    out = predict(z, 0, 1.0)
    error, before = (np.square(x[0] - truth[0] - own) for x in (out, z))
    assert error.mean() < 0.2 * before.mean()
    np.testing.assert_array_equal(out[1], z[1])
    np.testing.assert_allclose(predict(z + 100, 0, 1.0), out + 100, atol=1e-6)
    assert error[28:34, :10].mean() < 1.5 * before[28:34, :10].mean()


def test_a_gaussian_texture_is_distinguished_from_detail():
    r = np.exp(-np.add.outer(*2 * [np.abs(np.arange(-9, 10)) / 3.0]))
    texture = js.texture.Texture(0.1 * np.eye(1), r[None])
    field = texture.whiten(torch.from_numpy(texture.sample(256, 256)).permute(2, 0, 1)[None])[0].numpy()
    assert 0.6 < power_nonuniformity(field, texture) < 1.6
    patchy = field.copy()
    patchy[:, :128, :128] *= 4
    assert power_nonuniformity(patchy, texture) > 4
    assert power_nonuniformity(field[:, :16, :64], texture) == 0.0


def test_noisy_detail_is_filtered_by_collaborative_alone():
    """Fine stripes in a quarter of the image, with the contrast of the noise."""
    rng = np.random.default_rng(0)
    truth = np.full((128, 128, 3), 0.5, np.float32)
    truth[:64, :64] += 0.15 * np.sin(1.3 * np.arange(64, dtype=np.float32))[:, None]
    noisy = truth + 0.06 * rng.standard_normal(truth.shape).astype(np.float32)
    result = js.run(noisy, StructureTexture(group=16))
    assert result.state.detailed == (True,)
    np.testing.assert_allclose(result.image, js.smooth(noisy, "collaborative"), atol=1e-5)


@pytest.mark.parametrize("setting", ["fusion", "refusion", "margin", "coupling"])
def test_impossible_settings(setting):
    with pytest.raises(js.InputError, match=setting):
        dataclasses.replace(StructureTexture(), **{setting: -1.0})
    with pytest.raises(js.InputError, match="texture"):
        StructureTexture(texture="wood")


@pytest.mark.parametrize("prior", ["l0", "tv"])
def test_whitened_fidelity(pair, prior):
    image, structure = (x[:64, :72] for x in pair)
    method = js.method("whitened", preset="tv" if prior == "tv" else None)
    result = js.run(image, method)
    assert psnr(result.image, structure) > psnr(image, structure) + 3
    residual = result.history["residual"]
    assert residual[-1] < 0.1 * max(residual)  # u and v agree in the end


def test_whitened_with_white_noise_is_a_plain_prox():
    """For Σ = σ² I the model is ordinary TV denoising."""
    rng = np.random.default_rng(0)
    f = torch.from_numpy(rng.random((1, 2, 12, 10)))
    white = js.texture.Texture(0.1 * np.eye(2), np.ones((2, 1, 1)))
    method = Whitened(weight=3.0, prior="tv", texture=white, rho=1.0, growth=1.0, n_steps=150)
    ours = js.run(f, method).image
    # (1/σ²)‖u − f‖² + w TV(u/σ): half of it is ½‖u − f‖² + (w σ / 2) TV(u), w = weight √(K / 3)
    wanted = js.TotalVariation(channels="joint").prox(f, 0.5 * 3.0 * np.sqrt(2 / 3) * 0.1)
    torch.testing.assert_close(ours, wanted, rtol=0, atol=2e-3)


@pytest.mark.parametrize("shape", [(33, 31), (32, 32, 3), (25, 30), (60, 40)])
def test_whitened_on_small_images(shape):
    """One periodogram is no spectrum: frequencies that it lacks by chance must not tie the answer to the image."""
    truth = np.full(shape, 0.4)
    truth[:, shape[1] // 2 :] = 0.6
    image = truth + 0.03 * np.random.default_rng(0).standard_normal(shape)
    errors = [np.square(u - truth).mean() for u in (js.smooth(image, "whitened"), image)]
    assert errors[0] < 0.05 * errors[1]


@pytest.mark.parametrize("name", ["whitened", "collaborative", "structure-texture"])
@pytest.mark.parametrize("bands", [1, 2, 3, 5, 13])
def test_any_number_of_bands_is_smoothed_alike(name, bands):
    truth = np.full((48, 48, bands), 0.4)
    truth[:, 24:] = 0.6
    image = truth + 0.05 * np.random.default_rng(0).standard_normal(truth.shape)
    errors = [np.square(u - truth).mean() for u in (js.smooth(image, name), image)]
    assert errors[0] < 0.05 * errors[1]


@pytest.mark.parametrize(
    ("setting", "wrong"), [("prior", "l1"), ("rho", 0.0), ("growth", 0.5), ("n_steps", -1)]
)
def test_impossible_whitened(setting, wrong):
    with pytest.raises(js.InputError, match=setting):
        Whitened(**{setting: wrong})
