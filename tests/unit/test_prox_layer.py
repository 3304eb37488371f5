"""Derivatives of the prox layer against finite differences of finely solved proxes."""

from dataclasses import fields

import pytest
import torch

import jumpset as js


def picture(channels=1, seed=0):
    """Steps and noise, so that the prox has regions, edges and zeros."""
    g = torch.Generator().manual_seed(seed)
    v = 0.1 * torch.randn(2, channels, 5, 6, generator=g, dtype=torch.float64)
    v[:, :, 1:4, 2:5] += 1.0
    return v


CLOSED = [
    js.L1(),
    js.penalties.TiledGroups(2),
    js.penalties.MCP(0.6),
    js.penalties.SparseGroup(js.penalties.TiledGroups(2)),
]
SOLVED = {
    "tv": (js.TotalVariation(), {"tol": 1e-13}),
    "tv-aniso": (js.TotalVariation(isotropic=False), {"tol": 1e-13}),
    "tv-aniso-joint": (js.TotalVariation(isotropic=False, channels="joint"), {"tol": 1e-13}),
    "tv-joint": (js.TotalVariation(channels="joint"), {"tol": 1e-13}),
    "sparse-tv": (js.SparseTV(isotropic=False), {"tol": 1e-13}),
    "huber": (js.penalties.HuberTV(delta=0.05), {"tol": 1e-13}),
    "sliding": (js.SlidingGroups(3), {"tol": 1e-7}),
    "latent": (js.penalties.LatentGroups(3), {"tol": 1e-7}),
    "tgv": (js.penalties.TGV2(), {"tol": 1e-10}),
}


def fine(penalty, options):
    """The same penalty whose prox is always solved finely."""
    cls = type(penalty)

    class Finer(cls):
        def prox(self, v, tau, **_):
            return cls.prox(self, v, tau, **options)

    Finer.__name__ = cls.__name__
    return Finer(**{f.name: getattr(penalty, f.name) for f in fields(penalty)})


@pytest.mark.parametrize("penalty", CLOSED, ids=repr)
def test_closed_forms_by_autograd(penalty):
    layer = js.Prox(penalty, 0.13)
    v = picture().requires_grad_()
    tau = torch.tensor([0.13, 0.21], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (v, tau))
    torch.testing.assert_close(layer(v), penalty.prox(v, 0.13), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", SOLVED)
def test_solved_ones_against_finite_differences(name):
    penalty, options = SOLVED[name]
    finer = fine(penalty, options)
    layer = js.Prox(finer, 0.1, flat=1e-5, tol=options["tol"])
    v = picture(2 if "joint" in name else 1)
    tau = torch.tensor([0.1, 0.06], dtype=torch.float64)
    g = torch.randn(v.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    moving, price = v.clone().requires_grad_(), tau.clone().requires_grad_()
    by_v, by_tau = torch.autograd.grad((layer(moving, price) * g).sum(), (moving, price))
    h = 1e-4
    direction = torch.randn(v.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    prox = lambda v, tau: finer.prox(v, tau)  # noqa: E731
    expected = ((prox(v + h * direction, tau) - prox(v - h * direction, tau)) * g).flatten(1).sum(1) / (2 * h)
    found = (by_v * direction).flatten(1).sum(1)
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0.03)
    expected = ((prox(v, tau + h) - prox(v, tau - h)) * g).flatten(1).sum(1) / (2 * h)
    torch.testing.assert_close(by_tau, expected, rtol=0.03, atol=0.05)


def test_anisotropic_tv_takes_region_means():
    v = torch.tensor([[[0.0, 0.1, 0.0, 1.0, 1.1, 0.9]]], dtype=torch.float64, requires_grad=True)
    u = js.Prox(js.TotalVariation(isotropic=False), 0.2)(v)
    (slope,) = torch.autograd.grad(u[0, 0, 0], v)
    torch.testing.assert_close(slope, torch.tensor([[[1, 1, 1, 0, 0, 0]]]).double() / 3)


@pytest.mark.parametrize("penalty", [js.L1(), js.TotalVariation(), js.penalties.LatentGroups(3)], ids=repr)
def test_multiples(penalty):
    """``2 R`` at tau has the values and derivatives of R at 2 tau, solved or not."""
    outcomes = []
    for layer, tau in ((js.Prox(2 * penalty, 1.0), 0.1), (js.Prox(penalty, 1.0), 0.2)):
        v, price = picture().requires_grad_(), torch.full((2,), tau, dtype=torch.float64, requires_grad=True)
        u = layer(v, price)
        by_v, by_tau = torch.autograd.grad((u * picture(seed=1)).sum(), (v, price))
        outcomes.append((u.detach(), by_v, by_tau * tau))
    for ours, theirs in zip(*outcomes, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("penalty", [js.Potts(), js.penalties.L0Gradient()], ids=repr)
def test_jumps_in_one_dimension(penalty):
    v = torch.tensor([[[0.0, 0.1, 0.0, 1.0, 1.1, 0.9]]], dtype=torch.float64, requires_grad=True)
    tau = torch.tensor([0.05], dtype=torch.float64, requires_grad=True)
    u = js.Prox(penalty, 0.05)(v, tau)
    by_v, by_tau = torch.autograd.grad(u[0, 0, 4], (v, tau))
    torch.testing.assert_close(by_v, torch.tensor([[[0, 0, 0, 1, 1, 1]]]).double() / 3)
    assert float(by_tau) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("penalty", [js.L1(), js.SlidingGroups(3)], ids=repr)
def test_tau_is_learned(penalty):
    torch.manual_seed(0)
    v = picture().float()
    target = penalty.prox(v, 0.15)
    layer = js.Prox(penalty, 0.05, learnable=True)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    for _ in range(50):
        optimizer.zero_grad()
        (layer(v) - target).square().sum().backward()
        optimizer.step()
    assert float(layer.tau.detach()) == pytest.approx(0.15, abs=0.015)
    assert [*js.Prox(penalty, 0.05).parameters()] == []
    assert "tau" in js.Prox(penalty, 0.05).state_dict()


@pytest.mark.parametrize("penalty", [js.L1(), js.SlidingGroups(3), js.TotalVariation(), js.Potts()], ids=repr)
def test_no_weight_is_the_identity(penalty):
    v = torch.rand(2, 1, 7, 1, generator=torch.Generator().manual_seed(0)).requires_grad_()
    u = js.Prox(penalty, 0.0)(v)
    torch.testing.assert_close(u, v)
    torch.testing.assert_close(torch.autograd.grad(u.sum(), v)[0], torch.ones_like(v))


def test_tau_is_set_and_loaded():
    """By a number, and from a state in which the trained tau was a parameter of this name."""
    fixed, trained = js.Prox(js.L1(), 0.1), js.Prox(js.L1(), 0.1, learnable=True)
    for layer in (fixed, trained):
        layer.tau = 0.3
        assert float(layer.tau.detach()) == pytest.approx(0.3)
        with pytest.raises(js.InputError):
            layer.tau = -1.0
    trained.load_state_dict({"tau": torch.tensor(0.2)})
    assert float(trained.tau.detach()) == pytest.approx(0.2)
    fixed.penalty = js.TotalVariation()
    torch.testing.assert_close(fixed(picture()), js.Prox(js.TotalVariation(), 0.3)(picture()))


@pytest.mark.parametrize("penalty", [js.L1(), js.TotalVariation(), js.SlidingGroups(3)], ids=repr)
def test_channels_last(penalty):
    """The same values and derivatives, also of one image with its channels first."""
    v = picture(channels=3)
    layers = js.Prox(penalty, 0.1), js.Prox(penalty, 0.1, channel_axis=-1)
    outcomes = []
    for layer, x, axis in zip(layers, (v, v.movedim(1, -1)), (1, -1), strict=True):
        x = x.clone().requires_grad_()
        u = layer(x)
        (slope,) = torch.autograd.grad((u.movedim(axis, 1) * v.flip(-1)).sum(), x)
        outcomes.append((u.movedim(axis, 1), slope.movedim(axis, 1)))
    for ours, theirs in zip(*outcomes, strict=True):
        torch.testing.assert_close(ours, theirs)
    one = js.Prox(penalty, 0.1, channel_axis=0)(v[0])
    torch.testing.assert_close(one, layers[0](v[:1])[0])


def test_mistakes_are_said():
    with pytest.raises(js.InputError, match="tau"):
        js.Prox(js.L1(), -1.0)
    with pytest.raises(js.InputError, match="tau"):
        js.Prox(js.L1(), 0.1)(picture(), -0.1)
    with pytest.raises(js.InputError):
        js.Prox(js.L1(), 0.1)(torch.zeros(3))
    with pytest.raises(js.JumpsetError, match="proximal"):
        js.Prox(js.penalties.GraphNet(), 0.1)(picture())
