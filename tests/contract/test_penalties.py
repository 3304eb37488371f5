"""What every penalty guarantees. A penalty is under test as soon as its class is defined in jumpset.penalties."""

import copy
import importlib
import inspect
import os
import pickle
import pkgutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import jumpset as js
import jumpset.penalties as P  # noqa: N812
from jumpset.nn import solved_prox
from jumpset.nn.prox import DifferentiableProx
from jumpset.penalties.solved_prox import SolvedProx
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


def gradient(penalty, image, **options):
    """The loss and its gradient, which is 0 where the loss does not depend on the image."""
    image = image.detach().clone().requires_grad_()
    loss = penalty(image, **options)
    found = torch.autograd.grad(loss, image)[0] if loss.requires_grad else torch.zeros_like(image)
    return loss.detach(), found


ROUNDING = {torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 2e-3}
SOLVED_VALUES = {"TGV2": 0.02, "LatentGroups": 0.02}  # their gradient is that of an iteration


@pytest.mark.parametrize("dtype", ROUNDING)
def test_gradients_are_those_of_double(name, dtype, x):
    """On flat and empty images, too, whose gradient is the subgradient of least norm."""
    penalty = PENALTIES[name]
    tol = max(ROUNDING[dtype], SOLVED_VALUES.get(type(penalty).__name__, 0.0))
    for image in (0 * x, 0 * x + 0.5, x * (torch.arange(9) < 4), x):
        loss, found = gradient(penalty, image.to(dtype))
        wanted, reference = gradient(penalty, image.to(dtype).double())
        torch.testing.assert_close(loss.double(), wanted, rtol=tol, atol=1e-6)
        assert torch.isfinite(reference).all()
        assert float((found.double() - reference).norm()) <= tol * float(reference.norm()) + 1e-7


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


# --------------------------------------------------------------------- inputs of every kind


def is_for_torch(penalty):
    return type(penalty).__name__ in ("TGV2", "LatentGroups")


@pytest.mark.parametrize("wrong", [torch.nan, -torch.inf])
def test_values_that_are_not_finite(name, wrong, x):
    """They reach the value and the prox of their image, and no other; outside a mask they have no influence."""
    penalty = PENALTIES[name]
    broken = x.clone()
    broken[1, 0, 3, 4] = wrong
    mask = torch.ones(1, 1, 8, 9, dtype=torch.bool)
    others = torch.tensor([True, False, True])
    for image in (broken, broken.float()):
        for options in ({}, {"mask": mask}):
            value = penalty.value(image, **options)
            assert torch.equal(torch.isfinite(value), others)
            torch.testing.assert_close(value[others], penalty.value(image[others], **options))
    if not is_for_torch(penalty):
        with np.errstate(all="ignore"):
            assert not np.isfinite(penalty.value(broken.numpy())[1])
    mask[..., 3, 4] = False
    loss, found = gradient(penalty, broken, mask=mask)
    wanted, reference = gradient(penalty, x, mask=mask)
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(found, reference)
    if penalty.has_prox:
        u = penalty.prox(broken, 0.1)
        assert torch.equal(torch.isfinite(u).flatten(1).all(1), others)
        assert not torch.isfinite(u[1, 0, 3, 4])
        torch.testing.assert_close(u[others], penalty.prox(x[others], 0.1))
    if penalty.has_prox and isinstance(penalty, SolvedProx):
        assert torch.equal(torch.isfinite(penalty.prox_solution(broken, 0.1).gap), others)


MASKS = {
    "uint8 of OpenCV": lambda m: 255 * m.to(torch.uint8),
    "uint8 of 2 and 128": lambda m: torch.where(torch.arange(9) > 4, 2, 128).to(torch.uint8) * m,
    "int64": lambda m: -3 * m.to(torch.int64),
    "float": lambda m: 0.25 * m.float(),
    "bfloat16": lambda m: m.bfloat16(),
    "numpy": lambda m: m.numpy(),
    "numpy uint16": lambda m: 300 * m.numpy().astype(np.uint16),
    "two axes": lambda m: m[0, 0],
    "list": lambda m: m[0, 0].tolist(),
}


def test_masks_of_every_kind(name, x):
    """A pixel is inside where the mask is not 0."""
    penalty = PENALTIES[name]
    mask = x[:1, :1] > 0.3
    wanted = penalty(x, mask=mask)
    for convert in MASKS.values():
        assert torch.equal(penalty(x, mask=convert(mask)), wanted)
    fixed = mask.numpy().copy()
    fixed.flags.writeable = False
    assert torch.equal(penalty(x, mask=fixed), wanted)
    if not is_for_torch(penalty):
        for given in (mask.numpy(), mask, 255 * mask.numpy().astype(np.uint8)):
            np.testing.assert_allclose(penalty(x.numpy(), mask=given), wanted.numpy(), rtol=1e-9)
    for wrong in (mask[..., :-1], mask.expand(2, 1, 8, 9), torch.ones(1, 1, 1, 1, 1), mask.to(torch.complex64),
                  np.array(["a"]), [[1, 0], [1]]):  # fmt: skip
        with pytest.raises(js.InputError, match="mask"):
            penalty(x, mask=wrong)
    torch.testing.assert_close(
        penalty(x, weight_map=np.full((8, 9), 2.0)), penalty(x, weight_map=torch.full((8, 9), 2.0).double())
    )
    with pytest.raises(js.InputError, match="weight_map"):
        penalty(x, weight_map=torch.ones(3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_counts_every_pixel(name, dtype):
    """A float16 ends at 65 504, and so would a count of pixels."""
    penalty = PENALTIES[name]
    image = torch.rand(1, 1, 264, 260, generator=torch.Generator().manual_seed(0)).to(dtype)
    if is_for_torch(penalty):
        penalty = replace(penalty, **({"steps": 20} if hasattr(penalty, "steps") else {"tol": 0.1}))
    mask = torch.ones(1, 1, 264, 260, dtype=torch.bool)
    wanted, reference = gradient(penalty, image.float(), mask=mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, found = gradient(penalty, image, mask=mask)
    assert float(wanted) > 0
    torch.testing.assert_close(loss.float(), wanted, rtol=2e-2, atol=0)
    torch.testing.assert_close(penalty(image).float(), wanted, rtol=2e-2, atol=0)
    # near the least number of float16, 6e-8, gradients are rounded to multiples of it
    assert float((found.float() - reference).norm()) <= 0.05 * float(reference.norm()) + 260 * 3e-8
    if dtype == torch.float16 and not is_for_torch(penalty):
        ours = penalty(image.numpy(), mask=mask.numpy())
        np.testing.assert_allclose(np.float32(ours), wanted.numpy(), rtol=2e-2)


@pytest.mark.parametrize("library", ["jax.numpy", "tensorflow"])
def test_half_precision_counts_in_every_library(library):
    xp = pytest.importorskip(library)
    image = torch.rand(1, 1, 264, 260, generator=torch.Generator().manual_seed(0)).half()
    make = xp.asarray if hasattr(xp, "asarray") else xp.constant
    for penalty in (P.SparseTV(), P.SlidingGroups(3), P.TiledGroups(), P.TargetArea(scale=0.5), P.MCP()):
        mask = np.ones((1, 1, 264, 260), np.uint8)
        ours = float(penalty(make(image.numpy()), mask=mask))
        assert ours == pytest.approx(float(penalty(image.float())), rel=2e-2)


@pytest.mark.parametrize("library", ["numpy", "jax.numpy", "tensorflow"])
def test_integers_and_complex_numbers(library):
    """Integers do not wrap; a complex number counts by its modulus, but for TensorFlow."""
    xp = pytest.importorskip(library)
    make = xp.asarray if hasattr(xp, "asarray") else xp.constant
    for dtype in (np.uint8, np.uint16, np.uint32, np.int32):
        row = make(np.array([[[200, 10, 200, 10]]], dtype))
        assert float(js.TotalVariation().value(row)[0]) == 570
        assert float(js.L1().value(row)[0]) == 420
    assert float(js.L1().value(make(np.array([[[True, False]]])))[0]) == 1
    turning = np.array([[[1, 1j, -1, -1j]]], np.complex64)
    if library == "tensorflow":
        with pytest.raises(js.InputError, match="real"):
            js.TotalVariation().value(make(turning))
    else:
        assert float(js.TotalVariation().value(make(turning))[0]) == pytest.approx(3 * 2**0.5)


def test_an_empty_batch_has_no_loss(name):
    penalty, nothing = PENALTIES[name], torch.zeros(0, 2, 8, 9)
    assert penalty.value(nothing).shape == (0,)
    for options in ({}, {"normalize": "sum"}, {"mask": torch.ones(1, 1, 8, 9, dtype=torch.bool)}):
        assert penalty(nothing, reduction="none", **options).shape == (0,)
        for reduction in ("mean", "sum"):
            assert penalty(nothing, reduction=reduction, **options).item() == 0
    if not is_for_torch(penalty):
        assert float(penalty(nothing.numpy())) == 0
    if penalty.has_prox:
        assert penalty.prox(nothing, 0.1).shape == nothing.shape
        assert js.Prox(penalty, 0.1)(nothing).shape == nothing.shape
    with pytest.raises(js.InputError, match="pixel"):
        penalty(torch.zeros(1, 2, 0, 9))


def test_the_layout_can_be_named(name, x):
    penalty, mask = PENALTIES[name], x[:1, :1] > 0.3
    last, wanted = x.movedim(1, -1), penalty.value(x, mask=mask)
    assert torch.equal(penalty.value(last, mask=mask.movedim(1, -1), channel_axis=-1), wanted)
    torch.testing.assert_close(penalty(last, channel_axis=3), penalty(x))
    torch.testing.assert_close(penalty.value(x[0], mask=mask[0], channel_axis=0), wanted[:1])
    assert torch.equal(penalty(x, channel_axis=1), penalty(x))
    if not is_for_torch(penalty):
        ours = penalty.value(last.numpy(), mask=mask.movedim(1, -1).numpy(), channel_axis=-1)
        np.testing.assert_allclose(ours, wanted.numpy(), rtol=1e-9)


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(3, 20, 30),
        torch.zeros(1, 20, 30),
        np.zeros((20, 30, 3)),
        np.zeros((2, 20, 30, 3)),
        np.zeros((2, 9, 20, 30, 3)),
        np.zeros((1, 20, 30, 1)),
    ],
    ids=lambda x: f"{type(x).__name__}{tuple(x.shape)}",
)
def test_shapes_of_another_layout_are_refused(image):
    with pytest.raises(js.InputError, match="looks like"):
        js.TotalVariation()(image)
    assert js.TotalVariation()(image, channel_axis=1) == 0
    if isinstance(image, torch.Tensor):
        with pytest.raises(js.InputError, match="looks like"):
            js.TotalVariation().prox(image, 0.1)
        signals = image[:, :, None]  # as the message says
        assert js.TotalVariation().prox(signals, 0.1).shape == signals.shape
        assert torch.equal(js.L1().prox(image, 0.1), image)  # each entry by itself
    else:
        for penalty in (js.TotalVariation(), js.L1(), P.MCP()):
            with pytest.raises(js.InputError, match="torch"):
                penalty.prox(np.zeros((1, 1, 4)), 0.1)


def test_read_only_arrays(name, x):
    penalty = PENALTIES[name]
    if is_for_torch(penalty):
        pytest.skip(TORCH)
    array = x.numpy().copy()
    array.flags.writeable = False
    np.testing.assert_allclose(penalty.value(array), penalty.value(x).numpy(), rtol=1e-9)
    np.testing.assert_array_equal(array, x.numpy())


# ------------------------------------------------------------------------- one image of a batch


def test_the_other_images_have_no_influence(name, x):
    """Neither on the value nor on the prox of an image, nor on the gradients of both."""
    penalty = PENALTIES[name]

    def value(v):
        return penalty.value(v)

    def layer(v):
        return js.Prox(penalty, tau)(v).square().flatten(1).sum(1)

    image = 0 * x[:1]
    image[..., 2:6, 2:6] = 5e-3
    images, tau = torch.cat([image, 12_000 * x[1:2], 0 * x[:1], 1e-4 * x[2:]]), 1e-4
    layers = [layer] if penalty.has_prox else []
    if isinstance(penalty, P.TGV2):  # a weak prox, and the fine ones of its derivative, take minutes
        images, tau, layers = torch.cat([100 * image, 3 * x[1:2], 0 * x[:1], x[2:]]), 0.3, []
    image = images[:1]

    for of in (value, *layers):
        together, alone = images.clone().requires_grad_(), image.clone().requires_grad_()
        values, single = of(together), of(alone)
        torch.testing.assert_close(values[:1], single)
        if single.requires_grad:
            found = torch.autograd.grad(values.sum(), together)[0][:1]
            torch.testing.assert_close(found, torch.autograd.grad(single.sum(), alone)[0])
    if penalty.has_prox:
        torch.testing.assert_close(penalty.prox(images, tau)[:1], penalty.prox(image, tau))


CLOSED = sorted(
    name for name in ALL if PENALTIES[name].has_prox and DifferentiableProx(PENALTIES[name]).is_closed
)


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("shape", [(), (3,), (3, 1, 1, 1)])
def test_tau_is_differentiated(name, shape, x):
    """Of every shape, by the prox itself and by the layer."""
    penalty, tau = PENALTIES[name], torch.full(shape, 0.13, dtype=torch.float64)
    h = 1e-6
    wanted = (penalty.prox(x, 0.13 + h) - penalty.prox(x, 0.13 - h)).sum() / (2 * h)
    for of in (penalty.prox, js.Prox(penalty, 0.0)):
        price = tau.clone().requires_grad_()
        u = of(x, price)
        found = torch.autograd.grad(u.sum(), price)[0].sum() if u.requires_grad else torch.zeros(())
        torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(u.detach(), penalty.prox(x, 0.13))


# -------------------------------------------------------------- copies, files, graphs, threads, processes


def test_copies_and_files(name, x, tmp_path):
    penalty = PENALTIES[name]
    safetensors = pytest.importorskip("safetensors.torch")
    for twin in (pickle.loads(pickle.dumps(penalty)), copy.deepcopy(penalty)):
        assert twin == penalty
        assert torch.equal(twin.value(x), penalty.value(x))
    for make in (lambda w: js.PenaltyLoss(penalty, w), lambda w: js.Prox(penalty, w)):
        module, other = make(0.3), make(0.1)
        safetensors.save_file(module.state_dict(), tmp_path / "state.safetensors")
        other.load_state_dict(safetensors.load_file(tmp_path / "state.safetensors"))
        if isinstance(module, js.Prox) and not penalty.has_prox:
            continue
        for twin in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module), other):
            assert torch.equal(twin(x), module(x))


@pytest.mark.parametrize("name", sorted(name for name in ALL if PENALTIES[name].has_prox))
def test_proxes_are_graphs(name, x):
    """Of ``torch.export``, with a free batch size, and of ``torch.compile``; solved ones as an operator."""
    penalty, images = PENALTIES[name], x.float()
    layer = js.Prox(penalty, 0.1, learnable=True)
    shapes = {0: torch.export.Dim("batch", min=1)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own notices
        program = torch.export.export(layer, (images,), dynamic_shapes=(shapes,)).module()
        torch.testing.assert_close(program(images[:2]), layer(images[:2]))
        torch._dynamo.reset()  # it recompiles a limited number of times
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(images), layer(images))
        if isinstance(penalty, P.TGV2 | P.LatentGroups):
            return  # fine proxes for a finite difference take seconds
        outcomes = []
        for of in (layer, compiled):
            v = images.clone().requires_grad_()
            outcomes.append(torch.autograd.grad(of(v).square().sum(), (v, layer.tau), allow_unused=True))
        for ours, theirs in zip(*outcomes, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_a_graph_finds_its_penalty(name, monkeypatch):
    """By a text, from which another process makes an equal penalty."""
    text = solved_prox.text_of(PENALTIES[name])
    assert solved_prox.penalty_of(text) == PENALTIES[name]
    monkeypatch.setattr(solved_prox, "_KNOWN", {})
    assert solved_prox.penalty_of(text) == PENALTIES[name]


def test_penalties_of_the_user_in_graphs(x):
    """Those with one name, and with tensors as fields, are told apart."""

    @dataclass(frozen=True)
    class Mine(P.TotalVariation):
        map: torch.Tensor | None = None

        def prox(self, v, tau, **options):
            return super().prox(v, tau, weight_map=self.map, **options)

    layers = [js.Prox(Mine(map=k * torch.ones(8, 9)), 0.1) for k in (1.0, 2.0)]
    for factor, layer in zip((1, 2), layers, strict=True):
        wanted = js.TotalVariation().prox(x, factor * 0.1, lower=-9.0)
        torch.testing.assert_close(solved_prox._solve(x, torch.full((3,), 0.1), layer._function._text, 1e-6, None)[0],
                                   wanted, rtol=0, atol=1e-3)  # fmt: skip


def test_a_graph_holds_no_code():
    for text in ("Unknown(scale=1.0)", "__import__('os')", "L1(", "L1(ratio=print())"):
        with pytest.raises(js.InputError, match="another process"):
            solved_prox.penalty_of(text)


@pytest.mark.slow
def test_a_solved_prox_is_no_onnx_graph(x, tmp_path):
    pytest.importorskip("onnxscript")
    layer, path = js.Prox(js.SparseTV(), 0.1), tmp_path / "prox.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own notices
        with pytest.raises(torch.onnx.OnnxExporterError, match=r"jumpset\.solved_prox"):
            torch.onnx.export(layer, (x.float(),), path, dynamo=True, verbose=False)


@pytest.mark.slow
@pytest.mark.parametrize("penalty", [P.L1(), P.MCP(), P.TiledGroups(3), 2 * P.SparseGroup()], ids=repr)
def test_closed_proxes_run_as_onnx(penalty, x, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    layer, images = js.Prox(penalty, 0.1), x.float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own notices
        torch.onnx.export(layer, (images,), tmp_path / "prox.onnx", dynamo=True, verbose=False)
    session = runtime.InferenceSession(tmp_path / "prox.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    np.testing.assert_allclose(found, layer(images).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("of", ["grad of vmap", "vmap of grad", "jacfwd"])
def test_transforms_of_functions(name, of, x):
    penalty, images = PENALTIES[name], x[:, None] + 0.05
    if type(penalty).__name__ in ("Connectedness", "LatentGroups", "TGV2"):
        pytest.skip("it looks at values, which a transform hides")
    total = lambda a: torch.vmap(penalty.value)(a).sum()  # noqa: E731
    each = {
        "grad of vmap": lambda a: torch.func.grad(total)(a),
        "vmap of grad": lambda a: torch.vmap(torch.func.grad(lambda b: penalty.value(b).sum()))(a),
        "jacfwd": lambda a: torch.func.jacfwd(lambda b: penalty.value(b).sum())(a[0])[None],
    }[of]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of what it calls
        found = each(images)
    reference = gradient(penalty, images[:, 0], normalize="sum", reduction="sum")[1]
    torch.testing.assert_close(found[:, 0], reference[: len(found)])


def test_threads_do_not_disturb_each_other(x):
    """Every penalty in eight threads at once gives what it gives alone."""

    def all_of_them(_):
        return [gradient(PENALTIES[name], x) for name in ALL]

    wanted = all_of_them(0)
    with ThreadPoolExecutor(8) as threads:
        for found in threads.map(all_of_them, range(8)):
            for ours, theirs in zip(found, wanted, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_fork_while_a_thread_computes():
    """The child inherits locks, but not the threads that hold them."""
    script = """
import os, signal, threading, torch, jumpset as js
from jumpset.kernels import buffers
penalties, x = [js.TotalVariation(), js.L1(), js.SlidingGroups(3)], torch.rand(1, 1, 16, 16, requires_grad=True)
torch.set_num_threads(1)
for penalty in penalties:
    penalty(x)
pools = [buffers.empty.__self__, buffers.Pool()]
for pool in pools:
    pool._lock.acquire()  # as a thread does while it takes memory
child = os.fork()
if child == 0:
    signal.alarm(20)
    pools[1].empty((3,), torch.zeros(1).numpy().dtype)
    os._exit(0 if all(bool(penalty(x) > 0) for penalty in penalties) else 1)
raise SystemExit(os.waitpid(child, 0)[1])
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], timeout=120, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    "name", ["l1", "total-variation", "tiled-groups", "sliding-groups", "target-area", "sum"]
)
def test_open_shapes_of_tensorflow(name, x):
    tf = pytest.importorskip("tensorflow")
    penalty = PENALTIES[name]
    anything = tf.TensorSpec([None] * 4, tf.float64)
    traced = tf.function(lambda a, m: (penalty(a), penalty(a, mask=m)), input_signature=[anything, anything])
    mask = x[:1, :1] > 0.3
    whole, masked = traced(x.numpy(), mask.double().numpy())
    assert float(whole) == pytest.approx(float(penalty(x)), rel=1e-9)
    assert float(masked) == pytest.approx(float(penalty(x, mask=mask)), rel=1e-9)


@pytest.mark.parametrize(
    "wrong", [torch.rand(3, 4), np.zeros((2, 2)), torch.zeros(1, 1, 2, 2, dtype=torch.uint8)]
)
def test_bad_input(wrong):
    with pytest.raises(js.InputError):
        js.TotalVariation()(wrong)
