"""Kernels compile where neither the package nor the home of the user can be written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jumpset as js

CODE = """
import importlib, pkgutil, sys, tempfile
if sys.argv[1] == "nowhere":
    tempfile.tempdir = "/dev/null/nowhere"
import numpy as np, jumpset as js, jumpset.kernels
for module in pkgutil.walk_packages(jumpset.kernels.__path__, "jumpset.kernels."):
    if not module.name.endswith("_triton"):
        importlib.import_module(module.name)
from jumpset.kernels.values.scaling_loops import scale_rows
scale_rows(0, 2, np.ones((2, 3)), np.ones(2))
import numba
print(js.__file__, repr(numba.config.CACHE_DIR))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the package in which no folder of compiled code can be created, not even by root."""
    copy = tmp_path_factory.mktemp("site") / "jumpset"
    shutil.copytree(
        Path(js.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors")
    )
    for folder in [copy, *(p for p in copy.rglob("*") if p.is_dir())]:
        (folder / "__pycache__").touch()
    return copy


@pytest.mark.skipif(os.name != "posix", reason="paths and users of POSIX")
@pytest.mark.parametrize("temporary", ["folder", "nowhere", "of another user"])
def test_no_folder_for_the_cache(package, tmp_path, temporary):
    cache = tmp_path / f"jumpset-numba-{os.getuid()}"
    if temporary == "of another user":
        cache.mkdir()
        cache.chmod(0o777)  # as good as: others may write what would be run here
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA")}
    environment |= {
        "HOME": "/dev/null/home", "XDG_CACHE_HOME": "/dev/null/cache", "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(package.parent),
    }  # fmt: skip
    out = subprocess.run(
        [sys.executable, "-c", CODE, temporary], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert out.returncode == 0, out.stderr
    assert out.stdout.split() == [str(package / "__init__.py"), "''"]
    assert bool(list(tmp_path.rglob("*.nbc"))) == (temporary == "folder")


def test_every_kernel_is_compiled_by_the_tolerant_compiler():
    package = Path(js.__file__).parent
    direct = [p for p in package.rglob("*.py") if re.search(r"^\s*(from|import) numba", p.read_text(), re.M)]
    assert [str(p.relative_to(package)) for p in direct] == [os.path.join("kernels", "jit.py")]
