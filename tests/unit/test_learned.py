"""Learned smoothers: the networks, the methods, files of weights, ONNX export."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import jumpset as js
from jumpset._core.iterate import solve
from jumpset.cli.app import app
from jumpset.dip import DIPl0
from jumpset.learned import SIZES, build, load_weights, model_card, save_weights
from jumpset.learned.architectures import NETWORKS as NETWORKS_BY_NAME
from jumpset.learned.architectures import Network
from jumpset.learned.base import exact_tiles, pad_mirrored
from jumpset.learned.dejpeg import _Denoiser
from jumpset.learned.jumpset_net import match_tone, soft_limit
from jumpset.learned.weights import shipped
from jumpset.regions.fusion import fuse

TINY = {
    "resnet": {"width": 6, "depth": 2, "head": 8},
    "vdcnn": {"width": 6, "depth": 2},
    "jess-net": {"width": 4, "depth": 1, "edge": 1, "smooth": 1, "refine": 1},
    "deep-wls": {"width": 8},
    "jumpset-net": {"widths": [6, 8], "blocks": [1, 2], "guess_widths": [4, 6], "guess_blocks": [1, 1]},
    "dejpeg": {"widths": [4, 6], "blocks": [1, 2]},
}
NETWORKS = sorted(TINY)
NAMES = sorted(TINY.keys() - {"dejpeg"})  # their methods are one pass of the network


pytestmark = pytest.mark.usefixtures("one_thread")


def smooth(image, name, **settings):
    """Smooth in float32 on any machine."""
    return js.smooth(image, name, **{"precision": "float32"} | settings)


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def tiny(name, seed=0):
    """A network with random weights, also where they start at 0, and random statistics of batch norm."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(name, TINY[name])
        for key, value in network.state_dict().items():
            if key.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif key.endswith("running_mean") or (value.is_floating_point() and not bool(value.any())):
                value.normal_(std=0.1)
    return network.eval()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file of weights for each tiny network."""
    folder = tmp_path_factory.mktemp("weights")
    for name in NETWORKS:
        save_weights(
            folder / f"{name}.safetensors", name, TINY[name], tiny(name).state_dict(), {"seed": 0}, half=False
        )
    return {name: folder / f"{name}.safetensors" for name in NETWORKS}


def one_pass(f, **settings):
    """One pass of the network of dejpeg on a batch."""
    return solve(_Denoiser(precision="float32", **settings), f)


def untrained(name):
    return "untrained" in model_card(name)


def output_of(network, image, strength=0.5):
    """The output of the network, without the method around it."""
    with torch.no_grad():
        if isinstance(network, js.learned.JumpsetNet.network):
            return network(image, torch.full((len(image),), strength))
        return network(image)


# --- networks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "count"),
    [("resnet", 1_961_091), ("vdcnn", 668_227), ("jess-net", 3_417_863), ("deep-wls", 300_099)],
)
def test_published_number_of_weights(name, count):
    assert sum(p.numel() for p in build(name).parameters()) == count


@pytest.mark.parametrize(("width", "most"), [(12, 0.08), (15, 0.03), (32, 0.015), (64, 0.015)])
def test_deep_wls_is_initialized_as_identity(width, most):
    network = build("deep-wls", {"width": width}).eval()
    f = torch.rand(1, 3, 10, 12, generator=torch.Generator().manual_seed(0))
    f[0, :, 0, :2] = torch.tensor([0.0, 1.0])
    torch.testing.assert_close(output_of(network, f), f, atol=most, rtol=0)
    assert (output_of(build("deep-wls", {"width": 11}).eval(), f) - f).abs().max() > 0.2


def test_deep_wls_receptive_field_after_one_step():
    """The random weights that do not take part in the identity affect the output after one step."""
    network = build("deep-wls", {"width": 16}).eval()
    f = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    descent = torch.optim.SGD(network.parameters(), lr=0.1)
    (network(f) - f.mean()).square().mean().backward()
    descent.step()
    far = f.clone()
    far[..., 16, 16] = 1 - far[..., 16, 16]
    changed = (output_of(network, far) - output_of(network, f)).abs().amax((0, 1)) > 1e-7
    assert changed[:12].any()  # 4 pixels or more away


def test_resnet_against_plain_layers():
    network = tiny("resnet")
    f = noise(1, 3, 9, 8)

    def normed(x, layer):
        conv, norm = layer
        x = nn.functional.conv2d(x, conv.weight, padding=1)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        return (x - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]

    with torch.no_grad():
        x = entry = torch.relu(nn.functional.conv2d(2 * f - 1, *network.first[0].parameters(), padding=1))
        for block in network.blocks:
            x = x + normed(torch.relu(normed(x, block.body[0])), block.body[2])
        x = entry + normed(x, network.after)
        for k in (0, 2):
            x = torch.relu(nn.functional.conv2d(x, *network.head[k].parameters(), padding=1))
        x = torch.tanh(nn.functional.conv2d(x, *network.head[4].parameters()))
    torch.testing.assert_close(output_of(network, f), ((2 * f - 1 + x) + 1) / 2)


def test_jess_net_outputs():
    network, f = tiny("jess-net"), noise(2, 3, 8, 7)
    with torch.no_grad():
        edges, coarse, refined = network.parts(f)
    assert edges.shape == (2, 1, 8, 7)
    assert coarse.shape == refined.shape == f.shape
    assert torch.equal(output_of(network, f), refined)
    assert not torch.equal(coarse, refined)


def parts(name):
    """The network, or the two halves of jumpset-net, with their receptive radii."""
    network = tiny(name).double()
    if name != "jumpset-net":
        return network, [(network, network.receptive_radius)]
    texture = network.measure(0.1 * noise(1, 3, 32, 32).double())

    def answer(f):
        return network.refine(f, 0.9 * f, torch.cat([0.8 * f, f.flip(1)], dim=1), texture)

    return network, [(network.guess, network.guess_radius), (answer, network.refine_radius)]


@pytest.mark.parametrize("name", NETWORKS)
def test_receptive_radius(name):
    network, halves = parts(name)
    for half, radius in halves:
        side = 2 * radius + 60
        side += -side % network.size_divisor
        f = noise(1, 3, 8, side).double()
        with torch.no_grad():
            before = half(f)
            for x in (side // 2, side // 2 + 1, side // 2 + 3):
                touched = f.clone()
                touched[..., 3, x] += 0.5
                changed = (half(touched) - before).abs().amax(dim=(0, 1, 2)).nonzero().flatten()
                assert (changed - x).abs().max() <= radius
                assert (changed - x).abs().max() >= radius / 3, "the radius is much too large"


def test_strength_0_is_the_identity():
    network, f = tiny("jumpset-net"), noise(2, 3, 8, 16)
    assert torch.equal(output_of(network, f, 0.0), f)
    assert not torch.equal(output_of(network, f, 0.01), f)


def test_soft_limit_is_local():
    f = noise(1, 3, 40, 60).double()
    gain = torch.linspace(0.001, 0.3, 60).double()  # amplitude that grows from left to right
    answer = f + gain * noise(1, 3, 40, 60, seed=1).sub(0.5).sign()
    for strength in (0.0, 0.1, 0.5, 1.0):
        share = (soft_limit(f, answer, torch.tensor([strength]).double()) - f) / (answer - f)
        expected = (60 / 255 * strength / gain).clamp(max=1)
        torch.testing.assert_close(
            share, expected.expand_as(share), rtol=0.3, atol=0
        )  # the window averages others
        torch.testing.assert_close(share, share[:, :1, :1].expand_as(share))
    assert torch.equal(soft_limit(f, f, torch.tensor([0.5]).double()), f)


def test_soft_limit_is_monotone_in_strength():
    f, answer = noise(1, 3, 40, 60), noise(1, 3, 40, 60, seed=1)
    changes = [(soft_limit(f, answer, torch.tensor([s])) - f).abs() for s in torch.linspace(0, 1, 9).tolist()]
    for less, more in pairwise(changes):
        assert bool((less <= more).all())


def test_soft_limit_at_borders():
    """At a border the mean is over the pixels inside, so that the limit is the same as in the middle."""
    f = noise(1, 3, 5, 30).double()
    u = soft_limit(f, f + 0.2, torch.tensor([0.5]).double())
    torch.testing.assert_close(u, f + 30 / 255)


def test_each_image_has_its_strength():
    network, f = tiny("jumpset-net"), noise(2, 3, 8, 16)
    with torch.no_grad():
        both = network(f, torch.tensor([0.2, 0.9]))
    torch.testing.assert_close(both[:1], output_of(network, f[:1], 0.2))
    torch.testing.assert_close(both[1:], output_of(network, f[1:], 0.9))
    assert (output_of(network, f, 0.2) - output_of(network, f, 0.9)).abs().max() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_has_a_gradient(name):
    network = tiny(name).train()
    f = noise(2, 3, 16, 16)
    answer = network(f, torch.tensor([0.3, 0.8])) if name == "jumpset-net" else network(f)
    (answer - f.flip(-1)).square().sum().backward()
    if name == "jumpset-net":  # the loss of the output does not train the guess
        assert all(p.grad is None for p in network.first.parameters())
        (network.guess(f) - f.flip(-1)).square().sum().backward()
    unused = [n for n, p in network.named_parameters() if p.grad is None or not bool(p.grad.any())]
    # batch norm cancels a bias before it
    assert all(n.endswith("bias") and name in ("jess-net", "deep-wls") for n in unused), unused


@pytest.mark.parametrize(
    ("name", "sizes", "match"),
    [
        ("unet", None, "unknown network"),
        ("resnet", {"widht": 3}, "did you mean 'width'"),
        ("vdcnn", {"depth": 0}, "depth must be at least 1"),
        ("vdcnn", {"depth": 2.5}, "whole number"),
        ("jumpset-net", {"widths": [8, 16], "blocks": [1]}, "widths and blocks must have the same length"),
        ("jumpset-net", {"guess_widths": [8]}, "guess_widths and guess_blocks must have the same length"),
        ("jumpset-net", {"widths": [8, 0, 3], "blocks": [1, 1, 1]}, "widths must be at least 1"),
        ("jumpset-net", {"widths": 8}, "a list"),
    ],
)
def test_invalid_sizes(name, sizes, match):
    with pytest.raises(js.InputError, match=match):
        build(name, sizes)


def test_a_network_is_registered_by_its_class(monkeypatch):
    for table in (NETWORKS_BY_NAME, SIZES):
        monkeypatch.setitem(table, "thin", None)  # so that the entry is removed at the end

    class Thin(Network):
        name = "thin"
        small: ClassVar = {"width": 2}

        def __init__(self, width=3):
            super().__init__()
            self.layer = nn.Conv2d(3, width, 1)

    class Derived(Thin):
        """Without a name: it is not registered."""

    assert NETWORKS_BY_NAME["thin"] is Thin
    assert SIZES["thin"] == {"published": {"width": 3}, "small": {"width": 2}}
    assert build("thin").layer.out_channels == 3
    assert build("thin", SIZES["thin"]["small"]).layer.out_channels == 2
    with pytest.raises(js.InputError, match="did you mean 'width'"):
        build("thin", {"widht": 2})


# --- methods ------------------------------------------------------------------------------------------------


def means_kept(f, u):
    return u - (u - f).mean(dim=(2, 3), keepdim=True)


@pytest.mark.parametrize("name", NAMES)
def test_method_is_the_network_on_the_padded_image(name, trained):
    """Padded by mirrored pixels to the network's divisor; the means of the channels are kept."""
    f, network = noise(2, 3, 17, 27), tiny(name)
    more = [16 + -(n + 32) % network.size_divisor for n in (17, 27)]
    framed = torch.from_numpy(np.pad(f, [(0, 0), (0, 0), *((16, m) for m in more)], mode="symmetric"))
    expected = means_kept(f, output_of(network, framed)[..., 16:33, 16:43])
    alone = {"fusion": False} if name == "jumpset-net" else {}
    found = smooth(f, name, weights=trained[name], **alone)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_match_tone_decorrelates_the_residual():
    """The residual has mean 0 and no correlation with the guess; a flat guess stays flat."""
    f = noise(2, 3, 24, 32).double()
    guess = 0.1 + 1.3 * f + 0.1 * noise(2, 3, 24, 32, seed=1).double()
    g = match_tone(guess, f)
    residual, centred = f - g, g - g.mean((2, 3), keepdim=True)
    torch.testing.assert_close(residual.mean((2, 3)), torch.zeros(2, 3).double(), rtol=0, atol=1e-12)
    assert ((residual * centred).mean((2, 3)) / centred.square().mean((2, 3))).abs().max() < 2e-3
    flat = torch.full((1, 3, 8, 8), 0.2).double()
    torch.testing.assert_close(match_tone(flat, flat + 0.3), flat + 0.3)


def test_region_fusions_of_whitened_components(trained):
    """Each component is divided by its standard deviation; the region fusions affect the result."""
    network, (image, _) = tiny("jumpset-net"), js.datasets.textured(48, 64, seed=2)
    f = torch.from_numpy(image.transpose(2, 0, 1))[None]
    with torch.no_grad():
        texture = network.measure(f - match_tone(network.guess(f), f))
    unit = (texture.deviations + 0.3 / 255)[:, :, None, None]
    z = network.spectrum.components(f, texture.slopes) / unit
    fusions = network.region_fusions(f, texture)
    assert fusions.shape == (1, 6, 48, 64)
    for weight, found in zip((12.0, 32.0), fusions.split(3, dim=1), strict=True):
        flat = fuse(z, weight, levels=10)
        torch.testing.assert_close(found, network.spectrum.to_rgb(unit * flat, texture.slopes))
    whole, alone = (
        smooth(f, "jumpset-net", weights=trained["jumpset-net"], fusion=fusion) for fusion in (True, False)
    )
    assert (whole - alone).abs().max() > 1e-3


def test_means_are_kept():
    for name in NAMES:
        for channels in (1, 3, 4):
            f = noise(2, channels, 24, 33)
            u = smooth(f, name)
            torch.testing.assert_close(u.mean(dim=(2, 3)), f.mean(dim=(2, 3)), rtol=0, atol=1e-5)


def test_dejpeg_network_predicts_the_means():
    f = noise(1, 3, 20, 26)
    assert float((one_pass(f) - f).mean((-2, -1)).abs().max()) > 1e-4
    assert float((smooth(f, "resnet") - f).mean((-2, -1)).abs().max()) < 1e-6


def test_padding_is_symmetric():
    for shape, divisor in (((1, 1), 8), ((2, 3), 1), ((5, 40), 4)):
        f = noise(1, 3, *shape)
        more = [-(n + 32) % divisor for n in shape]
        expected = np.pad(f, [(0, 0), (0, 0), *((16, 16 + m) for m in more)], mode="symmetric")
        np.testing.assert_array_equal(pad_mirrored(f, divisor), expected)


@pytest.mark.parametrize("name", NAMES)
def test_tiles_give_the_result_of_the_whole_image(name, trained):
    f = noise(1, 3, 70, 301)
    whole = smooth(f, name, weights=trained[name])
    parts = smooth(f, name, weights=trained[name], tile=64)
    torch.testing.assert_close(parts, whole, rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (65, 200), (517, 90)])
@pytest.mark.parametrize(("divisor", "radius"), [(1, 5), (8, 40), (2, 92)])
def test_kept_parts_of_tiles_partition_the_image(size, divisor, radius):
    padded = tuple(n + -n % divisor for n in size)
    count = torch.zeros(padded)
    for source, kept in exact_tiles(padded, 64, divisor, radius):
        count[kept] += 1
        for s, k, n in zip(source, kept, padded, strict=True):
            assert s.start % divisor == 0
            assert s.stop % divisor == 0
            assert s.start == 0 or k.start - s.start >= radius
            assert s.stop == n or s.stop - k.stop >= radius
    assert torch.equal(count, torch.ones(padded))


def test_gray_is_three_equal_channels(trained):
    f = noise(1, 1, 9, 10)
    for name in NAMES:
        gray = smooth(f, name, weights=trained[name])
        colour = smooth(f.expand(-1, 3, -1, -1), name, weights=trained[name])
        torch.testing.assert_close(gray, colour.mean(dim=1, keepdim=True))


def test_other_numbers_of_channels_are_processed_one_by_one(trained):
    f = noise(1, 5, 9, 10)
    for name in NAMES:
        together = smooth(f, name, weights=trained[name])
        alone = torch.cat([smooth(f[:, k : k + 1], name, weights=trained[name]) for k in range(5)], dim=1)
        assert torch.equal(together, alone)


@pytest.mark.parametrize("name", NAMES)
def test_intensities_outside_the_unit_interval_are_scaled(name, trained):
    f = 3 * noise(1, 3, 11, 9).double() - 1
    f[0, 0, 0, :2] = torch.tensor([-1.0, 2.0])
    out = smooth(f, name, weights=trained[name])
    inside = smooth((f + 1) / 3, name, weights=trained[name])
    torch.testing.assert_close(out, 3 * inside - 1, rtol=0, atol=1e-6)


def test_weight_is_a_share_of_the_correction(trained):
    f = noise(1, 3, 8, 8)
    for name in set(NAMES) - {"jumpset-net"}:
        whole, half = (smooth(f, name, weights=trained[name], weight=w) for w in (1.0, 0.5))
        torch.testing.assert_close(half, (f + whole) / 2)


def test_float64_is_not_rounded(tmp_path):
    """A network whose correction is 0 returns the image exactly."""
    network = build("vdcnn", TINY["vdcnn"])
    nn.init.zeros_(network.last.weight)
    nn.init.zeros_(network.last.bias)
    save_weights(tmp_path / "w.safetensors", "vdcnn", TINY["vdcnn"], network.state_dict())
    f = np.random.default_rng(0).random((8, 9, 3)) * 1.5 - 0.3
    np.testing.assert_array_equal(smooth(f, "vdcnn", weights=tmp_path / "w.safetensors"), f)


def test_bfloat16_is_close(trained):
    f = noise(1, 3, 16, 16)
    for name in NAMES:
        alone = {"fusion": False} if name == "jumpset-net" else {}  # in noise, regions would differ
        exact, half = (
            smooth(f, name, weights=trained[name], precision=p, **alone) for p in ("float32", "bfloat16")
        )
        assert half.dtype == torch.float32
        assert 0 < (exact - half).abs().max() < 0.02


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"weight": 1.5}, "weight must be at least 0 and at most 1"),
        ({"weights": 3}, "weights must be"),
        ({"weights": "gone.safetensors"}, "no file of weights"),
        ({"weights": "here.pt"}, "safetensors"),
        ({"precision": "half"}, "precision"),
        ({"tile": 8}, "tile"),
        ({"fusion": 1}, "fusion must be True or False"),
    ],
)
def test_invalid_parameters(wrong, match):
    with pytest.raises(js.InputError, match=match):
        smooth(np.zeros((4, 4)), "jumpset-net" if "fusion" in wrong else "vdcnn", **wrong)


def test_dip_l0_starts_from_jumpset_net():
    f = noise(1, 3, 12, 14)
    method = DIPl0(start=js.method("jumpset-net"), start_blend=0.25, outer_steps=2)
    state = method.init(f)
    torch.testing.assert_close(state.v, js.smooth(f, "jumpset-net"))
    assert torch.equal(method.image(state), state.v)
    assert torch.isfinite(js.run(f, method).image).all()


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_round_trip(name, tmp_path):
    network = tiny(name)
    metadata = {"data": "synthetic", "steps": 12, "seed": 0, "nested": {"a": [1, 2.5, None]}}
    for half in (False, True):
        path = tmp_path / "w.safetensors"
        save_weights(path, name, TINY[name], network.state_dict(), metadata, half=half)
        found = load_weights(path)
        assert found.network == name
        assert found.sizes == TINY[name]
        assert found.metadata == {**metadata, "jumpset": js.__version__}
        assert found.tensors.keys() == network.state_dict().keys()
        for key, value in network.state_dict().items():
            assert found.tensors[key].dtype == value.dtype
            torch.testing.assert_close(found.tensors[key], value, rtol=1e-3 if half else 0, atol=1e-6 * half)
    assert "steps: 12" in model_card(path)


def test_half_precision_halves_the_file(tmp_path):
    network = build("vdcnn", SIZES["vdcnn"]["small"])
    for half in (False, True):
        save_weights(tmp_path / f"{half}.safetensors", "vdcnn", {}, network.state_dict(), half=half)
    whole, small = ((tmp_path / f"{h}.safetensors").stat().st_size for h in (False, True))
    assert small < 0.55 * whole


def test_non_finite_weights_are_not_written(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, "vdcnn", TINY["vdcnn"], tiny("vdcnn").state_dict())
    before = path.read_bytes()
    for value, half in ((float("nan"), False), (1e6, True)):
        wrong = tiny("vdcnn").state_dict()
        wrong["last.weight"][0, 0] = value
        with pytest.raises(js.InputError, match=r"not finite.*last\.weight"):
            save_weights(path, "vdcnn", TINY["vdcnn"], wrong, half=half)
    with pytest.raises(js.InputError, match="JSON"):
        save_weights(path, "vdcnn", TINY["vdcnn"], tiny("vdcnn").state_dict(), {"data": object()})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_invalid_files_of_weights(tmp_path, trained):
    from safetensors.torch import save_file

    path = tmp_path / "w.safetensors"
    with pytest.raises(js.FileError, match="there is no file"):
        load_weights(path)
    path.write_bytes(b"")
    with pytest.raises(js.FileError, match="cannot be read"):
        load_weights(path)
    path.write_bytes(trained["vdcnn"].read_bytes()[:-100])
    with pytest.raises(js.FileError, match="cannot be read"):
        load_weights(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(js.FileError, match="does not name its network"):
        load_weights(path)
    with pytest.raises(js.FileError, match="ends in"):
        load_weights(tmp_path / "w.pt")


def test_weights_of_another_network_or_size(tmp_path, trained):
    with pytest.raises(js.FileError, match="not those of 'resnet'"):
        smooth(np.zeros((4, 4)), "resnet", weights=trained["vdcnn"])
    path = tmp_path / "w.safetensors"
    save_weights(path, "vdcnn", {"width": 5, "depth": 2}, tiny("vdcnn").state_dict())
    with pytest.raises(js.FileError, match="do not fit"):
        smooth(np.zeros((4, 4)), "vdcnn", weights=path)
    save_weights(path, "vdcnn", {"breadth": 5}, tiny("vdcnn").state_dict())
    with pytest.raises(js.FileError, match="sizes are not those"):
        smooth(np.zeros((4, 4)), "vdcnn", weights=path)


def test_a_changed_file_is_read_again(tmp_path):
    path, f = tmp_path / "w.safetensors", noise(1, 3, 8, 8)
    answers = []
    for seed in (0, 1):
        network = tiny("vdcnn", seed)
        save_weights(path, "vdcnn", TINY["vdcnn"], network.state_dict(), half=False)
        answers.append(smooth(f, "vdcnn", weights=path))
        expected = means_kept(f, output_of(network, pad_mirrored(f, 1))[..., 16:24, 16:24])
        torch.testing.assert_close(answers[-1], expected)
    assert not torch.equal(*answers)


@pytest.mark.parametrize("name", NETWORKS)
def test_shipped_files(name):
    found = load_weights(shipped(name))
    assert found.network == name
    assert found.sizes in SIZES[name].values()
    assert f"`{name}`" in (shipped(name).parent / "CARDS.md").read_text()
    if not untrained(name):
        assert {"data", "steps", "seed", "licence", "command"} <= found.metadata.keys()
    assert shipped(name).stat().st_size < 8e6


@pytest.mark.parametrize("name", NAMES)
def test_shipped_weights_smooth(name):
    if untrained(name):
        pytest.skip("no weights are shipped yet")
    image, truth = js.datasets.textured(96, 128, seed=4)
    u = smooth(image, name)
    if name == "deep-wls":  # it was trained without ground truth: check that it smooths
        jumps = [sum(np.abs(np.diff(x, axis=k)).sum() for k in (0, 1)) for x in (u, image)]
        assert jumps[0] < 0.7 * jumps[1]
    else:
        assert js.metrics.psnr(truth, u) > js.metrics.psnr(truth, image)
    if name in ("resnet", "vdcnn", "jumpset-net"):  # a residual network hardly changes a flat image
        flat = np.full((32, 40, 3), (0.2, 0.5, 0.9), dtype=np.float32)
        assert np.abs(smooth(flat, name) - flat).max() < 0.03


def test_weights_are_read_lazily():
    code = (
        "import sys, jumpset; jumpset.methods(); jumpset.method('resnet'); "
        "print([m for m in ('safetensors', 'onnx') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


# --- ONNX ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_runtime_gives_the_same_image(name, tmp_path, trained):
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    runtime = pytest.importorskip("onnxruntime")
    path = tmp_path / "network.onnx"
    js.training.export_onnx(name, path, weights=trained[name])
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for shape in ((1, 3, 1, 1), (2, 3, 33, 46), (1, 3, 64, 9)):
        f = noise(*shape)
        inputs = {"picture": f.numpy()}
        settings = {"weights": trained[name]}
        if name == "jumpset-net":
            inputs["strength"] = np.full(shape[0], 0.3, dtype=np.float32)
            settings |= {"weight": 0.3, "fusion": False}
        (found,) = session.run(["smoothed"], inputs)
        expected = one_pass(f, **settings) if name == "dejpeg" else smooth(f, name, **settings)
        np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["unet", "o.onnx"], "unknown network"),
        (["resnet", "o.pt"], "ends in .onnx"),
        (["resnet", "gone/o.onnx"], "folder does not exist"),
        (["resnet", "o.onnx", "--weights", "gone.safetensors"], "no file of weights"),
    ],
)
def test_invalid_exports(arguments, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jumpset.training.export.find_spec", lambda package: package)
    result = CliRunner().invoke(app, ["export", *arguments])
    assert result.exit_code == 2
    assert match in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_export_names_missing_packages(tmp_path, monkeypatch):
    monkeypatch.setattr("jumpset.training.export.find_spec", lambda package: None)
    with pytest.raises(ModuleNotFoundError, match="onnx, onnxscript"):
        js.training.export_onnx("resnet", tmp_path / "o.onnx")


def test_settings_can_be_replaced():
    assert replace(js.method("jumpset-net"), weight=0.1).weight == 0.1
