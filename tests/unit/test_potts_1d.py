"""The exact 1-D Potts kernel against brute force over all partitions, and against the full recursion."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from jumpset.kernels.regions.potts_1d import constant_fit, potts_line_plain, potts_lines


def energy(u, f, weight, w, data):
    error = np.abs(u - f) ** (2 if data == "l2" else 1)
    return float((w[:, None] * error).sum() + weight * np.any(np.diff(u, axis=0) != 0, axis=1).sum())


def least_energy(f, weight, w, data):
    """Return the least energy of all 2^(n-1) partitions; segments are fitted by trying all candidate values."""

    def segment(values, weights):
        if data == "l2":
            best = (weights @ values) / weights.sum() if weights.any() else values.mean(0)
            return (weights @ (values - best) ** 2).sum()
        return sum(min((weights * np.abs(column - m)).sum() for m in column) for column in values.T)

    n, best = len(f), np.inf
    for count in range(n):
        for cuts in combinations(range(1, n), count):
            ends = (0, *cuts, n)
            best = min(best, weight * count + sum(segment(f[a:b], w[a:b]) for a, b in pairwise(ends)))
    return best


@pytest.mark.parametrize("data", ["l2", "l1"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [1, 2, 7, 11])
def test_global_minimum(data, channels, weighted, n):
    rng = np.random.default_rng(n + 10 * channels)
    lines = np.round(rng.random((3, n, channels)) + (np.arange(n) > n // 2)[:, None], 1)  # with ties
    w = rng.integers(0, 4, (3, n)).astype(float) if weighted else None
    for weight in (0.02, 0.3, 2.0):
        out = potts_lines(lines, weight, w, data=data)
        for k, (f, u) in enumerate(zip(lines, out, strict=True)):
            mass = np.ones(n) if w is None else w[k]
            np.testing.assert_allclose(
                energy(u, f, weight, mass, data), least_energy(f, weight, mass, data), atol=1e-12
            )


@pytest.mark.parametrize("data", ["l2", "l1"])
@pytest.mark.parametrize("kind", ["noise", "steps", "ramp", "spikes"])
def test_long_lines_against_the_recursion(data, kind):
    rng = np.random.default_rng(1)
    n, weight = 90, 0.4
    t = np.arange(n)
    f = {
        "noise": rng.random((n, 2)),
        "steps": np.floor(t / 17)[:, None] * [0.5, -0.3] + 0.1 * rng.standard_normal((n, 2)),
        "ramp": t[:, None] * [0.05, 0.02],
        "spikes": (rng.random((n, 2)) > 0.9) * 1.0,
    }[kind]
    w = rng.random(n) * (rng.random(n) > 0.2)
    plain = potts_line_plain(f, weight, w, data)
    out = potts_lines(f[None], weight, w[None], data=data)[0]
    np.testing.assert_allclose(energy(out, f, weight, w, data), energy(plain, f, weight, w, data), rtol=1e-12)


@pytest.mark.parametrize("data", ["l2", "l1"])
def test_constant_fit_is_the_best(data):
    rng = np.random.default_rng(2)
    f, w = np.round(rng.random((8, 2)), 1), rng.integers(0, 3, 8).astype(float)
    best, error = constant_fit(f, w, data)
    power = 2 if data == "l2" else 1
    for candidate in np.linspace(0, 1, 201):
        for c in range(2):
            other = best.copy()
            other[c] = candidate
            assert error <= (w[:, None] * np.abs(f - other) ** power).sum() + 1e-12


@pytest.mark.parametrize("data", ["l2", "l1"])
def test_lines_are_independent_and_may_be_views(data):
    rng = np.random.default_rng(3)
    image = rng.random((13, 17, 3), dtype=np.float32)
    columns = image.transpose(1, 0, 2)
    together = potts_lines(columns, 0.2, data=data)
    assert together.dtype == np.float32
    each = [potts_lines(np.ascontiguousarray(columns[k : k + 1]), 0.2, data=data) for k in range(17)]
    np.testing.assert_array_equal(together, np.concatenate(each))
    in_place = columns.copy()
    assert potts_lines(in_place, 0.2, data=data, out=in_place) is in_place
    np.testing.assert_array_equal(in_place, together)
    weights = np.linspace(0, 1, 17)
    mixed = potts_lines(columns, weights, data=data)
    for k in (0, 5, 16):
        np.testing.assert_array_equal(mixed[k], potts_lines(columns[k : k + 1], weights[k], data=data)[0])
    np.testing.assert_array_equal(mixed[0], columns[0])  # weight 0


@pytest.mark.parametrize("data", ["l2", "l1"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_flat_lines_far_from_zero_stay_flat(data, dtype):
    """Moments are differences of large sums: without the shift, a bright line would lose digits."""
    f = np.full((2, 400, 1), 1000.0, dtype)
    f[:, 200:] += 0.5
    out = potts_lines(f, 1e-3, data=data)
    np.testing.assert_allclose(out, f, rtol=1e-7 if dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("data", ["l2", "l1"])
def test_missing_samples_take_their_segment(data):
    f = np.array([0.0, 9.0, 0.0, 1.0, -9.0, 1.0])[None, :, None]
    w = np.array([[1.0, 0.0, 1.0, 1.0, 0.0, 1.0]])
    out = potts_lines(f, 0.1, w, data=data)[0, :, 0]
    np.testing.assert_array_equal(out, [0, 0, 0, 1, 1, 1])
    nothing = potts_lines(f, 0.1, 0 * w, data=data)[0, :, 0]
    assert np.ptp(nothing) == 0


@pytest.mark.parametrize("shape", [(0, 5, 1), (3, 0, 2), (2, 4, 0)])
def test_empty_lines(shape):
    np.testing.assert_array_equal(potts_lines(np.empty(shape), 0.1), np.empty(shape))
