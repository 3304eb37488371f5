"""The experiment of the page "Which penalty should I use?" runs, and its table makes sense."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import jumpset as js

SCRIPT = Path(__file__).parents[2] / "examples" / "contiguous_zeros.py"


@pytest.mark.slow
def test_quick_run(tmp_path):
    command = [sys.executable, str(SCRIPT), "--quick", "--out", str(tmp_path)]
    package = str(Path(js.__file__).parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert run.returncode == 0, run.stderr
    record = json.loads((tmp_path / "contiguous_zeros.json").read_text())
    rows = {row["name"]: row for row in record["rows"]}
    assert len(rows) == len(record["rows"]) == len(run.stdout.splitlines()) - 2
    assert {"truth", "no penalty", "L1", "TotalVariation", "SlidingGroups", "prox of L1"} <= set(rows)
    assert rows["truth"]["wrong"] == 0
    for name, row in rows.items():
        assert 0 < row["zeros"] < 1, name
        assert 0 <= row["isolated_fraction"] <= 1, name
        assert row["largest_zeros"] <= 64 * 64, name
        # What was matched on the validation pictures is near on the test pictures: there are only eight.
        if row.get("matched"):
            assert abs(row["psnr"] - record["target"]) < 1.0, name
    assert rows["no penalty"]["psnr"] < rows["L1"]["psnr"]
    assert rows["no penalty"]["zeros"] < rows["L1"]["zeros"]
    assert rows["SlidingGroups"]["isolated"] < rows["L1"]["isolated"]
    picture = js.io.read_picture(tmp_path / "contiguous_zeros.png").pixels
    assert picture.ndim == 3
