"""Masks that keep a decision, and the curves that score explanations."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

import jumpset as js
from jumpset.explain._area import onto_area

pytestmark = pytest.mark.usefixtures("one_thread")


def random(*shape, seed=0, dtype=torch.float32):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def brightness(x):
    """Two logits: the sum of the values, and 0."""
    total = x.flatten(1).sum(1)
    return torch.stack([total, 0.0 * total], 1)


def network(channels=1, axes=2, classes=3, seed=0):
    """A small network with parts that behave otherwise in training."""
    torch.manual_seed(seed)
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](channels, 6, 3, padding=1)
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[axes - 1](6)
    pool = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[axes - 1](2)
    return nn.Sequential(
        conv, norm, nn.ReLU(), nn.Dropout(0.5), pool, nn.Flatten(), nn.Linear(6 * 2**axes, classes)
    )


# ---- the projection onto an area


@pytest.mark.parametrize("area", [0.001, 0.3, 0.999])
@pytest.mark.parametrize("shape", [(2, 1, 7), (3, 1, 5, 8), (1, 1, 2, 3, 4)])
def test_the_projection_meets_its_optimality_conditions(shape, area):
    v = 3 * random(*shape, dtype=torch.float64) - 1
    m = onto_area(v, area)
    assert m.min() >= 0
    assert m.max() <= 1
    torch.testing.assert_close(m.flatten(1).mean(1), torch.full((len(v),), area, dtype=v.dtype))
    # <v - m, other - m> <= 0 for every other mask of the area, the vertices among them
    for seed in range(5):
        other = onto_area(9 * random(*shape, seed=seed, dtype=v.dtype), area)
        assert ((v - m) * (other - m)).flatten(1).sum(1).max() <= 1e-9


def test_prox_and_projection_are_the_constrained_step_of_anisotropic_tv():
    cp = pytest.importorskip("cvxpy")
    v, tau, area = random(1, 1, 5, 6, seed=3, dtype=torch.float64), 0.15, 0.3
    u = cp.Variable((5, 6))
    tv = cp.sum(cp.abs(u[1:] - u[:-1])) + cp.sum(cp.abs(u[:, 1:] - u[:, :-1]))
    energy = 0.5 * cp.sum_squares(u - v[0, 0].numpy()) + tau * tv
    cp.Problem(cp.Minimize(energy), [u >= 0, u <= 1, cp.sum(u) == area * 30]).solve(solver="CLARABEL")
    ours = onto_area(js.TotalVariation(isotropic=False).prox(v, tau, tol=1e-10), area)
    np.testing.assert_allclose(ours[0, 0].numpy(), u.value, atol=1e-5)


# ---- masks


def test_the_mask_finds_what_a_decision_needs():
    """Of two bright squares, one has a weight of 1 and one of 0."""
    x = 0.1 * random(1, 1, 20, 17)
    x[..., 3:8, 4:9] = 1.0
    x[..., 12:17, 9:14] = 1.0
    weights = torch.zeros(20, 17)
    weights[3:8, 4:9] = 1.0
    model = lambda x: brightness(x * weights)  # noqa: E731
    found = js.explain.mask(model, x, area=25 / 340, target=0, reference=0.0)
    assert found.mask[..., 3:8, 4:9].min() > 0.99
    assert found.score > 0.99 * found.full_score
    assert found.hidden_score == 0.5
    assert found.history[-1, 0] > found.history[0, 0]


def test_total_variation_is_more_contiguous_than_l1():
    x, weights = random(4, 1, 24, 24, seed=1), torch.randn(24, 24, generator=torch.Generator().manual_seed(2))
    model = lambda x: brightness(x * (weights + 1.0))  # noqa: E731
    regions, kept = {}, {}
    for penalty in (js.TotalVariation(), js.SparseTV(), js.L1()):
        found = js.explain.mask(model, x, area=0.2, penalty=penalty, target=0, reference=0.0)
        supports = [js.metrics.contiguity((one[0] > 0.5).numpy()) for one in found.mask]
        regions[penalty.name] = sum(one.n_components for one in supports)
        kept[penalty.name] = float(found.score.min())
    assert max(regions["total-variation"], regions["sparse-tv"]) < 0.5 * regions["l1"]
    assert min(kept.values()) > 0.99


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((2, 3, 9), torch.float32), ((1, 5, 9, 7), torch.float64), ((2, 1, 4, 5, 6), torch.float32)],
)
def test_shapes_and_dtypes(shape, dtype):
    x = random(*shape, dtype=dtype)
    model = network(shape[1], len(shape) - 2).to(dtype)
    penalty = js.TotalVariation() if len(shape) < 5 else js.L1()  # no kernel is compiled for volumes
    found = js.explain.mask(model, x, area=0.2, max_steps=4, penalty=penalty)
    assert found.mask.shape == (shape[0], 1, *shape[2:])
    assert found.mask.dtype == torch.float32
    assert found.image.dtype == dtype
    assert found.image.shape == x.shape
    assert found.score.shape == found.full_score.shape == found.hidden_score.shape == (shape[0],)
    torch.testing.assert_close(found.mask.flatten(1).mean(1), torch.full((shape[0],), 0.2))
    with torch.no_grad():
        probabilities = model.eval()(x).softmax(1)
        assert torch.equal(found.target, probabilities.argmax(1))
        torch.testing.assert_close(found.full_score, probabilities.amax(1))
        given = model(found.image).softmax(1).gather(1, found.target[:, None])[:, 0]
    torch.testing.assert_close(found.score, given)


def test_half_precision():
    x = random(1, 1, 8, 8).bfloat16()
    found = js.explain.mask(network().bfloat16(), x, max_steps=3)
    assert found.mask.dtype == torch.float32
    assert found.image.dtype == torch.bfloat16


def test_the_network_is_left_as_it_was():
    model = network(3)
    model[3].eval()  # a part that was not in training stays so
    modes = [part.training for part in model.modules()]
    before, x = copy.deepcopy(model.state_dict()), random(2, 3, 8, 8).requires_grad_()
    untouched = x.detach().clone()
    js.explain.mask(model, x, max_steps=3)
    js.explain.insertion_deletion(model, x, random(2, 1, 8, 8), n_steps=4)
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert x.grad is None
    assert torch.equal(x, untouched)


def test_the_modes_come_back_after_an_error():
    model = network()
    with pytest.raises(js.InputError, match="target must return"):
        js.explain.mask(model, random(1, 1, 8, 8), target=lambda out: out)
    assert all(part.training for part in model.modules())


def test_a_batch_has_the_masks_of_its_images():
    model, x = network(2), random(3, 2, 9, 8)
    settings = {"area": 0.25, "max_steps": 8, "seed": 4, "penalty": js.TotalVariation(isotropic=False)}
    together = js.explain.mask(model, x, **settings)
    for k in range(3):
        alone = js.explain.mask(model, x[k : k + 1], **settings)
        torch.testing.assert_close(alone.mask[0], together.mask[k], atol=0.02, rtol=0)


def test_seed():
    model, x = network(), random(1, 1, 12, 12)
    state = torch.get_rng_state()
    a, b, c = (js.explain.mask(model, x, noise=0.5, max_steps=8, seed=s).mask for s in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(torch.get_rng_state(), state)


def test_works_without_gradients_around_it():
    model, x = network(), random(1, 1, 8, 8)
    with torch.no_grad():
        inside = js.explain.mask(model, x, max_steps=3).mask
    assert torch.equal(inside, js.explain.mask(model, x, max_steps=3).mask)
    assert not inside.requires_grad


def test_cells():
    found = js.explain.mask(network(), random(1, 1, 12, 18), cell=3, area=0.3, max_steps=5)
    cells = found.mask[..., ::3, ::3]
    assert torch.equal(found.mask, cells.repeat_interleave(3, 2).repeat_interleave(3, 3))
    torch.testing.assert_close(found.mask.mean(), torch.tensor(0.3))
    with pytest.raises(js.InputError, match="use one of: 1, 2, 3, 6"):
        js.explain.mask(network(), random(1, 1, 12, 18), cell=5)


def test_target():
    model, x = network(classes=4), random(3, 1, 8, 8)
    found = js.explain.mask(model, x, target=[2, 0, 3], max_steps=2)
    assert found.target.tolist() == [2, 0, 3]
    assert js.explain.mask(model, x, target=np.int64(1), max_steps=2).target.tolist() == [1, 1, 1]
    by_function = js.explain.mask(model, x, target=lambda out: out[:, 1], max_steps=2)
    assert by_function.target is None
    with torch.no_grad():
        torch.testing.assert_close(by_function.full_score, model.eval()(x)[:, 1])


def test_reference():
    x = random(2, 3, 8, 8)
    model = network(3)
    colors = torch.tensor([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1)
    for reference in (0, 0.5, colors, colors.numpy(), 0.5 * x):
        found = js.explain.mask(model, x, reference=reference, max_steps=2)
        expected = torch.as_tensor(reference, dtype=x.dtype).expand(x.shape)
        torch.testing.assert_close(found.image, expected + found.mask * (x - expected))
        with torch.no_grad():
            of_class = model.eval()(expected).softmax(1).gather(1, found.target[:, None])[:, 0]
        torch.testing.assert_close(found.hidden_score, of_class)
    assert js.explain.mask(model, torch.rand(1, 3, 1, 1), max_steps=1).mask.shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"area": 0.0}, "area"),
        ({"area": 1.0}, "area"),
        ({"weight": -1.0}, "weight"),
        ({"max_steps": 0}, "max_steps"),
        ({"step_size": 0.0}, "step_size"),
        ({"noise": -0.1}, "noise"),
        ({"seed": -1}, "seed"),
        ({"cell": 0}, "cell"),
        ({"penalty": js.SlidingGroups(3, phi="log")}, "with a prox"),
        ({"penalty": "tv"}, "with a prox"),
        ({"target": 3}, "from 0 to 2"),
        ({"target": torch.tensor([0, 1, 2])}, "one per image"),
        ({"target": 0.5}, "from 0 to 2"),
        ({"target": "cat"}, "from 0 to 2"),
        ({"target": [[0], [1, 2]]}, "from 0 to 2"),
        ({"reference": "black"}, "reference"),
        ({"reference": np.zeros((1, 4, 1, 1))}, "broadcast"),
        ({"reference": torch.tensor(torch.nan)}, "not finite"),
        ({"image": random(8, 8)}, "B, C"),
        ({"image": np.zeros((1, 1, 8, 8))}, "network's input"),
        ({"image": torch.full((1, 1, 8, 8), torch.nan)}, "not finite"),
        ({"image": torch.zeros(0, 1, 8, 8)}, "no image"),
        ({"image": torch.zeros(1, 1, 8, 8, dtype=torch.uint8)}, "floats"),
        ({"model": 3}, "callable"),
        ({"model": lambda x: x}, "logit"),
        ({"model": lambda x: x.flatten(1).mean(1, keepdim=True)}, "two classes"),
        ({"model": lambda x: brightness(x.detach())}, "no gradient"),
        ({"model": lambda x: brightness(x / 0)}, "not finite"),
        ({"model": lambda x: brightness((0 * x).sqrt())}, "gradient of the network's score is not finite"),
    ],
    ids=itertools.count(),
)
def test_bad_input(change, message):
    arguments = {"model": network(), "image": random(2, 1, 8, 8), "max_steps": 2} | change
    with pytest.raises(js.InputError, match=message):
        js.explain.mask(**arguments)


# ---- curves


def test_curves_of_a_sum():
    """The score is the share of the bright pixels that is seen."""
    x = torch.zeros(2, 1, 4, 5)
    x[0, 0, 0, :4] = 0.25
    x[1, 0, 3, 1:] = 0.25
    curves = js.explain.insertion_deletion(
        lambda x: x, x, x, target=lambda x: x.flatten(1).sum(1), reference=0.0, n_steps=20
    )
    expected = [min(k / 4, 1.0) for k in range(21)]
    for row in (*curves.insertion, *(1 - curves.deletion)):
        np.testing.assert_allclose(row, expected, atol=1e-6)
    np.testing.assert_allclose(curves.insertion_auc, 0.9, atol=1e-6)
    np.testing.assert_allclose(curves.deletion_auc, 0.1, atol=1e-6)


def test_the_ends_of_the_curves_are_the_reference_and_the_image():
    model, x = network(3).eval(), random(2, 3, 7, 9)
    curves = js.explain.insertion_deletion(model, x, random(2, 1, 7, 9), reference=0.5, n_steps=7)
    found = js.explain.mask(model, x, reference=0.5, max_steps=1)
    for full, nothing in (
        (curves.insertion[:, -1], curves.insertion[:, 0]),
        (curves.deletion.T[0], curves.deletion.T[-1]),
    ):
        torch.testing.assert_close(full, found.full_score)
        torch.testing.assert_close(nothing, found.hidden_score)


def test_equal_values_are_in_random_order():
    x = torch.ones(1, 1, 10, 10)
    seen = []

    def model(x):
        seen.append(x.clone())
        return brightness(x)

    js.explain.insertion_deletion(model, x, torch.zeros_like(x), reference=0.0, n_steps=2, target=0)
    half = next(s for s in seen if s.sum() == 50)
    assert 10 < half[..., :5, :].sum() < 40
    again = len(seen)
    js.explain.insertion_deletion(model, x, torch.zeros_like(x), reference=0.0, n_steps=2, target=0)
    assert all(torch.equal(a, b) for a, b in zip(seen[:again], seen[again:], strict=True))


def test_saliency_is_checked():
    x = random(2, 3, 6, 6)
    for saliency, message in (
        (x, "one value per pixel"),
        (np.zeros((2, 1, 6, 6)), "ndarray"),
        (torch.full((2, 1, 6, 6), torch.nan), "NaN"),
    ):
        with pytest.raises(js.InputError, match=message):
            js.explain.insertion_deletion(network(3), x, saliency)
