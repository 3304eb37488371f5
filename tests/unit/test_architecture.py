"""The shape of the package: what may import what, lazy imports, public names."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import jumpset as js

PACKAGE = Path(js.__file__).parent
# One package a layer, from the ground up: a package imports packages above its own line, never below.
LAYERS = [
    "_core",
    "kernels",
    "operators",
    "prox",
    "penalties",
    "solvers",
    "io",
    "metrics",
    "regions",
    "nn",
    "jpeg",
    "texture",
    "smoothers",
    "dip",
    "learned",
    "running",
    "restoration",
    "datasets",
    "training",
    "weights",
    "explain",
    "interop",
    "report",
    "bench",
    "app",
    "cli",
    "__main__",
]
# What only some packages may import, and which.
RESERVED = {
    "numba": ("kernels",),
    "triton": ("kernels",),
    "matplotlib": ("cli", "report"),
    "rich": ("cli", "report"),
    "typer": ("cli",),
    "PIL": ("io", "jpeg", "datasets", "report"),
    "tifffile": ("io",),
    "tensorflow": ("operators",),
    "jax": ("interop",),
    "starlette": ("app",),
    "uvicorn": ("app",),
    "anywidget": ("app",),
    "traitlets": ("app",),
    "napari": ("interop",),
    "magicgui": ("interop",),
}


def package_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Dotted names of everything that a file imports, for type checkers only or not."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def violations(files):
    level = {name: k for k, name in enumerate(LAYERS)}
    for path in files:
        here = package_of(path)
        if here == "__init__":
            continue
        assert here in level, f"{path} is in no layer"
        for name in imports(path):
            top, *rest = name.split(".")
            if top in RESERVED and here not in RESERVED[top]:
                yield f"{path.name} imports {name}, which is reserved"
            if top != "jumpset" or not rest or rest[0] == here:
                continue
            if level.get(rest[0], len(LAYERS)) >= level[here]:
                yield f"{path.name} imports {name}, which is not below it"
            if any(is_private(part) for part in rest[1:]):
                yield f"{path.name} imports {name}, which is private"


def test_imports_go_down_only():
    assert list(violations(PACKAGE.rglob("*.py"))) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("kernels/a.py", "from jumpset import smoothers"),
        ("kernels/a.py", "from jumpset.dip.dip import DIP"),
        ("kernels/a.py", "if TYPE_CHECKING:\n    import jumpset.running.run"),
        ("operators/a.py", "import numba"),
        ("smoothers/a.py", "from jumpset.kernels import _buffers"),
        ("smoothers/a.py", "from jumpset.penalties._jumps import jumps"),
        ("smoothers/a.py", "from jumpset.penalties.l1 import _private"),
        ("smoothers/a.py", "from jumpset import nowhere"),
    ],
)
def test_the_import_check_sees_a_violation(file, line, tmp_path, monkeypatch):
    path = tmp_path / file
    path.parent.mkdir()
    path.write_text(line + "\n")
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    assert len(list(violations([path]))) == 1


def test_every_package_is_in_one_layer():
    packages = {p.name.removesuffix(".py") for p in PACKAGE.iterdir() if p.suffix in ("", ".py")}
    assert packages - {"__init__", "__pycache__"} == set(LAYERS)
    assert len(LAYERS) == len(set(LAYERS))


def test_files_stay_short():
    long = {p.name: n for p in PACKAGE.rglob("*.py") if (n := len(p.read_text().splitlines())) > 400}
    assert long == {}


def test_public_names():
    """About twenty names; the packages beside them hold the rest."""
    packages = {name for name in js.__all__ if name in LAYERS}
    assert packages == set(LAYERS) - {"_core", "kernels", "prox", "app", "cli", "__main__"}
    assert sorted(set(js.__all__) - packages) == [
        "FileError", "InputError", "Interrupted", "JumpsetError", "L1", "MissingLibrary", "Penalty", "PenaltyLoss", "Potts", "Prox",
        "RegionTree", "Result", "SlidingGroups", "SparseTV", "Status", "TotalVariation", "apply_tiled", "auto_weight",
        "estimate_texture", "explore", "method", "methods", "restore", "run", "smooth", "warmup",
    ]  # fmt: skip
    for name in js.__all__:
        assert getattr(js, name).__doc__, f"{name} has no docstring"


def test_import_is_light():
    code = "import sys, jumpset; print([m for m in ('torch', 'numba', 'scipy', 'PIL', 'rich', 'typer') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_driver_needs_no_compiler_and_no_image_library():
    code = "import sys, jumpset; jumpset.run; print([m for m in ('numba', 'scipy', 'PIL', 'rich', 'typer') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_smoother_is_exported():
    for info in js.methods().values():
        _, package, *_ = info.cls.__module__.split(".")
        module = importlib.import_module(f"jumpset.{package}")
        assert getattr(module, info.cls.__name__, None) is info.cls, (
            f"export {info.cls.__name__} in {module.__name__}"
        )
