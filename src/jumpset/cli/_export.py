"""``jumpset export``: a trained network as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jumpset._core import checks
from jumpset._core.catalog import LEARNED
from jumpset.cli import _complete
from jumpset.cli._options import Quiet
from jumpset.cli._shared import command, say


@command
def export(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A learned method, e.g. jumpset-net.",
            autocompletion=_complete.network_names,
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT.onnx", help="The output; replaced only by a complete file.")
    ],
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE.safetensors", help="Weights that you trained; default: those shipped."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write a learned method as an ONNX file for images of any size.

    The inputs of the file are `picture`, (batch, 3, height, width) float32 in [0, 1], and for jumpset-net
    `strength`, (batch,); its output is `smoothed`. The file does not contain the region fusions of
    jumpset-net: it computes the method with `--set fusion=false`. Needs the packages of jumpset[onnx].
    """
    checks.one_of("network", name, LEARNED)
    from jumpset.training.export import export_onnx

    export_onnx(name, target, weights="shipped" if weights is None else weights)
    if not quiet:
        say(f"{target}: {name}, {target.stat().st_size / 1e6:.1f} MB")
