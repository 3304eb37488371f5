"""``jumpset export``: a learned smoother as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jumpset.cli._options import Quiet
from jumpset.cli._shared import command, say


@command
def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A learned method, e.g. jumpset-net.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="Replaced only by a complete file.")],
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE.safetensors", help="Of your own training; default: those shipped."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write a learned method as an ONNX file that takes pictures of any size.

    Its inputs are `picture`, (batch, 3, height, width) float32 in [0, 1], and for jumpset-net `strength`,
    (batch,); its output is `smoothed`. The region fusions of jumpset-net are not inside: it works as with
    `--set fusion=false`. Needs the packages of jumpset[onnx].
    """
    from jumpset.training.export import export_onnx

    export_onnx(name, target, weights="shipped" if weights is None else weights)
    if not quiet:
        say(f"{target}: {name}, {target.stat().st_size / 1e6:.1f} MB")
