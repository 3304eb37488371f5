"""Penalties of single entries: values against their published forms, slopes, limits, derivatives of the prox."""

import math

import numpy as np
import pytest
import torch

import jumpset as js
import jumpset.penalties as P  # noqa: N812
from jumpset.penalties._scalar import cubic_roots


def scad(t, s, a):
    if t <= s:
        return t
    return (2 * a * s * t - t * t - s * s) / (2 * (a - 1) * s) if t <= a * s else (a + 1) * s / 2


# each with its formula, its slope at 0+ and its limit
TABLE = [
    (P.LogSum(0.2), lambda t: 0.2 * math.log(1 + t / 0.2), 1.0, math.inf),
    (P.Cauchy(0.2), lambda t: 0.02 * math.log(1 + t * t / 0.04), 0.0, math.inf),
    (P.MCP(0.6), lambda t: t - t * t / 1.2 if t <= 0.6 else 0.3, 1.0, 0.3),
    (P.SCAD(0.2, a=3.0), lambda t: scad(t, 0.2, 3.0), 1.0, 0.4),
    (P.TransformedL1(0.7), lambda t: 1.7 * t / (0.7 + t), 1.7 / 0.7, 1.7),
    (P.L0(), lambda t: float(t != 0), math.inf, 1.0),
]
each = pytest.mark.parametrize(
    ("penalty", "formula", "slope", "limit"), TABLE, ids=lambda p: getattr(p, "name", "")
)


@each
def test_values_slopes_and_limits(penalty, formula, slope, limit):
    x = torch.linspace(-3, 3, 61, dtype=torch.float64).reshape(1, 1, 61)
    expected = [formula(abs(float(t))) for t in x.flatten()]
    np.testing.assert_allclose(penalty.terms(x).flatten(), expected, rtol=1e-13, atol=1e-15)
    assert float(penalty.value(x)) == pytest.approx(sum(expected))
    near = float(penalty.value(torch.full((1, 1, 1), 1e-9, dtype=torch.float64))) / 1e-9
    assert near == pytest.approx(slope if math.isfinite(slope) else 1e9, rel=1e-6, abs=1e-6)
    if math.isfinite(limit):
        assert float(penalty.value(torch.full((1, 1, 1), 1e9))) == pytest.approx(limit, rel=1e-6)


@each
def test_they_are_concave_where_they_should_be(penalty, formula, slope, limit):
    t = torch.linspace(1e-6, 2, 400, dtype=torch.float64).reshape(1, 1, -1)
    second = penalty.terms(t).flatten().diff().diff()
    assert penalty.convex is False
    if not isinstance(penalty, P.Cauchy):  # a square up to its scale
        assert float(second.max()) < 1e-12


def test_known_equivalents():
    x = torch.randn(1, 1, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plenoxels = (1 + 2 * x.square()).log().sum()
    torch.testing.assert_close((4 * P.Cauchy(0.5**0.5)).value(x)[0], plenoxels)
    torch.testing.assert_close(P.LogSum(1e9).value(x), P.L1().value(x))
    torch.testing.assert_close(P.MCP(1e9).value(x), P.L1().value(x))
    torch.testing.assert_close(P.SCAD(1e9).value(x), P.L1().value(x))
    torch.testing.assert_close(P.TransformedL1(1e9).value(x), P.L1().value(x))
    torch.testing.assert_close(P.TransformedL1(1e-12).value(x), P.L0().value(x))


def test_l0_counts_and_gives_no_pull():
    x = torch.tensor([[[0.0, 1e-40, -2.0]]], requires_grad=True)
    value = P.L0().value(x)
    assert float(value.detach()) == 2
    assert float(torch.autograd.grad(value.sum(), x)[0].abs().sum()) == 0
    mixed = P.L0()(x) + P.L1()(x)  # trains with others
    assert float(torch.autograd.grad(mixed, x)[0].abs().sum()) > 0


@pytest.mark.parametrize("penalty", [row[0] for row in TABLE], ids=lambda p: p.name)
@pytest.mark.parametrize("tau", [0.05, 0.4, 3.0])
def test_the_prox_has_the_right_derivative(penalty, tau):
    v = torch.linspace(-3, 3, 41, dtype=torch.float64).reshape(1, 1, -1) + 0.0123  # off every threshold
    step = 1e-7
    v.requires_grad_()
    (slope,) = torch.autograd.grad(penalty.prox(v, tau).sum(), v)
    with torch.no_grad():
        numeric = (penalty.prox(v + step, tau) - penalty.prox(v - step, tau)) / (2 * step)
    torch.testing.assert_close(slope, numeric, rtol=1e-5, atol=1e-5)


def test_cubic_roots_against_numpy():
    rng = np.random.default_rng(0)
    coefficients = np.concatenate([rng.normal(size=(300, 3)), rng.normal(size=(300, 3)) * [1, 30, 0.01]])
    special = np.array([[0.0, 0, 0], [0, -1, 0], [0, 1, 0], [-6, 11, -6]])
    coefficients = np.concatenate([coefficients, special])
    found = torch.stack(cubic_roots(*torch.from_numpy(coefficients).T.contiguous())).T.numpy()
    for (a, b, c), roots in zip(coefficients, found, strict=True):
        exact = np.roots([1, a, b, c])
        for root in exact[np.abs(exact.imag) < 1e-7].real:
            assert np.abs(roots - root).min() <= 1e-9 * max(1, abs(root)), (a, b, c)
        for root in roots:
            assert np.abs(exact - root).min() <= 1e-6 * max(1, abs(root)), (a, b, c)


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [(P.LogSum, {"scale": 0}), (P.Cauchy, {"scale": -1}), (P.MCP, {"scale": math.nan}), (P.SCAD, {"a": 1}),
     (P.SCAD, {"scale": 0}), (P.TransformedL1, {"a": 0})],
)  # fmt: skip
def test_bad_parameters(cls, wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        cls(**wrong)
