"""Optional libraries: the package works without them, and an error names the extra that brings a missing one."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import jumpset as js
from jumpset._core.errors import MissingLibrary
from jumpset._core.optional import needs

PACKAGE = Path(js.__file__).parent
DISTRIBUTIONS = {"PIL": "pillow", "lazy_loader": "lazy-loader", "array_api_compat": "array-api-compat"}
FOUND_BY_THE_CALLER = {
    "triton": "imported only where importlib finds it; torch for CUDA brings it",
    "tensorflow": "imported only for a tensor that comes from it",
}
OPTIONAL = (
    "PIL",
    "tifffile",
    "rich",
    "typer",
    "click",
    "safetensors",
    "matplotlib",
    "onnx",
    "onnxscript",
    "pyproximal",
)


def requirements():
    """Extra to the distributions that it installs, those of the extras it contains included; "" is the core."""
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())["project"]
    listed = {"": project["dependencies"], **project["optional-dependencies"]}

    def resolved(lines):
        for line in lines:
            inner = re.fullmatch(r"jumpset\[(.+)\]", line)
            if inner:
                for extra in inner[1].split(","):
                    yield from resolved(listed[extra])
            else:
                yield re.match(r"[\w-]+", line)[0]

    return {extra: set(resolved(lines)) for extra, lines in listed.items()}


def third_party_imports(tree):
    """(module, what ``needs`` names around it or None), without imports for type checkers."""

    def walk(node, install):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            return
        if isinstance(node, ast.With):
            call = node.items[0].context_expr
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "needs":
                install = call.args[0].value
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
        for name in names:
            top = name.partition(".")[0]
            if top != "jumpset" and top not in sys.stdlib_module_names:
                yield top, install
        for child in ast.iter_child_nodes(node):
            yield from walk(child, install)

    return list(walk(tree, None))


def violations(path, root, table):
    above = [folder / "__init__.py" for folder in path.parents if root in folder.parents]
    guarded = {
        module
        for file in above
        if file.is_file() and file != path
        for module, install in third_party_imports(ast.parse(file.read_text()))
        if install
    }
    for module, install in third_party_imports(ast.parse(path.read_text())):
        distribution = DISTRIBUTIONS.get(module, module)
        if distribution in table[""] or module in guarded or module in FOUND_BY_THE_CALLER:
            continue
        extra = re.fullmatch(r"jumpset\[(.+)\]", install or "")
        if not (distribution in table[extra[1]] if extra else distribution == install):
            yield f"{path.name}: {module} under needs({install!r})"


def test_every_import_is_of_the_core_or_says_what_brings_it():
    table = requirements()
    assert [v for path in PACKAGE.rglob("*.py") for v in violations(path, PACKAGE, table)] == []


@pytest.mark.parametrize(
    "code",
    [
        "import PIL",
        "def f():\n    from rich.table import Table",
        'with needs("jumpset[learned]"):\n    import PIL',
        'with needs("tifffile"):\n    import PIL',
    ],
)
def test_the_import_check_sees_a_violation(tmp_path, code):
    path = tmp_path / "a.py"
    path.write_text(code)
    assert len(list(violations(path, tmp_path, requirements()))) == 1


def test_all_has_every_extra_but_four():
    table = requirements()
    others = table["geo"] | table["zarr"] | table["onnx"] | table["napari"]
    assert table["all"] | table[""] | others == set().union(*table.values())
    assert table["io"] < table["cli"]


def without_optional_libraries(code, *arguments):
    """Run code in an interpreter that finds none of the optional libraries."""
    hide = (
        "import sys, importlib.machinery as m\n"
        "class Hidden(m.PathFinder):\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        f"        return None if name.partition('.')[0] in {OPTIONAL} else super().find_spec(name, path, target)\n"
        "sys.meta_path = [Hidden if f is m.PathFinder else f for f in sys.meta_path]\n"
    )
    return subprocess.run(
        [sys.executable, "-c", hide + code, *map(str, arguments)], capture_output=True, text=True
    )


def test_losses_and_smoothers_of_arrays_need_no_optional_library(tmp_path):
    code = (
        "import numpy as np, torch, jumpset as js\n"
        "x = torch.rand(1, 3, 8, 9, requires_grad=True)\n"
        "js.PenaltyLoss(js.SparseTV(ratio=0.25), 0.4)(x).backward()\n"
        "js.TotalVariation().prox(x.detach(), 0.1)\n"
        "image = js.datasets.shapes(16, 20)\n"
        "for name in ('region-fusion', 'tv', 'l0'):\n"
        "    js.smooth(image, method=name)\n"
        "js.smooth(image, method='dip-l0', max_steps=1)\n"
        "js.methods()\n"
        "js.io.write_picture(sys.argv[1], image)\n"
        "print(js.metrics.psnr(js.io.read_picture(sys.argv[1]).pixels, image))\n"
    )
    done = without_optional_libraries(code, tmp_path / "a.npy")
    assert done.stderr == ""
    assert done.stdout == "inf\n"


def test_an_error_says_which_extra_brings_the_missing_library(tmp_path):
    for name in ("a.png", "a.jpg", "a.webp", "a.tif"):
        js.io.write_picture(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    calls = {
        "jumpset[io]": [
            "js.datasets.coffee()",
            "js.datasets.structure(8, 8)",
            "js.datasets.jpeg(image, 50)",
            *(f"js.io.read_picture('a.{suffix}')" for suffix in ("png", "jpg", "webp", "tif")),
            *(f"js.io.write_picture('b.{suffix}', image)" for suffix in ("png", "jpg", "webp", "tif")),
            "js.report.write_report('r.html', js.run(image, js.method('region-fusion')), picture=image)",
            "js.method('dejpeg', tables='a.jpg')",
        ],
        "jumpset[learned]": [
            "js.smooth(image, method='jumpset-net')",
            "js.learned.model_card('resnet')",
        ],
        "jumpset[onnx]": ["js.training.export_onnx('resnet', 'o.onnx')"],
        "pyproximal": ["js.interop.pyproximal"],
    }
    code = (
        "import json, os, numpy as np, jumpset as js, jumpset.interop\n"
        "os.chdir(sys.argv[1])\n"
        "image = np.zeros((8, 8, 3), np.uint8)\n"
        "for install, lines in json.loads(sys.argv[2]).items():\n"
        "    for line in lines:\n"
        "        try:\n"
        "            eval(line)\n"
        "        except ImportError as error:\n"
        "            print(line, type(error).__name__, f\"pip install '{install}'\" in str(error))\n"
        "        else:\n"
        "            print(line, 'worked')\n"
    )
    done = without_optional_libraries(code, tmp_path, json.dumps(calls))
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"{c} MissingLibrary True" for lines in calls.values() for c in lines]
    assert not any(path.name.startswith(("b", "r", "o")) for path in tmp_path.iterdir())


def test_the_command_without_its_extra_is_one_line_and_exit_code_2():
    done = without_optional_libraries("from jumpset.__main__ import main\nmain()", "methods")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "jumpset: rich is not installed; pip install 'jumpset[cli]'\n"


def test_needs_keeps_the_name_and_leaves_other_errors_alone():
    says = r"no_such_library is not installed; pip install 'jumpset\[io\]'"
    with pytest.raises(MissingLibrary, match=says) as error, needs("jumpset[io]"):
        import no_such_library  # noqa: F401
    assert (error.value.name, error.value.install) == ("no_such_library", "jumpset[io]")
    assert isinstance(error.value, js.JumpsetError)
    with pytest.raises(ImportError, match="cannot import name"), needs("jumpset[io]"):
        from json import nothing  # noqa: F401
