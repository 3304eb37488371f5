"""``jumpset warmup``: compile before the first image."""

from __future__ import annotations

from typing import Annotated

import typer

from jumpset.cli import _complete
from jumpset.cli._options import Quiet
from jumpset.cli._progress import Progress
from jumpset.cli._shared import command, interrupts, method_labels, say


@command
def warmup(
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            "-m",
            help="Comma-separated names; default: all, and the region tree.",
            autocompletion=_complete.method_lists,
        ),
    ] = "",
    quiet: Quiet = False,
) -> None:
    """Compile the methods for this machine, so that the first image does not wait.

    It takes some minutes, and seconds where all is compiled already. Ctrl-C keeps what is compiled.
    """
    chosen = method_labels(methods) or None
    from jumpset.running import warmup as run

    done = 0

    def show(number: int, total: int, name: str) -> None:
        nonlocal done
        done = number
        interrupts.kept = f"{number} of {total} methods are compiled" if number else ""
        bar.advance(number, total, f"compiling {name}")

    with Progress(wanted=not quiet) as bar:
        bar.begin("compiling")
        seconds = run(chosen, progress=show)
    if not quiet:
        say(f"{done} methods are compiled, {seconds:.1f} s")
