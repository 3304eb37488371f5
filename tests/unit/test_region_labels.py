"""Label images: flat regions, small regions, few colours, neighbours and the table of regions."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.measure import regionprops_table

import jumpset as js
from jumpset.regions import adjacency, boundaries, label, merge_small, recolor, table


@pytest.fixture(scope="module")
def image():
    return js.datasets.add_noise(js.datasets.shapes(31, 42, seed=2), 0.08, seed=3).astype(np.float32)


@pytest.fixture(scope="module")
def labels(image):
    return js.RegionTree(image).labels(n_regions=60)


@pytest.mark.parametrize("neighbors", [4, 8])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (17, 23)])
def test_label_is_connected_components(neighbors, shape):
    values = np.random.default_rng(1).integers(0, 3, shape)
    structure = np.ones((3, 3)) if neighbors == 8 else None
    found = label(values, neighbors=neighbors)
    parts = sum(ndimage.label(values == v, structure)[1] for v in range(3))
    assert found.max() == len(np.unique(found)) == parts
    first = [np.flatnonzero(found.ravel() == k)[0] for k in range(1, parts + 1)]
    assert first == sorted(first)
    for k in range(1, parts + 1):
        assert ndimage.label(found == k, structure)[1] == 1
        assert len(np.unique(values[found == k])) == 1
    colors = np.stack([values, values], 0)
    np.testing.assert_array_equal(label(colors, neighbors=neighbors, channel_axis=0), found)


@pytest.mark.parametrize("name", ["region-fusion", "potts", "potts-descent"])
@pytest.mark.parametrize("neighbors", [4, 8])
def test_labels_of_a_result(image, name, neighbors):
    """A colour belongs to a label and a label to a colour, also where integers are rounded."""
    result = js.run(image, js.method(name, neighbors=neighbors))
    np.testing.assert_array_equal(result.labels, label(result.image, neighbors=neighbors))
    if "regions" in result.history:
        assert result.labels.max() == result.history["regions"][-1]
    assert result.labels.max() < 0.5 * image[..., 0].size
    batch = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].repeat(2, 1, 1, 1)
    both = js.run(batch, js.method(name, neighbors=neighbors)).labels
    np.testing.assert_array_equal(both, np.stack([result.labels] * 2))


def test_small_regions_merge_with_the_best_neighbor(image, labels):
    for size in (1, 2, 5, 40, 10**6):
        merged = merge_small(labels, image, size)
        sizes = np.bincount(merged.ravel())[1:]
        assert sizes.min() >= min(size, labels.size)
        pairs = np.unique(np.stack([labels.ravel(), merged.ravel()]), axis=1)
        assert pairs.shape[1] == 60  # every region is in one of the result
        assert merged.max() == (60 if size == 1 else 1 if size == 10**6 else merged.max())
    # 0.3 is nearer to 0.5, but has three times the boundary with 0
    values = np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 0.3, 0.5, 0.5], [0.0, 0.0, 0.0, 0.5]])
    np.testing.assert_array_equal(merge_small(label(values), values, 2)[1], [1, 1, 2, 2])
    values[1, 1] = 0.35
    np.testing.assert_array_equal(merge_small(label(values), values, 2)[1], [1, 2, 2, 2])


def test_adjacency_counts_pixel_sides(labels):
    height, width = labels.shape
    sides = {}
    for y in range(height):
        for x in range(width):
            for v, u in ((y, x + 1), (y + 1, x)):
                if v < height and u < width and labels[y, x] != labels[v, u]:
                    pair = tuple(sorted((labels[y, x], labels[v, u])))
                    sides[pair] = sides.get(pair, 0) + 1
    found = adjacency(labels)
    assert {(a, b): n for a, b, n in found.tolist()} == sides
    assert (found["first"] < found["second"]).all()
    assert boundaries(labels).sum() <= sum(sides.values()) <= 2 * boundaries(labels).sum()


def test_table_equals_regionprops(image, labels):
    rows = table(labels, image)
    names = ("label", "area", "bbox", "centroid", "intensity_mean")
    for name, column in regionprops_table(labels, image, properties=names).items():
        np.testing.assert_allclose(rows[name], column, atol=1e-6)
    pairs = adjacency(labels)
    counted = np.bincount(np.concatenate([pairs["first"], pairs["second"]]))[1:]
    np.testing.assert_array_equal(rows["neighbors"], counted)
    padded = np.pad(labels, 1)
    np.testing.assert_array_equal(
        rows["perimeter"][2],
        (np.diff(padded == 3, axis=0) != 0).sum() + (np.diff(padded == 3, axis=1) != 0).sum(),
    )
    byte = np.rint(255 * image).clip(0, 255).astype(np.uint8)
    np.testing.assert_allclose(
        table(labels, byte)["intensity_mean-1"], [byte[labels == k, 1].mean() for k in range(1, 61)]
    )
    assert "intensity_mean-0" not in table(labels).dtype.names


def test_recolor_finds_separate_clusters():
    values = np.array([[0.0, 0.02, 0.5, 0.52, 0.98, 1.0]])
    out = recolor(label(values), values, n_colors=3)
    np.testing.assert_allclose(np.sort(out.colors[:, 0]), [0.01, 0.51, 0.99])
    np.testing.assert_allclose(out.image, [[0.01, 0.01, 0.51, 0.51, 0.99, 0.99]])
    np.testing.assert_array_equal(out.labels, [[1, 1, 2, 2, 3, 3]])
    assert out.squared_error == pytest.approx(6e-4)
    assert out.boundary == 2
    assert out.energy(0.1) == pytest.approx(0.2006)
    assert len(recolor(label(values), values, n_colors=99).colors) == 6


def test_more_colors_lower_the_error_and_centers_are_means(image, labels):
    before = np.inf
    for count in (1, 2, 4, 8, 60):
        out = recolor(labels, image, n_colors=count)
        assert out.squared_error <= before + 1e-9
        before = out.squared_error
        assert out.squared_error == pytest.approx(((out.image - image.astype(float)) ** 2).sum(), rel=1e-4)
        for color in out.colors:
            inside = (out.image == color).all(-1)
            np.testing.assert_allclose(image[inside].mean(0), color, atol=1e-5)


def test_palette(image, labels):
    byte = np.rint(255 * image).clip(0, 255).astype(np.uint8)
    by_name = recolor(labels, byte, palette=["#f00", "0000ff", "#FFFFFF"])
    by_value = recolor(labels, byte, palette=[[255, 0, 0], [0, 0, 255], [255, 255, 255]])
    np.testing.assert_array_equal(by_name.image, by_value.image)
    assert by_name.image.dtype == np.uint8
    means = np.stack([byte[labels == k].mean(0) for k in range(1, 61)])
    distances = ((means[:, None] - by_name.colors) ** 2).sum(2)
    for k, distance in enumerate(distances, 1):  # of two colours at the same distance either may be taken
        chosen = (by_name.image[labels == k][0] == by_name.colors).all(1)
        assert (by_name.image[labels == k] == by_name.image[labels == k][0]).all()
        assert distance[chosen][0] <= distance.min() + 1e-3
    gray = recolor(labels, byte[..., 0], palette=[0, 255])
    assert set(np.unique(gray.image)) <= {0, 255}
    transparent = np.dstack([byte, labels.astype(np.uint8)])
    np.testing.assert_array_equal(recolor(labels, transparent, n_colors=4).image[..., 3], labels)


@pytest.mark.parametrize(
    "call",
    [
        lambda x, f: label(np.zeros((0, 3))),
        lambda x, f: label(np.array([[np.nan]])),
        lambda x, f: label(np.array([["a"]])),
        lambda x, f: label(f, channel_axis=3),
        lambda x, f: label(f, neighbors=6),
        lambda x, f: merge_small(x, f, 0),
        lambda x, f: merge_small(x, f[1:], 3),
        lambda x, f: merge_small(x.astype(float), f, 3),
        lambda x, f: merge_small(x, f.tolist(), 3),
        lambda x, f: adjacency(x[None, None]),
        lambda x, f: boundaries(np.zeros((0, 0), int)),
        lambda x, f: recolor(x, f),
        lambda x, f: recolor(x, f, n_colors=2, palette=["#fff"]),
        lambda x, f: recolor(x, f, n_colors=0),
        lambda x, f: recolor(x, f, palette=[]),
        lambda x, f: recolor(x, f, palette=["#ffff"]),
        lambda x, f: recolor(x, f, palette=["red"]),
        lambda x, f: recolor(x, f, palette=[[0.0, 1.0]]),
        lambda x, f: recolor(x, f, palette=[[0.0, 1.0, np.nan]]),
        lambda x, f: recolor(x, f[..., :2], palette=["#fff"]),
    ],
)
def test_refused(call, labels, image):
    with pytest.raises(js.InputError):
        call(labels, image)
