"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jumpset.cli import _complete

Source = Annotated[
    Path,
    typer.Argument(
        metavar="IN",
        help="PNG, JPEG, WebP, TIFF, .npy, BMP, PNM, GIF, JPEG 2000, AVIF, or HEIC with a plug-in.",
    ),
]
Sources = Annotated[
    Path,
    typer.Argument(
        metavar="IN",
        help="PNG, JPEG, WebP, TIFF, .npy, BMP, PNM, GIF, JPEG 2000, AVIF, or HEIC with a plug-in; a folder "
        "with its subfolders; a quoted pattern, as 'in/*.png'; or - for standard input.",
    ),
]
Target = Annotated[
    Path,
    typer.Argument(
        metavar="OUT",
        help="The output; its suffix sets the format. May be IN. A folder for the outputs of several images; "
        "or - for standard output.",
    ),
]
Methods = Annotated[
    str,
    typer.Option(
        "--methods",
        "-m",
        help="Comma-separated names, each with a preset or settings: dip-l0:paper,tv:weight=0.1.",
        autocompletion=_complete.method_lists,
    ),
]
Preset = Annotated[
    str | None, typer.Option(help="Preset of the methods that have it.", autocompletion=_complete.presets)
]
Weight = Annotated[float | None, typer.Option("--weight", "-w", help="Weight of the methods that have one.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Hyper-parameter of the methods that have it.",
        autocompletion=_complete.parameters,
    ),
]
Seed = Annotated[int | None, typer.Option(help="Seed of the methods that draw random numbers.")]
MaxSeconds = Annotated[float | None, typer.Option(help="Time limit of each run.")]
Checkpoint = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Save the state to this file; if it exists, resume from it."),
]
ValueRange = Annotated[
    str | None,
    typer.Option(
        metavar="LOW,HIGH",
        help="Values of intensity 0 and 1, e.g. 0,4095 for 12-bit data; or data: those of the image.",
    ),
]
Mask = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Image that is not 0 where the input is valid; the rest is filled."),
]
Missing = Annotated[
    str | None,
    typer.Option(metavar="nan", help="nan: NaN in a float file marks missing pixels, which are filled."),
]
Device = Annotated[str | None, typer.Option(help="Device: cpu, cuda, cuda:1, mps.")]
Page = Annotated[
    int | None, typer.Option(metavar="N", help="Page of a TIFF, or frame of a GIF or WebP, from 1.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print events as JSON on stdout, one per line.")]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", help="Of several images: number of processes, which share the threads.")
]
Log = Annotated[
    Path | None,
    typer.Option(metavar="FILE.jsonl", help="Of several images: write a line of JSON for each to this file."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Of several images: skip those whose output exists.")]
Force = Annotated[bool, typer.Option("--force", help="Of several images: replace outputs that exist.")]
Suffix = Annotated[
    str | None,
    typer.Option("--format", metavar="png|tif|…", help="Format of the outputs in a folder, or of -."),
]
