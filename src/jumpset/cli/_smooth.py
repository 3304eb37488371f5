"""``jumpset smooth``: smooth one image, or many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from jumpset._core import checks
from jumpset._core.catalog import CLASSES
from jumpset._core.errors import InputError
from jumpset._core.files import check_target
from jumpset._core.signals import Hold
from jumpset.cli import _complete
from jumpset.cli._each_file import each_file
from jumpset.cli._options import (
    AsJson,
    Checkpoint,
    Device,
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
    Target,
    ValueRange,
)
from jumpset.cli._progress import Events, Progress
from jumpset.cli._shared import (
    as_range,
    check_files,
    check_reading,
    check_seconds,
    check_steps,
    command,
    interrupts,
    is_input,
    range_of,
    read_input,
    read_mask,
    save_report,
    say,
    settings,
    settled,
    was_stopped,
)
from jumpset.cli._tiles import MaxMemory, Tile, Workers, refuse, smooth_tiles

if TYPE_CHECKING:
    from jumpset._core.types import Iteration
    from jumpset.running.run import Result, Step


def _prepared(
    *,
    method: str | None,
    preset: str | None,
    weight: float | None,
    assignments: list[str] | None,
    device: str | None,
    seed: int | None,
    mask: Path | None,
    max_steps: int | None,
    max_seconds: float | None,
    value_range: str | None,
    page: int | None,
    missing: str | None,
    **_: Any,
) -> tuple[str, Iteration[Any]]:
    """Return the method of the options; raise for options that no image could be smoothed with."""
    hyper = settings(assignments or [], weight=weight, seed=seed)
    if method is not None:
        checks.one_of("method", method, CLASSES)
    as_range(value_range)
    check_steps(max_steps)
    check_seconds(max_seconds)
    check_reading(page, missing)
    check_files(mask)
    from jumpset.running import registry

    if method is None:
        method = _method_of(preset)
    if seed is not None and not _draws(method, seed):
        del hyper["seed"]
    if mask is not None:
        hyper["mask"] = read_mask(mask)
    made = registry.method(method, preset=preset, **hyper)
    checks.device("device", device)
    return method, made


@command
@each_file(check=_prepared, single=("checkpoint", "checkpoint_every", "report"))
def smooth(
    source: Sources,
    target: Target,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            "-m",
            help="See: jumpset methods.",
            show_default="the method of the preset, or region-fusion",
            autocompletion=_complete.method_names,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="A named setting of the method, e.g. clip-art for JPEG artifacts.",
            autocompletion=_complete.presets,
        ),
    ] = None,
    weight: Annotated[float | None, typer.Option("--weight", "-w", help="Larger is smoother.")] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A hyper-parameter; may be repeated.",
            autocompletion=_complete.parameters,
        ),
    ] = None,
    device: Device = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of methods that draw random numbers; others ignore it.")
    ] = None,
    max_steps: Annotated[int | None, typer.Option(help="Step limit; default: that of the method.")] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Time limit; the image so far is then written.")
    ] = None,
    checkpoint: Checkpoint = None,
    checkpoint_every: Annotated[int | None, typer.Option(help="Steps between two checkpoints.")] = None,
    value_range: ValueRange = None,
    mask: Mask = None,
    missing: Missing = None,
    page: Page = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Also write a report as one file.")
    ] = None,
    tile: Tile = None,
    workers: Workers = None,
    max_memory: MaxMemory = None,
    jobs: Jobs = 1,
    log: Log = None,
    resume: Resume = False,
    force: Force = False,
    suffix: Suffix = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Smooth an image, or each image of a folder.

    The output has the kind, size and dtype of the input, with its transparency, colour profile and EXIF data.
    An existing file is replaced only on success. With --checkpoint the same command resumes an interrupted
    run where it was last saved, and gives the result of an uninterrupted run.

    With --tile, --workers or --max-memory the file may be larger than memory: a TIFF, a Zarr folder or .npy.
    The method is then one whose answer is local, by default fgs; the same command resumes an interrupted run.

    Ctrl-C writes the image so far and exits with 130. If the method diverges, nothing is written and the exit
    code is 1, since the last finite image would look like a result.

    Of a folder or a pattern, OUT is a folder with the same subfolders. An image that fails is named, the
    others continue, and the exit code is 1. Outputs appear when they are complete; Ctrl-C keeps them, and the
    same command with --resume does the others.
    """
    del jobs, log, resume, force, suffix  # of several images
    # what needs no torch first: it takes seconds to load
    from jumpset import io
    from jumpset.report import check_report_path

    limits = as_range(value_range)
    if any(option is not None for option in (tile, workers, max_memory)):
        others = {"--max-steps": max_steps, "--max-seconds": max_seconds, "--checkpoint": checkpoint}
        others |= {
            "--checkpoint-every": checkpoint_every,
            "--mask": mask,
            "--page": page,
        }
        check_reading(page, missing)
        refuse(others | {"--report": report, "--seed": seed})
        hyper = settings(assignments or [], weight=weight)
        name = method or (preset and _method_of(preset)) or "fgs"
        smooth_tiles(
            source,
            target,
            name,
            preset,
            hyper,
            limits,
            tile,
            workers,
            max_memory,
            missing,
            device,
            quiet,
            as_json,
        )
        return
    check_files(source)
    io.check_writable(target)
    _check_checkpoint(checkpoint, checkpoint_every, source, target, report)
    if report is not None:
        check_report_path(report)
    method, iteration = _prepared(
        method=method,
        preset=preset,
        weight=weight,
        assignments=assignments,
        device=device,
        seed=seed,
        mask=mask,
        max_steps=max_steps,
        max_seconds=max_seconds,
        value_range=value_range,
        page=page,
        missing=missing,
    )
    from jumpset.running import registry
    from jumpset.running.run import run

    picture, given = read_input(source, page, missing)
    limits = range_of(picture, limits)
    iteration = registry.for_file(iteration, source)  # only a file that could be read
    io.check_can_hold(target, picture)

    events = Events(as_json, interval=0.2)
    events.print(
        "start",
        input=source,
        output=target,
        method=method,
        shape=picture.pixels.shape,
        dtype=picture.pixels.dtype,
    )
    with Hold():  # `run` may be interrupted; what follows must not lose its answer
        with Progress(wanted=not quiet) as progress:
            progress.begin(method, iteration.max_steps if max_steps is None else max_steps)

            def watch(step: Step) -> None:
                events.step(
                    n_steps=step.n_steps, max_steps=step.max_steps, elapsed=step.elapsed, record=step.record
                )

            result = run(
                given,
                iteration,
                max_steps=max_steps,
                max_seconds=max_seconds,
                # catches an interrupt whose exception was swallowed
                stop=interrupts.seen,
                callback=watch,
                progress=progress.advance,
                checkpoint=checkpoint,
                checkpoint_every=checkpoint_every,
                alpha=False,
                value_range=limits,
                missing=None if missing is None else "nan",
                device=device,
            )
        stopped = was_stopped(result)
        if stopped and is_input(result, picture.pixels):
            raise KeyboardInterrupt
        result = settled(result, method)
        io.write_picture(target, picture.with_pixels(result.image))
        interrupts.kept = f"the image is in {target}" + ("" if report is None else ", without a report")
    if report is not None:
        note = "The transparency of the image is kept in the output; it is not shown here."
        save_report(report, result, picture, source, note, value_range=limits)
    if as_json:
        _print_result(events, result, picture.pixels, target, report, limits)
    if not quiet and not as_json:
        _summary(result, target, report)
    if stopped:
        raise typer.Exit(interrupts.exit_code)


def _check_checkpoint(
    path: Path | None, every: int | None, source: Path, target: Path, report: Path | None
) -> None:
    if path is None and every is not None:
        raise InputError("--checkpoint-every needs a file", given=every, do="pass --checkpoint FILE too")
    if path is not None:
        check_target(path)
    others = [source, target, *([] if report is None else [report])]
    if path is not None and path.resolve() in [other.resolve() for other in others]:
        raise InputError(
            "the checkpoint would replace another file", given=path, do="name another file for --checkpoint"
        )


def _method_of(preset: str | None) -> str:
    """Return the method of a preset if none is named: the best for its task, or the only one."""
    if preset is None:  # needs no list of the methods
        return "region-fusion"
    if preset == "clip-art":
        return "gsf"
    from jumpset.running.registry import methods

    owners = [name for name, info in methods().items() if preset in info.presets]
    return owners[0] if len(owners) == 1 else "region-fusion"


def _draws(method: str, seed: int) -> bool:
    """Whether the method draws random numbers, and so has a seed."""
    from jumpset.running.registry import methods

    checks.integer("seed", seed, at_least=0)
    table = methods()
    checks.one_of("method", method, table)
    return "seed" in table[method].defaults


def _summary(result: Result, target: Path, report: Path | None) -> None:
    parts = [f"{target}: {result.method.name}, {result.n_steps} steps, {result.elapsed:.2f} s"]
    if report is not None:
        parts.append(f"report in {report}")
    if result.status.name != "CONVERGED":
        parts.append(result.status.value)
    say("; ".join(parts))


def _print_result(
    events: Events,
    result: Result,
    pixels: np.ndarray,
    target: Path,
    report: Path | None,
    value_range: tuple[float, float] | None,
) -> None:
    from jumpset.report import numbers

    events.print(
        "result",
        status=result.status.name,
        advice=result.status.value,
        method=result.method.name,
        parameters=numbers.parameters(result.method),
        n_steps=result.n_steps,
        elapsed=result.elapsed,
        output=target,
        report=report,
        record={k: v[-1] for k, v in result.history.items() if k not in ("step", "seconds") and v},
        energies={
            name: numbers.energies(image, pixels, result.method, value_range)
            for name, image in (("input", pixels), ("output", result.image))
        },
    )
