import numpy as np
import pytest
from typer.testing import CliRunner

import jumpset as js
from jumpset.cli.app import app


def call(*arguments):
    return CliRunner().invoke(app, ["tree", *map(str, arguments)])


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.png"
    js.io.write_picture(path, np.rint(255 * js.datasets.shapes(20, 26, seed=1)).astype(np.uint8))
    return path


def test_many_levels(source, tmp_path):
    out = tmp_path / "new" / "out"
    result = call(source, "--regions", "3, 9", "--weights", "0.02", "-o", out, "--save", tmp_path / "t.npz")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert sorted(p.name for p in out.iterdir()) == [
        "in-regions-3.png",
        "in-regions-9.png",
        "in-weight-0.02.png",
    ]
    tree = js.RegionTree(js.io.read_picture(source).pixels)
    np.testing.assert_array_equal(
        js.io.read_picture(out / "in-regions-9.png").pixels, tree.smooth(n_regions=9)
    )
    np.testing.assert_array_equal(
        js.io.read_picture(out / "in-weight-0.02.png").pixels, tree.smooth(weight=0.02)
    )
    loaded = js.RegionTree.load(tmp_path / "t.npz")
    np.testing.assert_array_equal(loaded.labels(n_regions=9), tree.labels(n_regions=9))
    assert call(source, "--regions", "3", "-o", out, "-q").output == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--regions", "a"],
        ["--regions", "2.5"],
        ["--regions", "0"],
        ["--regions", "1000000"],
        ["--weights", "-1"],
        ["--weights", "nan"],
        ["--regions", "3", "--neighbors", "5"],
        ["--regions", "3", "--save", "tree.png"],
        ["--regions", "3", "--save", "no/such/folder/tree.npz"],
    ],
)
def test_refused(source, tmp_path, arguments):
    result = call(source, *arguments, "-o", tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("jumpset: ")
    assert not (tmp_path / "out").exists()


def test_bad_files(source, tmp_path):
    assert call(tmp_path / "absent.png", "--regions", "3", "-o", tmp_path / "out").exit_code == 2
    assert call(source, "--regions", "3", "-o", source).exit_code == 2
    assert call(source, "--regions", "3", "-o", source / "x").exit_code == 2
    linked = tmp_path / "in-regions-3.png"
    linked.symlink_to(source)
    before = source.read_bytes()
    assert call(source, "--regions", "3", "-o", tmp_path).exit_code == 2
    assert source.read_bytes() == before
