"""Lower bounds of the Potts energy: exact on lines, never above an optimum, close on flat images."""

import itertools

import numpy as np
import pytest
from numba import njit

import jumpset as js
from jumpset.kernels.regions import partitions
from jumpset.kernels.regions.potts_bound import grid_lines, line_minima
from jumpset.operators.neighborhoods import OFFSETS, edge_weights
from jumpset.regions import bound, lower_bound
from jumpset.smoothers import PottsDescent


def random_problem(seed, shape=None):
    """Return an image, its mask and edge weights (D, H, W), and the number of neighbours."""
    rng = np.random.default_rng(seed)
    neighbors = (4, 8)[seed % 2]
    height, width = shape or ((3, 3), (3, 4), (4, 3), (1, 8), (9, 1), (4, 4), (2, 4))[seed % 7]
    image = rng.integers(0, 4, (height, width, 1 + seed % 3)) / 3 + rng.normal(
        0, 0.1, (height, width, 1 + seed % 3)
    )
    mask = rng.choice(
        [0.0, 0.5, 1.0], (height, width), p=[0.1 * (seed % 3 == 0), 0.3, 0.7 - 0.1 * (seed % 3 == 0)]
    )
    mask[0, 0] = 1.0
    weights = rng.choice([0.0, 0.5, 1.0, 2.0], (neighbors // 2, height, width), p=[0.1, 0.2, 0.5, 0.2])
    return image.clip(0, 1), mask, weights, neighbors


def edges_of(shape, neighbors, weights):
    """Return ends and costs of all edges with a cost."""
    lengths = edge_weights(neighbors, shape, weights)
    pixel = np.arange(shape[0] * shape[1]).reshape(shape)
    found = []
    for d, (down, right) in enumerate(OFFSETS[neighbors]):
        for y, x in np.ndindex(shape):
            v, u = y + down, x + right
            if v < shape[0] and 0 <= u < shape[1] and lengths[d, y, x] > 0:
                found.append((pixel[y, x], pixel[v, u], lengths[d, y, x]))
    return found


def least_energy(image, mass, edges, weight):
    """Return the least energy over all partitions of at most 16 pixels."""
    n = mass.size
    f, w = image.reshape(n, -1), mass.ravel()
    members = (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(float)
    total = members @ w
    moment = members @ (w[:, None] * f)
    cost = members @ (w * (f**2).sum(1)) - (moment**2).sum(1) / np.where(total > 0, total, 1.0)
    for p, q, c in edges:  # each of the two regions at a jump pays one half
        cost += 0.5 * weight * c * (members[:, p] != members[:, q])
    return _least_cover(cost)


@njit
def _least_cover(cost):
    """The least sum of the costs of disjoint sets that make up all elements, for each set in turn."""
    best = np.zeros(len(cost))
    for whole in range(1, len(cost)):
        lowest = whole & -whole
        rest = whole ^ lowest
        least, part = np.inf, rest
        while True:  # all subsets with the lowest element
            least = min(least, cost[part | lowest] + best[rest ^ part])
            if part == 0:
                break
            part = (part - 1) & rest
        best[whole] = least
    return best[-1]


@pytest.mark.parametrize("seed", range(20))
def test_lines_are_minimized_exactly(seed):
    """Compare one direction, with random shares, slopes and jumps, with all segmentations of its lines."""
    rng = np.random.default_rng(seed)
    image, mask, weights, neighbors = random_problem(seed, (5, 6))
    grid = partitions.make_grid(
        image, mask, 0.1 * edge_weights(neighbors, (5, 6), weights), OFFSETS[neighbors]
    )
    share = mask.ravel() * rng.random(30)
    slope = np.where(share[:, None] > 0, rng.normal(0, 0.1, (30, image.shape[2])), 0.0)
    f = image.reshape(30, -1)
    seen = np.zeros(30, int)
    for d, lines in grid_lines(grid):
        out = np.empty_like(slope)
        value = line_minima(grid, d, lines, share, slope, out)
        expected, reached = 0.0, 0.0
        for first, length in zip(lines.first, lines.length, strict=True):
            p = first + lines.stride * np.arange(length)
            seen[p] += 1
            jump = grid.edges[d].ravel()[p[:-1]]
            costs = []
            for cuts in itertools.product([False, True], repeat=length - 1):
                part = np.concatenate([[0], np.cumsum(cuts)]).astype(int)
                cost = (jump * np.array(cuts, bool)).sum()
                for k in range(part[-1] + 1):
                    q = p[part == k]
                    a = share[q].sum()
                    moment = (share[q, None] * f[q] + slope[q]).sum(0)
                    cost += (share[q] * (f[q] ** 2).sum(1) + 2 * (slope[q] * f[q]).sum(1)).sum()
                    cost -= (moment**2).sum() / a if a > 0 else 0.0
                costs.append(cost)
            expected += min(costs)
            u = out[p] + f[p]
            reached += jump[(np.abs(np.diff(u, axis=0)) > 1e-9).any(1)].sum()
        reached += (share * (out**2).sum(1) - 2 * (slope * out).sum(1)).sum()
        assert value == pytest.approx(expected, abs=1e-12)
        assert reached == pytest.approx(expected, abs=1e-10)  # by the image that the kernel returns
    assert (seen == len(grid_lines(grid))).all()  # every direction has every pixel once


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_never_above_the_optimum(first):
    """200 images of 8 to 16 pixels: masks, edge weights, 1 to 3 channels, 4 and 8 neighbours."""
    optima, bounds = 0.0, 0.0
    for seed in range(first, first + 20):
        image, mask, weights, neighbors = random_problem(seed)
        weight = (0.003, 0.02, 0.1, 0.4)[seed % 4]
        best = least_energy(image, mask, edges_of(mask.shape, neighbors, weights), weight)
        found = lower_bound(
            image, weight=weight, neighbors=neighbors, edge_weights=weights, mask=mask, n_steps=100
        )
        assert found <= best + 1e-9
        if 1 in mask.shape:
            assert found == pytest.approx(best, abs=1e-9)
        if mask.min() > 0.0:
            optima, bounds = optima + best, bounds + found
    assert bounds > 0.9 * optima > 0.0


@pytest.mark.parametrize("neighbors", [4, 8])
def test_every_shape_gives_a_valid_bound(neighbors):
    rng = np.random.default_rng(0)
    for shape in [(1, 1), (1, 2), (2, 1), (2, 2), (1, 9, 3), (7, 3), (3, 8, 2)]:
        for dtype in ("uint8", "float32", "float64", "bool"):
            image = rng.random(shape)
            image = (
                (255 * image).astype(dtype)
                if dtype == "uint8"
                else (image > 0.5 if dtype == "bool" else image.astype(dtype))
            )
            image.flags.writeable = False
            result = js.run(image, PottsDescent(weight=0.02, neighbors=neighbors, certify=True))
            energy = result.history["energy"][-1]
            axis = None if len(shape) == 2 else -1
            assert (
                0.0
                <= lower_bound(image, weight=0.02, neighbors=neighbors, channel_axis=axis)
                <= energy + 1e-12
            )


def test_the_certificate_of_a_descent():
    image = js.datasets.add_noise(js.datasets.shapes(40, 48, seed=2), 0.05, seed=3)
    plain = js.run(image, PottsDescent(weight=0.1))
    result = js.run(image, PottsDescent(weight=0.1, certify=True))
    assert plain.gap is None
    np.testing.assert_array_equal(result.image, plain.image)
    assert result.status is js.Status.CONVERGED
    assert 0.0 <= result.gap < 0.04
    assert (np.diff(result.history["gap"]) <= 1e-12).all()
    energy = result.history["energy"][-1]
    alone = lower_bound(image, weight=0.1)
    assert alone <= energy
    assert (1.0 - result.gap) * energy == pytest.approx(alone, rel=5e-3)
    short = js.run(image, PottsDescent(weight=0.1, certify=True, n_steps=1))
    assert short.status is js.Status.MAX_STEPS
    assert result.gap - 1e-3 <= short.gap < 0.06


def test_the_bound_scales_with_the_image():
    image = js.datasets.add_noise(js.datasets.shapes(24, 24, seed=2), 0.05, seed=3)
    bright = lower_bound(image, weight=0.04, n_steps=40)
    dark = lower_bound(0.5 * image, weight=0.01, n_steps=40)
    assert dark == pytest.approx(0.25 * bright, rel=1e-9)


def test_steps_raise_the_bound_and_leave_their_input():
    image = js.datasets.add_noise(js.datasets.shapes(24, 24, seed=2), 0.1, seed=3).astype(float)
    grid = partitions.make_grid(image, np.ones((24, 24)), 0.02 * edge_weights(4, (24, 24)), OFFSETS[4])
    dual = bound.equal_shares(grid)
    bounds = []
    for _ in range(30):
        for array in (dual.shares, dual.slopes):
            array.flags.writeable = False
        np.testing.assert_allclose(dual.shares.sum(0), 1.0, atol=1e-12)
        np.testing.assert_allclose(dual.slopes.sum(0), 0.0, atol=1e-12)
        dual = bound.ascend(grid, dual, 30.0)
        bounds.append(dual.bound)
    assert (np.diff(bounds) >= 0).all()
    assert bounds[-1] > 1.02 * bounds[0]


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"weight": -1.0}, "weight"),
        ({"neighbors": 16}, "neighbors"),
        ({"n_steps": 0}, "n_steps"),
        ({"max_seconds": 0}, "max_seconds"),
        ({"mask": np.ones((2, 2))}, "mask"),
        ({"edge_weights": np.ones((1, 4, 4))}, "edge_weights"),
    ],
)
def test_bad_options(wrong, match):
    with pytest.raises(js.InputError, match=match):
        lower_bound(np.zeros((4, 4)), **{"weight": 0.1, **wrong})


@pytest.mark.parametrize("wrong", [[[1.0]], np.zeros((0, 3)), np.full((3, 3), np.nan)])
def test_bad_images(wrong):
    with pytest.raises(js.InputError):
        lower_bound(wrong, weight=0.1)
