"""The notebooks: complete, small, and executed; the stored outputs are those that the code makes."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


def load(path, monkeypatch):
    """Import a script that is no part of the package."""
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def outputs(notebook):
    """What a reader sees, without the digits: seconds and last bits differ between machines."""
    found = []
    for output in (output for cell in notebook["cells"] for output in cell.get("outputs", [])):
        data = output.get("data", {"text/plain": output.get("text", "")})
        kind = next(kind for kind in ("image/png", "text/html", "text/plain") if kind in data)
        text = re.sub(r"[\d.]+", "0", "".join(data[kind])) if kind == "text/plain" else ""
        found.append((kind, " ".join(text.split())))
    return found


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 6
    assert sum(path.stat().st_size for path in NOTEBOOKS) < 3e6


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stored(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert sum(kind in ("image/png", "text/html") for kind, _ in outputs(notebook)) >= 3
    assert not any(output.get("name") == "stderr" for cell in code for output in cell["outputs"])


def test_each_notebook_has_a_page(monkeypatch, tmp_path):
    script = load(ROOT / "docs" / "notebooks.py", monkeypatch)
    overview = script.write(tmp_path / "notebooks")
    for path in NOTEBOOKS:
        page = (tmp_path / "notebooks" / f"{path.stem}.md").read_text(encoding="utf-8")
        assert page.startswith("# ")
        for figure in re.findall(r"\]\(([^)]+\.png)\)", page):
            assert (tmp_path / "notebooks" / figure).stat().st_size > 0
        assert f":link: /generated/notebooks/{path.stem}" in overview
        assert (tmp_path / "notebooks" / path.name).read_bytes() == path.read_bytes()
    monkeypatch.setattr(script, "ORDER", script.ORDER[:-1])
    with pytest.raises(ValueError, match="lists"):
        script.names()


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_stored_outputs_are_those_of_the_code(path, monkeypatch):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("matplotlib")
    script = load(ROOT / "examples" / "run_notebooks.py", monkeypatch)
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert outputs(script.executed(path)) == outputs(stored)
