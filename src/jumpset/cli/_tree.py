"""``jumpset tree``: many partitions of one image."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer

from jumpset._core import checks
from jumpset._core.errors import FileError, InputError
from jumpset._core.files import check_folder, check_target
from jumpset._core.signals import Hold
from jumpset.cli._each_file import each_file, suffix_like
from jumpset.cli._options import (
    Force,
    Jobs,
    Log,
    Mask,
    Missing,
    Page,
    Quiet,
    Resume,
    Sources,
    Suffix,
    ValueRange,
)
from jumpset.cli._progress import Progress
from jumpset.cli._shared import (
    as_range,
    check_files,
    check_reading,
    chosen_colors,
    command,
    creating,
    interrupts,
    names,
    range_of,
    read_input,
    read_mask,
    say,
)

if TYPE_CHECKING:
    from jumpset.regions.tree import RegionTree

_EXAMPLE = "pass e.g. --regions 50,200"


def _checked(
    *,
    regions: str,
    weights: str,
    palette: str,
    colors: int | None,
    value_range: str | None,
    mask: Path | None,
    page: int | None,
    missing: str | None,
    **_: Any,
) -> dict[str, dict[str, Any]]:
    """Return the outputs; raise for options that no image could be cut with."""
    cuts = _cuts(names(regions), names(weights))
    as_range(value_range)
    chosen_colors(palette, colors)
    check_reading(page, missing)
    check_files(mask)
    return cuts


def _outputs(source: Path, *, labels: bool, suffix: str | None, **options: Any) -> list[str]:
    """Return the names of the files that are made of an image."""
    cuts = _cuts(names(options["regions"]), names(options["weights"]))
    if not cuts:
        raise InputError("there is nothing to write", given="no --regions or --weights", do=_EXAMPLE)
    images, maps = _names(source, cuts, labels=labels, suffix=suffix)
    return [*images.values(), *maps.values()]


def _names(
    source: Path, cuts: Iterable[str], *, labels: bool, suffix: str | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the names of the image and of the labels of each cut."""
    end = suffix or suffix_like(source)
    images = {name: f"{source.stem}-{name}{end}" for name in cuts}
    return images, {name: f"{source.stem}-{name}.labels.tif" for name in cuts if labels}


@command
@each_file("folder", check=_checked, single=("save",), names=_outputs)
def tree(
    source: Sources,
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
    labels: Annotated[
        bool, typer.Option("--labels", help="Also write labels 1, 2, … as TIFF: DIR/NAME-….labels.tif.")
    ] = False,
    palette: Annotated[
        str, typer.Option(metavar="C,C,…", help="Colours of the outputs, e.g. ff0000,00ff00,fff.")
    ] = "",
    colors: Annotated[int | None, typer.Option(metavar="K", help="Or their number, by k-means.")] = None,
    value_range: ValueRange = None,
    mask: Mask = None,
    missing: Missing = None,
    page: Page = None,
    jobs: Jobs = 1,
    log: Log = None,
    resume: Resume = False,
    force: Force = False,
    suffix: Suffix = None,
    quiet: Quiet = False,
) -> None:
    """Merge the regions of an image down to one, and write it at several levels of detail.

    The outputs are DIR/NAME-regions-50.png, DIR/NAME-weight-0.02.png and so on, of the kind, size and dtype
    of the input, or PNG where its format can only be read; --format chooses another one. An existing file is
    replaced only on success; the input is never replaced. Folders and patterns are as in "jumpset smooth".
    """
    del jobs, log, resume, force  # of several images
    cuts, limits = _cuts(names(regions), names(weights)), as_range(value_range)
    if not cuts and save is None:
        raise InputError(
            "there is nothing to write",
            given="no --regions, --weights or --save",
            do=_EXAMPLE,
        )
    made_names = _names(source, cuts, labels=labels, suffix=suffix)
    targets, maps = ({name: folder / file for name, file in each.items()} for each in made_names)
    check_files(source, mask)
    _check_targets(folder, [*targets.values(), *maps.values()], save, source)
    chosen = chosen_colors(palette, colors)
    from jumpset import io

    picture, given = read_input(source, page, missing)
    for target in targets.values():
        io.check_can_hold(target, picture)
    n_pixels = picture.pixels.shape[0] * picture.pixels.shape[1]
    for cut in cuts.values():
        checks.integer("the number of regions", cut.get("n_regions", 1), at_least=1, at_most=n_pixels)
        checks.real("the weight", cut.get("weight", 0.0), at_least=0.0)
    is_missing: Literal["nan"] | None = None if missing is None else "nan"
    limits = range_of(picture, limits)
    made = merge(given, neighbors, limits, read_mask(mask), missing=is_missing, quiet=quiet)
    with creating(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with Hold():
        for number, (name, cut) in enumerate(cuts.items(), 1):
            pixels, label = _cut(made, cut, colors, chosen, limits, labels=labels)
            io.write_picture(targets[name], picture.with_pixels(pixels))
            if label is not None and labels:
                io.write_picture(maps[name], label)
            interrupts.kept = f"{number} of {len(cuts)} images are in {folder}"
        if save is not None:
            made.save(save)
            interrupts.kept = f"the images are in {folder}, and the tree is in {save}"
    if not quiet:
        kept = "" if save is None else f"; the tree is in {save}"
        say(f"{folder}: {len(cuts)} images of {source.name}{kept}")


def _cut(
    tree: RegionTree,
    cut: dict[str, Any],
    colors: int | None,
    palette: list[str],
    value_range: tuple[float, float] | None,
    *,
    labels: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the image at one level of detail, in few colours if there are any, and the labels if wanted."""
    pixels, few = tree.smooth(**cut), bool(palette) or colors is not None
    if not (few or labels):
        return pixels, None
    label = tree.labels(**cut)
    if few:
        from jumpset.regions import recolor

        found = recolor(
            label, pixels, n_colors=colors, palette=palette or None, alpha=False, value_range=value_range
        )
        pixels, label = found.image, found.labels
    return pixels, label.astype(np.uint16 if label.max() < 2**16 else np.uint32)


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
    from jumpset.regions.tree_file import check_tree_path

    if folder.exists() and not folder.is_dir():
        raise FileError("--output must be a folder", given=folder, do="name another folder")
    check_folder(folder)
    if folder.is_dir():
        for target in targets:
            io.check_writable(target)
    if save is not None:
        path = check_target(check_tree_path(save))
        if path.resolve() == source.resolve():
            raise InputError("the tree would replace the input", given=path, do="name another --save")
    if source.resolve() in {target.resolve() for target in targets}:
        raise InputError("the output would replace the input", given=source, do="name another folder")


def merge(
    pixels: np.ndarray,
    neighbors: int,
    limits: tuple[float, float] | None,
    mask: Any,
    *,
    quiet: bool,
    missing: Literal["nan"] | None = None,
    alpha: bool = False,
) -> RegionTree:
    """Build the tree of an image, with a progress bar."""
    from jumpset.regions.tree import RegionTree

    with Progress(wanted=not quiet) as progress:
        progress.begin("merging", total=100)

        def watch(done: float) -> None:
            progress.advance(int(100 * done), 100)
            if interrupts.seen():
                raise KeyboardInterrupt

        return RegionTree(
            pixels,
            neighbors=neighbors,
            mask=mask,
            missing=missing,
            alpha=alpha,
            value_range=limits,
            progress=watch,
        )
