"""The first call that compiles says so, once; `jumpset warmup` compiles beforehand."""

import importlib
import os
import subprocess
import sys

import pytest

import jumpset as js

# Kernels of our own, so that the test does not wait for large ones.
CODE = """
import logging, sys, time
import jumpset.kernels.jit as jit
if "quiet" in sys.argv:
    logging.getLogger("jumpset").setLevel(logging.ERROR)
jit._SOON = float(sys.argv[1])
from jumpset.kernels.regions.potts_1d import *
import jumpset.kernels.values.scaling_loops as loops, numpy as np
for dtype in ("f4", "f8", "i4"):
    loops.scale_rows(0, 2, np.ones((2, 3), dtype), np.ones(2, dtype))
time.sleep(0.05)
"""


@pytest.mark.parametrize(
    ("soon", "quiet", "lines"), [("0.001", "", 1), ("1000", "", 0), ("0.001", "quiet", 0)]
)
def test_compilation_is_announced_once(tmp_path, soon, quiet, lines):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    for expected in (lines, 0):  # the second process finds the kernels
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", CODE, soon, quiet],
            capture_output=True, text=True, check=True, env=environment,
        )  # fmt: skip
        assert done.stderr.count("compiling for this machine") == expected
        assert len(done.stderr.splitlines()) == expected


def test_warmup_runs_each_method_in_both_precisions(monkeypatch):
    seen, told = [], []
    monkeypatch.setattr(
        importlib.import_module("jumpset.running.warmup"), "run", lambda image, method, **_: seen.append((method.name, image.dtype.name))
    )  # fmt: skip
    assert js.warmup(progress=lambda *step: told.append(step)) > 0
    assert seen == [(name, dtype) for name in js.methods() for dtype in ("float32", "float64")]
    assert told[0] == (0, len(told) - 1, "tv")
    assert told[-1] == (len(told) - 1, len(told) - 1, "")
    with pytest.raises(js.InputError, match="did you mean 'tv'"):
        js.warmup(["tvv"])


def test_warmup_on_the_command_line():
    from typer.testing import CliRunner

    from jumpset.cli.app import app

    result = CliRunner().invoke(app, ["warmup", "-m", "fgs, wls"])
    assert result.exit_code == 0
    assert "2 methods are compiled" in result.stderr
    assert CliRunner().invoke(app, ["warmup", "-m", "fgs", "-q"]).stderr == ""
    assert CliRunner().invoke(app, ["warmup", "-m", "fsg"]).exit_code == 2
