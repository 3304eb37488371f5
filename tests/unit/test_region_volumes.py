"""Partitions of signals and volumes: optima of tiny ones, images as slices, spacing, tables."""

import itertools

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import regionprops_table

import jumpset as js
from jumpset.operators.neighborhoods import edge_ends, edge_lengths, edge_weights, grid_offsets
from jumpset.regions import adjacency, boundaries, label, lower_bound, merge_small, recolor, table
from jumpset.smoothers import PottsDescent, RegionFusion


def edges_of(shape, neighbors, weights=None, spacing=None):
    """Return ends and weights of all edges, one at a time."""
    lengths = edge_weights(neighbors, shape, weights, spacing)
    found = []
    for d, offset in enumerate(grid_offsets(neighbors, len(shape))):
        for place in np.ndindex(*shape):
            other = tuple(a + b for a, b in zip(place, offset, strict=True))
            inside = all(0 <= a < n for a, n in zip(other, shape, strict=True))
            if inside and lengths[(d, *place)] > 0:
                found.append((place, other, lengths[(d, *place)]))
    return found


def energy(labels, image, weight, edges):
    pixels = image.reshape(*labels.shape, -1)
    squares = sum(((pixels[labels == k] - pixels[labels == k].mean(0)) ** 2).sum() for k in np.unique(labels))
    return squares + weight * sum(c for p, q, c in edges if labels[p] != labels[q])


def partitions_of(n):
    """All partitions of n elements, as restricted growth strings."""
    strings = [[0]]
    for _ in range(n - 1):
        strings = [[*s, k] for s in strings for k in range(max(s) + 2)]
    return np.array(strings)


def least_energy(image, weight, edges, shape):
    """Return the least energy of all 4140 partitions of 8 pixels: edges of a forest of cuts need no order."""
    n = int(np.prod(shape))
    pixels, all_labels = image.reshape(n, -1), partitions_of(n)
    member = all_labels[:, None] == np.arange(n)[:, None]  # (P, region, pixel)
    size = member.sum(2)
    sums = member.astype(float) @ pixels
    squares = (pixels**2).sum() - ((sums**2).sum(2) / np.maximum(size, 1)).sum(1)
    flat = np.arange(n).reshape(shape)
    jumps = sum(c * (all_labels[:, flat[p]] != all_labels[:, flat[q]]) for p, q, c in edges)
    return (squares + weight * jumps).min()


def same_partition(a, b):
    return len(np.unique(np.stack([a.ravel(), b.ravel()]), axis=1).T) == a.max() == b.max()


@pytest.mark.parametrize("seed", range(24))
def test_optima_of_tiny_volumes(seed):
    """The bound is never above the optimum, energies never below, and the descent mostly reaches it."""
    rng = np.random.default_rng(seed)
    shape = ((2, 2, 2), (2, 1, 4), (8,), (1, 2, 4))[seed % 4]
    neighbors, spacing = (4, 8)[seed // 4 % 2], (None, (2.0, 1.0, 0.5)[: len(shape)])[seed // 8 % 2]
    axes = "zyx"[3 - len(shape) :]
    image = rng.integers(0, 3, shape) / 2 + rng.normal(0, 0.1, shape)
    weight = (0.02, 0.1, 0.4)[seed % 3]
    weights = rng.choice(
        [0.0, 0.5, 1.0], (len(grid_offsets(neighbors, len(shape))), *shape), p=[0.1, 0.4, 0.5]
    )
    edges = edges_of(shape, neighbors, weights, spacing)
    best = least_energy(image, weight, edges, shape)
    options = {"neighbors": neighbors, "edge_weights": weights, "spacing": spacing}
    bound = lower_bound(image.clip(-1, 2), weight=weight, axes=axes, n_steps=200, **options)
    assert bound <= best + 1e-9
    if len(shape) == 1:
        assert bound == pytest.approx(best, abs=1e-9)
    for method in (
        RegionFusion(weight=weight, **options),
        PottsDescent(weight=weight, certify=True, **options),
    ):
        result = js.run(image, method, axes=axes)
        found = result.history["energy"][-1]
        assert best - 1e-9 <= found <= 1.35 * best + 1e-9
        assert result.labels.shape == shape
        if result.gap is not None:
            assert (1.0 - result.gap) * found <= best + 1e-9
    tree = js.RegionTree(image, axes=axes, **options)
    cut = tree.labels(weight=weight)
    curve = tree.energies()
    k = np.searchsorted(curve.weights, weight, side="right") - 1
    assert energy(cut, image, curve.weights[k], edges) == pytest.approx(curve.energies[k], abs=1e-9)
    assert energy(cut, image, weight, edges) >= best - 1e-9


@pytest.mark.parametrize("neighbors", [4, 8])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_image_is_a_volume_of_one_slice(neighbors, axis):
    image = js.datasets.add_noise(js.datasets.shapes(20, 17, seed=2), 0.1, seed=3)
    volume = np.expand_dims(image, axis)
    for method in (
        RegionFusion(weight=0.03, neighbors=neighbors),
        PottsDescent(weight=0.03, neighbors=neighbors, certify=True),
    ):
        flat, deep = js.run(image, method, max_steps=120), js.run(volume, method, axes="zyxc", max_steps=120)
        np.testing.assert_allclose(np.squeeze(deep.image, axis), flat.image, atol=1e-12)
        np.testing.assert_array_equal(np.squeeze(deep.labels, axis), flat.labels)
        np.testing.assert_allclose(deep.history["energy"], flat.history["energy"], rtol=1e-12)
    options = {"weight": 0.03, "neighbors": neighbors, "n_steps": 30}
    assert lower_bound(volume, axes="zyxc", **options) == pytest.approx(
        lower_bound(image, **options), rel=1e-9
    )
    flat, deep = (
        js.RegionTree(image, neighbors=neighbors),
        js.RegionTree(volume, neighbors=neighbors, axes="zyxc"),
    )
    for n in (200, 20, 3):
        np.testing.assert_array_equal(np.squeeze(deep.labels(n_regions=n), axis), flat.labels(n_regions=n))
    labels = flat.labels(n_regions=20)
    deep_labels = np.expand_dims(labels, axis)
    np.testing.assert_array_equal(adjacency(deep_labels), adjacency(labels))
    np.testing.assert_array_equal(boundaries(deep_labels), np.expand_dims(boundaries(labels), axis))
    np.testing.assert_array_equal(
        merge_small(deep_labels, volume, 9, axes="zyxc"), np.expand_dims(merge_small(labels, image, 9), axis)
    )
    few = recolor(labels, image, n_colors=3), recolor(deep_labels, volume, n_colors=3, axes="zyxc")
    np.testing.assert_array_equal(np.squeeze(few[1].image, axis), few[0].image)


@pytest.mark.parametrize("neighbors", [4, 8])
def test_flips_and_transposes_of_a_volume_without_ties(neighbors):
    volume = np.random.default_rng(0).random((9, 11, 7))
    tree = js.RegionTree(volume, axes="zyx", neighbors=neighbors)
    for change in (lambda v: v[::-1], lambda v: v[:, :, ::-1], lambda v: v.transpose(2, 0, 1)):
        changed = js.RegionTree(np.ascontiguousarray(change(volume)), axes="zyx", neighbors=neighbors)
        for weight in (
            0.005,
            0.02,
            0.05,
            0.1,
        ):  # a number of regions may divide a pool of merges of one weight
            assert same_partition(change(tree.labels(weight=weight)), changed.labels(weight=weight))


@pytest.mark.parametrize("method", [RegionFusion, PottsDescent])
def test_spacing_is_that_of_repeated_slices(method):
    """Twice the slices at half the spacing double the energy of a partition."""
    rng = np.random.default_rng(1)
    volume = np.kron(rng.random((2, 3, 3)), np.ones((3, 4, 4))) + rng.normal(0, 0.1, (6, 12, 12))
    result = js.run(volume, method(weight=0.05, spacing=(2.0, 1.0, 1.0)), axes="zyx")
    twice, labels = volume.repeat(2, 0), result.labels.repeat(2, 0)
    expected = energy(labels, twice, 0.05, edges_of(twice.shape, 4))
    assert 2.0 * result.history["energy"][-1] == pytest.approx(expected, rel=1e-9)
    plain = js.run(volume, method(weight=0.05), axes="zyx")
    scaled = js.run(volume, method(weight=0.05, spacing=(3, 3, 3)), axes="zyx")
    np.testing.assert_array_equal(plain.image, scaled.image)
    noise = rng.random((6, 9, 8))
    fine, flat = (js.run(noise, method(weight=0.1, spacing=(h, 1.0, 1.0)), axes="zyx") for h in (1.0, 3.0))
    assert not np.array_equal(fine.image, flat.image)


def test_weights_of_diagonals_measure_areas():
    for ndim, shape in ((2, (4, 4)), (3, (4, 4, 4))):
        offsets = np.array(grid_offsets(8, ndim))
        for normal in itertools.product((0, 1), repeat=ndim):
            area = (edge_lengths(8, shape) * np.abs(offsets @ normal)).sum()
            assert area == pytest.approx(np.linalg.norm(normal), abs=1e-9)
    for spacing in ((2.0, 0.5, 0.5), (1.0, 2.0, 3.0), (1.0, 1.0, 1.5)):
        scales = min(spacing) / np.array(spacing)
        weights = edge_lengths(8, (4, 4, 4), spacing)
        assert weights.min() > 0.0
        for normal in np.eye(3):
            area = (weights * np.abs(np.array(grid_offsets(8, 3)) @ normal)).sum()
            assert area == pytest.approx(scales @ normal, rel=0.15)
        np.testing.assert_allclose(edge_lengths(4, (4, 4, 4), spacing), scales[::-1])


def test_threads_do_not_change_a_volume():
    import torch

    volume = np.random.default_rng(3).random((25, 20, 30)).round(1)
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            tree = js.RegionTree(volume, axes="zyx", neighbors=8)
            descent = js.run(volume, PottsDescent(weight=0.05, n_steps=3), axes="zyx")
            found.append((tree.labels(n_regions=300), descent.image))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_labels_and_tables_of_volumes():
    rng = np.random.default_rng(2)
    values = rng.integers(0, 3, (5, 7, 6))
    for neighbors, structure in ((4, None), (8, np.ones((3, 3, 3)))):
        found = label(values, neighbors=neighbors, axes="zyx")
        assert found.max() == sum(ndimage.label(values == v, structure)[1] for v in range(3))
    found, spacing = label(values, axes="zyx"), (2.0, 0.5, 0.25)
    for given in (None, spacing):
        rows = table(found, values / 2, axes="zyx", spacing=given)
        scale = {} if given is None else {"spacing": given}
        names = ("label", "area", "bbox", "centroid", "intensity_mean")
        for name, column in regionprops_table(found, values / 2, properties=names, **scale).items():
            name = "intensity_mean-0" if name == "intensity_mean" else name
            np.testing.assert_allclose(rows[name], column, atol=1e-12)
    sides = np.array([0.125, 0.5, 1.0])
    lengths = {}
    for axis, side in enumerate(sides):
        first, second = edge_ends(found, np.eye(3, dtype=int)[axis])
        for a, b in zip(first.ravel(), second.ravel(), strict=True):
            if a != b:
                lengths[min(a, b), max(a, b)] = lengths.get((min(a, b), max(a, b)), 0.0) + side
    assert {(a, b): n for a, b, n in adjacency(found, spacing=spacing).tolist()} == lengths
    padded = np.pad(found, 1) == 3
    surface = sum(side * (np.diff(padded, axis=k) != 0).sum() for k, side in enumerate(sides))
    assert table(found, spacing=spacing)["perimeter"][2] == pytest.approx(surface)
    np.testing.assert_array_equal(adjacency(np.array([1, 1, 4, 2]))["length"], [1, 1])


def test_files_and_masks_of_volumes(tmp_path):
    volume = np.random.default_rng(4).integers(0, 255, (4, 6, 5), dtype=np.uint8)
    mask = np.ones(volume.shape, bool)
    mask[1, 2:4] = False
    for given in (None, mask):
        tree = js.RegionTree(volume, axes="zyx", mask=given, spacing=(2.0, 1.0, 1.0))
        tree.save(tmp_path / "tree.npz")
        again = js.RegionTree.load(tmp_path / "tree.npz")
        np.testing.assert_array_equal(again.smooth(n_regions=7), tree.smooth(n_regions=7))
        assert again.labels(weight=0.02).shape == tree.hierarchy(n_regions=9).labels.shape == volume.shape
    changed = volume.copy()
    changed[1, 2:4] = 77
    other = js.RegionTree(changed, axes="zyx", mask=mask, spacing=(2.0, 1.0, 1.0))
    np.testing.assert_array_equal(other.labels(n_regions=7), tree.labels(n_regions=7))


def test_what_is_not_for_volumes():
    volume = np.random.default_rng(0).random((3, 4, 5))
    tree = js.RegionTree(volume, axes="zyx")
    for method in (tree.to_svg, tree.to_geojson):
        with pytest.raises(js.InputError, match="two spatial axes"):
            method(n_regions=3)
    with pytest.raises(js.InputError, match="one slice"):
        js.regions.to_svg(tree.labels(n_regions=3), volume)
    with pytest.raises(js.InputError, match="axes='zyx'"):
        table(tree.labels(n_regions=3), volume)
    with pytest.raises(js.InputError, match="along t alone"):
        js.RegionTree(volume, axes="tyx")
    with pytest.raises(js.InputError, match="transpose"):
        js.RegionTree(volume, axes="xyz")
    for wrong in ((1.0, 2.0), (0.0, 1.0, 1.0), "2", (1.0, np.nan, 1.0)):
        with pytest.raises(js.InputError, match="spacing"):
            js.RegionTree(volume, axes="zyx", spacing=wrong)
        with pytest.raises(js.InputError, match="spacing"):
            adjacency(tree.labels(n_regions=3), spacing=wrong)
