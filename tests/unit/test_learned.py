"""Learned smoothers: the published networks, pictures of any kind through them, files of weights, ONNX."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

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
from jumpset.learned.base import exact_tiles, frame
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
NAMES = sorted(TINY.keys() - {"dejpeg"})  # whose method is one pass of the network


pytestmark = pytest.mark.usefixtures("one_thread")


def smooth(picture, name, **settings):
    """In float32 on any machine."""
    return js.smooth(picture, name, **{"precision": "float32"} | settings)


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def tiny(name, seed=0):
    """A network whose every weight is random, those that start at 0 too, and whose batch norms have seen much."""
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
    """Of the network in dejpeg, on a batch."""
    return solve(_Denoiser(precision="float32", **settings), f)


def untrained(name):
    return "untrained" in model_card(name)


def passed(network, picture, strength=0.5):
    """The network's own answer."""
    with torch.no_grad():
        if isinstance(network, js.learned.JumpsetNet.network):
            return network(picture, torch.full((len(picture),), strength))
        return network(picture)


# --- networks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "count"),
    [("resnet", 1_961_091), ("vdcnn", 668_227), ("jess-net", 3_417_863), ("deep-wls", 300_099)],
)
def test_the_published_networks_have_the_published_numbers_of_weights(name, count):
    assert sum(p.numel() for p in build(name).parameters()) == count


@pytest.mark.parametrize(("width", "most"), [(12, 0.08), (15, 0.03), (32, 0.015), (64, 0.015)])
def test_deep_wls_begins_as_the_identity(width, most):
    network = build("deep-wls", {"width": width}).eval()
    f = torch.rand(1, 3, 10, 12, generator=torch.Generator().manual_seed(0))
    f[0, :, 0, :2] = torch.tensor([0.0, 1.0])
    torch.testing.assert_close(passed(network, f), f, atol=most, rtol=0)
    assert (passed(build("deep-wls", {"width": 11}).eval(), f) - f).abs().max() > 0.2


def test_deep_wls_soon_sees_more_than_a_pixel():
    """What is not needed for the identity was drawn at random, and a step of training lets it in."""
    network = build("deep-wls", {"width": 16}).eval()
    f = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    descent = torch.optim.SGD(network.parameters(), lr=0.1)
    (network(f) - f.mean()).square().mean().backward()
    descent.step()
    far = f.clone()
    far[..., 16, 16] = 1 - far[..., 16, 16]
    seen = (passed(network, far) - passed(network, f)).abs().amax((0, 1)) > 1e-7
    assert seen[:12].any()  # 4 pixels or more away


def test_resnet_is_the_formula():
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
    torch.testing.assert_close(passed(network, f), ((2 * f - 1 + x) + 1) / 2)


def test_jess_net_refines_its_coarse_picture():
    network, f = tiny("jess-net"), noise(2, 3, 8, 7)
    with torch.no_grad():
        edges, coarse, refined = network.parts(f)
    assert edges.shape == (2, 1, 8, 7)
    assert coarse.shape == refined.shape == f.shape
    assert torch.equal(passed(network, f), refined)
    assert not torch.equal(coarse, refined)


def parts(name):
    """What looks at a picture through a window, and how far: the network, or the two halves of ours."""
    network = tiny(name).double()
    if name != "jumpset-net":
        return network, [(network, network.receptive_radius)]
    texture = network.measure(0.1 * noise(1, 3, 32, 32).double())

    def answer(f):
        return network.answer(f, 0.9 * f, torch.cat([0.8 * f, f.flip(1)], dim=1), texture)

    return network, [(network.guess, network.guess_radius), (answer, network.answer_radius)]


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_is_seen_beyond_the_reach(name):
    network, halves = parts(name)
    for half, reach in halves:
        side = 2 * reach + 60
        side += -side % network.size_divisor
        f = noise(1, 3, 8, side).double()
        with torch.no_grad():
            before = half(f)
            for x in (side // 2, side // 2 + 1, side // 2 + 3):
                touched = f.clone()
                touched[..., 3, x] += 0.5
                changed = (half(touched) - before).abs().amax(dim=(0, 1, 2)).nonzero().flatten()
                assert (changed - x).abs().max() <= reach
                assert (changed - x).abs().max() >= reach / 3, "the reach is far too careful"


def test_no_strength_is_the_identity():
    network, f = tiny("jumpset-net"), noise(2, 3, 8, 16)
    assert torch.equal(passed(network, f, 0.0), f)
    assert not torch.equal(passed(network, f, 0.01), f)


def test_an_answer_is_limited_by_the_strength_place_by_place():
    f = noise(1, 3, 40, 60).double()
    gain = torch.linspace(0.001, 0.3, 60).double()  # a texture that grows from left to right
    answer = f + gain * noise(1, 3, 40, 60, seed=1).sub(0.5).sign()
    for strength in (0.0, 0.1, 0.5, 1.0):
        share = (soft_limit(f, answer, torch.tensor([strength]).double()) - f) / (answer - f)
        expected = (60 / 255 * strength / gain).clamp(max=1)
        torch.testing.assert_close(share, expected.expand_as(share), rtol=0.3, atol=0)  # a window sees others
        torch.testing.assert_close(share, share[:, :1, :1].expand_as(share))
    assert torch.equal(soft_limit(f, f, torch.tensor([0.5]).double()), f)


def test_more_strength_changes_more():
    f, answer = noise(1, 3, 40, 60), noise(1, 3, 40, 60, seed=1)
    changes = [(soft_limit(f, answer, torch.tensor([s])) - f).abs() for s in torch.linspace(0, 1, 9).tolist()]
    for less, more in pairwise(changes):
        assert bool((less <= more).all())


def test_a_limit_is_the_same_wherever_a_window_is_cut():
    """The mean is that of the pixels there are, so that borders are smoothed no less than the middle."""
    f = noise(1, 3, 5, 30).double()
    u = soft_limit(f, f + 0.2, torch.tensor([0.5]).double())
    torch.testing.assert_close(u, f + 30 / 255)


def test_strengths_of_a_batch_are_each_its_own():
    network, f = tiny("jumpset-net"), noise(2, 3, 8, 16)
    with torch.no_grad():
        both = network(f, torch.tensor([0.2, 0.9]))
    torch.testing.assert_close(both[:1], passed(network, f[:1], 0.2))
    torch.testing.assert_close(both[1:], passed(network, f[1:], 0.9))
    assert (passed(network, f, 0.2) - passed(network, f, 0.9)).abs().max() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_learns(name):
    network = tiny(name).train()
    f = noise(2, 3, 16, 16)
    answer = network(f, torch.tensor([0.3, 0.8])) if name == "jumpset-net" else network(f)
    (answer - f.flip(-1)).square().sum().backward()
    if name == "jumpset-net":  # the answer does not train the guess
        assert all(p.grad is None for p in network.first.parameters())
        (network.guess(f) - f.flip(-1)).square().sum().backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not bool(p.grad.any())]
    # a bias before batch norm moves nothing
    assert all(n.endswith("bias") and name in ("jess-net", "deep-wls") for n in still), still


@pytest.mark.parametrize(
    ("name", "sizes", "match"),
    [
        ("unet", None, "unknown network"),
        ("resnet", {"widht": 3}, "did you mean 'width'"),
        ("vdcnn", {"depth": 0}, "depth must be at least 1"),
        ("vdcnn", {"depth": 2.5}, "whole number"),
        ("jumpset-net", {"widths": [8, 16], "blocks": [1]}, "widths and blocks must be as many"),
        ("jumpset-net", {"guess_widths": [8]}, "guess_widths and guess_blocks must be as many"),
        ("jumpset-net", {"widths": [8, 0, 3], "blocks": [1, 1, 1]}, "widths must be at least 1"),
        ("jumpset-net", {"widths": 8}, "a list"),
    ],
)
def test_impossible_sizes(name, sizes, match):
    with pytest.raises(js.InputError, match=match):
        build(name, sizes)


# --- pictures -----------------------------------------------------------------------------------------------


def means_kept(f, u):
    return u - (u - f).mean(dim=(2, 3), keepdim=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_method_is_the_network(name, trained):
    """Within a frame of mirrored pixels, up to the network's multiple; the means of the bands stay."""
    f, network = noise(2, 3, 17, 27), tiny(name)
    more = [16 + -(n + 32) % network.size_divisor for n in (17, 27)]
    framed = torch.from_numpy(np.pad(f, [(0, 0), (0, 0), *((16, m) for m in more)], mode="symmetric"))
    expected = means_kept(f, passed(network, framed)[..., 16:33, 16:43])
    alone = {"fusion": False} if name == "jumpset-net" else {}
    found = smooth(f, name, weights=trained[name], **alone)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_a_guess_is_put_in_tone():
    """What it leaves over has no mean and does not follow it; a flat one stays flat."""
    f = noise(2, 3, 24, 32).double()
    guess = 0.1 + 1.3 * f + 0.1 * noise(2, 3, 24, 32, seed=1).double()
    g = match_tone(guess, f)
    rest, centred = f - g, g - g.mean((2, 3), keepdim=True)
    torch.testing.assert_close(rest.mean((2, 3)), torch.zeros(2, 3).double(), rtol=0, atol=1e-12)
    assert ((rest * centred).mean((2, 3)) / centred.square().mean((2, 3))).abs().max() < 2e-3
    flat = torch.full((1, 3, 8, 8), 0.2).double()
    torch.testing.assert_close(match_tone(flat, flat + 0.3), flat + 0.3)


def test_fusions_are_those_of_the_texture_s_components(trained):
    """Each component in units of its deviation, in the texture's colours; and they make a difference."""
    network, (picture, _) = tiny("jumpset-net"), js.datasets.textured(48, 64, seed=2)
    f = torch.from_numpy(picture.transpose(2, 0, 1))[None]
    with torch.no_grad():
        texture = network.measure(f - match_tone(network.guess(f), f))
    unit = (texture.deviations + 0.3 / 255)[:, :, None, None]
    z = network.spectrum.components(f, texture.leans) / unit
    fused = network.fuse(f, texture)
    assert fused.shape == (1, 6, 48, 64)
    for weight, found in zip((12.0, 32.0), fused.split(3, dim=1), strict=True):
        flat = fuse(z, weight, levels=10)
        torch.testing.assert_close(found, network.spectrum.colour(unit * flat, texture.leans))
    whole, alone = (
        smooth(f, "jumpset-net", weights=trained["jumpset-net"], fusion=fusion) for fusion in (True, False)
    )
    assert (whole - alone).abs().max() > 1e-3


def test_the_means_are_kept():
    for name in NAMES:
        for channels in (1, 3, 4):
            f = noise(2, channels, 24, 33)
            u = smooth(f, name)
            torch.testing.assert_close(u.mean(dim=(2, 3)), f.mean(dim=(2, 3)), rtol=0, atol=1e-5)


def test_dejpeg_s_network_knows_the_means():
    f = noise(1, 3, 20, 26)
    assert float((one_pass(f) - f).mean((-2, -1)).abs().max()) > 1e-4
    assert float((smooth(f, "resnet") - f).mean((-2, -1)).abs().max()) < 1e-6


def test_the_frame_is_a_mirror():
    for shape, multiple in (((1, 1), 8), ((2, 3), 1), ((5, 40), 4)):
        f = noise(1, 3, *shape)
        more = [-(n + 32) % multiple for n in shape]
        expected = np.pad(f, [(0, 0), (0, 0), *((16, 16 + m) for m in more)], mode="symmetric")
        np.testing.assert_array_equal(frame(f, multiple), expected)


@pytest.mark.parametrize("name", NAMES)
def test_tiles_leave_no_seam(name, trained):
    f = noise(1, 3, 70, 301)
    whole = smooth(f, name, weights=trained[name])
    parts = smooth(f, name, weights=trained[name], tile=64)
    torch.testing.assert_close(parts, whole, rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (65, 200), (517, 90)])
@pytest.mark.parametrize(("multiple", "reach"), [(1, 5), (8, 40), (2, 92)])
def test_tiles_keep_every_pixel_once(size, multiple, reach):
    padded = tuple(n + -n % multiple for n in size)
    count = torch.zeros(padded)
    for source, kept in exact_tiles(padded, 64, multiple, reach):
        count[kept] += 1
        for s, k, n in zip(source, kept, padded, strict=True):
            assert s.start % multiple == 0
            assert s.stop % multiple == 0
            assert s.start == 0 or k.start - s.start >= reach
            assert s.stop == n or s.stop - k.stop >= reach
    assert torch.equal(count, torch.ones(padded))


def test_gray_is_seen_as_three_equal_bands(trained):
    f = noise(1, 1, 9, 10)
    for name in NAMES:
        gray = smooth(f, name, weights=trained[name])
        colour = smooth(f.expand(-1, 3, -1, -1), name, weights=trained[name])
        torch.testing.assert_close(gray, colour.mean(dim=1, keepdim=True))


def test_other_bands_go_one_by_one(trained):
    f = noise(1, 5, 9, 10)
    for name in NAMES:
        together = smooth(f, name, weights=trained[name])
        alone = torch.cat([smooth(f[:, k : k + 1], name, weights=trained[name]) for k in range(5)], dim=1)
        assert torch.equal(together, alone)


@pytest.mark.parametrize("name", NAMES)
def test_intensities_outside_are_scaled_and_back(name, trained):
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
    """A network that changes nothing gives back every digit."""
    network = build("vdcnn", TINY["vdcnn"])
    nn.init.zeros_(network.last.weight)
    nn.init.zeros_(network.last.bias)
    save_weights(tmp_path / "w.safetensors", "vdcnn", TINY["vdcnn"], network.state_dict())
    f = np.random.default_rng(0).random((8, 9, 3)) * 1.5 - 0.3
    np.testing.assert_array_equal(smooth(f, "vdcnn", weights=tmp_path / "w.safetensors"), f)


def test_bfloat16_is_near(trained):
    f = noise(1, 3, 16, 16)
    for name in NAMES:
        alone = {"fusion": False} if name == "jumpset-net" else {}  # in noise, regions would be others
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
def test_wrong_settings_of_a_method(wrong, match):
    with pytest.raises(js.InputError, match=match):
        smooth(np.zeros((4, 4)), "jumpset-net" if "fusion" in wrong else "vdcnn", **wrong)


def test_dip_l0_can_start_from_it():
    f = noise(1, 3, 12, 14)
    method = DIPl0(start="jumpset-net", anchor=0.25, outer_steps=2)
    state = method.init(f)
    torch.testing.assert_close(state.v, js.smooth(f, "jumpset-net"))
    assert torch.equal(method.image(state), state.v)
    assert torch.isfinite(js.run(f, method).image).all()


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_come_back(name, tmp_path):
    network = tiny(name)
    said = {"data": "synthetic", "steps": 12, "seed": 0, "nested": {"a": [1, 2.5, None]}}
    for half in (False, True):
        path = tmp_path / "w.safetensors"
        save_weights(path, name, TINY[name], network.state_dict(), said, half=half)
        found = load_weights(path)
        assert found.network == name
        assert found.sizes == TINY[name]
        assert found.metadata == {**said, "jumpset": js.__version__}
        assert found.tensors.keys() == network.state_dict().keys()
        for key, value in network.state_dict().items():
            assert found.tensors[key].dtype == value.dtype
            torch.testing.assert_close(found.tensors[key], value, rtol=1e-3 if half else 0, atol=1e-6 * half)
    assert "steps: 12" in model_card(path)


def test_half_is_about_half(tmp_path):
    network = build("vdcnn", SIZES["vdcnn"]["small"])
    for half in (False, True):
        save_weights(tmp_path / f"{half}.safetensors", "vdcnn", {}, network.state_dict(), half=half)
    whole, small = ((tmp_path / f"{h}.safetensors").stat().st_size for h in (False, True))
    assert small < 0.55 * whole


def test_unsound_weights_are_not_written(tmp_path):
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


def test_files_that_are_no_weights(tmp_path, trained):
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
    with pytest.raises(js.FileError, match="which network"):
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


def test_a_new_file_is_read_anew(tmp_path):
    path, f = tmp_path / "w.safetensors", noise(1, 3, 8, 8)
    answers = []
    for seed in (0, 1):
        network = tiny("vdcnn", seed)
        save_weights(path, "vdcnn", TINY["vdcnn"], network.state_dict(), half=False)
        answers.append(smooth(f, "vdcnn", weights=path))
        expected = means_kept(f, passed(network, frame(f, 1))[..., 16:24, 16:24])
        torch.testing.assert_close(answers[-1], expected)
    assert not torch.equal(*answers)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_shipped(name):
    found = load_weights(shipped(name))
    assert found.network == name
    assert found.sizes in SIZES[name].values()
    assert f"`{name}`" in (shipped(name).parent / "CARDS.md").read_text()
    if not untrained(name):
        said = found.metadata
        assert {"data", "steps", "seed", "licence", "command"} <= said.keys()
    assert shipped(name).stat().st_size < 8e6


@pytest.mark.parametrize("name", NAMES)
def test_shipped_weights_smooth(name):
    if untrained(name):
        pytest.skip("no weights are shipped yet")
    picture, truth = js.datasets.textured(96, 128, seed=4)
    u = smooth(picture, name)
    if name == "deep-wls":  # it has seen no truth; what can be said of it is that it smooths
        jumps = [sum(np.abs(np.diff(x, axis=k)).sum() for k in (0, 1)) for x in (u, picture)]
        assert jumps[0] < 0.7 * jumps[1]
    else:
        assert js.metrics.psnr(truth, u) > js.metrics.psnr(truth, picture)
    if name in ("resnet", "vdcnn", "jumpset-net"):  # what adds to the picture leaves alone what is flat
        flat = np.full((32, 40, 3), (0.2, 0.5, 0.9), dtype=np.float32)
        assert np.abs(smooth(flat, name) - flat).max() < 0.03


def test_weights_are_read_when_they_are_needed():
    code = (
        "import sys, jumpset; jumpset.methods(); jumpset.method('resnet'); "
        "print([m for m in ('safetensors', 'onnx') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


# --- ONNX ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_runtime_gives_the_same_picture(name, tmp_path, trained):
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    runtime = pytest.importorskip("onnxruntime")
    path = tmp_path / "network.onnx"
    js.training.export_onnx(name, path, weights=trained[name])
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for shape in ((1, 3, 1, 1), (2, 3, 33, 46), (1, 3, 64, 9)):
        f = noise(*shape)
        fed = {"picture": f.numpy()}
        settings = {"weights": trained[name]}
        if name == "jumpset-net":
            fed["strength"] = np.full(shape[0], 0.3, dtype=np.float32)
            settings |= {"weight": 0.3, "fusion": False}
        (found,) = session.run(["smoothed"], fed)
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
def test_wrong_exports(arguments, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jumpset.training.export.find_spec", lambda package: package)
    result = CliRunner().invoke(app, ["export", *arguments])
    assert result.exit_code == 2
    assert match in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_an_export_names_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("jumpset.training.export.find_spec", lambda package: None)
    with pytest.raises(ModuleNotFoundError, match="onnx, onnxscript"):
        js.training.export_onnx("resnet", tmp_path / "o.onnx")


def test_settings_can_be_replaced():
    assert replace(js.method("jumpset-net"), weight=0.1).weight == 0.1
