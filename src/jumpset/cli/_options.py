"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Methods = Annotated[
    str,
    typer.Option("--methods", "-m", help="Comma-separated names; a preset follows a colon: dip-l0:paper."),
]
Preset = Annotated[str | None, typer.Option(help="Preset of the methods that have it.")]
Weight = Annotated[float | None, typer.Option("--weight", "-w", help="Weight of the methods that have one.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Hyper-parameter of the methods that have it."),
]
Seed = Annotated[int | None, typer.Option(help="Seed of the methods that draw random numbers.")]
MaxSeconds = Annotated[float | None, typer.Option(help="Time limit of each run.")]
Device = Annotated[str | None, typer.Option(help="Device: cpu, cuda, cuda:1, mps.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
