"""``jumpset app``: the page in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jumpset.cli._shared import command, say


@command
def app(
    target: Annotated[
        Path | None, typer.Argument(metavar="[FILE|DIR]", help="An image to open, or a folder of images.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Open a page that smooths images with a slider, on this machine alone.

    The page shows every number of regions at once, runs every method, and saves the result as the file was.
    The printed address holds a random token, without which nothing is answered. Ctrl-C ends the program.
    """
    from jumpset.app.server import serve

    serve(target, port=port, open_browser=not no_browser, say=say)
