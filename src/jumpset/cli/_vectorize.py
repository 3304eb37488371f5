"""``jumpset vectorize``: an image as SVG or GeoJSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from jumpset._core import checks
from jumpset._core.errors import FileError, InputError
from jumpset._core.files import check_target
from jumpset._core.signals import Hold
from jumpset.cli._each_file import each_file
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
from jumpset.cli._shared import (
    as_range,
    check_files,
    check_reading,
    chosen_colors,
    command,
    interrupts,
    range_of,
    read_input,
    read_mask,
    say,
)
from jumpset.cli._tree import merge

_REGIONS = 200
_SUFFIXES = ".svg", ".geojson", ".json"


def _checked(
    *,
    regions: int | None,
    weight: float | None,
    colors: int | None,
    palette: str,
    min_size: int,
    tolerance: float,
    value_range: str | None,
    mask: Path | None,
    page: int | None,
    missing: str | None,
    suffix: str | None,
    **_: Any,
) -> list[str]:
    """Return the colours; raise for options that no image could be drawn with."""
    chosen = chosen_colors(palette, colors)
    as_range(value_range)
    if suffix not in (None, ".svg") and (chosen or colors is not None):
        raise InputError("--colors and --palette are for SVG", given=suffix, do="leave them out")
    if regions is not None and weight is not None:
        raise InputError("--regions and --weight exclude each other", given="both", do="pass one of the two")
    if regions is not None:
        checks.integer("--regions", regions, at_least=1)
    if weight is not None:
        checks.real("the weight", weight, at_least=0.0)
    checks.integer("--min-size", min_size, at_least=1)
    checks.real("--tolerance", tolerance, at_least=0.0, at_most=10.0)
    check_reading(page, missing)
    check_files(mask)
    return chosen


@command
@each_file("output", check=_checked, suffixes=_SUFFIXES, default_suffix=".svg")
def vectorize(
    source: Sources,
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="File that ends in .svg, .geojson or .json; a folder for the outputs of several images; or "
            "- for standard output.",
        ),
    ],
    regions: Annotated[int | None, typer.Option(help=f"Number of regions; default {_REGIONS}.")] = None,
    weight: Annotated[
        float | None, typer.Option("--weight", "-w", help="Or the weight; larger is smoother.")
    ] = None,
    colors: Annotated[int | None, typer.Option(metavar="K", help="Number of colours, by k-means.")] = None,
    palette: Annotated[
        str, typer.Option(metavar="C,C,…", help="Or the colours, e.g. ff0000,00ff00,fff.")
    ] = "",
    min_size: Annotated[int, typer.Option(help="Least number of pixels of a region.")] = 1,
    tolerance: Annotated[float, typer.Option(help="Precision in pixels; smaller files if larger.")] = 0.5,
    neighbors: Annotated[int, typer.Option(help="4 or 8 neighbours; 8 gives more paths.")] = 4,
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
    """Draw the regions of an image as SVG, or write them as polygons, as GeoJSON.

    Neighbouring regions share their boundaries, which are lines and curves in SVG, and have neither gaps nor
    overlaps. Coordinates are pixels. An existing file is replaced only on success. Folders and patterns are
    as in "jumpset smooth".
    """
    del jobs, log, resume, force  # of several images
    limits, suffix = as_range(value_range), output.suffix.lower()
    _check_output(source, output)
    check_files(source)
    chosen = _checked(
        regions=regions,
        weight=weight,
        colors=colors,
        palette=palette,
        min_size=min_size,
        tolerance=tolerance,
        value_range=value_range,
        mask=mask,
        page=page,
        missing=missing,
        suffix=suffix,
    )

    picture, given = read_input(source, page, missing)
    height, width = picture.pixels.shape[:2]
    if regions is None and weight is None:
        regions = min(_REGIONS, height * width)
    if regions is not None:
        checks.integer("the number of regions", regions, at_least=1, at_most=height * width)
    pixels = given
    if picture.alpha is not None:
        pixels = np.dstack([pixels, picture.alpha])
    tree = merge(
        pixels,
        neighbors,
        range_of(picture, limits),
        read_mask(mask),
        quiet=quiet,
        missing=None if missing is None else "nan",
        alpha=picture.alpha is not None,
    )
    cut: dict[str, Any] = {"n_regions": regions, "weight": weight, "min_size": min_size}
    with Hold():
        if suffix == ".svg":
            drawing = tree.to_svg(
                output, **cut, n_colors=colors, palette=chosen or None, tolerance=tolerance, title=source.name
            )
            count = f"{drawing.count('<path')} paths"
        else:
            found = tree.to_geojson(output, **cut, tolerance=tolerance)
            count = f"{len(found['features'])} features"
        interrupts.kept = f"the regions are in {output}"
    if not quiet:
        say(f"{output}: {count}, {output.stat().st_size} bytes")


def _check_output(source: Path, output: Path) -> None:
    """Raise unless the output is a file of regions, and not the input."""
    if output.suffix.lower() not in _SUFFIXES:
        raise FileError(
            "no vector format has this suffix", given=output, do="end the name in .svg or .geojson"
        )
    check_target(output)
    if output.resolve() == source.resolve():
        raise InputError("the output would replace the input", given=output, do="name another output")
