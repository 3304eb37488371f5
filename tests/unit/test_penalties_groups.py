"""Group, jump and region penalties: against loops, by their gradients, at kinks, with masks, fused and not."""

import itertools
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

import jumpset as js
import jumpset.penalties as P  # noqa: N812
from jumpset.kernels.values import sliding_groups as kernel
from jumpset.operators.windows import box_sums

TIGHT = P.LatentGroups(2, tol=1e-9, max_steps=20_000, channels="separate")
ALL = [
    P.SlidingGroups(3, channels="separate"),
    P.SlidingGroups(4, phi="log", scale=0.3, channels="joint"),
    P.SlidingGroups(2, phi="mcp", scale=0.9, channels="separate"),
    P.SlidingGroups(3, phi="lp", p=0.6),
    P.TiledGroups(3, shift=1, channels="separate"),
    P.TiledGroups(2, channels="joint"),
    P.SparseGroup(P.TiledGroups(2, channels="separate"), ratio=0.3),
    P.SparseGroup(P.SlidingGroups(3, channels="joint"), ratio=0.3),
    P.QuadtreeGroups(3, growth=1.5, channels="separate"),
    TIGHT,
    P.Potts(),
    P.Potts(scale=0.3, channels="separate"),
    P.Potts(scale=0.3, surrogate="rational", channels="joint"),
    P.L0Gradient(channels="separate"),
    P.L0Gradient(scale=0.2, channels="joint"),
    P.L0Gradient(scale=0.2, surrogate="rational", channels="separate"),
    P.TargetArea(0.3, perimeter=0.2),
    P.TargetArea(0.3, scale=0.5, channels="joint"),
    P.Connectedness(0.4, islands=0.7, holes=1.3),
    P.L0(),
    P.LogSum(0.2),
    P.Cauchy(0.2),
    P.MCP(0.6),
    P.SCAD(0.2, a=3.0),
    P.TransformedL1(0.7),
]
every = pytest.mark.parametrize("penalty", ALL, ids=lambda p: f"{p.name}-{ALL.index(p)}")


def picture(shape, seed=0, dtype=torch.float64):
    """Values away from 0 and from each other, some of them negative, with zeros in one half."""
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(shape, generator=g, dtype=torch.float64) * 0.9 + 0.05
    x = x * (torch.rand(shape, generator=g, dtype=torch.float64) > 0.2).double().mul(2).sub(1)
    return x.to(dtype)


def windows(shape, size):
    for centre in np.ndindex(*shape):
        yield (
            centre,
            tuple(
                slice(max(0, c - (s - 1) // 2), min(n, c + s // 2 + 1))
                for c, s, n in zip(centre, size, shape, strict=True)
            ),
        )


def tiles(shape, size, shift):
    spans = []
    for n, s, o in zip(shape, size, shift, strict=True):
        starts = range(-(o % s), n, s)
        spans.append([slice(max(0, b), min(n, b + s)) for b in starts])
    return itertools.product(*spans)


def planes(x, joint):
    """Groups of channels of one image: (C, *spatial) arrays."""
    return [x] if joint else [x[c : c + 1] for c in range(len(x))]


PHI = {
    "identity": lambda t: t,
    "log": lambda t: 0.3 * math.log(1 + t / 0.3),
    "mcp": lambda t: t - t * t / 0.6 if t <= 0.3 else 0.15,
    "lp": lambda t: t**0.3,
}


@pytest.mark.parametrize("phi", PHI)
@pytest.mark.parametrize("channels", ["separate", "joint"])
@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((2, 2, 7), 3),
        ((1, 2, 5, 4), (2, 3)),
        ((1, 1, 1, 1), 5),
        ((2, 1, 6, 1), 4),
        ((1, 2, 3, 4, 3), 3),
        ((1, 1, 5, 6), 40),
    ],
)
def test_sliding_groups_equal_a_loop(phi, channels, shape, window):
    x = picture(shape)
    x[..., shape[-1] // 2 :] = 0
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(1)) > 0.3
    weights = torch.rand(shape[2:], generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    penalty = P.SlidingGroups(window, phi=phi, scale=0.3, p=0.3, channels=channels)
    size = window if isinstance(window, tuple) else (window,) * (len(shape) - 2)
    plain, masked = [], []
    for image, inside in zip(x.numpy(), mask.numpy(), strict=True):
        total = total_masked = 0.0
        for plane, keep in zip(
            planes(image, channels == "joint"), planes(inside, channels == "joint"), strict=True
        ):
            for centre, w in windows(shape[2:], size):
                total += float(weights[centre]) * PHI[phi](math.sqrt((plane[(slice(None), *w)] ** 2).sum()))
                if keep[(slice(None), *centre)].any():
                    total_masked += PHI[phi](math.sqrt(((plane * keep)[(slice(None), *w)] ** 2).sum()))
        plain.append(total)
        masked.append(total_masked)
    np.testing.assert_allclose(penalty.value(x, weight_map=weights), plain, rtol=1e-12)
    np.testing.assert_allclose(penalty.value(x, mask=mask), masked, rtol=1e-12)
    np.testing.assert_allclose(penalty.value(x), penalty.value(x, weight_map=torch.ones(1)), rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.integers(1, 15), st.integers(1, 15)),
    st.sampled_from(kernel.PROFILES),
    st.booleans(),
    st.integers(0, 99),
)
def test_fused_kernel_equals_its_definition(shape, window, phi, joint, seed):
    x = picture(shape, seed)
    x[..., shape[3] // 3 : 2 * shape[3] // 3] = 0
    factor = torch.rand(shape[0], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x.requires_grad_()
    for dtype, tolerance in ((torch.float64, 1e-11), (torch.float32, 2e-4)):
        fast = kernel.sliding_groups(x.to(dtype), list(window), phi, 0.4, joint)
        slow = kernel.sliding_groups_plain(x, list(window), phi, 0.4, joint)
        torch.testing.assert_close(fast.double(), slow, rtol=tolerance, atol=tolerance)
        (g,) = torch.autograd.grad((fast * factor).sum(), x)
        (h,) = torch.autograd.grad((slow * factor).sum(), x)
        torch.testing.assert_close(g, h, rtol=tolerance, atol=tolerance)


def test_fused_kernel_over_many_bands():
    x = picture((1, 2, 1100, 5)).requires_grad_()
    for window in ([5, 3], [33, 2]):
        fast = kernel.sliding_groups(x, window, "identity", 1.0, False)
        slow = kernel.sliding_groups_plain(x, window, "identity", 1.0, False)
        torch.testing.assert_close(fast, slow)
        torch.testing.assert_close(*(torch.autograd.grad(v.sum(), x)[0] for v in (fast, slow)))


def test_fused_operators_obey_torch():
    x = picture((2, 2, 4, 5)).requires_grad_()
    for wanted in (True, False):
        torch.library.opcheck(
            torch.ops.jumpset.sliding_groups.default, (x, [3, 2], "log", 0.5, True, 2.0, wanted)
        )
    penalty = P.SlidingGroups((3, 2), channels="joint")
    assert torch.autograd.gradgradcheck(penalty.value, x)
    many = torch.stack([x.detach(), 2 * x.detach(), -x.detach()])
    torch.testing.assert_close(
        torch.func.vmap(penalty.value)(many), torch.stack([penalty.value(one) for one in many])
    )
    torch.testing.assert_close(
        torch.func.vmap(torch.func.grad(lambda one: penalty.value(one).sum()))(many),
        torch.stack([torch.func.grad(lambda one: penalty.value(one).sum())(one) for one in many]),
    )


def test_second_backward_passes_and_factors():
    """The gradient is handed out once, and made again where a graph is kept; a loss scales it exactly."""
    penalty = P.SlidingGroups(3, channels="separate")
    x = picture((3, 2, 6, 7)).requires_grad_()
    (plain,) = torch.autograd.grad(kernel.sliding_groups_plain(x, [3, 3], "identity", 1.0, False).sum(), x)
    value = penalty.value(x)
    weights = torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64)
    for _ in range(3):
        (gradient,) = torch.autograd.grad(value, x, weights, retain_graph=True)
        torch.testing.assert_close(gradient, plain * weights.reshape(3, 1, 1, 1))
    for normalize, reduction, factor in (
        ("mean", "mean", 1 / 126),
        ("sum", "sum", 1.0),
        ("mean", "sum", 1 / 42),
    ):
        loss = 5 * penalty(x, normalize=normalize, reduction=reduction)
        torch.testing.assert_close(loss, 5 * factor * value.sum())
        torch.testing.assert_close(torch.autograd.grad(loss, x)[0], 5 * factor * plain)
    each = penalty(x, reduction="none")
    torch.testing.assert_close(each, value / 42)
    first = torch.autograd.grad(penalty(x), x)[0]
    kept = first.clone()
    torch.autograd.grad(penalty(2 * x + 1), x)  # the memory of a gradient in use is not taken
    torch.testing.assert_close(first, kept, rtol=0, atol=0)
    strange = x.detach().to(memory_format=torch.channels_last).requires_grad_()
    torch.testing.assert_close(torch.autograd.grad(penalty.value(strange).sum(), strange)[0], plain)


def test_fused_kernel_from_many_threads():
    pictures = [picture((2, 1, 40, 30), k).requires_grad_() for k in range(8)]

    def gradient(x):
        return torch.autograd.grad(P.SlidingGroups(5)(x), x)[0]

    alone = [gradient(x) for x in pictures]
    with ThreadPoolExecutor(4) as pool:
        for expected, found in zip(alone, pool.map(gradient, pictures), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_fused_kernel_under_compile():
    penalty = P.SlidingGroups(3)
    x = picture((1, 2, 6, 7)).requires_grad_()
    compiled = torch.compile(lambda x: penalty(x) * 3, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), 3 * penalty(x))
    torch.testing.assert_close(
        *(torch.autograd.grad(f(x), x)[0] for f in (compiled, lambda x: penalty(x) * 3))
    )


def test_dark_windows_keep_their_digits():
    x = torch.full((1, 1, 30, 30), 1e-4)
    x[..., :15] = 100.0
    fast, plain = P.SlidingGroups(5).value(x), P.SlidingGroups(5).value(x, weight_map=torch.ones(1))
    torch.testing.assert_close(fast, plain)
    dark = P.SlidingGroups(5).terms(x)[0, 0, 10, 25]
    assert float(dark) == pytest.approx(5e-4, rel=1e-5)
    x[..., 15:] = 0
    assert float(P.SlidingGroups(5).terms(x)[..., 17:].abs().max()) == 0.0


@pytest.mark.parametrize("size", range(1, 9))
def test_transposed_box_sums_are_the_adjoint(size):
    x, y = picture((1, 1, 9, 5), 1), picture((1, 1, 9, 5), 2)
    left = (box_sums(x, (size, 3)) * y).sum()
    torch.testing.assert_close(left, (x * box_sums(y, (size, 3), transposed=True)).sum())


@pytest.mark.parametrize("channels", ["separate", "joint"])
@pytest.mark.parametrize(
    ("shape", "tile", "shift"),
    [
        ((2, 2, 7), 3, 2),
        ((1, 2, 5, 4), (2, 3), (1, 5)),
        ((1, 1, 1, 1), 4, 3),
        ((1, 2, 3, 4, 3), 2, 1),
        ((1, 1, 9, 2), 3, 0),
    ],
)
def test_tiled_groups_equal_a_loop(channels, shape, tile, shift):
    x = picture(shape)
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(1)) > 0.3
    n = len(shape) - 2
    size, offset = (v if isinstance(v, tuple) else (v,) * n for v in (tile, shift))
    penalty = P.TiledGroups(tile, shift=shift, channels=channels)
    for m in (None, mask):
        kept = (x if m is None else x * m).numpy()
        expected = [
            sum(
                math.sqrt((plane[(slice(None), *t)] ** 2).sum())
                for plane in planes(image, channels == "joint")
                for t in tiles(shape[2:], size, offset)
            )
            for image in kept
        ]
        np.testing.assert_allclose(penalty.value(x, mask=m), expected, rtol=1e-12)


def test_quadtree_groups_are_weighted_tiles_that_nest():
    x = picture((1, 2, 9, 11))
    tree = P.QuadtreeGroups(4, growth=1.5, shift=(3, 6), channels="separate")
    parts = [1.5**k * P.TiledGroups(2**k, shift=(3, 6), channels="separate").value(x) for k in range(4)]
    torch.testing.assert_close(tree.value(x), sum(parts))
    torch.testing.assert_close(parts[0], P.L1().value(x))
    for level in range(1, 4):  # every small tile lies in one large tile
        large = list(tiles((9, 11), (2**level,) * 2, (3, 6)))
        for a, b in tiles((9, 11), (2 ** (level - 1),) * 2, (3, 6)):
            assert any(
                p.start <= a.start and a.stop <= p.stop and q.start <= b.start and b.stop <= q.stop
                for p, q in large
                if a.start < a.stop and b.start < b.stop
            ) or not (a.start < a.stop and b.start < b.stop)


def test_shifts_repeat_themselves():
    for penalty in (P.TiledGroups((8, 4)), P.TiledGroups(8), P.QuadtreeGroups(4), P.SparseGroup()):
        assert penalty.at_step(7, seed=3) == penalty.at_step(7, seed=3)
        assert len({penalty.at_step(k) for k in range(20)}) > 4
    x = picture((1, 1, 13, 9))
    for one in (x, x[..., 0]):
        assert bool((P.TiledGroups(8).at_step(3).value(one) > 0).all())
    assert P.SparseGroup(P.SlidingGroups()).at_step(3) == P.SparseGroup(P.SlidingGroups())


def latent_by_scipy(x, size):
    """max ⟨α, x⟩ with ‖α_W‖ ≤ 1 for all windows that fit, by a general solver."""
    rows, columns = x.shape
    boxes = [
        (slice(i, i + size[0]), slice(j, j + size[1]))
        for i in range(rows - size[0] + 1)
        for j in range(columns - size[1] + 1)
    ]
    constraints = [
        {"type": "ineq", "fun": lambda a, b=b: 1 - (a.reshape(x.shape)[b] ** 2).sum()} for b in boxes
    ]
    start = 0.1 * np.sign(x).ravel()
    found = minimize(
        lambda a: -(a * x.ravel()).sum(),
        start,
        constraints=constraints,
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert found.success
    return -found.fun


def test_latent_groups_equal_a_general_solver():
    for seed, size in ((0, (2, 2)), (1, (2, 3)), (2, (4, 1))):
        x = picture((1, 1, 4, 5), seed)
        penalty = P.LatentGroups(size, tol=1e-8, max_steps=50000)
        assert float(penalty.value(x)) == pytest.approx(latent_by_scipy(x[0, 0].numpy(), size), rel=1e-5)


def test_latent_groups_of_one_window_is_its_norm():
    x = torch.zeros(1, 1, 20, 20, dtype=torch.float64)
    x[0, 0, 4:9, 7:12] = picture((5, 5))
    value = P.LatentGroups(5, tol=1e-6).value(x)
    assert float(value) == pytest.approx(float(x.norm()), rel=2e-6)
    assert float(P.SlidingGroups(5).value(x)) > 3 * float(value)  # it is paid for once, not by every window
    with pytest.warns(RuntimeWarning, match="max_steps"):
        P.LatentGroups(5, tol=1e-9, max_steps=3).value(picture((1, 1, 9, 9)))
    with pytest.raises(js.InputError, match="torch"):
        P.LatentGroups().value(np.zeros((1, 1, 3, 3)))


@pytest.mark.parametrize("channels", ["separate", "joint"])
@pytest.mark.parametrize(("scale", "surrogate"), [(0.0, "gaussian"), (0.3, "gaussian"), (0.3, "rational")])
def test_jump_counts_equal_a_loop(channels, scale, surrogate):
    x = picture((2, 2, 5, 6)).round(decimals=0)

    def psi(d2):
        if scale == 0:
            return float(d2 != 0)
        return 1 - math.exp(-d2 / (2 * scale**2)) if surrogate == "gaussian" else d2 / (d2 + scale**2)

    steps = {4: [(0, 1, 1.0), (1, 0, 1.0)]}
    axis, diagonal = math.sqrt(2) - 1, 1 - math.sqrt(0.5)
    steps[8] = [(0, 1, axis), (1, 0, axis), (1, 1, diagonal), (1, -1, diagonal)]
    for neighbors in (4, 8):
        expected = []
        for image in x.numpy():
            total = 0.0
            for plane in planes(image, channels == "joint"):
                for (i, j), (di, dj, w) in itertools.product(np.ndindex(5, 6), steps[neighbors]):
                    if i + di < 5 and 0 <= j + dj < 6:
                        total += w * psi(((plane[:, i + di, j + dj] - plane[:, i, j]) ** 2).sum())
            expected.append(total)
        penalty = P.Potts(scale, surrogate=surrogate, neighbors=neighbors, channels=channels)
        np.testing.assert_allclose(penalty.value(x), expected, rtol=1e-12)
    expected = []
    for image in x.numpy():
        total = 0.0
        for plane in planes(image, channels == "joint"):
            for i, j in np.ndindex(5, 6):
                d2 = sum(
                    ((plane[:, i + di, j + dj] - plane[:, i, j]) ** 2).sum()
                    for di, dj in ((0, 1), (1, 0))
                    if i + di < 5 and j + dj < 6
                )
                total += psi(d2)
        expected.append(total)
    penalty = P.L0Gradient(scale, surrogate=surrogate, channels=channels)
    np.testing.assert_allclose(penalty.value(x), expected, rtol=1e-12)


def test_the_surrogates_tend_to_the_count():
    x = picture((1, 1, 6, 7)).round(decimals=0)
    x[..., 0, 0] = 1e-30  # differs, however little
    assert float(P.Potts().value(x.float())) == float(P.Potts().value(x))
    for penalty in (P.Potts(surrogate="rational"), P.L0Gradient()):
        flat = torch.where(x == 1e-30, 0.0, x)
        hard = float(penalty.value(flat))
        errors = [abs(hard - float(penalty.annealed(k, 10, 0.5, 0.01).value(flat))) for k in range(10)]
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] < 0.01
        assert penalty.annealed(9, 10, 0.5, 0.01).scale == pytest.approx(0.01)
        assert penalty.annealed(99, 10, 0.5, 0.01).scale == pytest.approx(0.01)
    assert float(P.Potts().value(torch.tensor([[[0.0, 0, 1, 1, 3]]]))) == 2  # in 1-D too


def test_target_area_is_its_formula():
    x = torch.zeros(1, 1, 10, 10, dtype=torch.float64)
    x[..., 2:5, 3:8] = 1
    tv = P.TotalVariation().value(x)
    assert float(P.TargetArea(0.15, perimeter=0).value(x)) == pytest.approx(0, abs=1e-12)
    assert float(P.TargetArea(0.25, perimeter=0.5).value(x)) == pytest.approx(100 * 0.1**2 + 0.5 * float(tv))
    assert float(P.TargetArea(0.25, perimeter=0)(x)) == pytest.approx(0.01)  # the squared error of the area
    mask = torch.zeros(10, 10, dtype=torch.bool)
    mask[:, :5] = True
    assert float(P.TargetArea(0.1, perimeter=0)(x, mask=mask)) == pytest.approx((6 / 50 - 0.1) ** 2)
    soft = P.TargetArea(0.15, perimeter=0, scale=0.5)(0.7 * x.expand(1, 3, 10, 10))
    assert float(soft) == pytest.approx(3 * (0.15 * 0.49 / (0.49 + 0.25) - 0.15) ** 2)
    with pytest.raises(js.InputError, match="scale"):
        P.TargetArea(channels="joint")


def test_connectedness_counts_islands_and_holes():
    x = torch.zeros(1, 1, 12, 12, dtype=torch.float64)
    x[..., 1:8, 1:8] = 0.8
    x[..., 3:5, 3:5] = 0.1  # a hole of four pixels
    x[..., 8, 8] = 0.9  # joined across the corner: no island
    x[..., 10, 2:5] = 0.6  # an island of three pixels
    penalty = P.Connectedness(0.5, islands=2.0, holes=3.0)
    assert float(penalty.value(x)) == pytest.approx(2 * 3 * 0.6 + 3 * 4 * 0.4)
    (gradient,) = torch.autograd.grad(penalty.value(x.requires_grad_()), x)
    assert float(gradient[0, 0, 10, 3]) == 2.0
    assert float(gradient[0, 0, 3, 4]) == -3.0
    assert int((gradient != 0).sum()) == 7
    x = x.detach()
    x[..., 3, :4] = 0  # opens the hole to the border
    assert float(penalty.value(x)) == pytest.approx(2 * 3 * 0.6)
    mask = torch.ones(12, 12, dtype=torch.bool)
    mask[10] = False
    assert float(penalty.value(x, mask=mask)) == 0
    ball = torch.zeros(1, 1, 5, 5, 5)
    ball[..., 1:4, 1:4, 1:4] = 1
    ball[..., 2, 2, 2] = 0
    assert float(P.Connectedness(0.5).value(ball)) == pytest.approx(0.5)
    assert float(P.Connectedness(0.5).value(ball.numpy())[0]) == pytest.approx(0.5)


@every
def test_gradients_are_the_values_derivatives(penalty):
    loose = isinstance(penalty, P.LatentGroups)  # solved to a gap of 1e-9: its square root in the gradient
    x = picture((1, 1, 4, 3) if loose else (2, 2, 5, 4), 3).requires_grad_()
    options = {"eps": 1e-4, "atol": 1e-3} if loose else {}
    assert torch.autograd.gradcheck(penalty.value, x, **options)


@every
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 7), (1, 1, 1, 1), (1, 2, 4, 1), (1, 1, 3, 2, 4)])
def test_sizes_and_axes(penalty, shape):
    x = picture(shape).requires_grad_()
    value = penalty.value(x)
    assert value.shape == shape[:1]
    assert bool((value >= 0).all())
    (gradient,) = torch.autograd.grad(value.sum(), x)
    assert bool(torch.isfinite(gradient).all())
    torch.testing.assert_close(value, torch.cat([penalty.value(one[None]) for one in x]))


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_finite_gradients_at_kinks(penalty, dtype):
    single = torch.zeros(1, 2, 6, 6, dtype=dtype)
    single[..., 2, 3] = 1e-4
    ramp = torch.linspace(0, 1, 36, dtype=dtype).reshape(1, 1, 6, 6).expand(1, 2, 6, 6)
    for x in (torch.zeros(1, 2, 6, 6), torch.full((1, 2, 6, 6), 0.5), single, single + 0.5, ramp, -ramp):
        x = x.to(dtype).requires_grad_()
        value = penalty(x)
        assert value.dtype == torch.promote_types(dtype, torch.float32)  # half precision is summed in single
        (gradient,) = torch.autograd.grad(value, x)
        assert gradient.dtype == dtype
        assert bool(torch.isfinite(value))
        assert bool(torch.isfinite(gradient).all())
    if not isinstance(penalty, P.TargetArea):  # whose area pulls at an empty picture, as it should
        zero = torch.zeros(1, 2, 6, 6, dtype=dtype, requires_grad=True)
        assert float(torch.autograd.grad(penalty(zero), zero)[0].abs().max()) == 0


@every
def test_masks(penalty):
    x, other = picture((2, 2, 6, 5), 1), picture((2, 2, 6, 5), 2)
    mask = torch.rand(2, 1, 6, 5, generator=torch.Generator().manual_seed(3)) > 0.4
    mixed = torch.where(mask, x, other)
    torch.testing.assert_close(penalty.value(x, mask=mask), penalty.value(mixed, mask=mask))
    torch.testing.assert_close(penalty.value(x, mask=torch.ones(1, 1, 6, 5, dtype=bool)), penalty.value(x))
    torch.testing.assert_close(penalty.value(x, mask=mask & False), torch.zeros(2, dtype=x.dtype))
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(penalty.value(x, mask=mask).sum(), x)
    assert float((gradient * ~mask).abs().max()) == 0
    # a mask is the border of a smaller picture
    left = torch.zeros(6, 5, dtype=torch.bool)
    left[:, :3] = True
    if not isinstance(penalty, P.LatentGroups):  # whose windows may reach over the outline
        torch.testing.assert_close(penalty.value(x, mask=left), penalty.value(x[..., :3]))


@every
def test_numpy_arrays(penalty):
    if isinstance(penalty, P.LatentGroups):
        pytest.skip("its inner solver is written for torch")
    x = picture((2, 2, 5, 4), 1)
    mask = torch.rand(2, 1, 5, 4, generator=torch.Generator().manual_seed(3)) > 0.4
    for m in (None, mask):
        values = penalty.value(x.numpy(), mask=None if m is None else m.numpy())
        assert isinstance(values, np.ndarray)
        np.testing.assert_allclose(values, penalty.value(x, mask=m), rtol=1e-12)


@every
def test_input_is_left_alone(penalty):
    x = picture((1, 2, 5, 4))
    before = x.clone()
    penalty(x, mask=x > 0.1, weight_map=x.abs())
    torch.testing.assert_close(x, before, rtol=0, atol=0)


def test_contiguous_support_costs_less_than_a_scattered_one():
    blob, dust = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    blob[..., 8:16, 8:16] = 1
    dust[..., ::4, ::4] = 1
    assert blob.sum() == dust.sum()
    torch.testing.assert_close(P.L1()(blob), P.L1()(dust))
    penalties = (P.SlidingGroups(5), P.TiledGroups(4), P.QuadtreeGroups(3), P.LatentGroups(4), P.Potts(),
                 P.SparseGroup(), P.L0Gradient(), P.Connectedness())  # fmt: skip
    for penalty in penalties:
        assert float(penalty(blob)) < 0.7 * float(penalty(dust)), penalty


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (P.SlidingGroups, {"window": 0}),
        (P.SlidingGroups, {"window": (3, 2.5)}),
        (P.SlidingGroups, {"phi": "l1"}),
        (P.SlidingGroups, {"scale": 0}),
        (P.SlidingGroups, {"p": 1.5}),
        (P.SlidingGroups, {"channels": "both"}),
        (P.TiledGroups, {"tile": -1}),
        (P.TiledGroups, {"shift": -1}),
        (P.QuadtreeGroups, {"levels": 0}),
        (P.QuadtreeGroups, {"growth": 0}),
        (P.SparseGroup, {"groups": "tiles"}),
        (P.SparseGroup, {"ratio": -1}),
        (P.LatentGroups, {"tol": 0}),
        (P.Potts, {"scale": -1}),
        (P.Potts, {"scale": 1e-20}),
        (P.Potts, {"neighbors": 6}),
        (P.L0Gradient, {"surrogate": "l1"}),
        (P.TargetArea, {"fraction": 1.5}),
        (P.Connectedness, {"threshold": -1}),
    ],
)
def test_bad_parameters(cls, wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        cls(**wrong)


def test_sizes_must_fit_the_axes():
    x = torch.zeros(1, 1, 4, 4)
    for penalty in (P.SlidingGroups((3, 3, 3)), P.TiledGroups((2,)), P.LatentGroups((2, 2, 2))):
        with pytest.raises(js.InputError, match="axes"):
            penalty.value(x)
    with pytest.raises(js.InputError, match="axes"):
        P.Potts(neighbors=8).value(x[..., 0])
