"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Methods = Annotated[
    str, typer.Option("--methods", "-m", help="Comma-separated; with a preset as dip-l0:paper.")
]
Preset = Annotated[str | None, typer.Option(help="For the methods that have it.")]
Weight = Annotated[float | None, typer.Option("--weight", "-w", help="For the methods that have one.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="For the methods that have the parameter."),
]
Seed = Annotated[int | None, typer.Option(help="For methods that draw random numbers.")]
MaxSeconds = Annotated[float | None, typer.Option(help="Time limit of each run.")]
Device = Annotated[str | None, typer.Option(help="Where to compute: cpu, cuda, cuda:1, mps.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
