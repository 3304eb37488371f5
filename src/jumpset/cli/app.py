"""The program ``jumpset``: its commands and global options."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

from jumpset.cli._app import app as app_command
from jumpset.cli._bench import bench
from jumpset.cli._compare import compare
from jumpset.cli._export import export
from jumpset.cli._methods import methods
from jumpset.cli._restore import restore
from jumpset.cli._shared import interrupts
from jumpset.cli._smooth import smooth
from jumpset.cli._synth import synth
from jumpset.cli._train import train
from jumpset.cli._tree import tree
from jumpset.cli._vectorize import vectorize
from jumpset.cli._warmup import warmup

app = typer.Typer(
    name="jumpset",
    help="Images that are flat in regions: edge-preserving smoothing, TV, L0, deep image priors.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    smooth,
    restore,
    compare,
    app_command,
    bench,
    tree,
    vectorize,
    synth,
    train,
    export,
    methods,
    warmup,
):
    # typer keeps the line breaks of a docstring and wraps its lines again
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    app.command(help="\n\n".join(p.replace("\n", " ") for p in paragraphs))(command)


def _version(wanted: bool) -> None:
    if wanted:
        from jumpset._core.version import __version__

        typer.echo(f"jumpset {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Global options."""


def program() -> None:
    """Run the command of ``sys.argv`` as all that this process does; ends in ``SystemExit``."""
    interrupts.owns_process = True
    app(prog_name="jumpset")
