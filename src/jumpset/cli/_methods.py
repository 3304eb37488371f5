"""``jumpset methods``: the list of methods."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Annotated

import typer

from jumpset._core import checks
from jumpset._core.catalog import CLASSES
from jumpset.cli import _complete
from jumpset.cli._shared import command

if TYPE_CHECKING:
    from jumpset.running.registry import MethodInfo


@command
def methods(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Show one method with all that is said of it.",
            autocompletion=_complete.method_names,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the methods with their papers, hyper-parameters and presets, or show one of them."""
    if name is not None:
        checks.one_of("method", name, CLASSES)
    from jumpset.running.registry import methods as registered

    def table() -> dict[str, MethodInfo]:
        return {key: m for key, m in registered().items() if name in (None, key)}

    if name is not None and not as_json:
        typer.echo(_page(table()[name]))
        return
    if as_json:
        rows = [
            {
                "name": m.name,
                "summary": m.summary,
                "paper": m.paper,
                "defaults": dict(m.defaults),
                "presets": dict(m.presets),
            }
            for m in table().values()
        ]
        typer.echo(json.dumps(rows, indent=1, default=str))
        return
    from rich.markup import escape
    from rich.table import Table

    from jumpset.cli._tables import console

    shown = Table("method", "what it does", "defaults", "presets", show_lines=True)
    for m in table().values():
        defaults = "\n".join(f"{key}={value!r}" for key, value in m.defaults.items())
        summary = f"{m.summary}\n{m.paper}"
        shown.add_row(m.name, escape(summary), escape(defaults), escape("\n".join(m.presets)))
    console().print(shown)


def _page(info: MethodInfo) -> str:
    """All that is known of a method: its docstring, defaults, names in the literature, and presets."""
    lines = [f"{info.name} ({info.paper})", "", inspect.cleandoc(info.cls.__doc__ or "")]
    lines += ["", "Defaults"]
    lines += [f"    {key}={value!r}" for key, value in info.defaults.items()]
    if info.cls.aliases:
        lines += ["", "Other names"]
        lines += [f"    {other}: {key}" for other, key in info.cls.aliases.items()]
    for preset, settings in info.presets.items():
        lines += ["", f"Preset {preset}", *(f"    {key}={value!r}" for key, value in settings.items())]
    return "\n".join(lines)
