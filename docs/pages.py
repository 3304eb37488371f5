"""Write the pages that follow the code: one for each method and penalty, and the API; run by `make docs`.

The text of a page is a docstring. Figures are kept in docs/generated/; remove that folder to draw them again.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from pathlib import Path
from types import GenericAlias

import layout
import numpy as np
import torch

import jumpset as js

OUT = Path(__file__).parent / "generated"
SOURCE = Path(js.__file__).parent
STRENGTHS = (0.25, 1.0, 4.0)
SHARES = (0.25, 0.5, 1.0)  # weights of a learned method, which are at most 1
SOLVED = ("LatentGroups", "TGV2")  # their value is itself a minimum, so descent would take minutes
API_HEAD = (
    "``import jumpset as js`` has the names of the first section and the packages; every other name is "
    "reached through its package, as in ``js.penalties.AITV``.\n"
)
HEADS = {
    "Methods": "js.smooth(image, method=name) runs a method; js.method(name, …) creates one.",
    "Penalties": "Each R(x) is a loss; many also have a proximal operator argmin ½‖u − f‖² + τ R(u).",
}


def write_pages() -> None:
    """Write both chapters and the API."""
    (OUT / "pictures").mkdir(parents=True, exist_ok=True)
    _chapter("Methods", "methods", {name: _method_page(name, info) for name, info in js.methods().items()})
    penalties = {
        name: thing
        for name, thing in vars(js.penalties).items()
        if inspect.isclass(thing) and issubclass(thing, js.Penalty) and thing is not js.Penalty
    }
    pages = {name: _penalty_page(name, cls) for name, cls in penalties.items()}
    _chapter("Penalties", "penalties", pages)
    _write(OUT / "api.rst", api_page())
    _write(OUT / "packages.txt", layout.table())


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
    for package in packages:
        module = getattr(js, package)
        found = _public_names(SOURCE / package / "__init__.py")
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
    entries = "\n".join(f"   ~{path}" for path in paths)
    return f".. autosummary::\n   :toctree: api\n\n{entries}\n"


def _chapter(title: str, folder: str, pages: dict[str, str]) -> None:
    (OUT / folder).mkdir(exist_ok=True)
    for name, text in pages.items():
        _write(OUT / folder / f"{name}.rst", text)
    entries = "\n".join(f"   {folder}/{name}" for name in pages)
    _write(OUT / f"{folder}.rst", f"{_title(title, '=')}\n{HEADS[title]}\n\n.. toctree::\n\n{entries}\n")


def _write(path: Path, text: str) -> None:
    # an unchanged file keeps its date, so that Sphinx does not read it again
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def _class(cls: type) -> str:
    # the pages of the API index it
    return f".. currentmodule:: {cls.__module__}\n\n.. autoclass:: {cls.__name__}\n   :no-index:\n"


def _method_page(name: str, info: js.running.registry.MethodInfo) -> str:
    path = OUT / "pictures" / f"method-{name}.png"
    weight = info.defaults.get("weight")
    slow = name.startswith("dip")  # many seconds per image
    weights = [s * weight for s in STRENGTHS] if weight and not slow else []
    if name in js.learned.SIZES or name == "dejpeg":
        weights = list(SHARES)
    turned = [f"{w:g}" for w in weights]
    if not path.exists():
        _draw_method(path, name, weights)
    shown = f"with ``weight`` at {', '.join(turned)}" if turned else "at its defaults"
    kind = "JPEG" if name == "dejpeg" else "textured"
    figure = (
        f".. figure:: ../pictures/{path.name}\n\n   A {kind} image, and the result of ``{name}`` {shown}.\n\n"
    )
    presets = [f"- ``{key}``: {_settings(values)}" for key, values in info.presets.items()]
    listed = "\n".join(["**Presets**", "", *presets, ""]) if presets else ""
    return f"{_title(name, '=')}\n{info.summary}\n\n{figure}{listed}\n{_class(info.cls)}"


def _settings(values: dict[str, object]) -> str:
    return ", ".join(f"``{key}={value!r}``" for key, value in values.items()) or "the defaults"


def _draw_method(path: Path, name: str, weights: list[float]) -> None:
    image, _ = js.datasets.textured(120, 160, seed=4)
    if name == "dejpeg":
        image = js.datasets.jpeg(js.datasets.shapes(120, 160, seed=4), 15)
    runs = [js.method(name, weight=w) for w in weights] or [js.method(name)]
    images = [image, *(js.run(image, run).image for run in runs)]
    _save(path, images, zoom=1)


def _penalty_page(name: str, cls: type[js.Penalty]) -> str:
    path = OUT / "pictures" / f"penalty-{name}.png"
    if not path.exists():
        _draw_penalty(path, cls())
    figure = (
        f".. figure:: ../pictures/{path.name}\n\n"
        "   A noisy image f, and minimisers of ½‖u − f‖² + τ R(u) for three τ, found by "
        f"{'the proximal operator' if name in SOLVED else 'descent'}; values below 0.03 are blue.\n\n"
        if path.exists()
        else ""
    )
    return f"{_title(name, '=')}\n{figure}{_class(cls)}"


def _draw_penalty(path: Path, penalty: js.Penalty) -> None:
    """Draw minimisers, found by gradient descent as in training; draw nothing if the gradient is zero."""
    truth = torch.from_numpy(js.datasets.marks(64, 64, seed=1))[None, None]
    f = truth + 0.15 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    images = [f]
    unit = 0.3 * f.square().sum() / penalty.value(f).clamp(min=1e-6)
    for strength in STRENGTHS:
        if type(penalty).__name__ in SOLVED:
            images.append(penalty.prox(f, strength * float(unit)))
            continue
        u = f.clone().requires_grad_()
        adam = torch.optim.Adam([u], lr=0.02)
        for step in range(300):
            adam.param_groups[0]["lr"] = 0.02 * (1 - step / 300)
            adam.zero_grad()
            cost = penalty.value(u)
            if not cost.requires_grad:
                return
            (0.5 * (u - f).square().sum() + strength * (unit * cost).sum()).backward()
            adam.step()
        images.append(u.detach())
    _save(path, [_zeros_blue(image[0, 0].numpy()) for image in images], zoom=3)


def _zeros_blue(gray: np.ndarray) -> np.ndarray:
    rgb = np.repeat(gray[..., None].clip(0, 1), 3, axis=-1)
    rgb[np.abs(gray) < 0.03] = (0.10, 0.20, 0.55)
    return rgb


def _save(path: Path, images: list[np.ndarray], zoom: int) -> None:
    gap = np.ones((images[0].shape[0], 4, 3))
    row = [part for image in images for part in (image, gap)][:-1]
    pixels = np.rint(255 * np.concatenate(row, axis=1).clip(0, 1)).astype(np.uint8)
    js.io.write_picture(path, np.kron(pixels, np.ones((zoom, zoom, 1), dtype=np.uint8)))


if __name__ == "__main__":
    write_pages()
