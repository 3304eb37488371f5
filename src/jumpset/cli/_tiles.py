"""``jumpset smooth`` of files larger than memory, tile by tile."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from jumpset._core import checks
from jumpset._core.errors import FileError, InputError
from jumpset.cli._progress import Events, Progress
from jumpset.cli._shared import interrupts, say

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

Tile = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS", help="Smooth tile by tile: pixels of a side. Default with the next two: what fits."
    ),
]
Workers = Annotated[int | None, typer.Option(metavar="N", help="Tiles in work at a time; default 1.")]
MaxMemory = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Choose tiles within this memory, e.g. 4GB or 800MB.")
]


def smooth_tiles(
    source: Path,
    target: Path,
    method: str,
    preset: str | None,
    hyper: dict[str, Any],
    value_range: Any,
    tile: int | None,
    workers: int | None,
    max_memory: str | None,
    missing: str | None,
    device: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Smooth a file by tiles; finished tiles outlive an interruption."""
    memory = None if max_memory is None else as_bytes(max_memory)
    if not source.exists():
        raise FileError("the input file does not exist", given=source, do="check the path")
    from jumpset.running import registry, smooth_file

    chosen = registry.method(method, preset=preset, **hyper)
    checks.device("device", device)
    events = Events(as_json, interval=0.2)
    events.print("start", input=source, output=target, method=method)
    interrupts.kept = (
        f"the finished tiles are in {target}.partial, and the same command goes on with the others"
    )
    with Progress(wanted=not quiet) as progress:
        progress.begin(method)

        def show(done: int, total: int) -> None:
            progress.advance(done, total)
            events.step(tiles=done, of=total)

        result = smooth_file(
            source,
            target,
            chosen,
            tile=tile,
            workers=1 if workers is None else workers,
            max_memory=memory,
            value_range=value_range,
            nodata=None if missing is None else float("nan"),
            progress=show,
            device=device,
        )
    events.print(
        "result", output=target, shape=result.shape, axes=result.axes, tile=result.sides, margin=result.margin
    )
    if not quiet and not as_json:
        resumed = f", {result.n_resumed} of them from before" if result.n_resumed else ""
        sides = " x ".join(map(str, result.sides))
        say(f"{target}: {result.n_tiles} tiles of {sides} with a margin of {result.margin}{resumed}")


def as_bytes(text: str) -> int:
    """Return ``4GB``, ``800 MB`` or ``1.5G`` as bytes."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([KMGT]?)(I?)B?\s*", text.upper())
    if match is None:
        raise InputError("--max-memory takes a size", given=repr(text), do="write e.g. 4GB or 800MB")
    number, unit, binary = match.groups()
    return int(float(number) * (1024 ** "KMGT".find(unit) * 1024 if binary and unit else _UNITS[unit]))


def refuse(options: dict[str, Any]) -> None:
    """Raise for an option that files by tiles do not have."""
    for name, value in options.items():
        if value is not None:
            raise InputError(f"{name} is for images in memory", given=value, do="leave it out, or --tile")
