"""The total variation family against loops over pixels, its gradients, its kinks, and its bounds."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from jumpset import InputError
from jumpset._core.errors import NoProx
from jumpset.penalties import (
    AITV,
    L1,
    TGV2,
    Charbonnier,
    GraphNet,
    HuberTV,
    SparseTV,
    TotalVariation,
    VectorialTV,
)

SHAPES = [(2, 3, 4, 5), (1, 2, 7), (1, 2, 2, 3, 3), (2, 1, 1, 4), (1, 1, 1, 1), (1, 3, 5, 1)]
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
# Of every class and setting: what one pixel's C × D matrix of differences, and its C values, add to R.
PIXEL = {
    HuberTV(0.3, channels="separate"): lambda J, x: sum(huber(np.linalg.norm(r), 0.3) for r in J),
    HuberTV(0.3, channels="joint"): lambda J, x: huber(np.linalg.norm(J), 0.3),
    Charbonnier(0.2, channels="separate"): lambda J, x: sum(
        np.hypot(np.linalg.norm(r), 0.2) - 0.2 for r in J
    ),
    Charbonnier(0.2, channels="joint"): lambda J, x: np.hypot(np.linalg.norm(J), 0.2) - 0.2,
    VectorialTV("l2"): lambda J, x: np.linalg.norm(J),
    VectorialTV("l2", isotropic=False): lambda J, x: np.linalg.norm(J, axis=0).sum(),
    VectorialTV("linf"): lambda J, x: np.linalg.norm(np.abs(J).max(axis=0)),
    VectorialTV("linf", isotropic=False): lambda J, x: np.abs(J).max(axis=0).sum(),
    AITV(0.4, channels="separate"): lambda J, x: sum(np.abs(r).sum() - 0.4 * np.linalg.norm(r) for r in J),
    AITV(1.0, channels="joint"): lambda J, x: np.linalg.norm(J, axis=0).sum() - np.linalg.norm(J),
    SparseTV(0.7, channels="separate"): lambda J, x: (
        sum(np.linalg.norm(r) for r in J) + 0.7 * np.abs(x).sum()
    ),
    SparseTV(0.7, isotropic=False, channels="separate"): lambda J, x: np.abs(J).sum() + 0.7 * np.abs(x).sum(),
    SparseTV(0.7, channels="joint"): lambda J, x: np.linalg.norm(J) + 0.7 * np.abs(x).sum(),
    GraphNet(0.3): lambda J, x: np.square(J).sum() + 0.3 * np.abs(x).sum(),
}
NUCLEAR = VectorialTV("nuclear")
ALL = [*PIXEL, NUCLEAR]


def huber(t, delta):
    return t**2 / (2 * delta) if t <= delta else t - delta / 2


def brute_force(penalty, x, mask=None, weight=None):
    """R(x) of each image, pixel by pixel."""
    pixel = PIXEL.get(penalty, lambda J, x: np.linalg.norm(J, ord="nuc"))
    inside = np.ones(x.shape, bool) if mask is None else np.broadcast_to(mask, x.shape)
    out = np.zeros(len(x))
    for b in range(len(x)):
        for p in np.ndindex(x.shape[2:]):
            J = np.zeros((x.shape[1], x.ndim - 2))
            for c in range(x.shape[1]):
                for k in range(x.ndim - 2):
                    q = tuple(i + (axis == k) for axis, i in enumerate(p))
                    if q[k] < x.shape[2 + k] and inside[(b, c, *p)] and inside[(b, c, *q)]:
                        J[c, k] = x[(b, c, *q)] - x[(b, c, *p)]
            values = np.where(inside[(b, slice(None), *p)], x[(b, slice(None), *p)], 0.0)
            out[b] += pixel(J, values) * (1.0 if weight is None else weight[(b, 0, *p)])
    return out


def picture(shape, seed=0):
    x = np.random.default_rng(seed).standard_normal(shape)
    x[..., :2] = 0.5  # some differences are zero
    return x


def describe(penalty):
    return str(penalty)


def has_closed_form(penalty, shape):
    return penalty != NUCLEAR or shape[1] <= 2 or len(shape) <= 4


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("penalty", ALL, ids=describe)
def test_value(penalty, shape):
    if not has_closed_form(penalty, shape):
        pytest.skip("the nuclear norm has no closed form here")
    x = picture(shape)
    rng = np.random.default_rng(1)
    mask = rng.random(shape) > 0.2 if "joint" not in str(penalty) else rng.random((1, 1, *shape[2:])) > 0.2
    weight = rng.random((shape[0], 1, *shape[2:]))
    torch_x = torch.from_numpy(x)
    for kwargs in ({}, {"mask": mask}, {"mask": mask, "weight_map": weight}):
        expected = brute_force(penalty, x, kwargs.get("mask"), kwargs.get("weight_map"))
        tensors = {k: torch.from_numpy(v) for k, v in kwargs.items()}
        np.testing.assert_allclose(
            penalty.value(torch_x, **tensors).numpy(), expected, rtol=1e-10, atol=1e-12
        )
        np.testing.assert_allclose(penalty.value(x, **kwargs), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 3, 3, 4), (1, 2, 5), (1, 2, 2, 3, 2)])
@pytest.mark.parametrize("penalty", ALL, ids=describe)
def test_gradcheck_away_from_kinks(penalty, shape):
    x = torch.from_numpy(np.random.default_rng(2).standard_normal(shape)).requires_grad_()
    inside = torch.from_numpy(np.random.default_rng(3).random((1, 1, *shape[2:])) > 0.2)
    assert torch.autograd.gradcheck(lambda x: penalty.value(x), x)
    assert torch.autograd.gradcheck(lambda x: penalty.value(x, mask=inside), x)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("penalty", [*ALL, TGV2(steps=20), TotalVariation(beta=0.5)], ids=describe)
def test_finite_gradients_at_kinks(penalty, dtype):
    for shape in ((1, 2, 4, 5), (1, 2, 6), (1, 1, 1, 1)):
        step = torch.zeros(shape)
        step[..., shape[-1] // 2 :] = 0.25
        tiny = torch.finfo(dtype).tiny
        for x in (torch.zeros(shape), torch.full(shape, 0.5), step, step * 1e-3, step * tiny, 300 * step):
            x = x.to(dtype).requires_grad_()
            penalty(x).backward()
            assert x.grad.dtype == dtype
            assert torch.isfinite(x.grad).all()
            if not isinstance(penalty, SparseTV | GraphNet) and len(x.unique()) == 1:
                assert not x.grad.any()  # the subgradient of least norm


@pytest.mark.parametrize("penalty", [p for p in ALL if p.convex], ids=describe)
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31), share=st.floats(0, 1))
def test_convex(penalty, seed, share):
    x, y = (torch.from_numpy(picture((1, 2, 3, 4), s)) for s in (seed, seed + 1))
    between = penalty.value(share * x + (1 - share) * y)
    assert between <= share * penalty.value(x) + (1 - share) * penalty.value(y) + 1e-9


def test_aitv_is_convex_for_alpha_zero_only():
    assert AITV(0.0).convex
    assert not AITV(0.1).convex
    x = torch.from_numpy(picture((1, 2, 5, 4)))
    torch.testing.assert_close(AITV(0.0).value(x), TotalVariation(isotropic=False).value(x))


def test_aitv_of_the_axes_is_free():
    edge = torch.zeros(1, 1, 4, 6)
    edge[..., 3:] = 1.0
    assert AITV(1.0).value(edge).item() == 0.0


def test_huber_and_charbonnier_approach_total_variation():
    x = torch.from_numpy(picture((1, 2, 5, 4)))
    tv = TotalVariation().value(x)
    for smooth in (HuberTV(1e-9), Charbonnier(1e-9)):
        torch.testing.assert_close(smooth.value(x), tv, rtol=0, atol=1e-7)


def test_charbonnier_does_not_cancel():
    x = torch.tensor([[[0.0, 1e-6]]])  # in float32, √(t² + ε²) − ε would be 0 or noise
    assert Charbonnier(1.0).value(x).item() == pytest.approx(0.5e-12, rel=1e-5)


def test_linf_shares_the_gradient_of_equal_channels():
    x = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]).requires_grad_()
    VectorialTV("linf").value(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([[[-0.5, 0.5], [-0.5, 0.5]]]))


def test_nuclear_norm_of_coincident_and_vanishing_singular_values():
    for J in (
        [[1.0, 0.0], [0.0, 1.0]],
        [[1.0, 2.0], [2.0, 4.0]],
        [[1.0, 0.0], [1.0, 0.0]],
        [[3.0, 0.0], [0.0, 0.0]],
    ):
        x = torch.zeros(1, 2, 2, 2, dtype=torch.float64)
        for c in range(2):
            x[0, c, 0, 1], x[0, c, 1, 0] = J[c]
        x.requires_grad_()
        inside = torch.tensor([[True, True], [True, False]])  # only the corner pixel has both differences
        value = NUCLEAR.value(x, mask=inside)
        U, S, V = np.linalg.svd(np.array(J))
        rank = int((S > 1e-12).sum())
        assert value.item() == pytest.approx(S.sum())
        (gradient,) = torch.autograd.grad(value.sum(), x)
        of_differences = np.stack([gradient[0, :, 0, 1], gradient[0, :, 1, 0]], axis=1)
        np.testing.assert_allclose(of_differences, U[:, :rank] @ V[:rank], atol=1e-12)


def test_nuclear_norm_without_closed_form():
    with pytest.raises(InputError, match="two spatial axes"):
        NUCLEAR.value(torch.zeros(1, 3, 2, 2, 2))
    with pytest.raises(InputError, match="isotropic=True"):
        VectorialTV("nuclear", isotropic=False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: HuberTV(0.0),
        lambda: Charbonnier(-1.0),
        lambda: VectorialTV("l1"),
        lambda: AITV(1.5),
        lambda: SparseTV(-0.1),
        lambda: GraphNet(float("nan")),
        lambda: TGV2(alpha0=0.0),
        lambda: TGV2(steps=0),
        lambda: TGV2(channels="all"),
    ],
)
def test_bad_parameters(make):
    with pytest.raises(InputError):
        make()


# --- sparse total variation: the prox


def dual_box(operator, v, radius):
    """``argmin ½‖u − v‖² + Σ radius_i |(operator u)_i|`` by projected gradient ascent on the dual."""
    y, step = np.zeros(len(operator)), 1 / np.linalg.norm(operator, 2) ** 2
    for _ in range(20000):
        y = np.clip(y + step * operator @ (v - operator.T @ y), -radius, radius)
    return v - operator.T @ y


def test_sparse_tv_prox_is_exact_on_a_line():
    n, tau, ratio = 7, 0.4, 0.6
    D = np.diff(np.eye(n), axis=0)
    v = np.random.default_rng(4).standard_normal(n)
    ours = SparseTV(ratio, isotropic=False).prox(torch.from_numpy(v)[None, None], tau)[0, 0].numpy()
    both = np.concatenate([D, np.eye(n)])
    exact = dual_box(both, v, np.repeat([tau, tau * ratio], [n - 1, n]))
    np.testing.assert_allclose(ours, exact, atol=1e-6)
    assert (ours == 0.0).any()


def test_no_prox_is_said():
    v = torch.zeros(1, 2, 3, 3)
    for penalty in (
        GraphNet(),
        Charbonnier(),
        TotalVariation(order=2),
        TotalVariation(beta=0.5),
        TotalVariation(beta=1.5),
        TotalVariation(scheme="upwind"),
        TotalVariation(isotropic=False, scheme="8-neighbor", channels="joint"),
    ):
        with pytest.raises(NoProx, match="use its gradient"):
            penalty.prox(v, 1.0)


def test_sums_keep_their_parts():
    x = torch.from_numpy(picture((2, 3, 4, 5)))
    sum_ = TotalVariation() + 0.7 * L1()
    torch.testing.assert_close(SparseTV(0.7).value(x), sum_.value(x))
    torch.testing.assert_close(SparseTV(0.7).terms(x).sum((1, 2, 3)), sum_.value(x))


# --- second-order total generalised variation


def tgv_1d(x, alpha0, alpha1):
    """Exact, by linear programming over w, |∇x − w| and |w'|."""
    g = np.diff(x)
    n = len(g)
    bend = np.diff(np.eye(n), axis=0)
    cost = np.concatenate([np.zeros(n), np.full(n, alpha1), np.full(n - 1, alpha0)])
    Z = np.zeros
    A = np.block([
        [-np.eye(n), -np.eye(n), Z((n, n - 1))],
        [np.eye(n), -np.eye(n), Z((n, n - 1))],
        [bend, Z((n - 1, n)), -np.eye(n - 1)],
        [-bend, Z((n - 1, n)), -np.eye(n - 1)],
    ])  # fmt: skip
    bound = np.concatenate([-g, g, np.zeros(2 * (n - 1))])
    return optimize.linprog(cost, A, bound, bounds=[(None, None)] * n + [(0, None)] * (2 * n - 1)).fun


def tgv_objective(x, w, alpha0, alpha1, eps=0.0):
    """The objective of (H, W) pictures by loops; w ``(2, H, W)``."""
    H, W = x.shape
    total = 0.0
    for y in range(H):
        for k in range(W):
            jump = [x[y + 1, k] - x[y, k] - w[0, y, k]] if y + 1 < H else []
            jump += [x[y, k + 1] - x[y, k] - w[1, y, k]] if k + 1 < W else []
            bend = [w[0, y, k] - w[0, y - 1, k]] if 0 < y < H - 1 else []
            bend += [w[1, y, k] - w[1, y, k - 1]] if 0 < k < W - 1 else []
            if y + 1 < H and k + 1 < W:
                mixed = (w[0, y, k + 1] - w[0, y, k] + w[1, y + 1, k] - w[1, y, k]) / 2
                bend += [mixed, mixed]
            total += alpha1 * np.sqrt(np.sum(np.square(jump)) + eps**2) - alpha1 * eps
            total += alpha0 * np.sqrt(np.sum(np.square(bend)) + eps**2) - alpha0 * eps
    return total


@pytest.mark.parametrize(("alpha0", "alpha1"), [(2.0, 1.0), (0.5, 1.0), (3.0, 0.2)])
def test_tgv_in_one_dimension(alpha0, alpha1):
    x = np.random.default_rng(5).standard_normal(9)
    penalty, t = TGV2(alpha0, alpha1, steps=3000), torch.from_numpy(x)[None, None]
    exact = tgv_1d(x, alpha0, alpha1)
    assert penalty.value(t).item() == pytest.approx(exact, rel=1e-4)
    assert penalty.value(t).item() >= exact - 1e-9
    assert (penalty.value(t) - penalty.gap(t)).item() <= exact + 1e-9


def test_tgv_in_two_dimensions():
    x = np.random.default_rng(6).standard_normal((3, 4))
    best = optimize.minimize(
        lambda w: tgv_objective(x, w.reshape(2, 3, 4), 1.0, 1.0, eps=1e-4), np.zeros(24)
    ).fun
    penalty, t = TGV2(1.0, 1.0, steps=3000), torch.from_numpy(x)[None, None]
    assert penalty.value(t).item() == pytest.approx(best, abs=3e-3)
    assert 0 <= penalty.gap(t).item() < 1e-3


def test_tgv_bounds():
    x = torch.from_numpy(picture((2, 2, 8, 9), 7))
    for channels in ("separate", "joint"):
        tgv = TGV2(2.0, 1.0, channels=channels)
        value, gap = tgv.value(x), tgv.gap(x)
        assert (gap >= 0).all()
        assert (gap < 0.02 * value).all()
        assert (value - gap <= TotalVariation(channels=channels).value(x)).all()
        assert (value - gap <= 2.0 * TotalVariation(order=2, channels=channels).value(x)).all()


@pytest.mark.parametrize("shape", [(9,), (6, 7), (4, 5, 3)])
def test_tgv_of_ramps_is_zero_also_in_masks(shape):
    ramp = sum((k + 1.0) * axis for k, axis in enumerate(np.meshgrid(*map(np.arange, shape), indexing="ij")))
    x = torch.from_numpy(ramp)[None, None]
    inside = torch.from_numpy(np.random.default_rng(8).random(shape) > 0.1)[None, None]
    for mask in (None, inside):
        assert (
            TGV2(steps=2000).value(x, mask=mask).item() < 2e-3 * TotalVariation().value(x, mask=mask).item()
        )


def test_tgv_gradient():
    x = torch.from_numpy(np.random.default_rng(9).standard_normal((1, 1, 4, 4))).requires_grad_()
    penalty, width = TGV2(steps=5000), 1e-3
    (gradient,) = torch.autograd.grad(penalty.value(x).sum(), x)
    steps = width * torch.eye(16, dtype=x.dtype).reshape(16, 1, 4, 4)
    with torch.no_grad():
        slopes = (penalty.value(x + steps) - penalty.value(x - steps)) / (2 * width)
    torch.testing.assert_close(gradient.flatten(), slopes, rtol=0, atol=5e-3)


def test_tgv_is_homogeneous_and_treats_images_and_channels_alone():
    x = torch.from_numpy(picture((2, 3, 5, 6), 10))
    penalty = TGV2(steps=50, channels="separate")
    torch.testing.assert_close(penalty.value(1e-3 * x), 1e-3 * penalty.value(x))
    alone = [sum(penalty.value(c[None, None]) for c in image) for image in x]
    torch.testing.assert_close(penalty.value(x), torch.cat(alone))
    mask = torch.from_numpy(np.random.default_rng(11).random((2, 1, 5, 6)) > 0.2)
    masked = [penalty.value(x[b : b + 1], mask=mask[b : b + 1]) for b in range(2)]
    torch.testing.assert_close(penalty.value(x, mask=mask), torch.cat(masked))


def test_tgv_weight_map():
    x = torch.from_numpy(picture((1, 2, 5, 6), 12))
    for penalty in (TGV2(channels="separate"), TGV2()):
        ones = torch.ones(1, 1, 5, 6, dtype=x.dtype)
        halved = penalty.value(x, weight_map=0.5 * ones)
        torch.testing.assert_close(halved, 0.5 * penalty.value(x), rtol=1e-3, atol=0)
    per_channel = torch.ones(1, 2, 1, 1, dtype=x.dtype)
    torch.testing.assert_close(
        TGV2(channels="joint").value(x, weight_map=per_channel), 2 * TGV2(channels="joint").value(x)
    )
    with pytest.raises(InputError, match="mask"):
        TGV2().value(x, weight_map=torch.zeros(1, 1, 5, 6))


def test_tgv_wants_torch():
    with pytest.raises(InputError, match="from_numpy"):
        TGV2().value(np.zeros((1, 1, 3, 3)))


def test_tgv_compiles_without_unrolling():
    x = torch.from_numpy(picture((1, 2, 5, 6), 13)).requires_grad_()
    penalty = TGV2()
    compiled = torch.compile(penalty.value, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), penalty.value(x))
    gradients = [torch.autograd.grad(f(x).sum(), x)[0] for f in (compiled, penalty.value)]
    torch.testing.assert_close(*gradients)
