"""Unusual names, full disks, and pairs of any format, on the command line."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import jumpset as js
from jumpset.cli.app import app

ODD = os.fsdecode(b"caf\xe9")  # not UTF-8
TINY = [
    "--steps",
    "1",
    "--set",
    "widths=[4,4]",
    "--set",
    "blocks=[1,1]",
    "--set",
    "batch_size=1",
    "--set",
    "crop=16",
]


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (20, 26, 3), dtype=np.uint8)


def pair_folder(folder, picture, name="a.png"):
    for part in ("input", "truth"):
        (folder / part).mkdir(parents=True)
        Image.fromarray(picture).save(folder / part / name)
    return folder


@pytest.mark.skipif(os.name == "nt" or os.fsencode(ODD) != b"caf\xe9", reason="names of bytes")
def test_names_that_are_not_utf8(tmp_path, picture):
    source, here = tmp_path / f"{ODD}.png", tmp_path / ODD
    try:
        here.mkdir()
    except OSError:
        pytest.skip("this file system has only UTF-8 names")
    js.io.write_picture(source, picture)
    out, report = here / f"{ODD}.tif", here / f"{ODD}.html"
    result = call("smooth", source, out, "--report", report, "--json", "--checkpoint", here / "run")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["output"] == str(out)
    np.testing.assert_array_equal(js.io.read_picture(out).pixels, js.smooth(picture))
    assert "caf\\udce9" in report.read_text(encoding="utf-8")
    assert call("smooth", source, out, "--checkpoint", here / "run").exit_code == 0
    assert call("compare", source, "-m", "l0", "--report", report).exit_code == 0
    assert (
        call("tree", source, "-o", here / "tree", "--regions", 5, "--save", here / f"{ODD}.npz").exit_code
        == 0
    )
    data = pair_folder(here / "data", picture, f"{ODD}.png")
    tables = [x for suffix in ("md", "tex", "html") for x in ("--table", here / f"{ODD}.{suffix}")]
    result = call(
        "bench",
        "folder",
        "--data",
        data,
        "-m",
        "l0",
        "--json",
        here / f"{ODD}.json",
        "--outputs",
        here / "kept",
        *tables,
    )
    assert result.exit_code == 0, result.output
    weights = here / f"{ODD}.safetensors"
    result = call(
        "train",
        "dejpeg",
        "-o",
        weights,
        "--data",
        data,
        "--validation",
        data,
        "--checkpoint",
        here / "point",
        *TINY,
    )
    assert result.exit_code == 0, result.output
    assert js.learned.load_weights(weights).network == "dejpeg"


@pytest.mark.parametrize("command", [
    ["smooth", "IN", "D/o.png"],
    ["smooth", "IN", "o.png", "--checkpoint", "D/run"],
    ["smooth", "IN", "o.png", "--report", "D/o.html"],
    ["compare", "IN", "-m", "l0", "--report", "D/o.html"],
    ["tree", "IN", "-o", "D/tree", "--regions", "5"],
    ["tree", "IN", "-o", "o", "--regions", "5", "--save", "D/t.npz"],
    ["bench", "synthetic", "-m", "l0", "--json", "D/o.json"],
    ["bench", "synthetic", "-m", "l0", "--json", "o.json", "--table", "D/t.html"],
    ["bench", "synthetic", "-m", "l0", "--json", "o.json", "--outputs", "D/kept"],
    ["train", "dejpeg", "-o", "D/w.safetensors"],
    ["train", "dejpeg", "-o", "w.safetensors", "--checkpoint", "D/point"],
    ["export", "resnet", "D/o.onnx"],
])  # fmt: skip
def test_a_full_disk_or_a_folder_without_permission_is_found_before_the_work(
    command, tmp_path, picture, monkeypatch
):
    js.io.write_picture(tmp_path / "IN.png", picture)
    full = tmp_path / "D"
    full.mkdir()
    write = Path.write_bytes

    def no_space(self, data):
        if full in self.parents:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", no_space)
    monkeypatch.setattr(js.io._read_write, "_reader", lambda *_: pytest.fail("the work has begun"))
    monkeypatch.setattr(
        "jumpset.training._data.drawn_validation", lambda *_, **__: pytest.fail("the work has begun")
    )
    monkeypatch.chdir(tmp_path)
    result = call(*[{"IN": "IN.png"}.get(word, word) for word in command])
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1
    assert "No space left" in result.stderr
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["D", "IN.png"]


def test_pairs_of_which_exif_turns_one(tmp_path, picture):
    data = pair_folder(tmp_path / "data", picture)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.rot90(picture)  # which orientation 6 turns back
    Image.fromarray(turned).save(data / "input" / "a.png", exif=exif)
    pair = js.datasets.pairs(data)[0]
    np.testing.assert_array_equal(*pair.load())
    out = tmp_path / "o.json"
    assert call("bench", "folder", "--data", data, "-m", "l0", "--json", out).exit_code == 0
    Image.fromarray(picture).save(data / "input" / "a.png", exif=exif)  # equal sizes in the headers only
    with pytest.raises(js.FileError, match="differ in size"):
        js.datasets.pairs(data)


@pytest.mark.parametrize("suffix", [".bmp", ".ppm", ".gif", ".jp2"])
def test_pairs_of_further_formats(tmp_path, picture, suffix):
    gray = picture[..., 0]
    data = pair_folder(tmp_path / "data", gray if suffix in (".gif", ".jp2") else picture, f"a{suffix}")
    image, truth = js.datasets.pairs(data)[0].load()
    np.testing.assert_array_equal(image, truth)
    assert image.shape[:2] == (20, 26)
