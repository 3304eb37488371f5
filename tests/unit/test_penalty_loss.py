"""The module for training, the controllers of its weight, and the weights for one image."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch

import jumpset as js
import jumpset.penalties as P  # noqa: N812
from jumpset import nn, weights
from jumpset.kernels.regions import fusion
from jumpset.metrics import count_regions


@pytest.fixture
def x():
    return torch.rand(2, 3, 8, 9, generator=torch.Generator().manual_seed(0))


def test_loss_is_weight_times_penalty(x):
    loss = nn.PenaltyLoss(P.TotalVariation(), 0.3)
    torch.testing.assert_close(loss(x), 0.3 * P.TotalVariation()(x))
    each = nn.PenaltyLoss(P.L1(), 2.0, normalize="sum", reduction="none")
    torch.testing.assert_close(each(x), 2 * x.abs().sum((1, 2, 3)))
    mask = x[:, :1] > 0.5
    torch.testing.assert_close(loss(x, mask=mask), 0.3 * P.TotalVariation()(x, mask=mask))
    both = nn.PenaltyLoss(0.7 * P.TotalVariation() + 0.3 * P.L1(), 0.5)
    torch.testing.assert_close(both(x), 0.35 * P.TotalVariation()(x) + 0.15 * P.L1()(x))
    loss.weight = 0.6
    torch.testing.assert_close(loss(x), 0.6 * P.TotalVariation()(x))


def test_resolution_and_batch_do_not_change_it(x):
    loss = nn.PenaltyLoss(P.L1())
    torch.testing.assert_close(loss(x), loss(torch.cat([x, x])))
    torch.testing.assert_close(loss(x), loss(x.repeat_interleave(2, -1).repeat_interleave(2, -2)))


def test_schedule_and_steps(x):
    loss = nn.PenaltyLoss(P.L1(), 0.5, schedule=lambda step: min(1.0, step / 4))
    seen = []
    for _ in range(6):
        seen.append(float(loss(x) / P.L1()(x)))
        loss(x)  # evaluating twice is not a step
        loss.step()
    np.testing.assert_allclose(seen, [0, 0.125, 0.25, 0.375, 0.5, 0.5], atol=1e-6)


def test_penalties_that_change_with_the_step(x):
    loss = nn.PenaltyLoss(P.TiledGroups(4).at_step)
    values = []
    for step in range(5):
        torch.testing.assert_close(loss(x), P.TiledGroups(4).at_step(step)(x))
        values.append(float(loss(x)))
        loss.step()
    assert len(set(values)) > 1
    potts = P.Potts()
    loss = nn.PenaltyLoss(lambda step: potts.annealed(step, 3, 0.5, 0.05))
    for scale in (0.5, 0.025**0.5, 0.05, 0.05):
        torch.testing.assert_close(loss(x), P.Potts(scale=scale)(x))
        loss.step()


def test_state_travels(x):
    def make():
        return nn.PenaltyLoss(P.TiledGroups(4).at_step, 0.1, schedule=lambda step: 1 + step)

    loss, other = make(), make()
    for _ in range(3):
        loss.step()
    loss.weight = 0.7
    other.load_state_dict(loss.state_dict())
    torch.testing.assert_close(other(x), loss(x))
    assert int(other.n_steps) == 3
    assert other.weight == 0.7
    other.half().to("cpu").float()  # a counter survives a change of dtype
    assert int(other.n_steps) == 3
    assert "TiledGroups" in repr(nn.PenaltyLoss(P.TiledGroups(4), 0.5))


def test_it_trains_inside_a_model():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1))
    loss = nn.PenaltyLoss(P.SlidingGroups(3), 0.05)
    x = torch.rand(2, 1, 8, 8)
    (model(x).square().mean() + loss(model(x))).backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in model.parameters())
    assert not list(loss.parameters())


def test_it_compiles_in_one_graph(x):
    loss = nn.PenaltyLoss(P.SlidingGroups(3), 0.2)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), loss(x))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"penalty": "tv"}, "penalty"),
        ({"weight": -1}, "weight"),
        ({"schedule": 3}, "schedule"),
        ({"schedule": lambda step: -1.0}, "schedule"),
        ({"penalty": lambda step: step}, "penalty"),
        ({"normalize": "max"}, "normalize"),
        ({"reduction": "max"}, "reduction"),
    ],
)
def test_bad_losses(wrong, match):
    with pytest.raises(js.InputError, match=match):
        nn.PenaltyLoss(**{"penalty": P.L1()} | wrong)


# ------------------------------------------------------------------------------------- controllers


def test_zero_fraction_controller_reaches_its_target():
    """Against a plant that answers at once: the soft threshold at 50 times the weight."""
    v = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    loss = nn.PenaltyLoss(P.L1(), 1e-4)
    control = nn.ZeroFractionController(loss, 0.7, tol=0.0, gain=0.5, memory=0.5)
    for _ in range(100):
        control.update(P.L1().prox(v, 50 * loss.weight))
    assert control.average == pytest.approx(0.7, abs=0.01)
    assert loss.weight == pytest.approx(0.7 / 50, rel=0.05)


def test_controller_follows_its_rule_and_its_bounds():
    loss = nn.PenaltyLoss(P.L1(), 1.0)
    control = nn.ZeroFractionController(loss, 0.5, tol=0.1, gain=0.2, memory=0.75, bounds=(0.5, 1.3))
    ones, zeros = torch.ones(1, 1, 4), torch.zeros(1, 1, 4)
    assert control.update(ones) == 0.0
    assert loss.weight == pytest.approx(math.exp(0.2 * 0.5))
    assert control.update(zeros) == pytest.approx(0.25)
    assert loss.weight == pytest.approx(math.exp(0.2 * 0.5 + 0.2 * 0.25))
    for _ in range(50):
        control.update(ones)
    assert loss.weight == pytest.approx(1.3)
    for _ in range(100):
        control.update(zeros)
    assert loss.weight == pytest.approx(0.5)
    other = nn.ZeroFractionController(nn.PenaltyLoss(P.L1(), 9.0), 0.5)
    other.load_state_dict(control.state_dict())
    assert other.average == control.average
    assert other.loss.weight == loss.weight


def test_region_controller():
    x = torch.zeros(2, 2, 6, 6)
    x[0, 0, :, 3:] = 1
    x[1, 1, 2, 2] = 1
    x[1, 0, 4, 4] = 1e-4
    assert count_regions(x[0].numpy(), 0.01, channel_axis=0) == 2
    assert count_regions(x[1].numpy(), 0.01, channel_axis=0) == 2
    assert count_regions(x[1].numpy(), 0.0, channel_axis=0) == 3
    assert count_regions(np.zeros((1, 1)), 0.0) == 1
    loss = nn.PenaltyLoss(P.Potts(), 1.0)
    control = nn.RegionCountController(loss, 4, gain=0.5)
    assert control.update(x) == 2.0
    assert loss.weight == pytest.approx(0.5**0.5)


@pytest.mark.parametrize(
    "wrong", [{"fraction": 0}, {"fraction": 1}, {"gain": 0}, {"memory": 1}, {"tol": -1}, {"bounds": (0, 1)}]
)
def test_bad_controllers(wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        nn.ZeroFractionController(nn.PenaltyLoss(P.L1()), **{"fraction": 0.5} | wrong)
    with pytest.raises(js.InputError, match="PenaltyLoss"):
        nn.RegionCountController(P.L1(), 3)


# ----------------------------------------------------------------------------- weights for one image


def picture():
    x = torch.zeros(1, 1, 24, 24, dtype=torch.float64)
    x[..., 6:14, 8:18] = 0.9
    return x + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    "penalty", [P.L1(), P.L0(), P.MCP(0.2), P.TiledGroups(4), P.SlidingGroups(3), P.SparseGroup()], ids=repr
)
@pytest.mark.parametrize("fraction", [0.3, 0.8])
def test_weight_for_zero_fraction(penalty, fraction):
    x = picture()
    weight = weights.weight_for_zero_fraction(x, penalty, fraction)
    assert float((penalty.prox(x, weight) == 0).double().mean()) >= fraction
    if isinstance(penalty, P.L1):
        assert weight == pytest.approx(float(x.abs().flatten().quantile(fraction)), rel=0.05)
    if not isinstance(penalty, P.SlidingGroups):
        assert float((penalty.prox(x, 0.97 * weight) == 0).double().mean()) < fraction


def test_zero_fraction_corner_cases():
    assert weights.weight_for_zero_fraction(torch.zeros(1, 1, 4), P.L1(), 0.5) == 0.0
    assert weights.weight_for_zero_fraction(torch.ones(1, 1, 4), P.L1(), 1.0) == pytest.approx(1.0, rel=0.02)
    with pytest.raises(js.InputError, match="no weight"):
        weights.weight_for_zero_fraction(torch.ones(1, 1, 4), P.Cauchy(0.2), 0.5)
    with pytest.raises(js.JumpsetError, match="proximal"):
        weights.weight_for_zero_fraction(torch.ones(1, 1, 4), P.Connectedness(), 0.5)


def regions_at(image, weight, levels):
    offsets = region_fusion_offsets()
    regions = fusion.make_regions(image, np.ones((2, *image.shape[:2])), offsets)
    for k in range(levels + 1):
        fusion.sweep(regions, weight * k / levels)
    return fusion.labels(regions).max() + 1


def region_fusion_offsets():
    from jumpset.operators.neighborhoods import OFFSETS

    return OFFSETS[4]


def test_weight_for_regions():
    image = picture()[0, 0].clamp(0, 1).numpy()
    for count in (2, 10, 60):
        weight = weights.weight_for_regions(image, count, levels=10)
        assert regions_at(image[..., None], weight, 10) <= count
        assert regions_at(image[..., None], 0.5 * weight, 10) > count
        colour = np.repeat(image[..., None], 3, -1)
        assert regions_at(colour, weights.weight_for_regions(colour, count, levels=10), 10) <= count
    assert weights.weight_for_regions(np.zeros((5, 5)), 1) == 0.0
    assert weights.weight_for_regions(image, 1, neighbors=8, levels=5) > 0
    with pytest.raises(js.InputError, match="count"):
        weights.weight_for_regions(image, 0)
    with pytest.raises(js.InputError, match="one image"):
        weights.weight_for_regions(torch.zeros(2, 1, 4, 4), 1)


def test_weight_from_noise():
    sigma, shape = 0.1, (1, 1, 40, 40)
    l1 = weights.weight_from_noise(sigma, P.L1(), shape, fraction=1.0)
    assert l1 == pytest.approx(sigma * math.sqrt(2 * math.log(1600)), rel=0.2)  # the universal threshold
    for penalty in (P.L1(), P.TiledGroups(4), P.L0()):
        weight = weights.weight_from_noise(sigma, penalty, shape)
        fresh = sigma * torch.randn(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        assert float((penalty.prox(fresh, weight) == 0).double().mean()) > 0.95
        assert weights.weight_from_noise(sigma, penalty, shape) == weight
        assert weights.weight_from_noise(0.0, penalty) == 0.0
    flat = weights.weight_from_noise(sigma, P.Potts(), shape)
    assert flat == pytest.approx(2 * sigma**2 * math.log(1600))
    noise = 0.5 + sigma * np.random.default_rng(0).standard_normal((40, 40, 1))
    assert regions_at(noise, flat, 50) < 20


# ----------------------------------------------------------------------------------- saved and copied


def test_it_is_pickled_copied_and_saved(x, tmp_path):
    """The state consists of tensors, as safetensors and accelerate need; all else travels by pickle."""
    safetensors = pytest.importorskip("safetensors.torch")
    loss = nn.PenaltyLoss(P.TiledGroups(4).at_step, 0.7)
    loss.step()
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert torch.equal(twin(x), loss(x))
        twin.step()
        assert int(twin.n_steps) == 2
        torch.testing.assert_close(twin(x), 0.7 * P.TiledGroups(4).at_step(2)(x))
    assert int(loss.n_steps) == 1
    model = torch.nn.ModuleDict({"loss": loss, "layer": torch.nn.Linear(1, 1)})
    assert all(isinstance(value, torch.Tensor) for value in model.state_dict().values())
    safetensors.save_file(model.state_dict(), tmp_path / "a.safetensors")
    other = torch.nn.ModuleDict(
        {"loss": nn.PenaltyLoss(P.TiledGroups(4).at_step, 0.1), "layer": torch.nn.Linear(1, 1)}
    )
    other.load_state_dict(safetensors.load_file(tmp_path / "a.safetensors"))
    assert other["loss"].weight == 0.7
    assert torch.equal(other["loss"](x), loss(x))
    safetensors.save_model(model, str(tmp_path / "b.safetensors"))
    torch.save(model.state_dict(), tmp_path / "c.pt")
    other["loss"].weight = 0.2
    other.load_state_dict(torch.load(tmp_path / "c.pt", weights_only=True))
    assert other["loss"].weight == 0.7
    other.load_state_dict(model.state_dict() | {"loss._extra_state": {"weight": 0.3}})  # as saved before
    assert other["loss"].weight == 0.3


def test_the_weight_can_be_trained(x):
    weight = torch.nn.Parameter(torch.tensor(0.3))
    loss = nn.PenaltyLoss(P.L1(), weight)
    assert list(loss.parameters()) == [weight]
    loss(x).backward()
    torch.testing.assert_close(weight.grad, P.L1()(x))
    torch.testing.assert_close(loss(x).detach(), 0.3 * P.L1()(x))
    other = nn.PenaltyLoss(P.L1(), torch.nn.Parameter(torch.tensor(0.0)))
    other.load_state_dict(pickle.loads(pickle.dumps(loss)).state_dict())
    assert other.weight.item() == pytest.approx(0.3)
    control = nn.ZeroFractionController(loss, 0.5, gain=0.2)
    control.update(torch.ones(1, 1, 4))
    assert loss.weight is weight  # which the optimizer holds
    assert weight.item() == pytest.approx(0.3 * math.exp(0.1))
    with torch.no_grad():
        weight.fill_(-1.0)
    assert loss(x).item() == 0.0
    for wrong in (torch.nn.Parameter(torch.tensor(-0.1)), torch.nn.Parameter(torch.ones(2)), 2 * weight):
        with pytest.raises(js.InputError, match="weight"):
            nn.PenaltyLoss(P.L1(), wrong)


def test_channels_last_losses(x):
    loss = nn.PenaltyLoss(P.TotalVariation(), 0.5, channel_axis=-1)
    assert torch.equal(loss(x.movedim(1, -1)), 0.5 * P.TotalVariation()(x))
