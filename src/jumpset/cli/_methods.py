"""``jumpset methods``: the list of methods."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from jumpset.cli._shared import command


@command
def methods(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """List the methods with their papers, hyper-parameters and presets."""
    from jumpset.running.registry import methods as table

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
