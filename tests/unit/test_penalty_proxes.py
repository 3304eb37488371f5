"""Every prox against a global oracle, a certificate, its firm non-expansiveness, and its zeros.

The checks are functions, so that a wrong prox can be planted and must be seen.
"""

import itertools

import numpy as np
import pytest
import torch

import jumpset as js
import jumpset.penalties as P  # noqa: N812

SCALARS = [P.L1(), P.L0(), P.LogSum(0.2), P.LogSum(2.0), P.Cauchy(0.2), P.Cauchy(1.5), P.MCP(0.6),
           P.SCAD(0.2, a=3.0), P.SCAD(0.5, a=1.2), P.TransformedL1(0.7), P.TransformedL1(0.05)]  # fmt: skip
TAUS = (0.01, 0.1, 0.5, 1.0, 4.0, 20.0)


# ---------------------------------------------------------------- scalars: a fine grid is a global oracle


def check_scalar(prox, penalty, tau):
    """The energy of the prox is nowhere above the least energy on a fine grid around every v."""
    v = torch.linspace(-3, 3, 301, dtype=torch.float64)
    u = prox(v.reshape(1, 1, -1), tau).flatten()
    grid = torch.cat([torch.zeros(1), torch.linspace(-3.2, 3.2, 12001)]).double()
    penalties = tau * penalty.terms(grid.reshape(1, 1, -1)).flatten()
    energies = 0.5 * (grid - v[:, None]).square() + penalties
    least = energies.amin(1)
    reached = 0.5 * (u - v).square() + tau * penalty.terms(u.reshape(1, 1, -1)).flatten()
    assert bool((reached <= least + 1e-9).all())
    # and the place itself, wherever the minimiser is clearly one
    near = energies <= least[:, None] + 1e-6
    assert bool((u >= torch.where(near, grid, torch.inf).amin(1) - 0.02).all())
    assert bool((u <= torch.where(near, grid, -torch.inf).amax(1) + 0.02).all())


@pytest.mark.parametrize("penalty", SCALARS, ids=repr)
@pytest.mark.parametrize("tau", TAUS)
def test_scalar_proxes_are_global(penalty, tau):
    check_scalar(penalty.prox, penalty, tau)


def test_hard_threshold_is_the_root_of_twice_tau():
    v = torch.tensor([[[0.99, 1.01, -0.99, -1.01]]])
    assert P.L0().prox(v, 0.5).tolist() == [[[0.0, v[0, 0, 1].item(), 0.0, v[0, 0, 3].item()]]]


@pytest.mark.parametrize("penalty", SCALARS, ids=repr)
def test_scalar_proxes_keep_signs_zeros_and_order(penalty):
    v = torch.linspace(-3, 3, 601, dtype=torch.float64).reshape(1, 1, -1)
    for tau in TAUS:
        u = penalty.prox(v, tau)
        assert bool((u * v >= 0).all())
        assert bool((u.abs() <= v.abs() + 1e-12).all())
        assert bool((u.flatten().diff() >= -1e-9).all())
        torch.testing.assert_close(u, -penalty.prox(-v, tau))
        if not isinstance(penalty, P.Cauchy):
            assert int((u == 0).sum()) > 1
    torch.testing.assert_close(penalty.prox(v, 0.0), v)


# ------------------------------------------------------- groups: an independent solver, by projections


def slots(shape, members):
    """Flat indices of a list of groups, padded with the index of an extra slot that holds 0."""
    width = max(len(m) for m in members)
    return np.array([list(m) + [int(np.prod(shape))] * (width - len(m)) for m in members])


def solve_dual(v, groups, weights, tau, steps=6000):
    """``u = v − Σ y_g``, ``‖y_g‖ ≤ tau w_g``: accelerated projected gradient, with restart."""
    flat = np.append(v.ravel(), 0.0)
    y = np.zeros(groups.shape)
    ahead, momentum = y, 1.0
    limit = tau * weights[:, None]
    overlap = np.bincount(groups.ravel(), minlength=flat.size)[:-1].max()

    def primal(y):
        spent = np.zeros_like(flat)
        np.add.at(spent, groups.ravel(), y.ravel())
        u = flat - spent
        u[-1] = 0.0
        return u

    for _ in range(steps):
        new = ahead + primal(ahead)[groups] / overlap
        size = np.linalg.norm(new, axis=1, keepdims=True)
        new = new * np.minimum(1.0, limit / np.maximum(size, 1e-300))
        if ((ahead - new) * (new - y)).sum() > 0:
            momentum = 1.0
        faster = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead, y, momentum = new + (momentum - 1) / faster * (new - y), new, faster
    u = primal(y)[:-1]
    bound = 0.5 * (v.ravel() ** 2).sum() - 0.5 * (u**2).sum()  # the dual objective: a lower bound
    return u.reshape(v.shape), bound


def windows_of(shape, size):
    index = np.arange(np.prod(shape)).reshape(shape)
    return [
        index[
            tuple(slice(max(0, c - (s - 1) // 2), c + s // 2 + 1) for c, s in zip(p, size, strict=True))
        ].ravel()
        for p in np.ndindex(*shape)
    ]


def tiles_of(shape, size, shift=0):
    index = np.arange(np.prod(shape)).reshape(shape)
    spans = [[slice(max(0, b), min(n, b + size)) for b in range(-(shift % size), n, size)] for n in shape]
    found = [index[t].ravel() for t in itertools.product(*spans)]
    return [f for f in found if len(f)]


SHAPE = (6, 7)
GROUPS = {
    "tiles": (P.TiledGroups(3, shift=1), [(1.0, tiles_of(SHAPE, 3, 1))]),
    "windows": (P.SlidingGroups(3), [(1.0, windows_of(SHAPE, (3, 3)))]),
    "even windows": (P.SlidingGroups((2, 4)), [(1.0, windows_of(SHAPE, (2, 4)))]),
    "quadtree": (
        P.QuadtreeGroups(3, growth=1.3, shift=1),
        [(1.3**k, tiles_of(SHAPE, 2**k, 1)) for k in range(3)],
    ),
    "sparse tiles": (
        P.SparseGroup(P.TiledGroups(3), ratio=0.4),
        [(1.0, tiles_of(SHAPE, 3)), (0.4, tiles_of(SHAPE, 1))],
    ),
    "sparse windows": (
        P.SparseGroup(P.SlidingGroups(3), ratio=0.4),
        [(1.0, windows_of(SHAPE, (3, 3))), (0.4, tiles_of(SHAPE, 1))],
    ),
    "sparse quadtree": (
        P.SparseGroup(P.QuadtreeGroups(2), ratio=0.4),
        [(1.4, tiles_of(SHAPE, 1)), (1.0, tiles_of(SHAPE, 2))],
    ),
}


def blocks(seed=0):
    g = np.random.default_rng(seed)
    v = 0.2 * g.normal(size=SHAPE)
    v[1:4, 2:6] += 1.0
    return v


def check_groups(prox, parts, tau, tolerance=2e-3):
    """Near the independent solution, and certified by its dual bound."""
    v = blocks()
    groups = slots(SHAPE, [m for _, members in parts for m in members])
    weights = np.array([w for w, members in parts for _ in members])
    exact, bound = solve_dual(v, groups, weights, tau)
    found = prox(torch.from_numpy(v)[None, None], tau)[0, 0].numpy()

    def objective(u):
        flat = np.append(u.ravel(), 0.0)
        return 0.5 * ((u - v) ** 2).sum() + tau * (weights * np.linalg.norm(flat[groups], axis=1)).sum()

    scale = np.linalg.norm(v)
    assert objective(exact) - bound < 1e-7 * scale**2  # the oracle is sound
    assert np.linalg.norm(found - exact) <= tolerance * scale
    assert objective(found) - bound <= tolerance**2 * scale**2


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("tau", [0.02, 0.1, 0.3, 3.0])
def test_group_proxes_equal_an_independent_solver(name, tau):
    penalty, parts = GROUPS[name]
    check_groups(penalty.prox, parts, tau)


def test_value_and_groups_of_the_oracle_agree():
    for penalty, parts in GROUPS.values():
        v = blocks()
        expected = sum(w * np.linalg.norm(v.ravel()[m]) for w, members in parts for m in members)
        assert float(penalty.value(torch.from_numpy(v)[None, None])) == pytest.approx(expected)


CONVEX = [p for p, _ in GROUPS.values()] + [P.L1(), P.TiledGroups(2, channels="separate"),
                                            P.SlidingGroups(3, channels="separate")]  # fmt: skip


@pytest.mark.parametrize("penalty", CONVEX, ids=repr)
def test_convex_proxes_are_firmly_nonexpansive(penalty):
    assert penalty.convex
    g = torch.Generator().manual_seed(0)
    a, b = (torch.randn(20, 2, 6, 7, generator=g, dtype=torch.float64) for _ in range(2))
    for tau in (0.05, 0.4):
        p, q = penalty.prox(a, tau), penalty.prox(b, tau)
        inner = ((p - q) * (a - b)).sum((1, 2, 3))
        assert bool((inner >= (p - q).square().sum((1, 2, 3)) - 1e-2).all())


@pytest.mark.parametrize("penalty", CONVEX, ids=repr)
def test_zeros_are_exact_and_come_in_regions(penalty):
    v = torch.zeros(1, 1, 24, 24, dtype=torch.float64)
    v[..., 6:14, 8:18] = 1.0
    v += 0.03 * torch.randn(v.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    windows = isinstance(getattr(penalty, "groups", penalty), P.SlidingGroups)
    u = penalty.prox(v, 0.05 if windows else 0.3)
    zero = u[0, 0] == 0
    assert float(zero.double().mean()) > 0.5
    assert bool((u[..., 8:12, 10:16] != 0).all())
    assert float(penalty.prox(v, 1e3).abs().max()) == 0
    torch.testing.assert_close(penalty.prox(v, 0.0), v)


@pytest.mark.parametrize("penalty", [*CONVEX, P.L0(), P.MCP(0.3)], ids=repr)
def test_each_image_is_treated_alone(penalty):
    g = torch.Generator().manual_seed(2)
    v = (
        torch.randn(3, 2, 6, 7, generator=g, dtype=torch.float64)
        * torch.tensor([0.01, 1.0, 100.0])[:, None, None, None]
    )
    tau = torch.tensor([0.3, 0.0, 0.1], dtype=torch.float64)
    together = penalty.prox(v, tau)
    alone = torch.cat([penalty.prox(v[k : k + 1], float(tau[k])) for k in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(together[1], v[1])
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        out = penalty.prox(v[1:2].to(dtype), 0.1)
        assert out.dtype == dtype
        torch.testing.assert_close(out.double(), penalty.prox(v[1:2], 0.1), rtol=0.05, atol=0.05)
    for wrong in (-1.0, float("nan"), torch.tensor([0.1, -0.1, 0.1]), torch.ones(2)):
        with pytest.raises(js.InputError, match="tau"):
            penalty.prox(v, wrong)


def test_shrinkage_is_the_same_in_any_number_of_axes():
    """Two axes go through the fused kernel, one and three through the formula."""
    v = torch.from_numpy(blocks().ravel())[None, None]
    flat = P.SlidingGroups(5).prox(v, 0.2)
    torch.testing.assert_close(P.SlidingGroups((5, 1)).prox(v[..., None], 0.2)[..., 0], flat)
    torch.testing.assert_close(
        P.SlidingGroups((1, 5, 2)).prox(v[:, :, None, :, None], 0.2)[:, :, 0, :, 0], flat
    )
    assert 0 < int((flat == 0).sum()) < flat.numel()


def test_prox_of_zero_of_many_sizes():
    for penalty in CONVEX:
        for shape in ((1, 1, 1), (2, 1, 5), (1, 2, 1, 4), (1, 1, 3, 2, 3)):
            if isinstance(getattr(penalty, "window", 1), tuple) and len(shape) != 4:
                continue
            assert float(penalty.prox(torch.zeros(shape), 0.1).abs().max()) == 0
            assert bool(torch.isfinite(penalty.prox(torch.ones(shape), 0.1)).all())


def test_closed_forms_are_differentiable():
    g = torch.Generator().manual_seed(3)
    v = torch.randn(1, 2, 5, 4, generator=g, dtype=torch.float64, requires_grad=True)
    for penalty in (
        P.TiledGroups(2),
        P.QuadtreeGroups(3),
        P.SparseGroup(P.TiledGroups(2, channels="separate")),
    ):
        assert torch.autograd.gradcheck(lambda v, p=penalty: p.prox(v, 0.13), v)


def test_shrinkage_says_when_it_is_not_done():
    v = torch.from_numpy(blocks())[None, None]
    with pytest.warns(RuntimeWarning, match="max_steps"):
        P.SlidingGroups(3).prox(v, 0.1, max_steps=2)
    rough, fine = (P.SlidingGroups(3).prox(v, 0.1, tol=t) for t in (1e-2, 1e-6))
    assert float((rough - fine).norm()) <= 1.1e-2 * float(v.norm())


@pytest.mark.parametrize(
    ("combined", "factor", "same"),
    [
        (P.TotalVariation(channels="separate") + 0.5 * P.L1(), 1.0, P.SparseTV(0.5, channels="separate")),
        (0.2 * P.L1() + 0.4 * P.TotalVariation(isotropic=False), 0.4, P.SparseTV(0.5, isotropic=False)),
        (2 * P.SparseTV(0.25) + P.L1(), 2.0, P.SparseTV(0.75)),
        (2 * P.TiledGroups(3) + 0.5 * P.L1() + 0.5 * P.L1(), 2.0, P.SparseGroup(P.TiledGroups(3), 0.5)),
        (P.SparseGroup(P.SlidingGroups(3), 0.5) + P.L1(), 1.0, P.SparseGroup(P.SlidingGroups(3), 1.5)),
        (0.5 * P.L1() + P.L1() + 0 * P.Potts(), 1.5, P.L1()),
        (3 * (2 * P.MCP(0.2)), 6.0, P.MCP(0.2)),
    ],
)
def test_sums_with_a_prox(combined, factor, same):
    v = torch.from_numpy(np.stack([blocks(0), blocks(1)]))[None]
    assert combined.merged() == (pytest.approx(factor), same)
    torch.testing.assert_close(combined.prox(v, 0.1), same.prox(v, factor * 0.1), rtol=0, atol=0)
    torch.testing.assert_close(combined.value(v), factor * same.value(v))


@pytest.mark.parametrize(
    "combined",
    [
        P.TotalVariation() + P.SlidingGroups(3),
        P.TotalVariation(beta=2.0) + P.L1(),
        P.TotalVariation(order=2) + P.L1(),
        P.L1() + P.L0(),
        P.TotalVariation() + P.TotalVariation(isotropic=False) + P.L1(),
    ],
)
def test_sums_without_a_prox_say_which_have_one(combined):
    assert not combined.has_prox
    with pytest.raises(js.JumpsetError, match=r"1 \* .* has no proximal operator.*SparseTV.*SparseGroup"):
        combined.prox(torch.zeros(1, 1, 4, 4), 0.1)
    with pytest.raises(js.JumpsetError, match="no prox_solution"):
        (2 * P.L1()).prox_solution(torch.zeros(1, 1, 4, 4), 0.1)


def test_no_prox_is_said():
    v = torch.zeros(1, 1, 4, 4)
    for penalty in (P.SlidingGroups(phi="log"), P.Potts(), P.TargetArea()):
        with pytest.raises(js.JumpsetError, match="proximal"):
            penalty.prox(v, 0.1)


# ---------------------------------------------------------------- planted faults must be seen


def hard_at_tau(v, tau):
    return torch.where(v.abs() > tau, v, 0.0)


def root_first(v, tau):
    u = v
    for level in (2, 1, 0):
        u = P.TiledGroups(2**level, shift=1).prox(u, 1.3**level * tau)
    return u


def few_steps(v, tau):
    with pytest.warns(RuntimeWarning):
        return P.SlidingGroups(3).prox(v, tau, max_steps=3)


@pytest.mark.parametrize(
    ("check", "wrong", "oracle", "tau"),
    [
        (check_scalar, hard_at_tau, P.L0(), 0.3),
        (check_scalar, P.L1().prox, P.MCP(0.6), 0.3),
        (check_scalar, lambda v, tau: P.LogSum(0.2).prox(v, 1.02 * tau), P.LogSum(0.2), 0.3),
        (check_groups, root_first, GROUPS["quadtree"][1], 0.3),
        (check_groups, lambda v, tau: P.TiledGroups(3, shift=1).prox(v, 0.98 * tau), GROUPS["tiles"][1], 0.3),
        (check_groups, lambda v, tau: P.TiledGroups(3).prox(v, tau), GROUPS["tiles"][1], 0.3),
        (check_groups, few_steps, GROUPS["windows"][1], 0.1),
        (
            check_groups,  # the other order of soft thresholding and groups
            lambda v, tau: P.L1().prox(P.SlidingGroups(3).prox(v, tau), 0.4 * tau),
            GROUPS["sparse windows"][1],
            0.1,
        ),
    ],
)  # fmt: skip
def test_wrong_proxes_are_seen(check, wrong, oracle, tau):
    with pytest.raises(AssertionError):
        check(wrong, oracle, tau)


@pytest.mark.parametrize(
    "penalty", [js.Potts(), js.penalties.L0Gradient(), js.Potts(channels="separate")], ids=repr
)
def test_jumps_of_unknown_values(penalty):
    """One NaN makes its signal unknown: all channels of it, or its own channel where they are separate."""
    x = torch.rand(3, 2, 7, generator=torch.Generator().manual_seed(0))
    broken = x.clone()
    broken[1, 0, 3] = torch.nan
    u = penalty.prox(broken, 0.02)
    lost = torch.zeros(3, 2, dtype=torch.bool)
    lost[1, : 1 if penalty.channels == "separate" else 2] = True
    assert torch.equal(u.isnan().all(-1), lost)
    assert torch.equal(u.isnan().any(-1), lost)
    assert torch.equal(u[~lost], penalty.prox(x, 0.02)[~lost])
