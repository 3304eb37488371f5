"""``jumpset synth``: pictures with known truths, as many as wanted."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from jumpset._core.errors import FileError, InputError
from jumpset.cli._options import Quiet
from jumpset.cli._progress import Progress
from jumpset.cli._shared import command, interrupts, say


class Kind(str, Enum):
    """What became of the structures."""

    mixed = "mixed"
    texture = "texture"
    jpeg = "jpeg"


@command
def synth(
    folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="Made if it is not there; must be empty if it is.")
    ],
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", help="How many pairs.")],
    kind: Annotated[
        Kind, typer.Option(help="Textures alone, JPEG alone, or these, both, noise and nothing.")
    ] = Kind.mixed,
    size: Annotated[str, typer.Option(metavar="WxH", help="Width and height in pixels.")] = "256x256",
    seed: Annotated[int, typer.Option(help="Of the first pair; each one after it has the next seed.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Draw structures, and what textures, JPEG and noise make of them.

    OUT/input/NAME.png is to be smoothed, and OUT/truth/NAME.png is what should come out: the layout that
    "jumpset bench folder --data OUT" and "jumpset train" read. The pair mixed17 is datasets.synthetic of kind
    mixed and seed 17, in 8 bits. Ctrl-C keeps the pairs that are done.
    """
    from jumpset._core import checks

    checks.integer("count", count, at_least=1)
    checks.integer("seed", seed, at_least=0)
    width, height = _size(size)
    import numpy as np

    from jumpset.datasets import synthetic
    from jumpset.io import write_picture

    _make(folder)
    done = 0
    with Progress(wanted=not quiet) as progress:
        progress.begin("pairs", count)
        try:
            for number in range(seed, seed + count):
                pair = synthetic(height, width, kind=kind.value, seed=number)
                picture, truth = (np.rint(255 * values).astype(np.uint8) for values in pair)
                name = f"{kind.value}{number}.png"
                with interrupts.held_back():
                    # in this order: an input without its truth would be refused by what reads the folder
                    write_picture(folder / "truth" / name, truth)
                    write_picture(folder / "input" / name, picture)
                    done += 1
                progress.advance(done, count)
        except KeyboardInterrupt:
            if not done:
                raise
    if not quiet or done < count:
        say(f"{folder}: {done} of {count} pairs")
    if done < count:
        raise typer.Exit(interrupts.exit_code)


def _size(text: str) -> tuple[int, int]:
    """Width and height of ``"512x384"``."""
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise InputError("--size is a width and a height", given=repr(text), do="write e.g. --size 512x384")
    return int(width), int(height)


def _make(folder: Path) -> None:
    """Make the folder with its two parts, unless there is something in it."""
    if folder.exists() and not folder.is_dir():
        raise FileError("OUT must be a folder", given=folder, do="name another")
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise FileError("the folder is not empty", given=folder, do="name a new one, or empty it")
        for part in ("input", "truth"):
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            "the folder cannot be made", given=f"{folder} ({error.strerror or error})", do="name another"
        ) from error
