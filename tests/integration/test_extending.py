"""The page about new methods: its example passes the contract tests as the page says, without an exception."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "gallery" / "plot_11_new_smoother.py"


@pytest.mark.slow
def test_the_example_passes_the_contract_tests(tmp_path):
    classes = EXAMPLE.read_text().partition("# %%")[0].replace("import matplotlib.pyplot as plt\n", "")
    for name in ("weight", "contrast"):  # as step 1 of the page says
        classes = re.sub(
            rf"({name}: float = )([0-9.]+)", r"\1parameter(\2, checks.real, at_least=0.0)", classes
        )
    imports = "from jumpset._core import checks\nfrom jumpset._core.types import parameter\n\n\n@dataclass"
    (tmp_path / "perona_malik.py").write_text(classes.replace("\n@dataclass", imports, 1))
    (tmp_path / "registered.py").write_text(
        'from jumpset._core import catalog\ncatalog.CLASSES["perona-malik"] = "perona_malik:PeronaMalik"\n'
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:xdist",
        "-p",
        "registered",
        "-p",
        "no:cacheprovider",
    ]
    command += ["tests/contract", "--ignore", "tests/contract/test_penalties.py", "-k", "perona-malik"]
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "passed" in done.stdout
    assert "COUPLED" not in done.stdout
