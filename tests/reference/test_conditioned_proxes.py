"""Weights, bounds, spacing and periodic borders of penalty and prox, against a general convex solver."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset.penalties.solved_prox import SolvedProx

P = js.penalties
SHAPE = (5, 6)
RNG = np.random.default_rng(3)
WEIGHT = RNG.uniform(0.2, 2.0, SHAPE)
EDGES = RNG.uniform(0.0, 2.0, (2, *SHAPE))
PENALTIES = {
    "tv": P.TotalVariation(),
    "tv-separate": P.TotalVariation(channels="separate"),
    "tv-aniso": P.TotalVariation(isotropic=False, channels="separate"),
    "tv-aniso-joint": P.TotalVariation(isotropic=False),
    "sparse-tv": P.SparseTV(ratio=0.3),
    "sparse-tv-aniso": P.SparseTV(ratio=0.3, isotropic=False, channels="separate"),
    "huber": P.HuberTV(delta=0.1),
}
CONDITIONS = {
    "weight_map": {"weight_map": torch.from_numpy(WEIGHT)},
    "edge_weights": {"edge_weights": torch.from_numpy(EDGES)},
    "lower": {"lower": 0.0},
    "box": {"lower": 0.1, "upper": 0.8},
    "all": {"weight_map": WEIGHT, "edge_weights": EDGES, "lower": 0.0, "upper": 0.8},
}
GRIDS = {"plain": {}, "spacing": {"spacing": (1.0, 2.5)}, "periodic": {"periodic": True},
         "torus": {"periodic": True, "spacing": (1.0, 0.5)}}  # fmt: skip


def image(channels=2):
    v = 0.15 * RNG.standard_normal((1, channels, *SHAPE))
    v[..., 1:4, 2:5] += 1.0
    return torch.from_numpy(v)


V = image()


def on(penalty, grid):
    fields = {name: getattr(penalty, name) for name in (f.name for f in dataclasses.fields(penalty))}
    return type(penalty)(**fields | grid)


def differences(us, spacing=(1.0, 1.0), periodic=False, edges=None):
    """For each axis, a list of one difference per channel, by the definition."""
    sizes = [size / min(spacing) for size in spacing]
    found = []
    for axis, n in enumerate(SHAPE):
        step = np.roll(np.eye(n), 1, axis=1) - np.eye(n)
        if not periodic:
            step[-1] = 0
        parts = [(step @ u if axis == 0 else u @ step.T) / sizes[axis] for u in us]
        found.append(parts if edges is None else [edges[axis] * p for p in parts])
    return found


def energy_of(penalty, us, options, grid, cp):
    """R by its definition, of lists of channels that are variables of cvxpy."""
    weight = np.asarray(options.get("weight_map", np.ones(SHAPE))).ravel()
    edges = options.get("edge_weights")
    d = differences(us, **grid)
    if edges is not None:
        d = [[cp.multiply(np.asarray(edges)[k], p) for p in parts] for k, parts in enumerate(d)]
    channels = range(len(us))
    joint = penalty.channels == "joint"
    isotropic = getattr(penalty, "isotropic", True)
    axes = [list(range(2))] if isotropic else [[0], [1]]
    groups = [list(channels)] if joint else [[c] for c in channels]
    total = 0
    for some, group in itertools.product(axes, groups):
        stack = cp.vstack([cp.vec(d[k][c], order="C") for k in some for c in group])
        norm = cp.norm(stack, axis=0)
        if isinstance(penalty, P.HuberTV):
            norm = cp.huber(norm, penalty.delta) / (2 * penalty.delta)
        total = total + weight @ norm
    ratio = getattr(penalty, "ratio", 0.0)
    return total + ratio * sum(weight @ cp.abs(cp.vec(u, order="C")) for u in us)


@pytest.mark.slow
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("name", PENALTIES)
def test_against_cvxpy(name, condition, grid):
    cp = pytest.importorskip("cvxpy")
    penalty, options, tau = on(PENALTIES[name], GRIDS[grid]), CONDITIONS[condition], 0.12
    us = [cp.Variable(SHAPE) for _ in range(2)]
    misfit = 0.5 * sum(cp.sum_squares(u - f) for u, f in zip(us, V[0].numpy(), strict=True))
    bounds = [u >= options["lower"] for u in us if "lower" in options]
    bounds += [u <= options["upper"] for u in us if "upper" in options]
    objective = misfit + tau * energy_of(penalty, us, options, GRIDS[grid], cp)
    cp.Problem(cp.Minimize(objective), bounds).solve(solver="CLARABEL")
    u = penalty.prox(V, tau, tol=1e-9, **options)
    np.testing.assert_allclose(u[0].numpy(), np.stack([x.value for x in us]), atol=2e-4)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", PENALTIES)
def test_value_is_the_definition(name, grid):
    """With weights of pixels and edges; in NumPy as in torch; a gradient by autograd."""
    penalty = on(PENALTIES[name], GRIDS[grid])
    d = np.stack(differences(list(V[0].numpy()), **GRIDS[grid]))  # (axes, channels, H, W)
    d = d * EDGES[:, None]
    axes = 0 if getattr(penalty, "isotropic", True) else ()
    squares = d**2 if axes == () else (d**2).sum(0, keepdims=True)
    squares = squares.sum(1, keepdims=True) if penalty.channels == "joint" else squares
    norm = np.sqrt(squares)
    if isinstance(penalty, P.HuberTV):
        delta = penalty.delta
        norm = np.where(norm <= delta, norm**2 / (2 * delta), norm - delta / 2)
    expected = (WEIGHT * norm).sum() + getattr(penalty, "ratio", 0.0) * (WEIGHT * V[0].abs().numpy()).sum()
    maps = {"weight_map": WEIGHT, "edge_weights": EDGES}
    assert float(penalty.value(V, **maps)) == pytest.approx(expected, rel=1e-12)
    assert float(penalty.value(V.numpy(), **maps)[0]) == pytest.approx(expected, rel=1e-12)
    assert float(penalty(V.movedim(1, -1), channel_axis=-1, normalize="sum", edge_weights=EDGES[None])) == (
        pytest.approx(float(penalty.value(V, edge_weights=EDGES)), rel=1e-12)
    )
    small = V[..., :3, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(penalty.value, (small,))


@pytest.mark.parametrize("shape", [(2, 1, 9), (2, 2, 4, 5), (1, 2, 3, 4, 3)])
@pytest.mark.parametrize("name", PENALTIES)
def test_weights_of_one_and_wide_bounds_change_nothing(name, shape):
    """In one to three axes, and for one tau an image."""
    penalty, v = PENALTIES[name], torch.rand(shape, generator=torch.Generator().manual_seed(0)).double()
    tau = torch.linspace(0.0, 0.2, len(v), dtype=torch.float64)
    plain = penalty.prox(v, tau, tol=1e-11)
    options = {"weight_map": torch.ones(shape[2:]), "edge_weights": torch.ones(len(shape) - 2, *shape[2:])}
    found = penalty.prox(v, tau, tol=1e-11, lower=-9.0, upper=9.0, **options)
    torch.testing.assert_close(found, plain, rtol=0, atol=2e-5)
    last = penalty.prox(v.movedim(1, -1), tau, tol=1e-11, channel_axis=-1)
    torch.testing.assert_close(last.movedim(-1, 1), plain)
    single = penalty.prox(v.float(), tau, lower=0.2)
    assert single.dtype == torch.float32
    assert float(single.min()) >= 0.2


def test_bounds_are_not_clamping():
    """Clipping the unbounded point is another image, which isotropic total variation does not like."""
    v = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 0.5
    penalty = P.TotalVariation()
    bounded, clipped = (
        penalty.prox(v, 0.05, lower=0.0, tol=1e-10),
        penalty.prox(v, 0.05, tol=1e-10).clamp_min(0),
    )
    energy = lambda u: float(0.5 * (u - v).square().sum() + 0.05 * penalty.value(u))  # noqa: E731
    assert energy(bounded) < energy(clipped) - 1e-4
    assert float(bounded.min()) == 0.0


def test_a_warm_start_and_the_certificate():
    penalty, options = P.SparseTV(), {"lower": 0.0, "weight_map": torch.from_numpy(WEIGHT)}
    found = penalty.prox_solution(V, 0.1, tol=1e-8, **options)
    assert float(found.gap) <= 1e-8
    again = penalty.prox_solution(V, 0.1, tol=1e-8, dual=found.dual, **options)
    assert again.n_steps < found.n_steps
    with pytest.warns(RuntimeWarning, match="max_steps"):
        penalty.prox(V, 0.1, tol=1e-8, max_steps=2, lower=0.0)


def test_conditions_with_missing_pixels():
    """The bounded fill of a hole, against all small changes that keep the bounds."""
    penalty, mask = P.TotalVariation(periodic=True), torch.rand(SHAPE) > 0.3
    options = {"lower": 0.1, "upper": 0.7, "weight_map": torch.from_numpy(WEIGHT)}
    u = penalty.prox(torch.where(mask, V, torch.nan), 0.1, mask=mask, tol=1e-6, **options)

    def energy(x):
        misfit = 0.5 * (x - V)[..., mask].square().sum()
        return float(misfit + 0.1 * penalty.value(x, weight_map=options["weight_map"]).sum())

    assert float(u.min()) >= 0.1
    assert float(u.max()) <= 0.7
    for k in range(30):
        direction = torch.randn(u.shape, generator=torch.Generator().manual_seed(k), dtype=u.dtype)
        assert energy((u + 1e-2 * direction).clamp(0.1, 0.7)) >= energy(u) * (1 - 1e-5)


def test_l1_with_conditions():
    u = js.L1().prox(V, 0.2, weight_map=WEIGHT, lower=0.0, upper=0.6)
    expected = (V - 0.2 * torch.from_numpy(WEIGHT)).clamp(0.0, 0.6)
    torch.testing.assert_close(u, expected)
    assert torch.equal((2 * js.L1()).prox(V, 0.1, lower=0.0), js.L1().prox(V, 0.2, lower=0.0))


@pytest.mark.parametrize("name", ["tv", "tv-aniso", "sparse-tv", "huber"])
def test_the_layer_on_a_torus_with_long_pixels(name):
    """Its derivative against finite differences."""
    penalty = on(PENALTIES[name], GRIDS["torus"])
    layer = js.Prox(penalty, 0.05, flat=1e-5)
    layer_prox = lambda v: penalty.prox(v, 0.05, tol=1e-13)  # noqa: E731
    g, direction = (torch.randn(V.shape, generator=torch.Generator().manual_seed(k)).double() for k in (1, 2))
    v = V.clone().requires_grad_()
    original = type(penalty).prox
    try:  # the layer differentiates at a finely solved point
        type(penalty).prox = lambda self, v, tau: original(self, v, tau, tol=1e-13)
        (slope,) = torch.autograd.grad((layer(v) * g).sum(), v)
    finally:
        type(penalty).prox = original
    h = 1e-5
    expected = ((layer_prox(V + h * direction) - layer_prox(V - h * direction)) * g).sum() / (2 * h)
    assert float((slope * direction).sum()) == pytest.approx(float(expected), rel=0.02, abs=0.02)


def test_mistakes_are_said():
    tv = P.TotalVariation()
    for options, message in (
        ({"lower": 1.0, "upper": 0.0}, "upper must be at least 1"),
        ({"lower": float("nan")}, "lower must be a finite number"),
        ({"weight_map": -torch.ones(SHAPE)}, "weight_map must be finite and not negative"),
        ({"weight_map": torch.ones(1, 2, *SHAPE)}, "one weight per pixel"),
        ({"weight_map": torch.ones(3, 3)}, "does not fit"),
        ({"edge_weights": torch.ones(3, *SHAPE)}, "one map per spatial axis"),
        ({"edge_weights": -torch.ones(2, *SHAPE)}, "edge_weights must be finite"),
    ):
        with pytest.raises(js.InputError, match=message):
            tv.prox(V, 0.1, **options)
    with pytest.raises(js.InputError, match="forward differences"):
        js.L1().value(V, edge_weights=torch.ones(2, *SHAPE))
    with pytest.raises(js.InputError, match="order"):
        P.TotalVariation(order=2).value(V, edge_weights=torch.ones(2, *SHAPE))
    for wrong in (
        {"spacing": 1.0},
        {"spacing": (0.0, 1.0)},
        {"spacing": (1.0, -1.0)},
        {"periodic": 1},
        {"order": 2, "periodic": True},
    ):
        with pytest.raises(js.InputError):
            P.TotalVariation(**wrong)
    with pytest.raises(js.InputError, match="one number for each spatial axis"):
        P.TotalVariation(spacing=(1.0, 1.0, 1.0)).value(V)
    for penalty in (P.TotalVariation(beta=2.0, periodic=True), P.AITV(periodic=True),
                    P.VectorialTV(coupling="nuclear", periodic=True)):  # fmt: skip
        assert not penalty.has_prox
        with pytest.raises(js.JumpsetError, match=r"prox"):
            penalty.prox(V, 0.1)


# ------------------------------------------------------------------------------------------------ complex images

Z = torch.complex(V, image())
COMPLEX = {
    **PENALTIES, "l1": js.L1(), "l0": P.L0(), "tiles": P.TiledGroups(2), "sliding": js.SlidingGroups(3),
    "sliding-separate": js.SlidingGroups(3, channels="separate"), "vectorial": P.VectorialTV(),
    "sparse-group": P.SparseGroup(P.TiledGroups(2)), "sum": 0.5 * P.TotalVariation() + 0.2 * js.L1(),
    "torus": P.TotalVariation(periodic=True, spacing=(1.0, 2.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n in PENALTIES if n != "huber"])
def test_complex_images_against_cvxpy(name):
    """Real and imaginary part share the edges of their channel, and the modulus is what L1 sums."""
    cp = pytest.importorskip("cvxpy")
    penalty, tau = PENALTIES[name], 0.12
    us = [[cp.Variable(SHAPE), cp.Variable(SHAPE)] for _ in range(2)]  # of each complex channel, both parts
    groups = [us] if penalty.channels == "joint" else [[u] for u in us]
    axes = [[0, 1]] if penalty.isotropic else [[0], [1]]
    total = 0
    for group, some in itertools.product(groups, axes):
        d = differences([u[k] for u in group for k in range(2)])
        total = total + cp.sum(cp.norm(cp.vstack([cp.vec(p, order="C") for k in some for p in d[k]]), axis=0))
    for u in us:
        pair = cp.vstack([cp.vec(u[k], order="C") for k in range(2)])
        total = total + getattr(penalty, "ratio", 0.0) * cp.sum(cp.norm(pair, axis=0))
    data = torch.view_as_real(Z[0]).movedim(-1, 1).numpy()
    misfit = 0.5 * sum(cp.sum_squares(u[k] - f[k]) for u, f in zip(us, data, strict=True) for k in range(2))
    cp.Problem(cp.Minimize(misfit + tau * total)).solve(solver="CLARABEL")
    u = torch.view_as_real(penalty.prox(Z, tau, tol=1e-9)[0]).movedim(-1, 1)
    np.testing.assert_allclose(u.numpy(), np.array([[x.value for x in u] for u in us]), atol=2e-4)
    assert float(penalty.value(torch.complex(*u.movedim(1, 0))[None])) == pytest.approx(total.value, rel=1e-3)


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_images(name):
    """A real image as a complex one; a common phase changes nothing; NumPy; the prox against small changes."""
    penalty, tau = COMPLEX[name], 0.1
    torch.testing.assert_close(penalty.value(V.to(torch.complex128)), penalty.value(V))
    phase = torch.polar(torch.tensor(1.0).double(), torch.tensor(0.7).double())
    torch.testing.assert_close(penalty.value(Z * phase), penalty.value(Z))
    np.testing.assert_allclose(penalty.value(Z.numpy()), penalty.value(Z).numpy(), rtol=1e-12)
    torch.testing.assert_close(penalty(Z.movedim(1, -1), channel_axis=-1), penalty(Z))
    assert float(penalty(Z, mask=torch.zeros(SHAPE, dtype=torch.bool))) == 0.0
    options = {"tol": 1e-9} if isinstance(penalty, SolvedProx) else {}
    u = penalty.prox(Z, tau, **options)
    torch.testing.assert_close(penalty.prox(Z * phase, tau, **options), u * phase, rtol=0, atol=1e-4)
    torch.testing.assert_close(penalty.prox(V.to(Z), tau).real, penalty.prox(V, tau), rtol=0, atol=1e-3)
    energy = lambda x: float(0.5 * (x - Z).abs().square().sum() + tau * penalty.value(x))  # noqa: E731
    for k in range(10):
        direction = torch.randn(Z.shape, generator=torch.Generator().manual_seed(k), dtype=Z.dtype)
        assert energy(u + 1e-3 * direction) >= energy(u) - 1e-5


@pytest.mark.parametrize("name", ["tv", "l1", "tiles", "sliding", "torus"])
def test_the_layer_for_complex_images(name):
    layer = js.Prox(COMPLEX[name], 0.1, learnable=True)
    torch.testing.assert_close(layer(Z), COMPLEX[name].prox(Z, 0.1), rtol=0, atol=1e-2)
    z = Z.clone().requires_grad_()
    slopes = torch.autograd.grad(layer(z).abs().square().sum(), (z, layer.log_tau))
    assert all(bool(torch.isfinite(torch.view_as_real(s) if s.is_complex() else s).all()) for s in slopes)


def test_complex_images_that_have_no_meaning():
    for use in (lambda: P.TotalVariation().prox(Z, 0.1, lower=0.0), lambda: P.TGV2().value(Z),
                lambda: P.Connectedness().value(Z), lambda: js.Prox(P.SparseTV(), 0.1)(Z)):  # fmt: skip
        with pytest.raises(js.InputError, match="complex"):
            use()


# ------------------------------------------------------------------------------- what has which feature

FEATURES = {
    "weight_map": lambda p, x: p.value(x, weight_map=torch.ones(x.shape[2:])),
    "edge_weights": lambda p, x: p.value(x, edge_weights=torch.ones(x.ndim - 2, *x.shape[2:])),
    "periodic": lambda p, x: type(p)(periodic=True).value(x),
    "prox": lambda p, x: p.prox(x, 0.1),
    "prox bounds": lambda p, x: p.prox(x, 0.1, lower=0.0),
    "prox weight_map": lambda p, x: p.prox(x, 0.1, weight_map=torch.ones(x.shape[2:])),
    "prox edge_weights": lambda p, x: p.prox(x, 0.1, edge_weights=torch.ones(x.ndim - 2, *x.shape[2:])),
}
ALL_FEATURES = set(FEATURES)
GRADIENTS = {"weight_map", "edge_weights", "periodic"}
TABLE = {
    "TotalVariation": ALL_FEATURES, "SparseTV": ALL_FEATURES, "HuberTV": ALL_FEATURES,
    "VectorialTV": ALL_FEATURES, "AITV": GRADIENTS | {"prox"}, "GraphNet": GRADIENTS, "Charbonnier": GRADIENTS,
    "L1": {"weight_map", "prox", "prox bounds", "prox weight_map"},
    "L0": {"weight_map", "prox"}, "MCP": {"weight_map", "prox"}, "SCAD": {"weight_map", "prox"},
    "TransformedL1": {"weight_map", "prox"}, "TiledGroups": {"weight_map", "prox"},
    "SlidingGroups": {"weight_map", "prox"}, "QuadtreeGroups": {"weight_map", "prox"},
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_the_table_of_features(name):
    """What the table in the documentation promises, no more and no less."""
    penalty, x = (
        getattr(P, name)(),
        torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)).double(),
    )
    found = set()
    for feature, use in FEATURES.items():
        try:
            use(penalty, x)
        except (TypeError, js.JumpsetError):
            continue
        found.add(feature)
    assert found == TABLE[name]
    assert isinstance(penalty, SolvedProx) == (found == ALL_FEATURES)
