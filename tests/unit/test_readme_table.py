"""The script of `make bench`: its output, and that it writes nothing after a failure."""

import importlib.util
import json
from pathlib import Path

import pytest

import jumpset as js
from jumpset.bench import INPUT, candidates, run_one

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "readme_table.py"


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("readme_table", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def record(image, method, psnr, seconds=1.0, status="CONVERGED"):
    scores = dict.fromkeys(("ssim", "edges", "peak_mib"), 0.5)
    return {"image": image, "method": method, "psnr": psnr, "seconds": seconds, "status": status, **scores}


@pytest.fixture
def records():
    inputs = [record(name, INPUT, 20.0, status="") for name in ("textured0", "textured1", "jpeg0")]
    fast = [record("textured0", "tv", 25.0), record("textured1", "tv", 27.0), record("jpeg0", "tv", 21.0)]
    return [*inputs, *fast, record("textured1", "dip-l0", 28.0, 60.0, "TIME_LIMIT")]


def test_slow_methods_are_compared_on_the_images_that_they_ran_on(script, records):
    text, points = script.table(records, ["tv", "dip-l0"], ["textured1"])
    head, _, first, second = text.splitlines()
    cells = [line.strip("|").split("|") for line in (head, first, second)]
    rows = {
        line[0].strip(): dict(zip(map(str.strip, cells[0]), map(str.strip, line), strict=True))
        for line in cells[1:]
    }
    assert list(rows) == ["`dip-l0`*", "`tv`"]
    assert rows["`tv`"]["textured, dB"] == "**+6.00**"
    assert rows["`tv`"]["JPEG, dB"] == "**+1.00**"
    assert rows["`tv`"]["the 1, dB"] == "+7.00"
    assert rows["`dip-l0`*"]["textured, dB"] == ""
    assert rows["`dip-l0`*"]["the 1, dB"] == "**+8.00**"
    assert points == {"tv": (1.0, 7.0), "dip-l0": (60.0, 8.0)}


def test_only_text_between_the_markers_changes(script):
    begin, end = script.MARKERS
    old = f"before\n{begin}\nold\n{end}\nafter\n"
    assert script.replaced(old, "new") == f"before\n{begin}\nnew\n{end}\nafter\n"
    for wrong in ("none", f"{end} {begin}", f"{begin} {begin} {end}"):
        with pytest.raises(SystemExit, match="must hold"):
            script.replaced(wrong, "new")


def test_the_page_has_the_markers(script):
    script.replaced((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8"), "")


def test_the_plot_is_a_complete_svg_file(script):
    text = script.plot({"tv": (0.1, 3.0), "l0": (1.0, 4.0)}, 1)
    assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert text.count("<circle") == 2
    assert text.rstrip().endswith("</svg>")


def test_the_plot_of_the_page_shows_its_table(script):
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    points, count = script.points_of(text)
    assert count == 4
    assert {"tv", "dip-tv", "dejpeg"} <= points.keys()
    stored = (ROOT / "docs" / "pictures" / "speed_quality.svg").read_text(encoding="utf-8")
    assert stored == script.plot(points, count), "run benchmarks/readme_table.py --plot-only"


@pytest.mark.parametrize("fails", [False, True])
def test_a_failed_run_leaves_the_page_alone(script, tmp_path, monkeypatch, fails):
    """Runs are replaced by stored records or a failure; the command itself is tested elsewhere."""
    pair = js.datasets.synthetic_pairs(1)[0]
    page, plot, kept = tmp_path / "benchmarks.md", tmp_path / "plot.svg", tmp_path / "records.jsonl"
    old = "\n".join(["before", *script.MARKERS, "after"])
    page.write_text(old)

    def bench(names, limit, arguments):
        if fails:
            raise SystemExit("a run failed")
        lines = [json.dumps(run_one(pair, c, None, None)[0]) for c in candidates(names)]
        kept.write_text("\n".join(lines))

    monkeypatch.setattr(script, "bench", bench)
    paths = ["--page", str(page), "--plot", str(plot), "--records", str(kept)]
    limits = ["--limit", "1", "--slow-limit", "1", "--methods", "domain-transform,guided"]
    monkeypatch.setattr("sys.argv", ["readme_table.py", *paths, *limits])
    if fails:
        with pytest.raises(SystemExit, match="a run failed"):
            script.main()
        assert page.read_text() == old
        assert not plot.exists()
    else:
        script.main()
        text = page.read_text()
        assert "`guided`" in text
        assert text.startswith("before")
        assert text.rstrip().endswith("after")
        assert "](plot.svg)" in text
        assert plot.exists()
        assert not kept.exists()  # the next time begins anew
        assert (tmp_path / "records-last.jsonl").exists()
