"""``jumpset vectorize``, and labels and palettes of ``jumpset tree``."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from typer.testing import CliRunner

import jumpset as js
from jumpset.cli.app import app


def call(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "a&<b.png"
    js.io.write_picture(path, np.rint(255 * js.datasets.shapes(20, 26, seed=1)).astype(np.uint8))
    return path


def test_svg(source, tmp_path):
    out = tmp_path / "out.svg"
    result = call("vectorize", source, out, "--regions", 12, "--colors", 3, "--min-size", 4)
    assert result.exit_code == 0, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    tree = js.RegionTree(js.io.read_picture(source).pixels)
    assert out.read_text() == tree.to_svg(n_regions=12, n_colors=3, min_size=4, title="a&<b.png")
    assert call("vectorize", source, out, "-q").output == ""
    assert call("vectorize", source, out, "-w", 0.1, "--palette", "f00, 00ff00").exit_code == 0
    fills = {
        p.attrib["fill"] for p in ET.fromstring(out.read_text()).iter("{http://www.w3.org/2000/svg}path")
    }
    assert fills <= {"#f00", "#0f0"}


def test_geojson(source, tmp_path):
    out = tmp_path / "out.geojson"
    assert call("vectorize", source, out, "--regions", 7).exit_code == 0
    features = json.loads(out.read_text())["features"]
    assert [f["properties"]["label"] for f in features] == [*range(1, 8)]
    assert sum(f["properties"]["area"] for f in features) == 20 * 26


def test_alpha(tmp_path):
    pixels = np.full((12, 15, 3), 200, np.uint8)
    alpha = np.zeros((12, 15), np.uint8)
    alpha[2:9, 3:11] = 255
    js.io.write_picture(tmp_path / "in.png", js.io.Picture(pixels, alpha=alpha))
    assert call("vectorize", tmp_path / "in.png", tmp_path / "o.svg", "--regions", 1).exit_code == 0
    text = (tmp_path / "o.svg").read_text()
    assert text.count("<path") == 1
    assert 'fill="#c8c8c8" d="M3 2' in text or "M11 2" in text or "M11 9" in text or "M3 9" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["out.png"],
        ["no/such/out.svg"],
        ["out.svg", "--regions", "0"],
        ["out.svg", "--regions", "10000"],
        ["out.svg", "--regions", "3", "--weight", "1"],
        ["out.svg", "--weight", "-1"],
        ["out.svg", "--colors", "0"],
        ["out.svg", "--colors", "2", "--palette", "fff"],
        ["out.svg", "--palette", "red"],
        ["out.svg", "--min-size", "0"],
        ["out.svg", "--tolerance", "-1"],
        ["out.svg", "--neighbors", "5"],
        ["out.geojson", "--colors", "2"],
    ],
)
def test_refused(source, tmp_path, arguments):
    out = tmp_path / arguments[0]
    result = call("vectorize", source, out, *arguments[1:])
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert not out.exists()


def test_labels_and_palettes_of_a_tree(source, tmp_path):
    out = tmp_path / "out"
    assert call("tree", source, "--regions", "9", "--labels", "-o", out).exit_code == 0
    assert sorted(p.name for p in out.iterdir()) == ["a&<b-regions-9.labels.tif", "a&<b-regions-9.png"]
    tree = js.RegionTree(js.io.read_picture(source).pixels)
    read = js.io.read_picture(out / "a&<b-regions-9.labels.tif").pixels
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, tree.labels(n_regions=9))
    assert call("tree", source, "--regions", "9", "--palette", "000,fff", "-o", out).exit_code == 0
    assert set(np.unique(js.io.read_picture(out / "a&<b-regions-9.png").pixels)) <= {0, 255}
    assert call("tree", source, "--regions", "9", "--colors", "3", "-o", out).exit_code == 0
    colors = js.io.read_picture(out / "a&<b-regions-9.png").pixels.reshape(-1, 3)
    assert len(np.unique(colors, axis=0)) == 3
    assert call("tree", source, "--regions", "9", "--palette", "red", "-o", tmp_path / "x").exit_code == 2
    assert call("tree", source, "--regions", "9", "--palette", "fff", "--colors", 2, "-o", out).exit_code == 2
