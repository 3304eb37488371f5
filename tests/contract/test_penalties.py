"""What every penalty guarantees. A penalty is under test as soon as its class is defined in jumpset.penalties."""

import importlib
import inspect
import pkgutil
import warnings

import numpy as np
import pytest
import torch

import jumpset as js
import jumpset.penalties as P  # noqa: N812
from jumpset.penalties.weighted_sum import WeightedSum


def concrete_classes(base=P.Penalty):
    """The classes of the package that can be instantiated, from the subclasses of ``base``."""
    for module in pkgutil.iter_modules(P.__path__, "jumpset.penalties."):
        importlib.import_module(module.name)
    found, waiting = set(), [base]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if not inspect.isabstract(cls) and cls.__module__.startswith("jumpset."):
            found.add(cls)
    return found


def needs_arguments(cls):
    return any(p.default is p.empty for p in inspect.signature(cls).parameters.values())


CLASSES = concrete_classes()
# Settings that change the formula, beside the defaults of every class.
SETTINGS = {
    "tv-aniso": P.TotalVariation(isotropic=False),
    "tv-aniso-separate": P.TotalVariation(isotropic=False, channels="separate"),
    "tv-joint": P.TotalVariation(channels="joint"),
    "tv-separate": P.TotalVariation(channels="separate"),
    "tv-squared": P.TotalVariation(beta=2.0),
    "tv-between": P.TotalVariation(beta=1.5),
    "tv-nonconvex": P.TotalVariation(beta=0.5),
    "tv-second": P.TotalVariation(order=2),
    "tv-upwind": P.TotalVariation(scheme="upwind"),
    "tv-upwind-aniso": P.TotalVariation(isotropic=False, scheme="upwind", channels="separate"),
    "tv-8": P.TotalVariation(isotropic=False, scheme="8-neighbor", channels="separate"),
    "tv-8-joint": P.TotalVariation(isotropic=False, scheme="8-neighbor", channels="joint"),
    "tv-8-squared": P.TotalVariation(2.0, isotropic=False, scheme="8-neighbor"),
    "sum": 0.7 * P.TotalVariation() + 0.3 * P.L1(),
    "sum-of-groups": 0.7 * P.SlidingGroups(3) + 0.3 * P.L1() + 0.1 * P.L1(),
    "sum-of-two": P.TotalVariation() + P.SlidingGroups(3),
    "multiple": 2 * P.TotalVariation(isotropic=False),
    "multiple-nonconvex": 0.3 * P.L0(),
    "vectorial-linf": P.VectorialTV(coupling="linf"),
    "vectorial-nuclear": P.VectorialTV(coupling="nuclear"),
    "sliding": P.SlidingGroups(window=3),
    "sliding-log": P.SlidingGroups(window=3, phi="log"),
    "sliding-lp": P.SlidingGroups(window=3, phi="lp"),
    "sparse-sliding": P.SparseGroup(P.SlidingGroups(3)),
    "sparse-sliding-log": P.SparseGroup(P.SlidingGroups(3, phi="log")),
    "potts-smooth": P.Potts(scale=0.3),
    "l0-gradient-smooth": P.L0Gradient(scale=0.3),
    "aitv-convex": P.AITV(alpha=0.0),
    "tgv2-joint": P.TGV2(channels="joint"),
    "tgv2-separate": P.TGV2(channels="separate"),
    "latent-joint": P.LatentGroups(3, channels="joint"),
    "target-area-soft": P.TargetArea(0.3, scale=0.5, channels="joint"),
}
PENALTIES = {c.name: c() for c in CLASSES if not needs_arguments(c)} | SETTINGS
ALL = sorted(PENALTIES)

# Contracts that a class cannot take, each with the reason, with which its tests are skipped.
TORCH = "its inner solver is written for torch"
EXEMPT = {
    "Connectedness": {
        "loss_keeps_its_size": "a larger image has a smaller share of border, which has no holes"
    },
    "LatentGroups": {
        "gradcheck": "the maximiser is found to tol only; test_penalties_groups checks a small tol",
        "numpy_gives_the_same": TORCH,
    },
    "TargetArea": {"gradient_at_zero_is_zero": "an empty image misses the area, and the gradient says so"},
    "TGV2": {
        "gradcheck": "the gradient is that of the lower bound, which differs from the value by the gap",
        "numpy_gives_the_same": TORCH,
    },
}


@pytest.fixture
def x():
    return torch.from_numpy(np.random.default_rng(5).random((3, 2, 8, 9)))


@pytest.fixture(params=ALL)
def name(request):
    """The name of each penalty, skipped where it is exempt from the test that asks."""
    contract = request.function.__name__.removeprefix("test_")
    if reason := EXEMPT.get(type(PENALTIES[request.param]).__name__, {}).get(contract):
        pytest.skip(reason)
    return request.param


def test_every_class_is_under_test():
    assert {type(p) for p in PENALTIES.values()} == CLASSES
    public = CLASSES - {WeightedSum}  # which + and * make
    assert {c for c in CLASSES if getattr(P, c.__name__, None) is c} == public


def test_batch_equals_loop(name, x):
    penalty = PENALTIES[name]
    together = penalty.value(x)
    assert together.shape == (3,)
    torch.testing.assert_close(together, torch.cat([penalty.value(x[k : k + 1]) for k in range(3)]))


def test_normalize_and_reduction(name, x):
    penalty = PENALTIES[name]
    loss = penalty(x)
    torch.testing.assert_close(penalty(torch.cat([x, x])), loss)
    torch.testing.assert_close(penalty(x, normalize="sum"), loss * 72, rtol=1e-9, atol=0)
    torch.testing.assert_close(penalty(x, reduction="sum"), 3 * loss)
    assert penalty(x, reduction="none").shape == (3,)


def test_loss_keeps_its_size(name, x):
    """The default loss of an image tiled 8 × 8 times is nearly that of the image."""
    loss = PENALTIES[name](x)
    wide = x.repeat(1, 1, 8, 8)
    assert abs(PENALTIES[name](wide).item() - loss.item()) < 0.35 * abs(loss.item()) + 1e-6


FLOATS = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ["zero", "flat", "half", "random"])
def test_gradients_are_finite(name, dtype, kind, x):
    image = {"zero": 0 * x, "flat": 0 * x + 0.5, "half": x * (torch.arange(9) < 4), "random": x}[kind]
    image = image.to(dtype).requires_grad_()
    loss = PENALTIES[name](image)
    assert torch.isfinite(loss)
    if loss.requires_grad:
        (gradient,) = torch.autograd.grad(loss, image)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_gradient_at_zero_is_zero(name, dtype, x):
    """The subgradient of least norm at zero is zero."""
    image = (0 * x).to(dtype).requires_grad_()
    loss = PENALTIES[name](image)
    if loss.requires_grad:
        assert not torch.autograd.grad(loss, image)[0].any()


def test_gradcheck(name, x):
    small = (x[:1, :, :5, :4] + 0.05).requires_grad_()
    assert torch.autograd.gradcheck(PENALTIES[name].value, (small,))


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 7), (1, 1, 1, 1), (1, 2, 1, 9), (2, 1, 4, 3, 5)])
def test_shapes(name, shape):
    if getattr(PENALTIES[name], "scheme", None) == "8-neighbor" and len(shape) != 4:
        pytest.skip("the 8-neighbor scheme is for two spatial axes")
    value = PENALTIES[name].value(torch.rand(shape, generator=torch.Generator().manual_seed(0)))
    assert value.shape == shape[:1]
    assert torch.isfinite(value).all()
    assert (value >= 0).all()


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


def test_weight_map(name, x):
    penalty = PENALTIES[name]
    twice = penalty.value(x, weight_map=torch.full((1, 1, 8, 9), 2.0, dtype=x.dtype))
    torch.testing.assert_close(twice, 2 * penalty.value(x))


def test_numpy_gives_the_same(name, x):
    np.testing.assert_allclose(PENALTIES[name].value(x.numpy()), PENALTIES[name].value(x).numpy(), rtol=1e-9)


@pytest.mark.slow
def test_compiled_equals_eager(name, x):
    penalty = PENALTIES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own notices
        compiled = torch.compile(penalty.value, backend="aot_eager")
        torch.testing.assert_close(compiled(x), penalty.value(x))


# ------------------------------------------------------------------------------------- traits


def witnesses():
    """Pairs of images between which a penalty that is not convex bulges."""
    g = torch.Generator().manual_seed(3)
    noise = torch.rand(2, 2, 6, 7, generator=g, dtype=torch.float64)
    ramp = torch.linspace(0, 2, 7, dtype=torch.float64).expand(1, 2, 6, 7)
    step = (torch.arange(7) < 3).double().expand(1, 2, 6, 7)
    blob = torch.zeros(1, 2, 6, 7, dtype=torch.float64)
    blob[..., 2, 3] = 1.0
    flat = torch.full_like(blob, 0.6)
    images = torch.cat([noise, ramp, step, 1 - step, step.roll(1, -1), 0.4 * ramp.mT.reshape(1, 2, 6, 7),
                        blob, blob.roll(2, -2), flat, 0 * flat, 0.05 * noise, 3 * noise])  # fmt: skip
    first, second = torch.triu_indices(len(images), len(images), 1)
    return images[first], images[second]


def test_convex(name):
    """R lies below its chords exactly where the class says that it is convex."""
    penalty, (a, b) = PENALTIES[name], witnesses()
    middle, ends = (a + b) / 2, (penalty.value(a) + penalty.value(b)) / 2
    error = penalty.gap(middle) if hasattr(penalty, "gap") else 0.0  # of a value that is solved for
    excess = penalty.value(middle) - ends - error
    assert bool((excess <= 1e-9 * ends + 1e-12).all()) == penalty.convex


def test_separable(name, x):
    """A separable penalty is the sum of the penalties of the entries; another one is not."""
    penalty = PENALTIES[name]
    entries = penalty.value(x[:1].reshape(-1, 1, 1, 1)).sum(0, keepdim=True)
    assert torch.allclose(entries, penalty.value(x[:1])) == penalty.separable


def test_prox_or_a_clear_refusal(name, x):
    penalty = PENALTIES[name]
    if not penalty.has_prox:
        with pytest.raises(NotImplementedError, match="prox"):
            penalty.prox(x, 0.1)
        return
    u = penalty.prox(x, 0.1)
    assert u.shape == x.shape
    better = lambda z: 0.5 * (z - x).square().sum((1, 2, 3)) + 0.1 * penalty.value(z)  # noqa: E731
    assert (better(u) <= better(x) + 1e-9).all()
    assert (better(u) <= better(0 * x) + 1e-9).all()


def test_prox_of_a_multiple(name, x):
    """``2 R`` at tau is R at 2 tau, with the certificate where there is one."""
    penalty, tau = PENALTIES[name], torch.tensor([0.1, 0.0, 0.02], dtype=x.dtype)
    twice = 2 * penalty
    assert twice.has_prox == penalty.has_prox
    if not penalty.has_prox:
        with pytest.raises(NotImplementedError, match="prox"):
            twice.prox(x, tau)
        return
    assert torch.equal(twice.prox(x, tau), penalty.prox(x, 2 * tau))
    assert torch.equal((0 * penalty).prox(x, tau), penalty.prox(x, 0 * tau))
    if hasattr(penalty, "prox_solution") and not isinstance(penalty, WeightedSum):
        ours, theirs = twice.prox_solution(x, 0.05, tol=1e-5), penalty.prox_solution(x, 0.1, tol=1e-5)
        assert torch.equal(ours.image, theirs.image)
        assert torch.equal(ours.gap, theirs.gap)
        assert twice.prox_solution(x, 0.05, tol=1e-5, dual=ours.dual).n_steps <= theirs.n_steps
    with pytest.raises(js.InputError, match="tau"):
        twice.prox(x, -1.0)


def test_documented(name):
    penalty = PENALTIES[name]
    if isinstance(penalty, WeightedSum):
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
