"""Potts descent: exact moves, a correct energy that never rises, and the optimum of tiny images."""

import numpy as np
import pytest
from numba import njit
from scipy import ndimage

import jumpset as js
from jumpset.kernels.regions import partitions, potts_moves, potts_splits
from jumpset.kernels.regions.partitions import Partition
from jumpset.operators.neighborhoods import OFFSETS, edge_weights
from jumpset.smoothers import PottsDescent, RegionFusion


def least_energy(image, weight, neighbors=4):
    """Return the least energy of a tiny ``(H, W, C)`` image over all partitions, by Russian doll search.

    Pixels are assigned to regions in raster order. The optima of the last 1, 2, 3 … pixels alone are computed one
    after the other. The energy of an assignment of the first pixels plus the optimum of the remaining ones is a
    lower bound of every completion, since errors and jumps only grow when both are combined.
    """
    height, width, _ = image.shape
    root = np.sqrt(2)
    back = {4: [(0, 1, 1.0), (1, 0, 1.0)],
            8: [(0, 1, root - 1), (1, 0, root - 1), (1, 1, 1 - root / 2), (1, -1, 1 - root / 2)]}[neighbors]  # fmt: skip
    edges = np.array(back)
    pixels = np.ascontiguousarray(image.reshape(height * width, -1))
    n = len(pixels)
    optimum = np.zeros(n + 1)
    for first in range(n - 1, -1, -1):
        # a further pixel costs at most its jumps to the others
        bound = optimum[first + 1] + weight * edges[:, 2].sum() + 1e-9
        optimum[first] = _search(pixels, width, edges, weight, first, bound, optimum)
    return optimum[0]


@njit
def _search(pixels, width, edges, weight, first, bound, optimum):
    n, bands = pixels.shape
    label = np.full(n, -1)
    count, total, square = np.zeros(n), np.zeros((n, bands)), np.zeros(n)
    used = np.zeros(n + 1, np.int64)  # number of regions before a pixel
    sums = np.zeros(n + 1)  # energy before a pixel
    tried = np.full(n, -1)
    best = bound
    p = first
    while p >= first:
        if p == n:
            best = min(best, sums[p])
            p -= 1
            continue
        if label[p] >= 0:
            _change(pixels, p, label[p], -1.0, count, total, square)
            label[p] = -1
        tried[p] += 1
        region = tried[p]
        if region > used[p]:
            tried[p] = -1
            p -= 1
            continue
        before = _squares(count, total, square, region)
        _change(pixels, p, region, 1.0, count, total, square)
        energy = sums[p] + _squares(count, total, square, region) - before
        y, x = p // width, p % width
        for k in range(len(edges)):
            v, u = y - int(edges[k, 0]), x - int(edges[k, 1])
            q = v * width + u
            if v >= 0 and 0 <= u < width and q >= first and label[q] != region:
                energy += weight * edges[k, 2]
        label[p] = region
        if energy + optimum[p + 1] < best - 1e-12:
            sums[p + 1] = energy
            used[p + 1] = max(used[p], region + 1)
            p += 1
    return best


@njit
def _change(pixels, p, region, sign, count, total, square):
    count[region] += sign
    for b in range(pixels.shape[1]):
        total[region, b] += sign * pixels[p, b]
        square[region] += sign * pixels[p, b] * pixels[p, b]


@njit
def _squares(count, total, square, region):
    if count[region] < 0.5:
        return 0.0
    moment = 0.0
    for b in range(total.shape[1]):
        moment += total[region, b] * total[region, b]
    return max(square[region] - moment / count[region], 0.0)


def random_grid(rng, neighbors, shape=None, weighted=True):
    height, width = shape or rng.integers(1, 8, 2)
    edges = edge_weights(neighbors, (height, width)) * 0.1
    mass = np.ones((height, width))
    if weighted:
        edges = edges * rng.integers(0, 3, (neighbors // 2, height, width))
        mass = rng.integers(0, 3, (height, width)).astype(float)
    pixels = rng.random((height, width, rng.integers(1, 4)))
    return partitions.make_grid(pixels, mass, edges, OFFSETS[neighbors])


def plain_energy(grid, label, mean):
    total = float((grid.mass[..., None] * (grid.pixels - mean[label]) ** 2).sum())
    for (down, right), cost in zip(grid.directions, grid.edges, strict=True):
        for y, x in np.ndindex(label.shape):
            v, u = y + down, x + right
            if v < label.shape[0] and 0 <= u < label.shape[1] and label[v, u] != label[y, x]:
                total += cost[y, x]
    return total


@pytest.mark.parametrize("seed", range(40))
def test_energy_components_and_transposed_grid(seed):
    rng = np.random.default_rng(seed)
    grid = random_grid(rng, (4, 8)[seed % 2])
    label = rng.integers(0, 3, grid.mass.shape).astype(np.int32)
    part = partitions.fitted(grid, label, 3)
    energy = plain_energy(grid, label, part.mean)
    assert partitions.energy(grid, part) == pytest.approx(energy, abs=1e-12)
    across = Partition(np.ascontiguousarray(label.T), part.mass, part.mean)
    assert partitions.energy(partitions.lying_along(grid, 0), across) == pytest.approx(energy, abs=1e-12)
    for k in range(3):
        inside = label == k
        if grid.mass[inside].sum() > 0:
            expected = np.average(grid.pixels[inside], axis=0, weights=grid.mass[inside])
            np.testing.assert_allclose(part.mean[k], expected)
    fine, count = partitions.components(grid, label)
    assert sorted(np.unique(fine)) == list(range(count))
    split = partitions.fitted(grid, fine, count)
    assert partitions.energy(grid, split) <= energy + 1e-12  # split along edges of cost 0


@pytest.mark.parametrize("neighbors", [4, 8])
def test_components_equal_scipy(neighbors):
    rng = np.random.default_rng(1)
    grid = random_grid(rng, neighbors, (13, 17), weighted=False)
    label = rng.integers(0, 3, (13, 17)).astype(np.int32)
    fine, count = partitions.components(grid, label)
    total = 0
    for k in range(3):
        expected, n = ndimage.label(label == k, np.ones((3, 3)) if neighbors == 8 else None)
        pairs = set(zip(expected[label == k], fine[label == k], strict=True))
        assert len(pairs) == n
        total += n
    assert total == count


@pytest.mark.parametrize("seed", range(40))
def test_a_row_gets_its_best_labels(seed):
    rng = np.random.default_rng(seed)
    grid = random_grid(rng, (4, 8)[seed % 2], (rng.integers(1, 5), rng.integers(1, 6)))
    label = rng.integers(0, 3, grid.mass.shape).astype(np.int32)
    mean, width = rng.random((3, grid.pixels.shape[2])), label.shape[1]
    for parity in (0, 1):  # the first row of each
        if parity < len(label):
            expected = potts_moves.move_line_plain(grid, label, mean, parity)
            potts_moves._move_lines(
                0, 1, np.array([parity * width]), grid, label, mean, np.zeros(1, np.int64)
            )
            assert plain_energy(grid, label, mean) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_pixels_without_a_choice_are_fixed_ends(seed):
    """A pixel whose neighbours all have its label keeps it; an adjacent run pays the jump for another label."""
    rng = np.random.default_rng(seed)
    grid = random_grid(rng, (4, 8)[seed % 2], (2, 13), weighted=seed % 4 > 1)
    label = np.zeros((2, 13), np.int32)
    label[0, 2::5] = 1  # the pixels below have two possible labels, those between only one
    mean = np.array([0.3, 0.7])[:, None].repeat(grid.pixels.shape[2], 1)
    expected = potts_moves.move_line_plain(grid, label, mean, 1)
    potts_moves._move_lines(0, 1, np.array([13]), grid, label, mean, np.zeros(1, np.int64))
    assert plain_energy(grid, label, mean) == pytest.approx(expected, abs=1e-12)


def test_a_split_is_made_only_where_it_lowers_the_energy():
    pixels = np.zeros((9, 12, 1))
    pixels[3:6, 4:9] = 1.0
    grid = partitions.make_grid(pixels, np.ones((9, 12)), edge_weights(4, (9, 12)) * 0.1, OFFSETS[4])
    columns = partitions.lying_along(grid, 0)
    whole = partitions.fitted(grid, np.zeros((9, 12), np.int32), 1)
    cut = potts_splits.split((grid, columns), whole)
    assert partitions.energy(grid, cut) == pytest.approx(1.6)  # 16 edges
    dear = grid._replace(edges=100 * grid.edges), columns._replace(edges=100 * columns.edges)
    assert len(potts_splits.split(dear, whole).mass) == 1


@pytest.mark.parametrize("seed", range(12))
def test_splits_and_descent_never_raise_the_energy(seed):
    rng = np.random.default_rng(seed)
    grid = random_grid(rng, (4, 8)[seed % 2], (14, 11))
    label, count = partitions.components(grid, rng.integers(0, 2, grid.mass.shape).astype(np.int32))
    part = partitions.fitted(grid, label, count)
    after = potts_splits.split((grid, partitions.lying_along(grid, 0)), part)
    assert partitions.energy(grid, after) <= partitions.energy(grid, part) + 1e-12


@pytest.mark.parametrize("neighbors", [4, 8])
@pytest.mark.parametrize("weight", [0.003, 0.02, 0.2])
def test_energy_is_correct_and_at_most_that_of_region_fusion(neighbors, weight):
    image = js.datasets.add_noise(js.datasets.shapes(40, 56, seed=3), 0.1, seed=4)
    result = js.run(image, PottsDescent(weight=weight, neighbors=neighbors))
    energies = result.history["energy"]
    assert (np.diff(energies) <= 0).all()
    assert result.status is js.Status.CONVERGED
    true = js.metrics.energy_edge(result.image, image, weight, neighbors=neighbors)
    assert energies[-1] == pytest.approx(true, rel=1e-5)
    fusion = js.run(image, RegionFusion(weight=weight, neighbors=neighbors, levels=10))
    assert energies[0] == pytest.approx(
        fusion.history["energy"][-1], rel=1e-9
    )  # the start, which later energies do not exceed
    better = js.run(image, js.method("potts-descent", preset="lowest", weight=weight, neighbors=neighbors))
    assert (np.diff(better.history["energy"]) <= 0).all()


def test_a_wrong_move_is_rejected(monkeypatch):
    """A move that raises the energy is undone."""
    import jumpset.smoothers.potts_descent as module

    def wrong(grid, label, mean):
        label[...] = np.random.default_rng(0).permutation(label.ravel()).reshape(label.shape)

    monkeypatch.setattr(module, "move_lines", wrong)
    image = js.datasets.shapes(40, 56, seed=3)
    result = js.run(image, PottsDescent(weight=0.02))
    assert result.history["energy"][-1] == result.history["energy"][0]


@pytest.mark.parametrize("neighbors", [4, 8])
def test_never_below_the_optimum_and_mostly_at_it(neighbors):
    rng = np.random.default_rng(5)
    reached = {"region-fusion": 0, "potts-descent": 0}
    for _ in range(30):
        image = np.kron(rng.integers(0, 3, (2, 2)), np.ones((2, 2))) / 2
        image = np.where(rng.random((4, 4)) < 0.2, rng.integers(0, 3, (4, 4)) / 2, image)[..., None]
        best = least_energy(image, 0.1, neighbors)
        for name in reached:
            out = js.smooth(image, name, weight=0.1, neighbors=neighbors)
            energy = js.metrics.energy_edge(out, image, 0.1, neighbors=neighbors, tol=1e-9)
            assert energy >= best - 1e-9
            reached[name] += energy <= best + 1e-9
    assert reached["potts-descent"] >= max(20, reached["region-fusion"])


@pytest.mark.parametrize("neighbors", [4, 8])
@pytest.mark.parametrize("shape", [(1, 9), (9, 1)])
def test_one_row_or_column(shape, neighbors):
    image = (np.arange(9).reshape(shape) > 4) * 0.5 + np.random.default_rng(0).normal(0.2, 0.02, shape)
    result = js.run(image, PottsDescent(weight=0.02, neighbors=neighbors))
    energy = js.metrics.energy_edge(result.image, image, 0.02, neighbors=neighbors, tol=1e-9)
    assert result.history["energy"][-1] == pytest.approx(energy)
    assert energy == pytest.approx(least_energy(image[..., None], 0.02, neighbors), abs=1e-9)


def test_missing_pixels_are_filled():
    image = np.zeros((10, 12))
    image[:, 6:] = 1.0
    mask = np.random.default_rng(2).random((10, 12)) > 0.4
    out = js.smooth(np.where(mask, image, 0.3), "potts-descent", weight=0.05, mask=mask)
    np.testing.assert_allclose(out[:, [0, 1, 10, 11]], image[:, [0, 1, 10, 11]])
    np.testing.assert_allclose(out[mask], image[mask])


def test_cut_edges_hold():
    image = np.random.default_rng(0).random((6, 8))
    cut = np.ones((2, 6, 8))
    cut[0, :, 3] = 0
    out = js.smooth(image, "potts-descent", weight=1e3, edge_weights=cut)
    np.testing.assert_allclose(out[:, :4], image[:, :4].mean())
    np.testing.assert_allclose(out[:, 4:], image[:, 4:].mean())


@pytest.mark.parametrize(
    "wrong", ["text", np.ones((3, 3)), -np.ones((4, 4)), np.full((4, 4), np.nan), np.zeros((4, 4))]
)
@pytest.mark.parametrize("name", ["potts", "potts-descent"])
def test_bad_masks(name, wrong):
    with pytest.raises(js.InputError, match="mask"):
        js.smooth(np.zeros((4, 4)), name, mask=wrong)


@pytest.mark.parametrize("wrong", [{"neighbors": 16}, {"start": "l0"}, {"tol": 1.0}, {"tol": -1}])
def test_bad_parameters(wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        PottsDescent(**wrong)


@pytest.mark.parametrize("axes", ["yxc", "zyx"])
def test_the_dual_start_ends_lower(axes):
    """On noisy images it ends lower than from region fusion, on the average; constant images stay constant."""
    ratios = []
    for seed in range(3):
        image = js.datasets.add_noise(js.datasets.shapes(48, 60, seed=seed), 0.1, seed=seed)
        image = image if axes == "yxc" else image.mean(-1).reshape(4, 12, 60)
        for weight, neighbors in ((0.02, 4), (0.05, 8)):
            runs = [
                js.run(image, PottsDescent(weight=weight, neighbors=neighbors, start=start), axes=axes)
                for start in ("region-fusion", "dual")
            ]
            fused, dual = (run.history["energy"][-1] for run in runs)
            assert (np.diff(runs[1].history["energy"]) <= 0).all()
            ratios.append(dual / fused)
    assert np.mean(ratios) < 0.995
    flat = np.full((5, 6), 0.5)
    np.testing.assert_array_equal(js.run(flat, PottsDescent(start="dual")).image, flat)
    mask = np.ones(image.shape[:2] if axes == "yxc" else image.shape, bool)
    mask[1, 2:4] = False
    changed = image.copy()
    changed[1, 2:4] = 0.3
    answers = [js.run(u, PottsDescent(start="dual", mask=mask), axes=axes).image for u in (image, changed)]
    np.testing.assert_array_equal(*answers)
