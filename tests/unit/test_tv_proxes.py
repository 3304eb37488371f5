"""Proxes of the total variation family: exact lines, norms and their balls, and certificates computed anew.

The certificate is calculated here in NumPy, from the penalty's value and the dual variable alone. It proves the
prox globally optimal, whatever the algorithm did.
"""

import itertools
import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

import jumpset as js
import jumpset.penalties as P  # noqa: N812
from jumpset.kernels.buffers import Pool
from jumpset.kernels.tv import dual_general, norms
from jumpset.kernels.tv import lines as tv_lines
from jumpset.operators.neighborhoods import OFFSETS
from jumpset.prox import tv


def picture(*shape, seed=0, dtype=torch.float64):
    """Flat blocks with noise, some of it zero."""
    g = np.random.default_rng(seed)
    blocks = (np.indices(shape[2:]) // 3).sum(0) % 2 * 1.0
    return torch.from_numpy(blocks + 0.3 * g.normal(size=shape)).to(dtype)


# ---------------------------------------------------------------- lines


def box_dual(v, w, c):
    """The line's prox from its dual, a quadratic in a box."""
    D = np.diff(np.eye(len(v)), axis=0)

    def dual(p):
        u = v - D.T @ p / c
        return 0.5 * (c * u * u).sum(), -D @ u

    box = [(-a, a) for a in w]
    options = {"maxiter": 20_000, "maxfun": 100_000, "ftol": 0.0, "gtol": 1e-13}
    return v - D.T @ minimize(dual, 0 * w, jac=True, bounds=box, method="L-BFGS-B", options=options).x / c


def solve(v, weight, **settings):
    out = np.empty((1, len(v)))
    lines = tv_lines.lines_along((len(v),), (1,))
    tv_lines.tv_lines(v[None], lines, np.array([weight]), out=out, **settings)
    return out[0]


@pytest.mark.parametrize("n", [2, 3, 5, 9, 14])
def test_lines_equal_a_box_constrained_solver(n):
    g = np.random.default_rng(n)
    for _ in range(5):
        v, c = g.normal(size=n), 0.1 + g.random(n)
        w = g.random(n) * g.choice([0.0, 0.1, 1.0, 3.0], n)  # some edges are cut
        weighted = solve(v, 0.7, edges=w[None], data=c[None])
        np.testing.assert_allclose(weighted, box_dual(v, 0.7 * w[:-1], c), atol=1e-6)
        np.testing.assert_allclose(solve(v, 0.3), box_dual(v, np.full(n - 1, 0.3), 1.0), atol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 1e-3, 0.1, 1.0, 100.0])
@pytest.mark.parametrize("kind", ["noise", "ramp", "steps", "flat"])
def test_both_algorithms_agree(weight, kind, monkeypatch):
    """Also where the direct one gives up, and for ties."""
    n = 3000
    v = {
        "noise": np.random.default_rng(0).normal(size=n),
        "ramp": np.linspace(0, 1, n) ** 2 * 50,
        "steps": (np.arange(n) // 7 % 3).astype(float),
        "flat": np.full(n, 0.1),
    }[kind]
    direct, string = solve(v, weight), solve(v, weight, edges=np.ones((1, n)))
    np.testing.assert_allclose(direct, string, atol=1e-10)
    np.testing.assert_allclose(direct.mean(), v.mean(), atol=1e-10)
    if weight == 0 or kind == "flat":
        np.testing.assert_allclose(direct, v, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "offset"),
    [((3, 4), o) for o in OFFSETS[8]] + [((1, 1), (1, 1)), ((5, 1), (1, -1)), ((2, 3, 4), (0, 1, 0)), ((2, 3, 4), (1, -1, 1))],
)  # fmt: skip
def test_each_pixel_is_on_one_line(shape, offset):
    lines = tv_lines.lines_along(shape, offset)
    places = [s + lines.stride * np.arange(n) for s, n in zip(lines.starts, lines.lengths, strict=True)]
    assert sorted(np.concatenate(places)) == list(range(int(np.prod(shape))))
    for line in places:
        steps = np.diff(np.stack(np.unravel_index(line, shape), 1), axis=0)
        assert (steps == offset).all()


def test_lines_of_float32_in_place_and_on_threads(monkeypatch):
    v = picture(1, 1, 40, 60)[0, 0].numpy()
    lines = tv_lines.lines_along(v.shape, (1, 0))
    exact = np.stack([solve(np.ascontiguousarray(column), 0.3) for column in v.T], 1)
    single = v.astype(np.float32).reshape(1, -1)
    tv_lines.tv_lines(single, lines, np.array([0.3]), out=single)
    np.testing.assert_allclose(single.reshape(v.shape), exact, atol=1e-6)
    out = [np.empty((1, v.size)) for _ in range(2)]
    for target, threads in zip(out, (1, 5), strict=True):
        monkeypatch.setattr(tv_lines, "LEAST_BAND", 1)
        monkeypatch.setattr(torch, "get_num_threads", lambda n=threads: n)
        tv_lines.tv_lines(v.reshape(1, -1), lines, np.array([0.3]), out=target)
    np.testing.assert_array_equal(*out)


# ---------------------------------------------------------------- norms and balls

NORMS = ["l2", "l2-each", "linf", "linf-each", "nuclear"]


def numpy_norm(J, name):
    """Of one ``(D, C)`` matrix."""
    if name == "nuclear":
        return np.linalg.svd(J, compute_uv=False).sum()
    each = np.abs(J).max(1) if name.startswith("linf") else np.sqrt((J**2).sum(1))
    return each.sum() if name.endswith("each") else np.sqrt((each**2).sum())


def numpy_dual_norm(Q, name):
    if name == "nuclear":
        return np.linalg.svd(Q, compute_uv=False).max()
    each = np.abs(Q).sum(1) if name.startswith("linf") else np.sqrt((Q**2).sum(1))
    return each.max() if name.endswith("each") else np.sqrt((each**2).sum())


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("size", [(2, 3), (3, 2), (1, 4), (2, 1), (2, 6)])
def test_norms_and_projections(name, size):
    g = torch.Generator().manual_seed(0)
    draw = lambda scale: scale * torch.randn(60, *size, 1, generator=g, dtype=torch.float64)  # noqa: E731
    q, points = draw(2.0), norms.project(draw(3.0), name, 1.0)
    new = norms.project(q, name, 1.0)
    for k in range(60):
        assert numpy_dual_norm(new[k, ..., 0].numpy(), name) <= 1 + 1e-12
        np.testing.assert_allclose(
            norms.norm_of(q[k : k + 1], name).sum(), numpy_norm(q[k, ..., 0].numpy(), name)
        )
        largest = norms.dual_norm_of(q[k : k + 1], name).max()
        np.testing.assert_allclose(largest, numpy_dual_norm(q[k, ..., 0].numpy(), name))
    # a projection onto a convex set: no point of the set lies ahead of it
    ahead = ((q[:, None] - new[:, None]) * (points[None] - new[:, None])).flatten(2).sum(2)
    assert float(ahead.max()) < 1e-6
    torch.testing.assert_close(norms.project(new, name, 1.0), new, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize(
    "shape", [(2, 3, 7), (3, 1, 5, 6), (2, 3, 5, 6), (2, 2, 3, 4, 5), (1, 3, 1, 6), (1, 2, 6, 1)]
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_loops_equal_the_plain_formula(name, shape, dtype, monkeypatch):
    f = picture(*shape, dtype=dtype)
    p, old = (
        norms.project(dual_general.gradient(picture(*shape, seed=s, dtype=dtype)), name, 0.5) for s in (1, 2)
    )
    settings = {"momentum": [0.7] * len(f), "weight": 0.5, "step": 0.1, "keep": 0.8, "soft": 0.05}
    fast = dual_general.advance(f, p, old, Pool(), norm=name, **settings)
    monkeypatch.setattr(dual_general, "has_loops", lambda f: False)
    plain = dual_general.advance(f, p, old, Pool(), norm=name, **settings)
    torch.testing.assert_close(fast, plain, rtol=0, atol=1e-12 if dtype == torch.float64 else 2e-6)


# ---------------------------------------------------------------- certificates

TV = P.TotalVariation
PENALTIES = {
    "iso": (TV(channels="separate"), "l2"),
    "iso-joint": (TV(channels="joint"), "l2"),
    "aniso": (TV(isotropic=False, channels="separate"), "l2-each"),
    "aniso-joint": (TV(isotropic=False, channels="joint"), "l2-each"),
    "aniso-upwind": (TV(isotropic=False, scheme="upwind", channels="separate"), "l2-each"),
    "sparse": (P.SparseTV(0.4, channels="separate"), "l2"),
    "sparse-joint": (P.SparseTV(0.4, channels="joint"), "l2"),
    "sparse-aniso": (P.SparseTV(0.4, isotropic=False, channels="separate"), "l2-each"),
    "sparse-aniso-joint": (P.SparseTV(0.4, isotropic=False, channels="joint"), "l2-each"),
    "huber": (P.HuberTV(0.2, channels="separate"), "l2"),
    "huber-joint": (P.HuberTV(0.01, channels="joint"), "l2"),
    "vectorial-l2": (P.VectorialTV(), "l2"),
    "vectorial-linf": (P.VectorialTV("linf"), "linf"),
    "vectorial-linf-aniso": (P.VectorialTV("linf", isotropic=False), "linf-each"),
    "vectorial-nuclear": (P.VectorialTV("nuclear"), "nuclear"),
}
SHAPES = [(2, 3, 9), (2, 3, 8, 7), (1, 2, 4, 5, 3)]


def divergence(p):
    """Of one ``(D, C, *spatial)`` field: what leaves a pixel less what enters; nothing crosses the border."""
    total = np.zeros(p.shape[1:])
    for d, field in enumerate(p):
        axis = d + 1
        inner = np.delete(field, -1, axis)
        border = [(0, 0)] * field.ndim
        border[axis] = (1, 1)
        total += np.diff(np.pad(inner, border), axis=axis)
    return total


def fields_of(solution, v, tau, coupled):
    """The dual field ``(D, C, *spatial)`` of the first image for weight 1, from pulls where those are given."""
    if solution.dual.ndim == v.ndim + 1:
        count = 1 if coupled else v.shape[1]
        return np.concatenate(list(solution.dual[:count].numpy()), axis=1)
    flat = solution.dual[: v.shape[1]].reshape(v.shape[1], -1, *v.shape[2:]).numpy()
    first = (solution.image[0] - v[0]).numpy() / tau - flat.sum(1)
    pulls = np.concatenate([first[:, None], flat], axis=1)
    return np.stack([np.cumsum(pulls[:, d], axis=d + 1) for d in range(pulls.shape[1])])


def check_certificate(solve, name, shape, tau, tol=1e-7):
    """The first image's energy exceeds no lower bound by more than the stated gap."""
    penalty, norm = PENALTIES[name]
    coupled = getattr(penalty, "channels", "joint") == "joint"
    v = picture(*shape)
    solution = solve(v, tau)
    u = solution.image
    primal = 0.5 * (u - v)[0].square().sum() + tau * penalty.value(u)[0]
    ratio, delta = getattr(penalty, "ratio", 0.0), getattr(penalty, "delta", 0.0)
    if ratio and solution.dual.ndim < v.ndim + 1:  # pulls belong to the picture before it was thresholded
        solution = TV(isotropic=False, channels="separate").prox_solution(v, tau, tol=1e-7)
    p = fields_of(solution, v, tau, coupled)
    assert p.shape[1:] == v.shape[1:]
    matrices = np.moveaxis(p, (0, 1), (-2, -1)).reshape(-1, *p.shape[:2])
    if not coupled:
        matrices = np.moveaxis(matrices, -1, 0).reshape(-1, p.shape[0], 1)
    assert max(numpy_dual_norm(Q, norm) for Q in matrices) <= 1 + 1e-9
    best = v[0].numpy() + tau * divergence(p)
    best = np.sign(best) * np.maximum(np.abs(best) - tau * ratio, 0)
    dual = 0.5 * ((best - v[0].numpy()) ** 2).sum() + tau * ratio * np.abs(best).sum()
    dual += -(best * tau * divergence(p)).sum() - 0.5 * delta * tau * (p**2).sum()
    assert dual <= primal + 1e-9
    assert primal - dual <= tol * primal + 1e-9
    assert float(solution.gap[0]) <= tol


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tau", [0.05, 0.4])
def test_certificates(name, shape, tau):
    penalty = PENALTIES[name][0]
    if name == "vectorial-nuclear" and len(shape) == 5 and shape[1] > 2:
        pytest.skip("no closed form")
    check_certificate(lambda v, t: penalty.prox_solution(v, t, tol=1e-7), name, shape, tau)


def test_sparse_lines_are_optimal():
    """No other point of many has less energy; the one dimension is also held against a dual solver elsewhere."""
    g = torch.Generator().manual_seed(0)
    v, penalty = picture(1, 1, 8, 7), P.SparseTV(0.4, isotropic=False)
    energy = lambda u: 0.5 * (u - v).square().sum() + 0.2 * penalty.value(u).sum()  # noqa: E731
    u = penalty.prox(v, 0.2, tol=1e-12)
    for scale in (1e-4, 1e-2, 0.3):
        assert all(
            energy(u + scale * torch.randn(v.shape, generator=g, dtype=v.dtype)) > energy(u)
            for _ in range(50)
        )
    assert 0 < int((u == 0).sum()) < u.numel()
    both = P.SparseTV(0.4, isotropic=False, channels="joint").prox(v.expand(-1, 1, -1, -1), 0.2, tol=1e-12)
    torch.testing.assert_close(u, both)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda v, t: TV(channels="separate").prox_solution(v, 1.02 * t),
        lambda v, t: TV(channels="joint").prox_solution(v, t),
        lambda v, t: TV(isotropic=False, channels="separate").prox_solution(v, t),
        lambda v, t: P.HuberTV(0.01, channels="separate").prox_solution(v, t),
        lambda v, t: TV(channels="separate").prox_solution(v, t, tol=1e-3),
    ],
)
def test_wrong_proxes_are_seen(wrong):
    with pytest.raises(AssertionError):
        check_certificate(wrong, "iso", (2, 3, 8, 7), 0.2)


def test_thresholding_after_isotropic_tv_is_seen():
    def wrong(v, tau):
        solution = P.SparseTV(0.4).prox_solution(v, tau, tol=1e-7)
        u = P.L1().prox(TV().prox(v, tau, tol=1e-9), 0.4 * tau)
        return tv.ProxSolution(u, solution.gap, 1, solution.dual)

    with pytest.raises(AssertionError):
        check_certificate(wrong, "sparse", (1, 1, 8, 7), 0.4)


# ---------------------------------------------------------------- other paths to the same answer


def test_eight_neighbors_against_an_independent_dual():
    penalty = TV(isotropic=False, scheme="8-neighbor")
    v, tau = picture(1, 1, 5, 6), 0.3
    rows = []
    for (dy, dx), length in zip(OFFSETS[8], js.operators.neighborhoods.LENGTHS[8], strict=True):
        for y, x in itertools.product(range(5), range(6)):
            if 0 <= y + dy < 5 and 0 <= x + dx < 6:
                row = np.zeros((5, 6))
                row[y, x], row[y + dy, x + dx] = -length, length
                rows.append(row.ravel())
    K, flat = np.stack(rows), v.numpy().ravel()

    def dual(p):
        u = flat - K.T @ p
        return 0.5 * u @ u, -K @ u

    options = {"maxiter": 20_000, "maxfun": 100_000, "ftol": 0.0, "gtol": 1e-12}
    best = minimize(
        dual, np.zeros(len(K)), jac=True, bounds=[(-tau, tau)] * len(K), method="L-BFGS-B", options=options
    )
    u = penalty.prox(v, tau, tol=1e-11).numpy().ravel()
    np.testing.assert_allclose(u, flat - K.T @ best.x, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 2, 7), (2, 1, 4, 5), (1, 1, 3, 2, 4), (2, 1, 1, 5)])
def test_squared_variation_is_a_linear_solve(shape):
    v, tau = picture(*shape), 0.7
    n = int(np.prod(shape[2:]))
    basis = torch.eye(n, dtype=v.dtype).reshape(n, 1, *shape[2:])
    D = torch.stack([dual_general.gradient(e[None])[0].flatten() for e in basis], 1).numpy()
    exact = np.linalg.solve(np.eye(n) + 2 * tau * D.T @ D, v.reshape(-1, n).numpy().T).T
    for scheme, isotropic in (("forward", True), ("forward", False), ("upwind", True)):
        u = TV(beta=2.0, scheme=scheme, isotropic=isotropic).prox(v, tau)
        np.testing.assert_allclose(u.reshape(-1, n).numpy(), exact, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 2, 9, 8), (1, 1, 1, 9, 8), (1, 1, 5, 4, 6)])
@pytest.mark.parametrize(
    "penalty",
    [TV(isotropic=False, channels="separate"), P.SparseTV(0.4, isotropic=False, channels="separate")],
    ids=repr,
)
def test_large_pictures_take_both_solvers(shape, penalty, monkeypatch):
    v, tau = picture(*shape), torch.full((shape[0],), 0.5, dtype=torch.float64)
    small = penalty.prox_solution(v, tau, tol=1e-10)
    monkeypatch.setattr(tv, "_FEW_PIXELS", 0)
    edges_only = penalty.prox_solution(v, tau, tol=1e-10)
    monkeypatch.setattr(tv, "_PATIENCE", 20)
    both = penalty.prox_solution(v, tau, tol=1e-10)
    for other in (edges_only, both):
        torch.testing.assert_close(other.image, small.image, rtol=0, atol=1e-4)
        assert bool((other.gap <= 1e-10).all())
    again = penalty.prox_solution(v, tau, tol=1e-9, dual=both.dual)
    assert again.n_steps <= 10


@pytest.mark.parametrize("name", PENALTIES)
def test_warm_starts(name):
    penalty = PENALTIES[name][0]
    v = picture(2, 3, 8, 7)
    first = penalty.prox_solution(v, 0.2, tol=1e-8)
    again = penalty.prox_solution(v, 0.2, tol=1e-7, dual=first.dual)
    assert again.n_steps <= 5
    near = penalty.prox_solution(v + 1e-4, 0.19, tol=1e-6, dual=first.dual)
    cold = penalty.prox_solution(v + 1e-4, 0.19, tol=1e-6)
    assert near.n_steps <= cold.n_steps
    torch.testing.assert_close(near.image, cold.image, rtol=0, atol=0.02)
    with pytest.raises(js.InputError, match="dual variable"):
        penalty.prox_solution(v[:1], 0.2, dual=first.dual)


# ---------------------------------------------------------------- promises of every prox

EIGHT = TV(isotropic=False, scheme="8-neighbor", channels="separate")
ALL = [p for p, _ in PENALTIES.values()] + [TV(beta=2.0), EIGHT]


@pytest.mark.parametrize("penalty", ALL, ids=repr)
def test_firmly_nonexpansive(penalty):
    a, b = picture(6, 2, 6, 7, seed=1), picture(6, 2, 6, 7, seed=2)
    for tau in (0.05, 0.4):
        p, q = (penalty.prox(x, tau, tol=1e-8) for x in (a, b))
        inner = ((p - q) * (a - b)).sum((1, 2, 3))
        assert bool((inner >= (p - q).square().sum((1, 2, 3)) - 5e-3).all())


@pytest.mark.parametrize("penalty", ALL, ids=repr)
def test_each_image_is_treated_alone(penalty):
    v = picture(4, 2, 6, 7) * torch.tensor([0.01, 1.0, 100.0, 0.0], dtype=torch.float64)[:, None, None, None]
    given, tau = v.clone(), torch.tensor([0.3, 0.0, 0.1, 1.0], dtype=torch.float64)
    together = penalty.prox(v, tau)
    assert torch.equal(v, given)
    alone = torch.cat([penalty.prox(v[k : k + 1], float(tau[k])) for k in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(together[1], v[1])
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        out = penalty.prox(v[1:2].to(dtype), 0.1)
        assert out.dtype == dtype
        torch.testing.assert_close(out.double(), penalty.prox(v[1:2], 0.1), rtol=0.05, atol=0.05)
    for wrong in (-1.0, float("nan"), torch.ones(2)):
        with pytest.raises(js.InputError, match="tau"):
            penalty.prox(v, wrong)
    with pytest.raises(js.InputError, match="tol"):
        penalty.prox(v, 0.1, tol=0.0)
    assert not penalty.prox(v.requires_grad_(), 0.1).requires_grad


@pytest.mark.parametrize("penalty", ALL, ids=repr)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 1, 5), (1, 2, 1, 4), (1, 2, 4, 1), (1, 1, 3, 2, 3), (0, 2, 3, 4)]
)
def test_shapes_and_large_weights(penalty, shape):
    if getattr(penalty, "scheme", "") == "8-neighbor" and len(shape) != 4:
        with pytest.raises(js.InputError, match="two spatial axes"):
            penalty.prox(torch.zeros(shape), 0.1)
        return
    v = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    for tau in (0.0, 0.1, 100.0):
        u = penalty.prox(v, tau, tol=1e-5)
        assert u.shape == shape
        assert bool(torch.isfinite(u).all())
    if u.numel() and not isinstance(penalty, (P.HuberTV, P.SparseTV)) and penalty != TV(beta=2.0):
        mean = v.mean(tuple(range(2, v.ndim)), keepdim=True)
        torch.testing.assert_close(u, mean.expand_as(v), rtol=0, atol=1e-5)
    if isinstance(penalty, P.SparseTV):
        assert not u.any()


@pytest.mark.parametrize("penalty", [TV(), TV(isotropic=False), P.HuberTV(), P.VectorialTV("linf")], ids=repr)
def test_what_is_not_reached_is_said(penalty):
    v = picture(1, 2, 20, 20)
    with pytest.warns(RuntimeWarning, match="max_steps"):
        solution = penalty.prox_solution(v, 0.5, max_steps=2)
    assert float(solution.gap) > 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        penalty.prox(v, 0.5)
