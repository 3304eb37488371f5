"""``jumpset tree``: many partitions of one image."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jumpset._core.errors import FileError, InputError
from jumpset.cli._options import Quiet
from jumpset.cli._progress import Progress
from jumpset.cli._shared import command, interrupts, names, say

if TYPE_CHECKING:
    from jumpset.io import Picture
    from jumpset.regions.tree import RegionTree


@command
def tree(
    source: Annotated[Path, typer.Argument(metavar="IN", help="PNG, JPEG, WebP, TIFF or .npy.")],
    folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Output folder; created if missing.")
    ],
    regions: Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of regions of the outputs.")] = "",
    weights: Annotated[
        str, typer.Option(metavar="W,W,…", help="Weights of the outputs; larger is smoother.")
    ] = "",
    neighbors: Annotated[int, typer.Option(help="4 or 8 neighbours; 8 gives rounder regions.")] = 4,
    save: Annotated[
        Path | None, typer.Option(metavar="TREE.npz", help="Also write the tree, for RegionTree.load.")
    ] = None,
    value_range: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="Values of intensity 0 and 1, e.g. 0 4095 for 12-bit data."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Merge the regions of an image down to one, and write it at several levels of detail.

    The outputs are DIR/NAME-regions-50.png, DIR/NAME-weight-0.02.png and so on, of the kind, size and dtype
    of the input. An existing file is replaced only on success; the input is never replaced.
    """
    cuts = _cuts(names(regions), names(weights))
    if not cuts and save is None:
        raise InputError(
            "there is nothing to write",
            given="no --regions, --weights or --save",
            do="pass e.g. --regions 50,200",
        )
    targets = {name: folder / f"{source.stem}-{name}{source.suffix}" for name in cuts}
    _check_targets(folder, targets.values(), save, source)
    from jumpset import io

    picture = io.read_picture(source)
    for target in targets.values():
        io.check_can_hold(target, picture)
    _check_cuts(cuts, picture.pixels.shape[0] * picture.pixels.shape[1])
    made = _merge(picture, neighbors, value_range, quiet=quiet)
    _make(folder)
    with interrupts.deferred():
        for name, cut in cuts.items():
            io.write_picture(targets[name], picture.with_pixels(made.smooth(**cut)))
        if save is not None:
            made.save(save)
    if not quiet:
        kept = "" if save is None else f"; the tree is in {save}"
        say(f"{folder}: {len(cuts)} images of {source.name}{kept}")


def _cuts(regions: Sequence[str], weights: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the part of the file name and the arguments of ``RegionTree.smooth`` of each output."""
    counts = [_number(text, int, "--regions") for text in regions]
    cuts: dict[str, dict[str, Any]] = {f"regions-{n}": {"n_regions": n} for n in counts}
    values = [_number(text, float, "--weights") for text in weights]
    return cuts | {f"weight-{w:g}": {"weight": w} for w in values}


def _number(text: str, kind: type, option: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise InputError(f"{option} takes {what}", given=repr(text), do="write e.g. 50,200,1000") from None


def _check_targets(folder: Path, targets: Collection[Path], save: Path | None, source: Path) -> None:
    """Raise unless all files can be written and none is the input; nothing is created."""
    from jumpset import io
    from jumpset.regions.tree import check_tree_path

    if folder.exists() and not folder.is_dir():
        raise FileError("--output must be a folder", given=folder, do="name another folder")
    if folder.is_dir():
        for target in targets:
            io.check_writable(target)
    if save is not None:
        _check_save(check_tree_path(save), source)
    if source.resolve() in {target.resolve() for target in targets}:
        raise InputError("the output would replace the input", given=source, do="name another folder")


def _check_save(path: Path, source: Path) -> None:
    if path.resolve() == source.resolve():
        raise InputError("the tree would replace the input", given=path, do="name another file for --save")
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise FileError("the tree cannot be written there", given=path, do="name a file in a folder")


def _check_cuts(cuts: Mapping[str, Mapping[str, Any]], n_pixels: int) -> None:
    for cut in cuts.values():
        n, weight = cut.get("n_regions", 1), cut.get("weight", 0.0)
        if not 1 <= n <= n_pixels:
            raise InputError(
                "the image cannot have this number of regions",
                given=n,
                do=f"pass 1 to {n_pixels}",
            )
        if not 0.0 <= weight < float("inf"):
            raise InputError("a weight must be at least 0", given=weight, do="pass e.g. 0.02")


def _merge(
    picture: Picture, neighbors: int, value_range: tuple[float, float] | None, *, quiet: bool
) -> RegionTree:
    from jumpset.regions.tree import RegionTree

    with Progress(wanted=not quiet) as progress:
        progress.begin("merging", total=100)

        def watch(done: float) -> None:
            progress.advance(int(100 * done), 100)
            if interrupts.seen():
                raise KeyboardInterrupt

        return RegionTree(
            picture.pixels, neighbors=neighbors, alpha=False, value_range=value_range, progress=watch
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            "the folder cannot be created", given=f"{folder} ({error.strerror or error})", do="name another"
        ) from error
