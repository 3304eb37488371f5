"""Commands on folders, patterns, standard input and output."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import jumpset as js
from jumpset.cli.app import app

IMAGE = js.datasets.coffee()[80:104, 100:131]


def call(*arguments, **more):
    return CliRunner().invoke(app, [str(a) for a in arguments], **more)


@pytest.fixture
def folder(tmp_path):
    """Five images, two of one name, one that is damaged, and what is no image."""
    place = tmp_path / "in"
    (place / "sub").mkdir(parents=True)
    (place / ".hidden").mkdir()
    for name in ("a.png", "b.npy", "sub/a.png", "sub/c.tif", ".hidden/d.png"):
        js.io.write_picture(place / name, IMAGE)
    (place / "bad.png").write_text("no image")
    (place / "notes.txt").write_text("no image")
    return place


def files(place):
    return sorted(str(p.relative_to(place)) for p in place.rglob("*") if p.is_file())


def log_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


OUTPUTS = ["a.png", "b.npy", "sub/a.png", "sub/c.tif"]


def test_a_folder(folder, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log.jsonl"
    result = call("smooth", folder, out, "-m", "fgs", "--log", log)
    assert result.exit_code == 1
    assert files(out) == OUTPUTS
    expected = js.smooth(IMAGE, "fgs")
    for name in OUTPUTS:
        np.testing.assert_array_equal(js.io.read_picture(out / name).pixels, expected)
    rows = {Path(row["input"]).relative_to(folder).as_posix(): row for row in log_of(log)}
    assert {name for name, row in rows.items() if row["status"] == "done"} == set(OUTPUTS)
    assert rows["bad.png"]["status"] == "failed"
    assert "not an image" in rows["bad.png"]["error"]
    assert rows["sub/a.png"]["outputs"] == [str(out / "sub" / "a.png")]
    assert "bad.png: the file is not an image" in result.stderr
    assert "4 of 5 files, 1 failed" in result.stderr
    assert result.stdout == ""


def test_nothing_is_replaced_unasked(folder, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log.jsonl"
    out.mkdir()
    (out / "a.png").write_text("mine")
    refused = call("smooth", folder, out, "-m", "fgs")
    assert refused.exit_code == 2
    assert "1 of 5 outputs exist" in refused.stderr
    assert "--resume" in refused.stderr
    assert files(out) == ["a.png"]
    (folder / "bad.png").unlink()
    assert call("smooth", folder, out, "-m", "fgs", "--resume", "--log", log).exit_code == 0
    assert (out / "a.png").read_text() == "mine"
    assert sorted(row["status"] for row in log_of(log)) == ["done", "done", "done", "skipped"]
    assert "the log exists" in call("smooth", folder, tmp_path / "o", "--log", log).stderr
    assert call("smooth", folder, out, "-m", "fgs", "--force", "--log", log, "-q").exit_code == 0
    assert js.io.read_picture(out / "a.png").pixels.shape == IMAGE.shape
    assert [row["status"] for row in log_of(log)] == ["done"] * 4


def test_a_pattern_keeps_its_tree(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("smooth", "in/**/a.png", "out", "-m", "fgs", "-q").exit_code == 0
    assert files(tmp_path / "out") == ["a.png", "sub/a.png"]
    assert call("smooth", "in/sub/*", "in/sub/out", "-m", "fgs", "-q", "--format", "tif").exit_code == 0
    assert files(folder / "sub" / "out") == ["a.tif", "c.tif"]
    again = call("smooth", "in/sub", "in/sub/out", "-m", "fgs", "--resume", "--format", "tif")
    assert again.exit_code == 0  # the outputs are no inputs
    assert "2 of them from before" in again.stderr
    assert "no file has this pattern" in call("smooth", "in/*.gif", "out").stderr
    (tmp_path / "x[1].png").write_bytes((folder / "a.png").read_bytes())  # a file, not a pattern
    assert call("smooth", "x[1].png", "y.png", "-m", "fgs").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-m", "fsg"], "did you mean 'fgs'"),
        (["-m", "fgs", "--set", "wieght=3"], "did you mean 'weight'"),
        (["-m", "fgs", "--report", "r.html"], "--report is for one image"),
        (["-m", "fgs", "--checkpoint", "r.pt"], "--checkpoint is for one image"),
        (["-m", "fgs", "--format", "gif"], "use one of: png"),
        (["-m", "fgs", "--checkpoint-every", "3"], "--checkpoint-every is for one image"),
        (["-m", "fgs", "--max-steps", "-1"], "--max-steps must be at least 0"),
        (["-m", "fgs", "--page", "0"], "--page must be at least 1"),
        (["-m", "fgs", "--missing", "inf"], "use one of: nan"),
        (["-m", "fgs", "--jobs", "0"], "at least 1"),
        (["-m", "fgs", "--device", "nonsense"], "not available"),
        (["-m", "fgs", "--mask", "nothing.png"], "does not exist"),
    ],
)
def test_options_are_checked_once_and_before_any_work(folder, tmp_path, arguments, says):
    out = tmp_path / "out"
    result = call("smooth", folder, out, *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not out.exists()


def test_outputs_that_collide_or_replace_inputs(folder, tmp_path):
    js.io.write_picture(folder / "a.tif", IMAGE)
    assert "two images have one output" in call("smooth", folder, tmp_path / "o", "--format", "png").stderr
    for more in ([], ["--force"]):
        result = call("smooth", folder, folder, *more)
        assert result.exit_code == 2
        assert "replace an input" in result.stderr
    (tmp_path / "file").write_text("")
    assert "need a folder" in call("smooth", folder, tmp_path / "file").stderr
    assert "several images need a folder" in call("smooth", folder, "-").stderr
    (tmp_path / "empty").mkdir()
    assert "no image" in call("smooth", tmp_path / "empty", tmp_path / "o").stderr
    assert (
        "replace an input or an output"
        in call("smooth", folder, tmp_path / "o", "--log", folder / "a.png").stderr
    )


def test_options_of_folders_are_refused_for_one_image(folder, tmp_path):
    for option in (["--log", tmp_path / "l"], ["--resume"], ["--jobs", "2"]):
        result = call("smooth", folder / "a.png", tmp_path / "o.png", *option)
        assert result.exit_code == 2
        assert f"{option[0]} is for several images" in result.stderr
    assert "--format" in call("smooth", folder / "a.png", tmp_path / "o.png", "--format", "tif").stderr


def test_events_as_json(folder, tmp_path):
    result = call("smooth", folder, tmp_path / "out", "-m", "fgs", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rows) == 5
    assert {row["status"] for row in rows} == {"done", "failed"}


def test_other_commands_take_folders(folder, tmp_path):
    (folder / "bad.png").unlink()
    assert call("restore", folder, tmp_path / "r", "--scale", 2, "--max-steps", 1, "-q").exit_code == 0
    assert files(tmp_path / "r") == OUTPUTS
    assert call("vectorize", folder, tmp_path / "v", "--regions", 4).exit_code == 0
    assert files(tmp_path / "v") == ["a.svg", "b.svg", "sub/a.svg", "sub/c.svg"]
    tree = ["tree", folder, "-o", tmp_path / "t", "--regions", "3,5", "--labels", "--format", "png"]
    assert call(*tree).exit_code == 0
    made = files(tmp_path / "t")
    assert len(made) == 16
    assert "sub/c-regions-5.png" in made
    assert "sub/c-regions-3.labels.tif" in made
    assert "exist" in call(*tree).stderr
    assert "4 of them from before" in call(*tree, "--resume").stderr
    for wrong in (
        ["tree", folder, "-o", tmp_path / "x", "--save", "t.npz"],
        ["vectorize", folder, tmp_path / "x", "--tolerance", "99"],
    ):
        assert call(*wrong).exit_code == 2
        assert not (tmp_path / "x").exists()


def test_standard_input_and_output(folder, tmp_path):
    data = (folder / "a.png").read_bytes()
    expected = js.smooth(IMAGE, "fgs")
    result = call("smooth", "-", "-", "-m", "fgs", input=data)
    assert result.exit_code == 0
    assert "stdout: fgs" in result.stderr
    (tmp_path / "o.png").write_bytes(result.stdout_bytes)
    np.testing.assert_array_equal(js.io.read_picture(tmp_path / "o.png").pixels, expected)
    result = call("smooth", folder / "a.png", "-", "-m", "fgs", "--format", "npy", "-q")
    (tmp_path / "o.npy").write_bytes(result.stdout_bytes)
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), expected)
    assert call("smooth", "-", tmp_path / "p.png", "-m", "fgs", "-q", input=data).exit_code == 0
    np.testing.assert_array_equal(js.io.read_picture(tmp_path / "p.png").pixels, expected)
    assert call("vectorize", "-", "-", "--regions", 4, input=data).stdout.startswith("<svg")
    assert call("tree", "-", "-o", tmp_path / "t", "--regions", 4, input=data).exit_code == 0
    assert files(tmp_path / "t") == ["stdin-regions-4.png"]
    broken = call("smooth", "-", "-", input=b"")
    assert broken.exit_code == 2
    assert "the file is empty (0 bytes); given stdin" in broken.stderr
    assert "would mix" in call("smooth", "-", "-", "--json", input=data).stderr


@pytest.mark.slow
def test_processes(folder, tmp_path):
    for place, jobs in ((tmp_path / "1", 1), (tmp_path / "2", 2)):
        assert call("smooth", folder, place, "-m", "fgs", "-j", jobs, "-q").exit_code == 1
        assert files(place) == OUTPUTS
    for name in OUTPUTS:
        one, two = (js.io.read_picture(tmp_path / jobs / name).pixels for jobs in "12")
        np.testing.assert_array_equal(one, two)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_is_done(folder, tmp_path, jobs, number):
    (folder / "bad.png").unlink()
    js.io.write_picture(folder / "z.png", np.tile(IMAGE, (40, 40, 1)))  # the last one, which takes minutes
    out = tmp_path / "out"
    command = [sys.executable, "-m", "jumpset", "smooth", folder, out, "-m", "tv", "-j", jobs]
    options = ["--set", "tol=1e-15", "--set", "max_steps=1000000000", "--max-seconds", "0.01"]
    first = call("smooth", folder / "sub", out / "sub", *options, "-m", "tv", "-q")
    assert first.exit_code == 0
    options[-1] = "600"
    (folder / "a.png").unlink()
    (folder / "b.npy").unlink()
    js.io.write_picture(folder / "a.png", np.zeros((4, 4), np.uint8))  # ends at once
    process = subprocess.Popen([*map(str, command), *options, "--resume"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 400  # a busy machine
    while not (out / "a.png").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 128 + number
    assert "interrupted" in stderr
    assert "--resume" in stderr
    assert files(out) == ["a.png", "sub/a.png", "sub/c.tif"]  # nothing half done, no hidden folder


def test_what_exists_is_kept_by_resume_and_no_log_replaces_an_output(folder, tmp_path):
    (folder / "bad.png").unlink()
    out = tmp_path / "out"
    assert call("tree", folder, "-o", out, "--regions", "5,10").exit_code == 0
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    more = call("tree", folder, "-o", out, "--regions", "5,20", "--resume", "--palette", "ff0000,00ff00")
    assert more.exit_code == 0
    assert {p: p.read_bytes() for p in before} == before
    assert (out / "a-regions-20.png").exists()
    refused = call("smooth", folder, tmp_path / "new", "--log", tmp_path / "new" / "a.png")
    assert refused.exit_code == 2
    assert call("smooth", folder / "a.png", tmp_path / "x.png", "--report", tmp_path / "r.html",
                "--checkpoint", tmp_path / "r.html").exit_code == 2  # fmt: skip
