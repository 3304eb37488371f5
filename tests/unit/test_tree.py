"""The region tree: nested cuts, correct energies near those of region fusion, best cuts, files."""

import itertools

import numpy as np
import pytest
import torch
from skimage.measure import regionprops

import jumpset as js
from jumpset.kernels.regions import merge_rounds, merge_tree
from jumpset.kernels.regions.fusion import make_regions
from jumpset.operators.neighborhoods import OFFSETS, edge_weights


@pytest.fixture(scope="module")
def image():
    return js.datasets.add_noise(js.datasets.shapes(40, 48, seed=2), 0.08, seed=3).astype(np.float32)


def energy(labels, image, weight, neighbors=4):
    flat = image.reshape(labels.size, -1).astype(float)
    size = np.bincount(labels.ravel())[1:]
    mean = np.stack([np.bincount(labels.ravel(), c)[1:] / size for c in flat.T], -1)
    squares = ((flat - mean[labels.ravel() - 1]) ** 2).sum()
    jumps = js.metrics.energy_edge(labels.astype(float), labels.astype(float), 1.0, neighbors=neighbors)
    return squares + weight * jumps


def is_coarser(coarse, fine):
    return len(set(zip(coarse.ravel(), fine.ravel(), strict=True))) == fine.max()


@pytest.mark.parametrize("neighbors", [4, 8])
def test_close_to_region_fusion_at_every_weight(image, neighbors):
    tree = js.RegionTree(image, neighbors=neighbors)
    for weight in (0.002, 0.01, 0.05, 0.2):
        mine = energy(tree.labels(weight=weight), image, weight, neighbors)
        fusion = js.run(image, js.smoothers.RegionFusion(weight=weight, neighbors=neighbors))
        assert mine <= 1.03 * fusion.history["energy"][-1]


def test_cuts_nest_and_have_the_requested_size(image):
    tree = js.RegionTree(image)
    before = tree.labels(n_regions=tree.n_leaves)
    assert before.max() == 40 * 48
    for n in (1000, 200, 51, 50, 7, 2, 1):
        labels = tree.labels(n_regions=n)
        assert labels.dtype == np.int32
        np.testing.assert_array_equal(np.unique(labels), np.arange(1, n + 1))
        assert is_coarser(labels, before)
        before = labels
    before = tree.labels(weight=0.0)
    for weight in (0.001, 0.01, 0.1, 1.0, 100.0):
        labels = tree.labels(weight=weight)
        assert is_coarser(labels, before)
        before = labels
    assert before.max() == 1
    regions = regionprops(tree.labels(n_regions=9), intensity_image=image)
    assert len(regions) == 9
    smoothed = tree.smooth(n_regions=9)
    for region in regions:
        y, x = region.coords[0]
        np.testing.assert_allclose(smoothed[y, x], region.intensity_mean, atol=1e-6)


@pytest.mark.parametrize("neighbors", [4, 8])
def test_the_curve_is_the_energy_of_its_partitions(image, neighbors):
    tree = js.RegionTree(image, neighbors=neighbors)
    curve = tree.energies()
    assert (np.diff(curve.weights) > 0).all()
    assert (np.diff(curve.n_regions) < 0).all()
    assert (np.diff(curve.energies) > -1e-9).all()
    for k in np.linspace(0, len(curve.weights) - 1, 9).astype(int):
        weight = curve.weights[k]
        labels = tree.labels(weight=weight)
        assert labels.max() == curve.n_regions[k]
        assert energy(labels, image, weight, neighbors) == pytest.approx(
            curve.energies[k], rel=1e-5, abs=1e-5
        )


@pytest.mark.parametrize("seed", range(8))
def test_each_cut_is_the_best_of_the_tree(seed):
    """Compare with all cuts: all sets of merges that contain every merge below each of their merges."""
    rng = np.random.default_rng(seed)
    regions = make_regions(rng.random((2, 5, 1)).round(1), np.ones((2, 2, 5)), OFFSETS[4])
    history = merge_tree.make_history(regions)
    merge_tree.merge_on(regions, history, 100)
    m = int(history.done[0])
    child, rise, cost = history.child[:m], history.rise[:m], history.cost[:m]
    weights = merge_tree.persistent_weights(child, history.into, rise, cost)
    latest, below = {}, []
    for t, i in enumerate(child):
        j = history.into[i]
        below.append([latest[k] for k in (i, j) if k in latest])
        latest[j] = t
    cuts = [
        list(done)
        for done in itertools.product([False, True], repeat=m)
        if all(done[b] for t in range(m) if done[t] for b in below[t])
    ]
    for weight in (0.003, 0.02, 0.05, 0.1, 0.3):
        gain = weight * cost - rise
        best = max(gain[cut].sum() for cut in cuts)
        assert gain[weights <= weight].sum() == pytest.approx(best, abs=1e-12)
    for t in range(m):
        assert all(weights[b] <= weights[t] for b in below[t])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int16", "float16", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (9, 8), (7, 6, 5), (8, 7, 4)])
def test_shapes_and_dtypes(dtype, shape):
    rng = np.random.default_rng(0)
    values = rng.random(shape)
    scale = {"uint8": 200, "uint16": 60_000, "int16": 30_000}.get(dtype, 1)
    image = values > 0.5 if dtype == "bool" else (scale * values).astype(dtype)
    before = image.copy()
    tree = js.RegionTree(image)
    np.testing.assert_array_equal(tree.smooth(n_regions=tree.n_leaves), image)
    flat = tree.smooth(n_regions=1)
    assert (flat.shape, flat.dtype) == (image.shape, image.dtype)
    if dtype == "uint8" and shape[-1] == 4:
        np.testing.assert_array_equal(flat[..., 3], image[..., 3])
    np.testing.assert_array_equal(image, before)
    image[...] = 0  # the tree has a copy
    np.testing.assert_array_equal(tree.smooth(n_regions=tree.n_leaves), before)


def best_first(image, neighbors=4):
    """Return the curve of energies that best-first merging of all pixels gives, at some weights."""
    weights = np.array([0.002, 0.01, 0.05, 0.2])
    shape = image.shape[:2]
    regions = make_regions(image.astype(float), edge_weights(neighbors, shape), OFFSETS[neighbors])
    boundary = regions.totals[1]
    history = merge_tree.make_history(regions)
    merge_tree.merge_on(regions, history, image.size)
    m = int(history.done[0])
    child, rise, cost = history.child[:m], history.rise[:m], history.cost[:m]
    at = merge_tree.persistent_weights(child, history.into, rise, cost)
    return weights, [rise[at <= w].sum() + w * (boundary - cost[at <= w].sum()) for w in weights]


@pytest.mark.parametrize("neighbors", [4, 8])
def test_rounds_reach_the_energy_of_best_first_merging(neighbors):
    ratios = []
    for seed in range(4):
        image = js.datasets.add_noise(js.datasets.shapes(96, 112, seed=seed), 0.1, seed=seed)
        tree = js.RegionTree(image.astype(np.float64), neighbors=neighbors)
        for weight, expected in zip(*best_first(image, neighbors), strict=True):
            ratios.append(energy(tree.labels(weight=weight), image, weight, neighbors) / expected)
    assert np.mean(ratios) < 1.005
    assert max(ratios) < 1.05


@pytest.mark.parametrize("neighbors", [4, 8])
@pytest.mark.parametrize("bands", [1, 3])
def test_the_tree_does_not_depend_on_the_number_of_threads(neighbors, bands):
    image = np.random.default_rng(bands).random((150, 131, bands))
    image[40:90] = 0.5  # ties
    before, trees = torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            trees.append(js.RegionTree(image, neighbors=neighbors))
    finally:
        torch.set_num_threads(before)
    for other in trees[1:]:
        for name in ("_into", "_rank", "_weight", "_rise", "_cost"):
            np.testing.assert_array_equal(getattr(other, name), getattr(trees[0], name))


def test_flips_and_transposes_of_an_image_without_ties():
    image = np.random.default_rng(0).random((61, 44))
    tree = js.RegionTree(image)
    for change in (np.flipud, np.fliplr, np.transpose):
        changed = js.RegionTree(np.ascontiguousarray(change(image)))
        for n in (1500, 300, 40, 5):
            a, b = change(tree.labels(n_regions=n)), changed.labels(n_regions=n)
            assert is_coarser(a, b)
            assert is_coarser(b, a)


def test_a_constant_image_and_long_lists_of_neighbours():
    image = np.full((70, 90), 0.25)
    tree = js.RegionTree(image)
    assert tree.labels(weight=0).max() == 1
    image[::3, ::3] = np.random.default_rng(0).random((24, 30))  # one region next to 720 others
    tree = js.RegionTree(image)
    assert tree.labels(weight=0).max() == 721
    curve = tree.energies()
    for k in (0, 200, -1):
        labels = tree.labels(weight=curve.weights[k])
        assert energy(labels, image, curve.weights[k]) == pytest.approx(curve.energies[k], rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_the_lists_of_neighbours_after_each_round(seed):
    """Compare masses, means, boundaries and best neighbours with their definitions."""
    rng = np.random.default_rng(seed)
    neighbors, shape = (4, 8)[seed % 2], (17, 14)
    image = rng.random((*shape, 1 + seed % 3)).round(1 + 5 * (seed > 2))
    weights = edge_weights(neighbors, shape, rng.integers(seed < 3, 3, (neighbors // 2, *shape)))
    mass = rng.choice([0.5, 1.0], shape)
    n = image.shape[0] * image.shape[1]
    merges = merge_rounds.Merges(
        np.empty(n, np.int32), np.arange(n, dtype=np.int32), np.empty(n), np.empty(n), np.zeros(1, np.int64)
    )
    rounds = merge_rounds.merge_in_rounds(image, weights, OFFSETS[neighbors], merges, mass=mass)
    for graph in rounds:
        root = merges.into.copy()
        for _ in range(n):
            root = merges.into[root]
        number = np.full(n, -1)
        number[graph.leaf] = np.arange(len(graph.leaf))
        label = number[root].reshape(shape)
        assert label.min() == 0
        size = np.bincount(label.ravel(), mass.ravel())
        np.testing.assert_allclose(graph.mass, size)
        for b in range(image.shape[2]):
            mean = np.bincount(label.ravel(), (mass * image[..., b]).ravel()) / size
            np.testing.assert_allclose(graph.mean[:, b], mean)
        border = np.zeros((len(size), len(size)))
        for d, (down, right) in enumerate(OFFSETS[neighbors]):
            for y, x in np.ndindex(shape):
                v, u = y + down, x + right
                if v < shape[0] and 0 <= u < shape[1] and label[y, x] != label[v, u]:
                    border[label[y, x], label[v, u]] += weights[d, y, x]
                    border[label[v, u], label[y, x]] += weights[d, y, x]
        found = np.zeros_like(border)
        for k in range(len(size)):
            entries = slice(graph.start[k], graph.start[k] + graph.count[k])
            assert len(set(graph.target[entries])) == graph.count[k]
            found[k, graph.target[entries]] = graph.cost[entries]
            if graph.count[k]:
                others = graph.target[entries]
                rises = size[k] * size[others] / (size[k] + size[others])
                rises = rises * ((graph.mean[others] - graph.mean[k]) ** 2).sum(1) / graph.cost[entries]
                assert graph.weight[k] == pytest.approx(rises.min(), abs=1e-15)
                assert rises[list(others).index(graph.best[k])] == pytest.approx(rises.min(), abs=1e-15)
            else:
                assert graph.best[k] == -1
        np.testing.assert_allclose(found, border, atol=1e-12)


def test_equal_colours_merge_at_weight_zero_and_cut_edges_never():
    image = np.zeros((6, 8))
    image[:, 5:] = 0.5
    assert js.RegionTree(image).labels(weight=0).max() == 2
    cut = np.ones((2, 6, 8))
    cut[0, :, 3] = 0
    tree = js.RegionTree(image, edge_weights=cut)
    assert tree.n_parts == 2
    assert tree.labels(weight=1e9).max() == 2
    with pytest.raises(js.InputError, match="n_regions"):
        tree.labels(n_regions=1)


def test_save_and_load(image, tmp_path):
    levels = np.rint(255 * image.clip(0, 1)).astype(np.uint8)
    tree = js.RegionTree(np.moveaxis(levels, -1, 0), channel_axis=0)
    path = tmp_path / "tree.npz"
    tree.save(path)
    again = js.RegionTree.load(path)
    np.testing.assert_array_equal(again.smooth(n_regions=20), tree.smooth(n_regions=20))
    np.testing.assert_array_equal(again.labels(weight=0.03), tree.labels(weight=0.03))
    for a, b in zip(again.energies(), tree.energies(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert repr(again) == repr(tree)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(js.FileError, match=r"\.npz"):
        tree.save(tmp_path / "tree.png")
    for content in (b"", b"no archive", path.read_bytes()[:900]):
        bad = tmp_path / "bad.npz"
        bad.write_bytes(content)
        with pytest.raises(js.FileError):
            js.RegionTree.load(bad)
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    with pytest.raises(js.FileError, match="no region tree"):
        js.RegionTree.load(tmp_path / "other.npz")
    data = dict(np.load(path))
    data["into"] = np.roll(data["into"], 1)  # the links may form a circle
    np.savez(tmp_path / "circle.npz", **data)
    with pytest.raises(js.FileError):
        js.RegionTree.load(tmp_path / "circle.npz")


def test_float32_gives_nearly_the_same(image):
    exact = js.RegionTree(image.astype(np.float64))
    single = js.RegionTree(image)
    assert (exact._rise.dtype, single._rise.dtype) == (np.float64, np.float32)
    for weight in (0.01, 0.1):
        a, b = (energy(t.labels(weight=weight), image, weight) for t in (exact, single))
        assert b == pytest.approx(a, rel=1e-3)


def test_progress_rises_to_one(image):
    seen = []
    js.RegionTree(image, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"n_regions": 3, "weight": 0.1},
        {"n_regions": 0},
        {"n_regions": 2.5},
        {"n_regions": 10**9},
        {"weight": -1},
    ],
)
def test_bad_cuts(image, wrong):
    with pytest.raises(js.InputError):
        js.RegionTree(image[:5, :5]).labels(**wrong)


@pytest.mark.parametrize("wrong", [[[1.0]], np.zeros((2, 2, 2, 2)), np.full((3, 3), np.nan)])
def test_bad_images(wrong):
    with pytest.raises(js.InputError):
        js.RegionTree(wrong)


@pytest.mark.parametrize("n_regions", [1, 3, 40, 10**6])
def test_the_hierarchy_gives_every_coarser_partition(n_regions):
    tree = js.RegionTree(np.random.default_rng(0).integers(0, 4, (9, 13, 3)).astype(np.uint8) * 60)
    h = tree.hierarchy(n_regions=n_regions)
    finest = min(n_regions, tree.n_leaves)
    np.testing.assert_array_equal(h.labels + 1, tree.labels(n_regions=finest))
    assert len(h.child) == len(h.into) == len(h.weights) == finest - 1
    owner = np.arange(finest)
    for merges in range(finest):
        owner[:] = np.arange(finest)
        for k in range(merges - 1, -1, -1):
            owner[h.child[k]] = owner[h.into[k]]
        ours, theirs = owner[h.labels], tree.labels(n_regions=finest - merges)
        assert len(np.unique(ours)) == len(np.unique(ours * 1000 + theirs)) == finest - merges
        if merges:
            cut = tree.labels(weight=float(h.weights[merges - 1]))
            assert cut.max() <= finest - merges


def test_merges_of_equal_weight_keep_their_order():
    weight = np.random.default_rng(0).integers(0, 40, 1000) / 8
    weight[::3] = np.arange(334) + 50.0
    order = np.argsort(weight)
    merge_tree.sort_ties(weight, order)
    np.testing.assert_array_equal(order, np.argsort(weight, kind="stable"))
