"""Every public name has a docstring that numpydoc accepts, with an example that runs."""

import ast
import doctest
import enum
import importlib
import inspect
import itertools
import textwrap
from pathlib import Path

import numpydoc.validate
import pytest

import jumpset as js

SOURCE = Path(js.__file__).parent
# Checks of numpydoc.validate. Those that are left out: types stand in the signature (PR04), a description may begin with a symbol
# of the formula (PR08, RT04), parameters that another page explains stand together (PR03), and links stand in the text (SA01).
CHECKS = {
    "GL03": "no double blank lines",
    "GL05": "no tabs",
    "GL06": "known sections only",
    "GL07": "sections in their order",
    "GL08": "there is a docstring",
    "SS01": "there is a summary",
    "SS02": "the summary begins with a capital letter",
    "SS04": "the summary has no leading spaces",
    "SS05": "the summary is an infinitive or a noun",
    "SS06": "the summary is one line",
    "PR01": "every parameter is documented",
    "PR02": "every documented parameter exists",
    "PR10": "spaces around the colon of a parameter",
    "RT01": "what is returned is documented",
    "RT03": "what is returned is described",
    "EX01": "there is an example",
}


def names(path):
    """The names that a module imports as themselves, or lists in ``__all__``."""
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            found += [alias.name for alias in node.names if alias.asname == alias.name]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
            found += ast.literal_eval(node.value)
    return found


def public():
    """Every public function and class by its path, those of several names once."""
    found = {}
    for name in sorted(names(SOURCE / "__init__.pyi"), key=lambda name: (SOURCE / name).is_dir()):
        folder = SOURCE / name
        if not folder.is_dir():
            found[f"jumpset.{name}"] = getattr(js, name)
        elif name != "interop":
            module = getattr(js, name)
            found |= {f"jumpset.{name}.{n}": getattr(module, n) for n in names(folder / "__init__.py")}
        else:
            for path in sorted(folder.glob("[!_]*.py")):
                try:
                    module = importlib.import_module(f"jumpset.interop.{path.stem}")
                except ImportError:  # the other library is not installed
                    continue
                own = [
                    n
                    for n, thing in vars(module).items()
                    if getattr(thing, "__module__", "") == module.__name__
                ]
                found |= {f"{module.__name__}.{n}": getattr(module, n) for n in own if not n.startswith("_")}
    once = {}
    for path, thing in found.items():
        is_documented = inspect.isfunction(thing) or inspect.isclass(thing)
        if is_documented and thing not in once.values() and not hasattr(thing, "__origin__"):
            once[path] = thing
    return once


PUBLIC = public()


def test_the_walk_finds_the_public_names():
    assert len(PUBLIC) > 150
    assert {
        "jumpset.smooth",
        "jumpset.smoothers.GSF",
        "jumpset.penalties.AITV",
        "jumpset.interop.skimage.denoise_tv",
    } <= set(PUBLIC)


def field_docs(cls):
    """The attributes of a class, and of its bases, that have a docstring below them."""
    found = set()
    for base in cls.__mro__[:-1]:
        if not base.__module__.startswith("jumpset"):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body
        for one, after in itertools.pairwise(body):
            if (
                isinstance(one, ast.AnnAssign)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                found.add(one.target.id)
    return found


def documents_its_fields(thing):
    """Whether a class has a docstring below each field, or no constructor of its own."""
    if not inspect.isclass(thing):
        return False
    if issubclass(thing, enum.Enum) or getattr(thing, "_is_protocol", False):
        return True
    parameters = {p.name for p in inspect.signature(thing).parameters.values() if p.kind != p.VAR_KEYWORD}
    return parameters <= field_docs(thing) | documented(thing)


def documented(thing):
    from numpydoc.docscrape import NumpyDocString

    return {name for p in NumpyDocString(inspect.getdoc(thing))["Parameters"] for name in p.name.split(", ")}


@pytest.mark.parametrize("path", PUBLIC)
def test_numpydoc_accepts_the_docstring(path):
    thing = PUBLIC[path]
    errors = {code: text for code, text in numpydoc.validate.validate(path)["errors"] if code in CHECKS}
    if "PR01" in errors and documents_its_fields(thing):
        del errors["PR01"]
    assert errors == {}


@pytest.mark.parametrize("path", PUBLIC)
def test_the_example_runs(path):
    test = doctest.DocTestFinder(recurse=False).find(PUBLIC[path], path, globs={})[0]
    assert test.examples
    said = []
    assert doctest.DocTestRunner().run(test, out=said.append).failed == 0, "".join(said)
