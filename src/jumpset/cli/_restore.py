"""``jumpset restore``: an image with holes, blur or few pixels, or a mosaic of one colour a pixel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from jumpset._core import checks
from jumpset._core.catalog import CLASSES
from jumpset._core.errors import InputError
from jumpset._core.signals import Hold
from jumpset.cli import _complete
from jumpset.cli._each_file import each_file
from jumpset.cli._options import (
    Device,
    Force,
    Jobs,
    Log,
    Mask,
    Page,
    Quiet,
    Resume,
    Sources,
    Suffix,
    Target,
    ValueRange,
)
from jumpset.cli._progress import Progress
from jumpset.cli._shared import (
    as_range,
    check_files,
    check_reading,
    check_seconds,
    check_steps,
    command,
    interrupts,
    names,
    range_of,
    read_mask,
    say,
    settings,
    settled,
    was_stopped,
)

if TYPE_CHECKING:
    from jumpset.io import Picture

_FORMS = {
    "blur:gaussian": {"sigma", "boundary"},
    "blur:motion": {"length", "angle", "boundary"},
    "bayer": {"pattern"},
    "downsample": {"factor", "kernel"},
    "jpeg": set(),
}
_PENALTIES = ("auto", "sparse-tv", "groups", "tgv")  # priors that are no methods
_NEEDED = {"blur:gaussian": "sigma=2", "blur:motion": "length=15", "downsample": "factor=2"}


def _checked(
    *,
    operator: str | None,
    scale: int | None,
    prior: str,
    max_steps: int | None,
    max_seconds: float | None,
    page: int | None,
    missing: str | None,
    mask: Path | None,
    value_range: str | None,
    device: str | None,
    **_: Any,
) -> tuple[str | None, dict[str, Any]]:
    """Return the operator's name and settings; raise for options that no image could be restored with."""
    form, values = _parse(operator)
    as_range(value_range)
    check_steps(max_steps)
    check_seconds(max_seconds)
    check_reading(page, None)
    if scale is not None:
        checks.integer("scale", scale, at_least=1)
        if form is not None:
            raise InputError(
                "--scale is an operator itself",
                given=f"--scale {scale} and --operator {operator}",
                do="pass one of them",
            )
        form, values = "downsample", {"factor": scale, "kernel": "cubic"}
    checks.one_of("prior", prior, [*_PENALTIES, *CLASSES])
    check_files(mask)
    _missing(missing)
    checks.device("device", device)
    return form, values


@command
@each_file(check=_checked)
def restore(
    source: Sources,
    target: Target,
    operator: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,KEY=VALUE…]",
            help="What made the input: blur:gaussian,sigma=2; blur:motion,length=15,angle=30; "
            "downsample,factor=2,kernel=box; bayer,pattern=RGGB; jpeg, for a JPEG file.",
        ),
    ] = None,
    mask: Mask = None,
    scale: Annotated[
        int | None, typer.Option(metavar="N", help="Make the image N times larger along each axis.")
    ] = None,
    prior: Annotated[
        str,
        typer.Option(
            help="auto, potts, l0, tv, sparse-tv, groups, tgv, dip, dip-l0, or a method.",
            autocompletion=_complete.method_names,
        ),
    ] = "auto",
    noise: Annotated[
        float | None,
        typer.Option(help="Standard deviation of the noise; default: estimated."),
    ] = None,
    weight: Annotated[
        float | None, typer.Option("--weight", "-w", help="Larger is smoother; default: from the noise.")
    ] = None,
    missing: Annotated[
        str | None,
        typer.Option(metavar="nan|NUMBER", help="The value that marks missing pixels, in each band."),
    ] = None,
    max_steps: Annotated[int | None, typer.Option(help="Step limit; default: that of the method.")] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Time limit; the image so far is then written.")
    ] = None,
    value_range: ValueRange = None,
    device: Device = None,
    page: Page = None,
    jobs: Jobs = 1,
    log: Log = None,
    resume: Resume = False,
    force: Force = False,
    suffix: Suffix = None,
    quiet: Quiet = False,
) -> None:
    """Restore an image: fill holes, remove blur, enlarge, or complete the colours of a mosaic.

    The output has the kind and dtype of the input. An existing file is replaced only on success. Ctrl-C
    writes the image so far and exits with 130; if the run diverges, nothing is written and the exit code
    is 1. Folders and patterns are as in "jumpset smooth".
    """
    del jobs, log, resume, force, suffix  # of several images
    gone = _missing(missing)
    limits = as_range(value_range)
    from jumpset import io

    check_files(source)
    io.check_writable(target)
    form, values = _checked(
        operator=operator,
        scale=scale,
        prior=prior,
        max_steps=max_steps,
        max_seconds=max_seconds,
        page=page,
        missing=missing,
        mask=mask,
        value_range=value_range,
        device=device,
    )
    from jumpset.restoration.restore import restore as run

    known = read_mask(mask)
    has_nan: Any = "nan" if gone is not None and np.isnan(gone) else None
    picture = io.read_picture(source, page=page, missing=has_nan)
    limits = range_of(picture, limits, gone)
    if limits is None and picture.pixels.dtype.kind == "u":  # a file holds intensities, not counts
        limits = 0.0, float(np.iinfo(picture.pixels.dtype).max)
    made = _operator(form, values, known, picture, source)
    io.check_can_hold(target, picture.with_pixels(np.nan_to_num(picture.pixels)))
    with Hold():
        with Progress(wanted=not quiet) as progress:
            progress.begin(prior)
            result = run(
                picture.pixels,
                made,
                prior=prior,
                noise=noise,
                weight=weight,
                max_steps=max_steps,
                max_seconds=max_seconds,
                stop=interrupts.seen,
                progress=progress.advance,
                value_range=limits,
                missing=gone,
                device=device,
            )
        stopped = was_stopped(result)
        result = settled(result, "the run")
        io.write_picture(target, _as_picture(picture, np.asarray(result.image)))
        interrupts.kept = f"the image is in {target}"
    if not quiet:
        parts = [f"{target}: {prior}, {result.n_steps} steps, {result.elapsed:.2f} s"]
        if result.status.name != "CONVERGED":
            parts.append(result.status.value)
        say("; ".join(parts))
    if stopped:
        raise typer.Exit(interrupts.exit_code)


def _missing(text: str | None) -> float | None:
    """The value that marks missing pixels."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(
            "--missing is nan or a number", given=text, do="pass --missing nan, or --missing 0"
        ) from None


def _parse(text: str | None) -> tuple[str | None, dict[str, Any]]:
    """The name of an operator and its settings."""
    if text is None:
        return None, {}
    form, *assignments = names(text) or [""]
    checks.one_of("operator", form, _FORMS)
    values = settings(assignments)
    for key in values:
        checks.one_of(f"setting of {form}", key, sorted(_FORMS[form]))
    needed = _NEEDED.get(form, "")
    if needed and needed.partition("=")[0] not in values:
        raise InputError(f"{form} needs {needed.partition('=')[0]}", given=text, do=f"write {form},{needed}")
    return form, values


def _operator(
    form: str | None, values: dict[str, Any], known: np.ndarray | None, picture: Picture, source: Path
) -> Any:
    """The operator from the restored image to the pixels of the file."""
    from jumpset import operators
    from jumpset.jpeg import jpeg_tables

    if form == "jpeg":
        if known is not None:
            raise InputError(
                "a JPEG file has no mask", given="--mask and --operator jpeg", do="pass one of them"
            )
        return jpeg_tables(source)
    made: Any = operators.Identity()
    if form == "blur:gaussian":
        made = operators.Blur.gaussian(values.pop("sigma"), **values)
    elif form == "blur:motion":
        made = operators.Blur.motion(values.pop("length"), values.pop("angle", 0.0), **values)
    elif form == "downsample":
        factor = values["factor"]
        checks.integer("factor", factor, at_least=1)
        shape = tuple(n * factor for n in picture.pixels.shape[:2])
        made = operators.Downsample(factor, shape, values.get("kernel", "cubic"))
    elif form == "bayer":
        if picture.n_bands != 1:
            raise InputError(
                "a mosaic has one band", given=f"{picture.n_bands} bands", do="name a gray image, as read out"
            )
        pattern = str(values.get("pattern", "RGGB"))
        if len(pattern) != 4:
            raise InputError("a Bayer pattern has four letters", given=pattern, do="write e.g. RGGB")
        made = operators.ColorFilterArray((pattern[:2], pattern[2:]))
    if known is None:
        return made
    if known.shape != picture.pixels.shape[:2]:
        raise InputError(
            "the mask does not have the size of the image",
            given=f"{known.shape} for {picture.pixels.shape[:2]}",
            do="draw the mask on the image",
        )
    held = operators.Mask(known)  # type: ignore[arg-type]
    return held if form is None else held @ made


def _as_picture(picture: Picture, pixels: np.ndarray) -> Picture:
    """The image with the file's transparency, colour profile and EXIF data where its size is kept."""
    from jumpset.io import Picture

    if pixels.shape == picture.pixels.shape:
        return picture.with_pixels(pixels)
    same_bands = pixels.ndim == picture.pixels.ndim
    return Picture(pixels, icc_profile=picture.icc_profile if same_bands else None)
