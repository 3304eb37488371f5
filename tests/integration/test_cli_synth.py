import signal
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

import jumpset as js
from jumpset.cli.app import app


def call(*arguments):
    return CliRunner().invoke(app, ["synth", *map(str, arguments)])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_folder_of_pairs(tmp_path):
    out = tmp_path / "new" / "out"
    result = call(out, "-n", 3, "--size", "40x24", "--seed", 9)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert names(out) == ["input", "truth"]
    assert names(out / "input") == names(out / "truth") == ["mixed10.png", "mixed11.png", "mixed9.png"]
    found = js.datasets.pairs(out)
    assert [pair.name for pair in found] == ["mixed9", "mixed10", "mixed11"]
    drawn = js.datasets.synthetic(24, 40, seed=10)
    for written, values in zip(found[1].load(), drawn, strict=True):
        np.testing.assert_array_equal(written, np.rint(255 * values))
    # An empty folder is accepted, and --quiet prints nothing.
    (tmp_path / "empty").mkdir()
    assert call(tmp_path / "empty", "-n", 1, "--size", "8x8", "--kind", "jpeg", "-q").output == ""
    assert names(tmp_path / "empty" / "input") == ["jpeg0.png"]


def test_bench_reads_the_folder(tmp_path):
    assert call(tmp_path / "out", "-n", 1, "--size", "16x16", "-q").exit_code == 0
    options = ["--data", tmp_path / "out", "--methods", "region-fusion", "--json", tmp_path / "o.json", "-q"]
    result = CliRunner().invoke(app, ["bench", "folder", *map(str, options)])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["-n", "0"],
        ["-n", "2", "--seed", "-1"],
        *(["-n", "2", "--size", size] for size in ("12", "12x", "0x5", "ax5", "-2x5", "2.5x5")),
    ],
)
def test_invalid_arguments(tmp_path, arguments):
    result = call(tmp_path / "out", *arguments)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("jumpset: ")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "mine.txt", tmp_path / "mine.txt" / "below"):
        result = call(folder, "-n", 1)
        assert result.exit_code == 2, result.output
        assert len(result.stderr.strip().splitlines()) == 1
    assert names(tmp_path) == ["mine.txt"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("writes", [2, 3, 4])
def test_interrupt_leaves_complete_pairs(tmp_path, monkeypatch, number, code, writes):
    from jumpset.io import _read_write

    write, seen = _read_write._write, []

    def interrupted(*arguments):
        seen.append(arguments[0])
        if len(seen) == writes:
            signal.raise_signal(number)
        write(*arguments)

    monkeypatch.setattr(_read_write, "_write", interrupted)
    result = call(tmp_path / "out", "-n", 9, "--size", "16x12")
    assert result.exit_code == code
    done = -(-writes // 2)
    assert result.stderr.strip().endswith(f"{done} of 9 pairs")
    assert names(tmp_path / "out" / "input") == names(tmp_path / "out" / "truth")
    assert len(js.datasets.pairs(tmp_path / "out")) == done


def test_interrupt_before_the_first_pair(tmp_path, monkeypatch):
    monkeypatch.setattr(js.datasets, "synthetic", lambda *a, **k: signal.raise_signal(signal.SIGINT))
    result = call(tmp_path / "out", "-n", 2)
    assert result.exit_code == 130
    assert "interrupted" in result.stderr


def test_seeds_equal_those_of_the_function(tmp_path):
    """Two folders with overlapping ranges of seeds have common pairs under the same names."""
    for seed in (4, 5):
        assert call(tmp_path / str(seed), "-n", 2, "--seed", seed, "--size", "20x20", "-q").exit_code == 0
    first, second = (tmp_path / s / "input" / "mixed5.png" for s in ("4", "5"))
    assert first.read_bytes() == second.read_bytes()
    for a, b in pairwise((tmp_path / "4" / "input").iterdir()):
        assert a.read_bytes() != b.read_bytes()
