"""The shape of the package: layers, lazy imports, public names."""

import ast
import subprocess
import sys
from pathlib import Path

import jumpset as js

PACKAGE = Path(js.__file__).parent
# Lower layers never import higher ones. Files of one layer may import each other.
LAYERS = [
    ("_types", "_checks", "_errors", "_arrays"),
    ("kernels",),
    ("operators",),
    ("penalties",),
    ("metrics", "datasets", "io"),
    ("smoothers", "solvers", "dip", "learned"),
    (
        "driver",
        "_batches",
        "checkpoints",
        "registry",
        "smoothing",
        "tree",
        "denoise",
        "weights",
        "interop",
    ),
    ("report", "bench", "cli", "__main__"),
]
# What only some places may import, and where.
RESERVED = {
    "numba": ("kernels",),
    "triton": ("kernels",),
    "matplotlib": ("cli", "report"),
    "rich": ("cli", "report"),
    "typer": ("cli",),
    "PIL": ("io", "datasets", "report"),
    "tifffile": ("io",),
    "tensorflow": ("operators",),
    "jax": ("interop",),
}


def unit(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    tree = ast.parse(path.read_text())
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            yield node.module
            if node.module == "jumpset":
                yield from (f"jumpset.{alias.name}" for alias in node.names)


def violations(files):
    level = {name: k for k, names in enumerate(LAYERS) for name in names}
    for path in files:
        here = unit(path)
        if here == "__init__":
            continue
        assert here in level, f"{path} is in no layer"
        for module in imports(path):
            top, _, rest = module.partition(".")
            if top == "jumpset" and rest:
                target = rest.partition(".")[0]
                if level.get(target, -1) > level[here]:
                    yield f"{path.name} imports {module}"
            elif top in RESERVED and here not in RESERVED[top]:
                yield f"{path.name} imports {module}"


def test_layers_go_one_way():
    assert list(violations(PACKAGE.rglob("*.py"))) == []


def test_the_layer_check_sees_a_violation(tmp_path, monkeypatch):
    (tmp_path / "kernels").mkdir()
    (tmp_path / "operators.py").write_text("import numba\n")
    (tmp_path / "kernels" / "a.py").write_text(
        "from jumpset import smoothers\nfrom jumpset.dip.dip import DIP\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    assert len(list(violations(tmp_path.rglob("*.py")))) == 3


def test_files_stay_short():
    long = {p.name: n for p in PACKAGE.rglob("*.py") if (n := len(p.read_text().splitlines())) > 400}
    assert long == {}


def test_public_names():
    assert sorted(js.__all__) == [
        "AITV", "AutoWeight", "Cauchy", "Charbonnier", "Connectedness", "FileError", "GraphNet", "HuberTV", "InputError", "Interrupted", "Iteration", "JumpsetError",
        "L0", "L0Gradient", "L1", "LatentGroups", "LogSum", "MCP", "Penalty", "PenaltyLoss", "Potts",
        "Prox", "QuadtreeGroups", "RegionTree", "Result", "SCAD", "SlidingGroups", "Snapshots", "SparseGroup", "SparseTV", "Status", "Step",
        "TGV2", "TargetArea", "Texture", "TiledGroups", "TotalVariation", "TransformedL1", "VectorialTV", "auto_weight", "datasets", "denoise_groups", "denoise_potts_1d", "denoise_sparse_tv", "denoise_tv", "dip", "estimate_noise", "estimate_texture", "export_onnx", "io", "learned", "method",
        "methods", "metrics", "penalties", "report", "run", "smooth", "smoothers", "solvers", "train",
    ]  # fmt: skip
    for name in js.__all__:
        assert getattr(js, name).__doc__, f"{name} has no docstring"


def test_lazy_names_are_the_typed_names():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(n for n in tree.body if isinstance(n, ast.If))
    typed = {a.asname: n.module.removeprefix("jumpset.") for n in block.body for a in n.names}
    assert {k: v for k, v in typed.items() if v != "jumpset"} == js._HOME
    assert {k for k, v in typed.items() if v == "jumpset"} == set(js._PACKAGES)


def test_import_is_light():
    code = "import sys, jumpset; print([m for m in ('torch', 'numba', 'scipy', 'PIL', 'rich', 'typer') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_driver_needs_no_compiler_and_no_image_library():
    code = "import sys, jumpset; jumpset.run; print([m for m in ('numba', 'scipy', 'PIL', 'rich', 'typer') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
