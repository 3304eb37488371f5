"""Write the pages that follow the code: methods, penalties, API, command line, notebooks; run by `make docs`.

The text of a page is a docstring; its figures are those of figures.py.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
from collections.abc import Iterable
from pathlib import Path
from types import GenericAlias

import command_line
import drawings
import figures
import layout
import notebooks
import tasks

import jumpset as js

OUT = Path(__file__).parent / "generated"
SOURCE = Path(js.__file__).parent
GALLERY = Path(__file__).parents[1] / "examples" / "gallery"
API_HEAD = (
    "``import jumpset as js`` has the names of the first section and the packages; every other name is "
    "reached through its package, as in ``js.penalties.AITV``.\n"
)
# The penalty whose energy a method lowers; the pages of both link to each other.
ENERGIES = {
    "tv": "TotalVariation",
    "l0": "L0Gradient",
    "l0-projection": "L0Gradient",
    "region-fusion": "Potts",
    "potts": "Potts",
    "potts-descent": "Potts",
    "whitened": "L0Gradient",
    "dip-tv": "TotalVariation",
    "dip-aitv": "AITV",
    "dip-l0": "L0Gradient",
    "dip-potts": "Potts",
}
HEADS = {
    "Methods": "``js.smooth(image, method=name)`` runs a method; ``js.method(name, …)`` creates one. "
    ":doc:`/which_method` helps to choose, :doc:`/benchmarks` has their gains.",
    "Penalties": "Each R(x) is a loss; many also have a proximal operator argmin ½‖u − f‖² + τ R(u). "
    ":doc:`/which_penalty` helps to choose.",
}


def write_pages() -> None:
    """Write both chapters, the API and the command line."""
    OUT.mkdir(exist_ok=True)
    methods, penalties = js.methods(), penalty_classes()
    figures.draw(methods, penalties)
    _chapter("Methods", "methods", {name: _method_page(name, info) for name, info in methods.items()})
    _chapter("Penalties", "penalties", {name: _penalty_page(name, cls) for name, cls in penalties.items()})
    _write(OUT / "api.rst", api_page())
    _write(OUT / "command_line.rst", command_line.page())
    drawings.write()
    _write(OUT / "packages.txt", layout.table())
    _write(OUT / "notebooks.rst", notebooks.write(OUT / "notebooks"))


def penalty_classes() -> dict[str, type[js.Penalty]]:
    """Return the public penalties by name."""
    return {
        name: thing
        for name, thing in vars(js.penalties).items()
        if inspect.isclass(thing) and issubclass(thing, js.Penalty) and thing is not js.Penalty
    }


def page_of(cls: type) -> str | None:
    """Return the page with the figures of a class, if there is one."""
    for name, info in js.methods().items():
        if info.cls is cls:
            return f"/generated/methods/{name}"
    return f"/generated/penalties/{cls.__name__}" if cls in penalty_classes().values() else None


def public_path(cls: type) -> str:
    """Return the shortest dotted name under which users import a class."""
    package = ".".join(cls.__module__.split(".")[:2])
    for owner in ("jumpset", package):
        if getattr(importlib.import_module(owner), cls.__name__, None) is cls:
            return f"{owner}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__name__}"


def class_members() -> dict[str, list[str]]:
    """Return, for every class by its public path, what its page shows below its text."""
    owners = [js, *(thing for thing in map(js.__getattr__, js.__all__) if inspect.ismodule(thing))]
    return {
        f"{owner.__name__}.{name}": _members(thing)
        for owner in owners
        for name, thing in vars(owner).items()
        if inspect.isclass(thing) and thing.__module__.startswith("jumpset")
    }


def _members(cls: type) -> list[str]:
    """Return what a class defines itself, with a text of its own.

    The steps of a method are the same for every method, and are on the page of their base class.
    """
    if issubclass(cls, enum.Enum):
        return list(cls.__members__)
    base = js.running.Iteration
    steps = vars(base) if issubclass(cls, base) and cls is not base else {}
    kinds = property, classmethod, staticmethod
    return [
        key
        for key, value in vars(cls).items()
        if not key.startswith("_")
        and key not in steps
        and (inspect.isfunction(value) or isinstance(value, kinds))
        and getattr(value, "__doc__", None)
    ]


def api_page() -> str:
    """Return the page of the API: a section for each package, its names in the order of its ``__init__``."""
    top = _public_names(SOURCE / "__init__.pyi")
    packages = [name for name in top if (SOURCE / name).is_dir()]
    names = [name for name in top if name not in packages]
    parts = [
        _title("API", "="),
        API_HEAD,
        f"{_title('jumpset', '-')}\n{_summary_table(f'jumpset.{name}' for name in names)}",
    ]
    shown = []  # a class that two packages export has one page
    for package in packages:
        module = getattr(js, package)
        found = _public_names(SOURCE / package / "__init__.py")
        found = [name for name in found if not any(getattr(module, name) is other for other in shown)]
        shown += [getattr(module, name) for name in found if _has_page(getattr(module, name))]
        constants = [f"``{name}``" for name in found if not _has_page(getattr(module, name))]
        paths = [
            f"jumpset.{name}" if name in names else f"jumpset.{package}.{name}"
            for name in found or _bridges(package)
            if f"``{name}``" not in constants
        ]
        parts += [_title(f"jumpset.{package}", "-"), inspect.getdoc(module).partition("\n\n")[0] + "\n"]
        parts += [_summary_table(paths)]
        parts += [f"Also {', '.join(constants)}.\n"] if constants else []
    return "\n".join(parts)


def _has_page(thing: object) -> bool:
    return inspect.isroutine(thing) or (type(thing) is not GenericAlias and inspect.isclass(thing))


def _public_names(path: Path) -> list[str]:
    """Names that a module imports as themselves, or lists in ``__all__``."""
    names = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            names += [alias.name for alias in node.names if alias.asname == alias.name]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
            names += ast.literal_eval(node.value)
    return names


def _bridges(package: str) -> list[str]:
    """Public functions and classes of the modules of a package whose ``__init__`` imports none of them."""
    return [
        f"{path.stem}.{node.name}"
        for path in sorted((SOURCE / package).glob("[!_]*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    ]


def _summary_table(paths: Iterable[str]) -> str:
    entries = "\n".join(f"   {path}" for path in paths)
    return f".. autosummary::\n   :toctree: api\n   :nosignatures:\n\n{entries}\n"


def _chapter(title: str, folder: str, pages: dict[str, str]) -> None:
    (OUT / folder).mkdir(exist_ok=True)
    for name, text in pages.items():
        _write(OUT / folder / f"{name}.rst", text)
    entries = "\n".join(f"   {folder}/{name}" for name in pages)
    cards = "\n".join(_card(folder, name) for name in pages)
    grid = f".. grid:: 1 2 3 3\n   :gutter: 2\n\n{cards}"
    _write(
        OUT / f"{folder}.rst",
        f"{_title(title, '=')}\n{HEADS[title]}\n\n{grid}\n.. toctree::\n   :hidden:\n\n{entries}\n",
    )


def _card(folder: str, name: str) -> str:
    """Return an entry of a chapter: name, purpose and figure."""
    summary = js.methods()[name].summary if folder == "methods" else _summary(getattr(js.penalties, name))
    kind = folder.removesuffix("s").removesuffix("ie") + ("y" if folder == "penalties" else "")
    picture = f"pictures/{kind}-{name}.png"
    image = f"      :img-top: {picture}\n      :img-alt: {name}\n" if (OUT / picture).exists() else ""
    return (
        f"   .. grid-item-card:: {name}\n      :link: /generated/{folder}/{name}\n      :link-type: doc\n"
        f"{image}\n      {summary}\n"
    )


def _write(path: Path, text: str) -> None:
    # an unchanged file keeps its date, so that Sphinx does not read it again
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def _class(cls: type) -> str:
    # the pages of the API index it
    directive = f".. autoclass:: {public_path(cls)}\n   :no-index:\n"
    return f"{_title('Reference', '-')}\n{directive}"


def _summary(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def _code(language: str, *lines: str) -> str:
    body = "\n".join(f"   {line}" for line in lines)
    return f".. code-block:: {language}\n\n{body}\n"


def _method_page(name: str, info: js.running.registry.MethodInfo) -> str:
    """Return purpose, paper, calls, figures, presets, uses and reference."""
    weight = info.defaults.get("weight")
    setting = f", weight={weight:g}" if weight else ""
    calls = [f'flat = js.smooth(image, "{name}"{setting})']
    calls += [f'flat = js.smooth(image, "{name}", preset="{preset}")' for preset in info.presets]
    option = f" -w {weight:g}" if weight else ""
    parts = [
        _title(name, "="),
        f"{info.summary}\n\n*Paper:* {info.paper}.\n",
        _code("python", "import jumpset as js", "", *calls),
        _code("sh", f"jumpset smooth in.png out.png -m {name}{option}"),
        figures.text("method", name),
    ]
    if info.presets:
        parts += ["**Presets**\n", *(f"- ``{key}``: {_settings(v)}" for key, v in info.presets.items()), ""]
    uses = [f"- :ref:`task-{task.key}`" for task in tasks.TASKS if name in task.runs]
    if penalty := ENERGIES.get(name):
        uses.append(f"- the penalty :doc:`/generated/penalties/{penalty}`, as a loss and a proximal operator")
    return "\n".join([*parts, _uses(uses, f'"{name}"'), _class(info.cls)])


def _settings(values: dict[str, object]) -> str:
    return ", ".join(f"``{key}={value!r}``" for key, value in values.items()) or "the defaults"


def _penalty_page(name: str, cls: type[js.Penalty]) -> str:
    """Return purpose, paper, calls, figures, uses and reference."""
    penalty, path = cls(), f"js.{name}" if hasattr(js, name) else f"js.penalties.{name}"
    calls = [f"loss = mse + 1e-3 * {path}()(x)  # x is (B, C, H, W)"]
    calls += [f"u = {path}().prox(v, 0.1)  # argmin ½‖u − v‖² + 0.1 R(u)"] if penalty.has_prox else []
    traits = [
        "convex" if penalty.convex else "not convex",
        "separable" if penalty.separable else "with neighbours",
        "with a proximal operator" if penalty.has_prox else "without a proximal operator",
    ]
    return "\n".join(
        [
            _title(name, "="),
            f"{_summary(cls)}\n\n*Paper:* {penalty.paper}. *Kind:* {', '.join(traits)}.\n",
            _code("python", "import jumpset as js", "", *calls),
            figures.text("penalty", name),
            _uses(_methods_of(name), f"{name}("),
            _class(cls),
        ]
    )


def _methods_of(penalty: str) -> list[str]:
    """Return the links to the methods that lower this energy."""
    return [f"- the method :doc:`/generated/methods/{m}`" for m, name in ENERGIES.items() if name == penalty]


def _uses(pages: list[str], mention: str) -> str:
    """Return links to pages and to the programs of the gallery that mention a name."""
    found = [
        path.stem for path in sorted(GALLERY.glob("plot_*.py")) if mention in path.read_text(encoding="utf-8")
    ]
    links = [*pages, *(f"- :doc:`/generated/gallery/{stem}`" for stem in found)]
    return "\n".join(["**See also**\n", *links, ""]) if links else ""


def mentioned(stem: str) -> str:
    """Return the links to the methods and penalties that a program of the gallery names."""
    text = (GALLERY / f"{stem}.py").read_text(encoding="utf-8")
    links = [f":doc:`/generated/methods/{name}`" for name in js.methods() if f'"{name}"' in text]
    links += [f":doc:`/generated/penalties/{name}`" for name in penalty_classes() if f"{name}(" in text]
    return " · ".join(links)


if __name__ == "__main__":
    write_pages()
