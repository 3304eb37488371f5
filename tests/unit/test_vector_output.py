"""Vector output: boundaries that regions share, SVG and GeoJSON."""

import json
import re
import xml.etree.ElementTree as ET
import zlib
from itertools import pairwise

import numpy as np
import pytest

import jumpset as js
from jumpset.kernels.regions import arcs
from jumpset.kernels.regions.crossings import crossings
from jumpset.regions import label, to_geojson, to_svg
from jumpset.regions.contours import find_contours, segments
from jumpset.regions.svg_paths import path_data

SHAPES = [(1, 1), (1, 7), (6, 1), (9, 14), (23, 17)]


def random_parts(shape, values, seed=0):
    return label(np.random.default_rng(seed).integers(0, values, shape)) - 1


@pytest.fixture(scope="module")
def image():
    return js.datasets.add_noise(js.datasets.shapes(47, 60, seed=2), 0.03, seed=3).astype(np.float32)


@pytest.fixture(scope="module")
def tree(image):
    return js.RegionTree(image)


def numbers_of_rings(contours, steps=24):
    """Each ring as a polygon, with cubics in small steps; and its part."""
    for part, rings in enumerate(contours.rings_of_parts()):
        for number in rings:
            rows = contours.ring(number)
            points = [rows[0, 4:]]
            for row in rows[1:]:
                if np.isnan(row[0]):
                    points.append(row[4:])
                else:
                    s = np.arange(1, steps + 1)[:, None] / steps
                    points.extend(
                        (1 - s) ** 3 * points[-1]
                        + 3 * (1 - s) ** 2 * s * row[:2]
                        + 3 * (1 - s) * s**2 * row[2:4]
                        + s**3 * row[4:]
                    )
            yield part, np.array(points)


def owners(contours, scale):
    """How many parts contain each point of a grid with ``scale`` points a pixel, by the even-odd rule."""
    height, width = contours.part.shape
    # off the coordinates' decimals, so that no point is on a boundary
    x = (np.arange(scale * width) + 0.5) / scale + 1.37e-3
    y = (np.arange(scale * height) + 0.5) / scale + 2.11e-3
    inside = {}
    for part, ring in numbers_of_rings(contours):
        mask = inside.setdefault(part, np.zeros((len(y), len(x)), bool))
        a, b = ring[:-1], ring[1:]
        for k, row in enumerate(y):
            cut = (a[:, 1] > row) != (b[:, 1] > row)
            p, q = a[cut], b[cut]
            at = np.sort(p[:, 0] + (row - p[:, 1]) / (q[:, 1] - p[:, 1]) * (q[:, 0] - p[:, 0]))
            mask[k] ^= (np.searchsorted(at, x) % 2).astype(bool)
    return sum(mask.astype(int) for mask in inside.values())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("values", [1, 2, 4])
def test_rings_are_simple_and_enclose_their_parts(shape, values):
    part = random_parts(shape, values)
    traced = arcs.trace(part)
    rings = arcs.link(traced)
    np.testing.assert_allclose(np.bincount(rings.part, rings.area), np.bincount(part.ravel()))
    assert (np.bincount(rings.part[rings.area > 0]) == 1).all()
    sides = (np.diff(np.pad(part, 1, constant_values=-1), axis=0) != 0).sum() + (
        np.diff(np.pad(part, 1, constant_values=-1), axis=1) != 0
    ).sum()
    assert len(traced.points) - len(traced.left) == sides
    for r in range(len(rings.part)):
        chains = []
        for h in rings.half[rings.start[r] : rings.start[r + 1]]:
            points = traced.points[traced.start[h // 2] : traced.start[h // 2 + 1]]
            chains.append(points[::-1] if h & 1 else points)
        for chain, after in zip(chains, chains[1:] + chains[:1], strict=True):
            np.testing.assert_array_equal(chain[-1], after[0])
        vertices = [tuple(p) for chain in chains for p in chain[:-1]]
        assert len(set(vertices)) == len(vertices)


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("values", [2, 6])
def test_every_point_has_one_owner_on_noise(values, curved):
    """Noise is the hardest: most regions have one to three pixels."""
    part = random_parts((19, 26), values, seed=values)
    pixels = np.random.default_rng(5).random((19, 26, 2))
    contours = find_contours(part, pixels, tolerance=0.7, curved=curved, decimals=1)
    assert (owners(contours, 4) == 1).all()
    assert len(np.unique(contours.part)) == part.max() + 1


@pytest.mark.parametrize("n_regions", [12, 150])
def test_every_point_has_one_owner(tree, image, n_regions):
    contours = find_contours(
        tree.labels(n_regions=n_regions), image.astype(float), tolerance=0.5, curved=True, decimals=1
    )
    assert (owners(contours, 4) == 1).all()
    ends, _, _ = segments(contours.pieces)
    assert len(crossings(ends[(ends[:, :2] != ends[:, 2:]).any(1)])[0]) == 0
    border = ends[(ends[:, :2] != ends[:, 2:]).any(1)]
    assert border.min() == 0.0
    assert border[:, [0, 2]].max() == 60.0
    assert border[:, [1, 3]].max() == 47.0


def test_crossings_are_those_of_brute_force():
    ends = np.random.default_rng(1).random((60, 2))[:, [0, 1, 0, 1]] * 20
    ends[:, 2:] += np.random.default_rng(2).normal(size=(60, 2)) * 2
    ends = ends.clip(0, None)

    def meet(s, t):
        (a, b, c, d), (p, q, r, u) = s, t
        matrix = np.array([[c - a, p - r], [d - b, q - u]])
        along = np.linalg.solve(matrix, [p - a, q - b])
        return ((along >= 0) & (along <= 1)).all()

    expected = {i for i in range(60) for j in range(60) if i != j and meet(ends[i], ends[j])}
    assert set(crossings(ends)[0].tolist()) == expected
    assert 10 < len(expected) < 60
    shared = np.array([[1.0, 1.0, 2.0, 1.0], [2.0, 1.0, 3.0, 2.0], [1.0, 1.0, 4.0, 1.0]])
    assert set(crossings(shared)[0].tolist()) == {0, 1, 2}  # the third lies on the first
    assert len(crossings(shared[:2])[0]) == 0


def test_a_rectangle_and_a_line_are_near_their_place():
    """Antialiased edges at 4.3, 15.6 and a line of slope ½ come out near their place, with few points."""
    coverage = np.clip(np.arange(1, 21) - 4.3, 0, 1) * np.clip(15.6 - np.arange(20), 0, 1)
    image = np.outer(coverage, coverage)
    contours = find_contours(image >= 0.5, image[..., None], tolerance=0.5, curved=True, decimals=2)
    (_, outer), (_, hole), (_, square) = numbers_of_rings(contours)
    np.testing.assert_array_equal(outer, [[20, 0], [0, 0], [0, 20], [20, 20], [20, 0]])
    np.testing.assert_allclose(hole[::-1], square, atol=1e-12)
    off = np.abs(np.abs(square - 9.95).max(1) - 5.65)  # distance from the square along the nearer axis
    assert off.max() < 0.35
    assert np.median(off) < 0.1
    assert len(contours.pieces.piece) - 4 <= 8
    y, x = np.indices((4 * 30, 4 * 40)) / 4 + 0.125
    line = (y < 5 + x / 2).reshape(30, 4, 40, 4).mean((1, 3))
    contours = find_contours(line >= 0.5, line[..., None], tolerance=0.5, curved=True, decimals=2)
    for _, ring in numbers_of_rings(contours):
        for p, q in pairwise(ring):
            if p[0] not in (0, 40) or q[0] not in (0, 40):
                continue
            if p[0] != q[0] and {p[1], q[1]} != {0.0} and {p[1], q[1]} != {30.0}:
                np.testing.assert_allclose(
                    sorted([p[1], q[1]]), [5, 25], atol=0.3
                )  # ends are vertices that moved


def test_a_disk_is_a_few_curves():
    y, x = np.indices((240, 240)) / 4 + 0.125
    disk = (np.hypot(x - 30.3, y - 29.6) < 20.4).reshape(60, 4, 60, 4).mean((1, 3))
    contours = find_contours(disk >= 0.5, disk[..., None], tolerance=0.5, curved=True, decimals=2)
    ring = next(points for part, points in numbers_of_rings(contours) if part == 1)
    assert np.abs(np.hypot(*(ring - [30.3, 29.6]).T) - 20.4).max() < 0.25
    assert len(contours.pieces.piece) - 4 <= 12


@pytest.mark.parametrize("decimals", [0, 1, 3])
def test_path_data_says_the_points(decimals):
    rng = np.random.default_rng(decimals)
    ring = (rng.normal(size=(12, 6)) * 20).round(decimals)
    ring[[0, 2, 3, 7, 8], :4] = np.nan
    ring[3, 4] = ring[2, 4]
    ring[8, 5] = ring[7, 5]
    text = path_data([ring], decimals)
    position, read = np.zeros(2), []
    for letter, body in re.findall(r"([MlhvcZz])([^MlhvcZz]*)", text):
        values = [float(v) for v in re.findall(r"-?(?:\d+\.\d+|\.\d+|\d+)", body)]
        step = {"M": 2, "l": 2, "h": 1, "v": 1, "c": 6, "z": 1}[letter]
        for k in range(0, len(values), step):
            some = values[k : k + step]
            if letter == "M":
                position = np.array(some)
            elif letter in "hv":
                position = position + ([some[0], 0] if letter == "h" else [0, some[0]])
            else:
                position = position + some[-2:]
            read.append(position)
    np.testing.assert_allclose(read, ring[:, 4:], atol=1e-9)
    assert "0." not in re.sub(r"\d0\.", "", text)


def test_svg_has_the_colors_and_the_size(tree, image, tmp_path):
    path = tmp_path / "out.svg"
    text = tree.to_svg(path, n_regions=30, title='<&"\0')
    assert path.read_text(encoding="utf-8") == text
    root = ET.fromstring(text)
    assert root.attrib["viewBox"] == "0 0 60 47"
    assert root.findtext("{*}title") == '<&"\ufffd'
    paths = root.findall(".//{*}path")
    assert len(paths) == 30
    smooth = np.rint(255 * tree.smooth(n_regions=30).clip(0, 1)).astype(int)
    expected = {"#{:02x}{:02x}{:02x}".format(*color) for color in np.unique(smooth.reshape(-1, 3), axis=0)}
    long = {
        c if len(c) == 7 else "#" + "".join(2 * d for d in c[1:]) for c in (p.attrib["fill"] for p in paths)
    }
    assert long == expected
    assert all(p.attrib["fill"] == p.attrib["stroke"] for p in paths)
    first = root.find(".//{*}defs/{*}g").attrib["id"]
    body = text.partition('stroke-linejoin="round">\n')[2].partition("\n</g></defs>")[0]
    assert first == f"r{zlib.crc32(body.encode()):08x}"


def test_groups_nest_as_the_cuts(tree):
    root = ET.fromstring(tree.to_svg(n_regions=(20, 4, 60)))
    top = root.findall("./{*}defs/{*}g/{*}g")
    assert len(top) == 4
    assert sum(len(g.findall("./{*}g")) for g in top) == 20
    assert len(root.findall(".//{*}path")) == 60
    assert all(not g.findall("./{*}path") for g in top)


def test_few_colors_and_small_regions(tree, image):
    paths = ET.fromstring(tree.to_svg(n_regions=100, min_size=9, n_colors=4)).findall(".//{*}path")
    assert len({p.attrib["fill"] for p in paths}) == 4
    assert len(paths) < 100
    names = {
        p.attrib["fill"]
        for p in ET.fromstring(tree.to_svg(n_regions=50, palette=["#f00", "#00ff00"])).findall(".//{*}path")
    }
    assert names == {"#f00", "#0f0"}


def test_a_masked_tree_has_the_colors_of_its_valid_pixels(image):
    holes = image.copy()
    holes[10:30, 5:25] = np.nan
    tree = js.RegionTree(holes, missing="nan")
    paths = ET.fromstring(tree.to_svg(n_regions=20)).findall(".//{*}path")
    smooth = np.rint(255 * tree.smooth(n_regions=20).clip(0, 1)).astype(int)
    expected = {"#{:02x}{:02x}{:02x}".format(*color) for color in np.unique(smooth.reshape(-1, 3), axis=0)}
    long = {
        c if len(c) == 7 else "#" + "".join(2 * d for d in c[1:]) for c in (p.attrib["fill"] for p in paths)
    }
    assert long == expected
    assert ET.fromstring(tree.to_svg(n_regions=np.array([3, 20]))) is not None


def test_transparency_cuts_holes_and_leaves_out():
    labels = np.ones((20, 24), int)
    labels[4:16, 5:19] = 2
    rgba = np.full((20, 24, 4), 255, np.uint8)
    rgba[labels == 2] = 10, 20, 30, 0
    rgba[8:12, 8:14] = 200, 100, 0, 128
    text = to_svg(np.where(rgba[..., 3] == 128, 3, labels), rgba)
    paths = ET.fromstring(text).findall(".//{*}path")
    assert "<use" not in text
    assert [p.attrib["fill"] for p in paths] == ["#fff", "#c86400"]
    assert paths[0].attrib["d"].count("M") == 2
    assert float(paths[1].attrib["fill-opacity"]) == pytest.approx(128 / 255, abs=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_any_size_and_dtype(shape):
    labels = random_parts(shape, 3)
    for image in (
        labels.astype(np.uint8),
        (labels / (labels.max() + 1)).astype(np.float64),
        np.stack([labels] * 3, -1).astype(np.uint16),
    ):
        image.flags.writeable = False
        assert (
            ET.fromstring(to_svg(labels, image, value_range="data" if image.max() > image.min() else None))
            is not None
        )
        collection = to_geojson(labels, image, value_range="data" if image.max() > image.min() else None)
        assert len(collection["features"]) == labels.max() + 1


def rings_of(geometry):
    polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    return [[np.array(ring) for ring in polygon] for polygon in polygons]


def area(ring):
    x, y = ring.T
    return 0.5 * (x[:-1] * y[1:] - x[1:] * y[:-1]).sum()


def test_geojson_tiles_the_image(tree, image, tmp_path):
    path = tmp_path / "out.geojson"
    collection = tree.to_geojson(path, n_regions=80, transform=(2.0, 0.0, 100.0, 0.0, -2.0, 500.0))
    assert json.loads(path.read_text()) == collection
    labels = tree.labels(n_regions=80)
    total = 0.0
    for feature in collection["features"]:
        mine = labels == feature["properties"]["label"]
        assert feature["properties"]["area"] == mine.sum()
        np.testing.assert_allclose(feature["properties"]["mean"], image[mine].mean(0), atol=1e-4)
        for outer, *holes in rings_of(feature["geometry"]):
            assert area(outer) > 0
            assert all(area(hole) < 0 for hole in holes)
            np.testing.assert_array_equal(outer[0], outer[-1])
            total += area(outer) + sum(map(area, holes))
    assert total == pytest.approx(4 * 47 * 60)
    x = np.concatenate([r for f in collection["features"] for p in rings_of(f["geometry"]) for r in p])
    assert (x.min(0) == [100, 406]).all()
    assert (x.max(0) == [220, 500]).all()


def test_geojson_is_valid_for_shapely():
    geometry = pytest.importorskip("shapely.geometry")
    for seed in range(6):
        labels = np.random.default_rng(seed).integers(0, 2 + seed, (31, 24))
        pixels = np.random.default_rng(seed).random((31, 24))
        shapes = [geometry.shape(f["geometry"]) for f in to_geojson(labels, pixels)["features"]]
        assert all(shape.is_valid and shape.area > 0 for shape in shapes)
        assert sum(shape.area for shape in shapes) == pytest.approx(31 * 24)


@pytest.mark.parametrize(
    "call",
    [
        lambda t, f: t.to_svg(),
        lambda t, f: t.to_svg(n_regions=()),
        lambda t, f: t.to_svg(n_regions="49"),
        lambda t, f: t.to_svg(n_regions=(3, 0)),
        lambda t, f: t.to_svg(n_regions=9, title=5),
        lambda t, f: t.to_svg(n_regions=9, palette=5),
        lambda t, f: t.to_svg(n_regions=(3, 9), n_colors=2),
        lambda t, f: t.to_svg(n_regions=9, tolerance=-1.0),
        lambda t, f: t.to_svg(n_regions=9, decimals=9),
        lambda t, f: t.to_svg(n_regions=9, curves=1),
        lambda t, f: t.to_svg("x.png", n_regions=9),
        lambda t, f: t.to_geojson("x.svg", n_regions=9),
        lambda t, f: t.to_geojson(n_regions=9, transform=(1, 2, 3)),
        lambda t, f: t.to_geojson(n_regions=9, transform=(1, 1, 0, 1, 1, 0)),
        lambda t, f: to_svg(np.ones(f.shape[:2], int), f[..., :2]),
        lambda t, f: to_svg(t.labels(n_regions=5), f, groups=[t.labels(n_regions=9)]),
        lambda t, f: to_svg(t.labels(n_regions=5), f, groups=[np.ones((3, 3), int)]),
    ],
)
def test_refused(call, tree, image):
    with pytest.raises(js.InputError):
        call(tree, image)
