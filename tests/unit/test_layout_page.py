"""The page "How the code is laid out" agrees with the code."""

import importlib.util
import re
from pathlib import Path

import pytest

import jumpset as js

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "layout.rst").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def layout():
    spec = importlib.util.spec_from_file_location("layout", ROOT / "docs" / "layout.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_figure_has_the_order_of_the_architecture_test(layout):
    assert [name for row in layout.ROWS.values() for name in row] == layout.layers()


def test_the_figure_is_drawn_from_the_code(layout):
    """After a change of the packages: python docs/layout.py"""
    drawn = layout.FIGURE.read_text(encoding="utf-8")
    assert drawn == layout.figure()
    for name in layout.layers():
        assert f">{name}</text>" in drawn
    assert "pictures/layout.svg" in PAGE


def test_the_page_names_every_package_with_its_purpose(layout):
    assert ".. include:: generated/packages.txt" in PAGE
    lines = layout.table().splitlines()
    places = [lines.index(f"   * - ``{name}``") for name in layout.layers()]
    assert places == sorted(places)
    for name, place in zip(layout.layers(), places, strict=True):
        first = (Path(js.__file__).parent / name / "__init__.py").read_text(encoding="utf-8").split("\n")[0]
        assert (
            lines[place + 1].removeprefix("     - ").startswith(first.removeprefix('"""').removesuffix('"""'))
        )
        allowed = layout.layers()[: layout.layers().index(name)]
        assert set(re.findall(r"``(\w+)``", lines[place + 2])) <= set(allowed)


def test_every_path_on_the_page_exists():
    paths = re.findall(r"``((?:src|tests)/[\w/.]+)``", PAGE)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []
