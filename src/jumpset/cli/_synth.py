"""``jumpset synth``: synthetic images with known truths."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from jumpset._core import checks
from jumpset._core.errors import FileError, InputError
from jumpset._core.signals import Hold
from jumpset.cli._options import Quiet
from jumpset.cli._progress import Progress
from jumpset.cli._shared import command, creating, interrupts, say


class Kind(str, Enum):
    """How the structures are corrupted."""

    mixed = "mixed"
    texture = "texture"
    jpeg = "jpeg"


@command
def synth(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Created if missing; must be empty.")],
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", help="Number of pairs.")],
    kind: Annotated[
        Kind, typer.Option(help="Textures only, JPEG only, or mixed: either, both, noise or nothing.")
    ] = Kind.mixed,
    size: Annotated[str, typer.Option(metavar="WxH", help="Width and height in pixels.")] = "256x256",
    seed: Annotated[
        int, typer.Option(help="Seed of the first pair; each following pair has the next seed.")
    ] = 0,
    quiet: Quiet = False,
) -> None:
    """Draw structures and corrupt them by textures, JPEG and noise.

    OUT/input/NAME.png is the corrupted image and OUT/truth/NAME.png the structure: the layout that
    "jumpset bench folder --data OUT" and "jumpset train" read. The pair mixed17 is datasets.synthetic of kind
    mixed and seed 17, in 8 bits. Ctrl-C keeps the finished pairs.
    """
    checks.integer("count", count, at_least=1)
    checks.integer("seed", seed, at_least=0)
    width, height = _size(size)
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
                with Hold():
                    # truth first: readers of the folder refuse an input without its truth
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
    """Return width and height of ``"512x384"``."""
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise InputError("--size is a width and a height", given=repr(text), do="write e.g. --size 512x384")
    return int(width), int(height)


def _make(folder: Path) -> None:
    """Create the folder and its two parts; raise if it is not empty."""
    if folder.exists() and not folder.is_dir():
        raise FileError("OUT must be a folder", given=folder, do="name another folder")
    with creating(folder):
        if folder.is_dir() and any(folder.iterdir()):
            raise FileError("the folder is not empty", given=folder, do="name a new one, or empty it")
        for part in ("input", "truth"):
            (folder / part).mkdir(parents=True, exist_ok=True)
