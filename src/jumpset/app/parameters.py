"""What the page says of each method: its parameters with kind, bounds and explanation."""

from __future__ import annotations

import inspect
import math
import re
from typing import Any

from jumpset.running.registry import MethodInfo, methods

_NAMES = re.compile(r"^(\w+(?:, \w+)*)(?: : .*)?$")
_BOUNDS = ("allowed", "above", "at_least", "at_most", "below")
_MARKUP = re.compile(r":\w+:`~?([^`]*)`|``([^`]*)``|`([^`]*)`")


def described() -> list[dict[str, Any]]:
    """Return each method: name, summary, paper, presets and parameters, as JSON can hold them."""
    return [
        {
            "name": info.name,
            "summary": _plain(info.summary),
            "paper": info.paper,
            "presets": [*info.presets],
            "parameters": [*_parameters(info)],
        }
        for info in methods().values()
    ]


def _parameters(info: MethodInfo) -> list[dict[str, Any]]:
    """The parameters that a form can hold: numbers, switches and choices."""
    helps, rows = parameter_docs(info.cls), []
    for name, field in info.cls.__dataclass_fields__.items():
        if name not in info.defaults or field.metadata.get("is_image") or "by_name" in field.metadata:
            continue
        default = info.defaults[name]
        known = getattr(field.metadata.get("check"), "keywords", {})
        bounds = {
            key: list(value) if key == "allowed" else value for key, value in known.items() if key in _BOUNDS
        }
        row = {"name": name, "default": default, "help": helps.get(name, ""), **bounds}
        if isinstance(default, bool):
            row["kind"] = "switch"
        elif "allowed" in bounds and all(isinstance(v, (str, int)) for v in bounds["allowed"]):
            row["kind"] = "choice"
        elif isinstance(default, (int, float)) and math.isfinite(default):
            row["kind"] = "whole" if isinstance(default, int) else "number"
        else:
            continue
        rows.append(row)
    return rows


def parameter_docs(cls: type) -> dict[str, str]:
    """Return the explanation of each parameter in the docstring of a class, as one plain paragraph."""
    lines = inspect.cleandoc(cls.__doc__ or "").splitlines()
    if "Parameters" not in lines:
        return {}
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line, following in zip(
        lines[lines.index("Parameters") + 2 :], [*lines, ""][lines.index("Parameters") + 3 :], strict=False
    ):
        if line and set(following) == {"-"}:
            break
        if match := _NAMES.match(line):
            names = match[1].split(", ")
        elif line.startswith("    "):
            for name in names:
                found.setdefault(name, []).append(line.strip())
    return {name: _plain(" ".join(texts)) for name, texts in found.items()}


def _plain(text: str) -> str:
    return _MARKUP.sub(lambda m: next(part for part in m.groups() if part is not None), text)
