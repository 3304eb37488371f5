"""The proxes that are solved by their own iteration: AITV, TGV², latent groups, and jumps on a line.

Held against each other, against certificates and against brute force; general oracles for the convex ones are
in tests/reference/test_proxes_against_cvxpy.py.
"""

from itertools import combinations, pairwise

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset.prox import tgv


def pictures(*shape, seed=0):
    g = torch.Generator().manual_seed(seed)
    v = 0.15 * torch.randn(shape, generator=g, dtype=torch.float64)
    v[..., 1:4, 2:5] += 1.0
    return v


def energy(penalty, u, v, tau):
    return 0.5 * (u - v).square().flatten(1).sum(1) + tau * penalty.value(u)


CONVEX = [
    js.penalties.TGV2(steps=500),
    js.penalties.TGV2(steps=500, channels="separate"),
    js.penalties.LatentGroups(3),
    js.penalties.LatentGroups((2, 3), channels="separate"),
]


@pytest.mark.parametrize("penalty", CONVEX, ids=repr)
def test_firmly_nonexpansive(penalty):
    assert penalty.convex
    a, b = pictures(6, 2, 5, 6), pictures(6, 2, 5, 6, seed=1)
    for tau in (0.03, 0.2):
        p, q = penalty.prox(a, tau), penalty.prox(b, tau)
        inner = ((p - q) * (a - b)).flatten(1).sum(1)
        assert bool((inner >= (p - q).square().flatten(1).sum(1) - 1e-2).all())


@pytest.mark.parametrize("penalty", [*CONVEX, js.penalties.AITV()], ids=repr)
def test_no_nearby_picture_is_better(penalty):
    """Along random directions, and towards v and its mean: a certificate of first order."""
    v, tau = pictures(1, 2, 5, 6), 0.1
    u = penalty.prox(v, tau)
    least = energy(penalty, u, v, tau)
    g = torch.Generator().manual_seed(3)
    others = [u + 1e-2 * torch.randn(u.shape, generator=g, dtype=u.dtype) for _ in range(10)]
    others += [u + 0.1 * (v - u), u + 0.1 * (v.mean((2, 3), keepdim=True) - u), v]
    for other in others:
        assert bool((energy(penalty, other, v, tau) >= least * (1 - 1e-3)).all())


@pytest.mark.parametrize("penalty", [*CONVEX, js.penalties.AITV()], ids=repr)
def test_each_image_is_treated_alone(penalty):
    v = pictures(3, 2, 5, 6) * torch.tensor([0.01, 1.0, 100.0])[:, None, None, None]
    tau = torch.tensor([0.003, 0.0, 10.0], dtype=torch.float64)
    together = penalty.prox(v, tau)
    alone = torch.cat([penalty.prox(v[k : k + 1], float(tau[k])) for k in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(together[1], v[1])
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        out = penalty.prox(v[1:2].to(dtype), 0.1)
        assert out.dtype == dtype
        torch.testing.assert_close(out.double(), penalty.prox(v[1:2], 0.1), rtol=0.05, atol=0.05)
    for wrong in (-1.0, float("nan"), torch.ones(2)):
        with pytest.raises(js.InputError, match="tau"):
            penalty.prox(v, wrong)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 5), (1, 2, 1, 4), (1, 1, 3, 2, 3)])
def test_sizes(shape):
    for penalty in (js.penalties.TGV2(), js.penalties.LatentGroups(3), js.penalties.AITV()):
        assert float(penalty.prox(torch.zeros(shape), 0.1).abs().max()) == 0
        out = penalty.prox(torch.rand(shape, generator=torch.Generator().manual_seed(0)), 0.05)
        assert out.shape == shape
        assert bool(torch.isfinite(out).all())


def test_tgv_keeps_ramps_and_total_variation_does_not():
    ramp = torch.linspace(0, 1, 9, dtype=torch.float64).expand(7, 9)[None, None].clone()
    torch.testing.assert_close(js.penalties.TGV2().prox(ramp, 0.2), ramp, rtol=0, atol=1e-6)
    noise = 0.02 * torch.randn(1, 1, 7, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    smooth = js.penalties.TGV2().prox(ramp + noise, 0.2)
    assert float((smooth - ramp).abs().max()) < 0.03
    far = js.penalties.TGV2().prox(ramp + noise + 100.0, 0.2)
    torch.testing.assert_close(far, smooth + 100.0, rtol=0, atol=1e-8)


def test_latent_groups_choose_windows():
    v = torch.zeros(1, 1, 9, 10, dtype=torch.float64)
    v[..., 2:5, 3:6] = 1.0
    v += 0.03 * torch.randn(v.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u = js.penalties.LatentGroups(3).prox(v, 0.4)
    assert bool((u[..., 2:5, 3:6] > 0.5).all())
    assert int((u != 0).sum()) == 9  # one window, and zeros elsewhere
    assert float(js.penalties.LatentGroups(3).prox(v, 100.0).abs().max()) == 0
    one = js.penalties.LatentGroups(1).prox(v, 0.4)  # windows of one pixel: soft thresholding
    torch.testing.assert_close(one, js.L1().prox(v, 0.4), rtol=0, atol=1e-3)
    whole = js.penalties.LatentGroups((9, 10)).prox(v, 0.4)  # one window: block thresholding
    torch.testing.assert_close(whole, v * (1 - 0.4 / v.norm()), rtol=0, atol=1e-3)


@pytest.mark.parametrize("tol", [5.6e-3, 1e-3, 5.6e-4])
def test_latent_groups_stop_at_half_of_the_gap(tol):
    """‖u − exact‖ ≤ tol ‖v‖ follows from a gap of tol² ‖v‖² / 2: half ends the iteration, half is for zeros.

    Zeros that the exact answer has cost nothing: the gap of u, computed here from u alone, is at most the half.
    """
    v, tau = pictures(1, 1, 8, 9), 0.3
    penalty, value = js.penalties.LatentGroups(3), js.penalties.LatentGroups(3, tol=1e-9, max_steps=50_000)
    u, exact = penalty.prox(v, tau, tol=tol), penalty.prox(v, tau, tol=3e-5)
    alpha = (v - u) / tau
    windows = alpha.square().unfold(2, 3, 1).unfold(3, 3, 1).sum((-2, -1))
    alpha = tau * alpha / windows.max().sqrt().clamp_min(1.0)
    gap = energy(value, u, v, tau) - (alpha * v).sum() + 0.5 * alpha.square().sum()
    assert float(gap) <= 0.51 * float(0.5 * tol**2 * v.square().sum())
    assert (u - exact).norm() <= tol * v.norm()
    assert int((exact == 0).sum()) == 6
    assert torch.equal(u == 0, exact == 0)


def test_limits_are_said():
    v = pictures(1, 1, 5, 6)
    for penalty in (js.penalties.TGV2(), js.penalties.LatentGroups(3)):
        with pytest.warns(RuntimeWarning, match="max_steps"):
            penalty.prox(v, 0.1, max_steps=2)
        with pytest.raises(js.InputError):
            penalty.prox(v, 0.1, tol=0.0)


def test_aitv_is_total_variation_at_its_ends():
    v = pictures(2, 2, 5, 6)
    for channels in ("separate", "joint"):
        tv = js.TotalVariation(isotropic=False, channels=channels)
        torch.testing.assert_close(
            js.penalties.AITV(0.0, channels).prox(v, 0.1), tv.prox(v, 0.1), rtol=0, atol=1e-4
        )
    line = v[..., :1, :]  # one axis: (1 − α) TV
    tv = js.TotalVariation(isotropic=False)
    torch.testing.assert_close(js.penalties.AITV(0.4).prox(line, 0.1), tv.prox(line, 0.06), rtol=0, atol=1e-3)


@pytest.mark.parametrize("alpha", [0.3, 0.8])
def test_aitv_lowers_the_energy(alpha):
    v, penalty = pictures(3, 1, 8, 9), js.penalties.AITV(alpha)
    u = penalty.prox(v, 0.1)
    start = js.TotalVariation(isotropic=False).prox(v, 0.1)
    assert bool((energy(penalty, u, v, 0.1) < energy(penalty, start, v, 0.1)).all())
    torch.testing.assert_close(u.mean((2, 3)), v.mean((2, 3)), rtol=0, atol=1e-5)


def least_jumps(v, tau):
    """½‖u − v‖² + tau · jumps over all partitions; v is (n, C)."""
    n, best = len(v), np.inf
    for count in range(n):
        for cuts in combinations(range(1, n), count):
            ends = (0, *cuts, n)
            best = min(
                best,
                tau * count + 0.5 * sum(((v[a:b] - v[a:b].mean(0)) ** 2).sum() for a, b in pairwise(ends)),
            )
    return best


@pytest.mark.parametrize("cls", [js.Potts, js.penalties.L0Gradient])
@pytest.mark.parametrize("shape", [(2, 2, 9), (2, 2, 9, 1), (2, 2, 1, 9), (2, 2, 1, 9, 1)])
def test_jumps_on_a_line_against_all_partitions(cls, shape):
    g = torch.Generator().manual_seed(4)
    v = torch.randn(shape, generator=g, dtype=torch.float64)
    tau = torch.tensor([0.05, 0.6], dtype=torch.float64)
    joint, separate = cls(channels="joint"), cls(channels="separate")
    u = joint.prox(v, tau)
    lines = v.reshape(2, 2, 9).numpy()
    expected = [least_jumps(line.T, float(t)) for line, t in zip(lines, tau, strict=True)]
    np.testing.assert_allclose(energy(joint, u, v, tau).numpy(), expected)
    u = separate.prox(v, tau)
    expected = [
        sum(least_jumps(c[:, None], float(t)) for c in line) for line, t in zip(lines, tau, strict=True)
    ]
    np.testing.assert_allclose(energy(separate, u, v, tau).numpy(), expected)
    assert separate.prox(v.float(), 0.1).dtype == torch.float32
    torch.testing.assert_close(separate.prox(v, 0.0), v)


def test_jumps_elsewhere_are_refused():
    for penalty in (js.Potts(), js.penalties.L0Gradient()):
        with pytest.raises(js.JumpsetError, match="one dimension"):
            penalty.prox(torch.zeros(1, 1, 3, 4), 0.1)
    with pytest.raises(js.JumpsetError, match="hard count"):
        js.Potts(scale=0.1).prox(torch.zeros(1, 1, 4), 0.1)


# ---------------------------------------------------------------- planted faults must be seen


@pytest.mark.parametrize("cls", [js.penalties.TGV2, js.penalties.LatentGroups, js.penalties.AITV])
def test_a_wrong_weight_is_seen(cls, monkeypatch):
    right = cls.prox
    monkeypatch.setattr(cls, "prox", lambda self, v, tau, **o: right(self, v, 1.5 * tau, **o))
    with pytest.raises(AssertionError):
        test_no_nearby_picture_is_better(cls())


@pytest.mark.parametrize("shape", [(2, 3, 7, 9), (1, 1, 1, 5), (1, 2, 6, 1), (1, 3, 2, 2)])
@pytest.mark.parametrize("joint", [True, False])
def test_loops_of_tgv_are_the_formula(shape, joint):
    f = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grid, one = tgv.Grid(torch.ones_like(f[:1])), torch.ones(len(f), 1, 1, 1, dtype=torch.float64)
    w = torch.zeros_like(grid.gradient(f))
    fields = expected = f, w, w, torch.zeros_like(grid.bend(w))
    sizes = 0.3 * one, 0.2 * one, (0.1 * one, 0.2 * one)
    for _ in range(25):
        expected = tgv.advance_plain(grid, f, expected, *sizes, joint)
    found = tgv.kernel.advance(f, fields, *sizes, joint, 25)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-13)


def test_tgv_continues_from_its_dual():
    """A start saves steps; the answer is the same point."""
    v = torch.rand(2, 3, 24, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    penalty = js.penalties.TGV2()
    first = penalty.prox_solution(v, 0.1, tol=1e-4)
    again = penalty.prox_solution(v + 1e-3 * v.flip(-1), 0.1, tol=1e-4, dual=first.dual)
    assert again.n_steps < first.n_steps / 2
    assert again.gap.max() <= 1e-4
    torch.testing.assert_close(
        again.image, penalty.prox(v + 1e-3 * v.flip(-1), 0.1, tol=1e-6), rtol=0, atol=5e-3
    )
