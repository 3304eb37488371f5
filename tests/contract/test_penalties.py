"""What every penalty promises. A new penalty is tested by being listed here."""

import warnings

import numpy as np
import pytest
import torch

import jumpset as js

# One instance of each, or several where a setting changes the formula.
PENALTIES = {
    "l1": js.L1(),
    "tv": js.TotalVariation(),
    "tv-aniso": js.TotalVariation(isotropic=False),
    "tv-joint": js.TotalVariation(channels="joint"),
    "tv-squared": js.TotalVariation(beta=2.0),
    "tv-nonconvex": js.TotalVariation(beta=0.5),
    "tv-second": js.TotalVariation(order=2),
    "tv-upwind": js.TotalVariation(scheme="upwind"),
    "tv-8": js.TotalVariation(isotropic=False, scheme="8-neighbor"),
    "sum": 0.7 * js.TotalVariation() + 0.3 * js.L1(),
    "huber-tv": js.penalties.HuberTV(),
    "charbonnier": js.penalties.Charbonnier(),
    "vectorial-linf": js.penalties.VectorialTV(coupling="linf"),
    "aitv": js.penalties.AITV(),
    "sparse-tv": js.SparseTV(),
    "graph-net": js.penalties.GraphNet(),
    "sliding": js.SlidingGroups(window=3),
    "sliding-log": js.SlidingGroups(window=3, phi="log"),
    "tiled": js.penalties.TiledGroups(),
    "sparse-group": js.penalties.SparseGroup(),
    "quadtree": js.penalties.QuadtreeGroups(),
    "log-sum": js.penalties.LogSum(),
    "cauchy": js.penalties.Cauchy(),
    "mcp": js.penalties.MCP(),
    "scad": js.penalties.SCAD(),
    "transformed-l1": js.penalties.TransformedL1(),
    "l0": js.penalties.L0(),
    "l0-gradient": js.penalties.L0Gradient(),
    "potts": js.Potts(),
}
SMOOTH = [n for n in PENALTIES if n not in ("l0", "l0-gradient", "potts")]
ALL = sorted(PENALTIES)
WITH_PROX = {
    "aitv",
    "l1",
    "tv",
    "tv-aniso",
    "tv-joint",
    "tv-squared",
    "tv-8",
    "huber-tv",
    "vectorial-linf",
    "sparse-tv",
    "sliding",
    "tiled",
    "sparse-group",
    "quadtree",
    "log-sum",
    "cauchy",
    "mcp",
    "scad",
    "transformed-l1",
    "l0",
}


@pytest.fixture
def x():
    return torch.from_numpy(np.random.default_rng(5).random((3, 2, 8, 9)))


@pytest.mark.parametrize("name", ALL)
def test_batch_equals_loop(name, x):
    penalty = PENALTIES[name]
    together = penalty.value(x)
    assert together.shape == (3,)
    torch.testing.assert_close(together, torch.cat([penalty.value(x[k : k + 1]) for k in range(3)]))


@pytest.mark.parametrize("name", ALL)
def test_the_loss_keeps_its_size(name, x):
    """Twice the batch, or the picture beside its mirror image: the default loss stays (nearly) the same."""
    penalty = PENALTIES[name]
    loss = penalty(x)
    torch.testing.assert_close(penalty(torch.cat([x, x])), loss)
    wide = x.repeat(1, 1, 8, 8)
    assert abs(penalty(wide).item() - loss.item()) < 0.35 * abs(loss.item()) + 1e-6
    torch.testing.assert_close(penalty(x, normalize="sum"), loss * 72, rtol=1e-9, atol=0)
    torch.testing.assert_close(penalty(x, reduction="sum"), 3 * loss)
    assert penalty(x, reduction="none").shape == (3,)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["zero", "flat", "half", "random"])
def test_gradients_are_finite(name, dtype, kind, x):
    image = {"zero": 0 * x, "flat": 0 * x + 0.5, "half": x * (torch.arange(9) < 4), "random": x}[kind]
    image = image.to(dtype).requires_grad_()
    loss = PENALTIES[name](image)
    assert torch.isfinite(loss)
    if loss.requires_grad:
        (gradient,) = torch.autograd.grad(loss, image)
        assert torch.isfinite(gradient).all()
        if kind == "zero":
            assert not gradient.any(), "the subgradient of least norm at zero is zero"


@pytest.mark.parametrize("name", SMOOTH)
def test_gradcheck(name, x):
    small = (x[:1, :, :5, :4] + 0.05).requires_grad_()
    assert torch.autograd.gradcheck(PENALTIES[name].value, (small,))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 7), (1, 1, 1, 1), (1, 2, 1, 9), (2, 1, 4, 3, 5)])
def test_shapes(name, shape):
    if name == "tv-8" and len(shape) != 4:
        pytest.skip("the 8-neighbor scheme is for two spatial axes")
    value = PENALTIES[name].value(torch.rand(shape, generator=torch.Generator().manual_seed(0)))
    assert value.shape == shape[:1]
    assert torch.isfinite(value).all()
    assert (value >= 0).all()


@pytest.mark.parametrize("name", ALL)
def test_mask(name, x):
    """A full mask changes nothing; what lies outside a mask has no influence; an empty one gives 0."""
    penalty = PENALTIES[name]
    full = torch.ones(1, 1, 8, 9, dtype=torch.bool)
    torch.testing.assert_close(penalty.value(x, mask=full), penalty.value(x))
    mask = full.clone()
    mask[..., 5:, :] = False
    other = torch.where(mask, x, x.flip(-1) + 3)
    torch.testing.assert_close(penalty.value(other, mask=mask), penalty.value(x, mask=mask))
    assert not penalty(x, mask=~full, reduction="none").any()


@pytest.mark.parametrize("name", ALL)
def test_weight_map(name, x):
    penalty = PENALTIES[name]
    twice = penalty.value(x, weight_map=torch.full((1, 1, 8, 9), 2.0, dtype=x.dtype))
    torch.testing.assert_close(twice, 2 * penalty.value(x))


@pytest.mark.parametrize("name", ALL)
def test_numpy_gives_the_same(name, x):
    np.testing.assert_allclose(PENALTIES[name].value(x.numpy()), PENALTIES[name].value(x).numpy(), rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_compiled_equals_eager(name, x):
    penalty = PENALTIES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own notices
        compiled = torch.compile(penalty.value, backend="aot_eager")
        torch.testing.assert_close(compiled(x), penalty.value(x))


@pytest.mark.parametrize("name", ALL)
def test_prox_or_a_clear_refusal(name, x):
    if name not in WITH_PROX:
        with pytest.raises(NotImplementedError, match="prox"):
            PENALTIES[name].prox(x, 0.1)
        return
    u = PENALTIES[name].prox(x, 0.1)
    assert u.shape == x.shape
    better = lambda z: 0.5 * (z - x).square().sum((1, 2, 3)) + 0.1 * PENALTIES[name].value(z)  # noqa: E731
    assert (better(u) <= better(x) + 1e-9).all()
    assert (better(u) <= better(0 * x) + 1e-9).all()


@pytest.mark.parametrize("name", ALL)
def test_documented(name):
    penalty = PENALTIES[name]
    if name == "sum":
        return
    assert penalty.paper[-4:].isdigit()
    assert "math::" in type(penalty).__doc__
    assert "Notes" in type(penalty).__doc__


@pytest.mark.parametrize(
    "wrong", [torch.rand(3, 4), np.zeros((2, 2)), torch.zeros(1, 1, 2, 2, dtype=torch.uint8)]
)
def test_bad_input(wrong):
    with pytest.raises(js.InputError):
        js.TotalVariation()(wrong)
