"""``jumpset compare``: several methods on one image, in one report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.signals import Hold
from jumpset.cli._messages import in_options
from jumpset.cli._options import (
    Assignments,
    Device,
    Mask,
    MaxSeconds,
    Methods,
    Missing,
    Page,
    Preset,
    Quiet,
    Seed,
    Source,
    ValueRange,
    Weight,
)
from jumpset.cli._progress import Progress
from jumpset.cli._shared import (
    as_range,
    check_files,
    check_seconds,
    command,
    interrupts,
    is_input,
    method_labels,
    range_of,
    read_input,
    read_mask,
    read_other,
    save_report,
    say,
    settings,
)

if TYPE_CHECKING:
    from jumpset.bench import Candidate
    from jumpset.io import Picture
    from jumpset.running.run import Result


_NAMED: dict[str, Any] = dict.fromkeys(
    ("value_range", "missing", "mask", "max_seconds", "device")
)  # in errors of a run


@command
def compare(
    source: Source,
    methods: Methods,
    report: Annotated[Path, typer.Option(metavar="FILE.html", help="The report, as one file.")],
    truth: Annotated[
        Path | None, typer.Option(help="The true image; adds PSNR and SSIM to the report.")
    ] = None,
    preset: Preset = None,
    weight: Weight = None,
    assignments: Assignments = None,
    device: Device = None,
    seed: Seed = None,
    max_seconds: MaxSeconds = None,
    value_range: ValueRange = None,
    mask: Mask = None,
    missing: Missing = None,
    page: Page = None,
    quiet: Quiet = False,
) -> None:
    """Run several methods on an image and write one report.

    If a method fails, it is named, the report has the others, and the exit code is 1. Ctrl-C ends the
    comparison; the report then has the methods so far, and the exit code is 130. A transparent truth is
    composited on black, unless the input is transparent too. Seconds may include the compilation of kernels
    at the first run of a method.
    """
    labels, limits = method_labels(methods), as_range(value_range)
    check_seconds(max_seconds)
    from jumpset.report import check_report_path

    check_files(source, truth, mask)
    check_report_path(report)
    hyper = settings(assignments or [], weight=weight, mask=read_mask(mask))
    from jumpset.bench import candidates

    chosen = candidates(labels, preset=preset, hyper=hyper, seed=seed)
    from jumpset._core.types import Status
    from jumpset.running.registry import for_file
    from jumpset.running.run import run

    checks.device("device", device)
    picture, given = read_input(source, page, missing)
    limits = range_of(picture, limits)
    goal = None if truth is None else _truth(read_other(truth), picture)

    results: dict[str, Result] = {}
    failures: dict[str, str] = {}

    def smoothed(candidate: Candidate, progress: Progress) -> Result:
        return run(
            given,
            for_file(candidate.make(), source),
            max_seconds=max_seconds,
            stop=interrupts.seen,
            progress=progress.advance,
            alpha=False,
            value_range=limits,
            missing=None if missing is None else "nan",
            device=device,
        )

    with Hold():  # each run may be interrupted; what follows must not lose the answers
        with suppress(KeyboardInterrupt), Progress(wanted=not quiet) as progress:
            _run_all(
                chosen, partial(smoothed, progress=progress), progress, results, failures, picture.pixels
            )
        if not results and not failures:
            raise KeyboardInterrupt
        notes = [f"{label} failed: {why}" for label, why in failures.items()]
        if results:
            transparent = "The transparency of the image is not shown."
            save_report(
                report, results, picture, source, transparent, truth=goal, value_range=limits, notes=notes
            )
            interrupts.kept = f"the report is in {report}"
    if not quiet:
        _table(picture, goal, results, failures)
        say(
            f"{report}: {len(results)} of {len(chosen)} methods" if results else "jumpset: there is no report"
        )
    if interrupts.seen():
        raise typer.Exit(interrupts.exit_code)
    if failures or any(result.status is Status.DIVERGED for result in results.values()):
        raise typer.Exit(1)


def _run_all(
    chosen: Sequence[Candidate],
    smoothed: Callable[[Candidate], Result],
    progress: Progress,
    results: dict[str, Result],
    failures: dict[str, str],
    pixels: np.ndarray,
) -> None:
    """Run the methods one after the other; add each result, or why there is none, by the method's label."""
    from jumpset._core.types import Status
    from jumpset.bench import one_line

    for candidate in chosen:
        progress.begin(candidate.label, candidate.make().max_steps)
        try:
            result = smoothed(candidate)
            if not np.isfinite(result.image).all():
                raise ArithmeticError("the answer has values that are not finite")
        except Exception as error:  # the other methods continue
            failures[candidate.label] = in_options(one_line(error), _NAMED)
            say(f"jumpset: {candidate.label}: {failures[candidate.label]}")
            continue
        if interrupts.seen() and is_input(result, pixels):
            return
        if result.status is Status.STOPPED:
            result = replace(result, status=Status.INTERRUPTED)
        results[candidate.label] = result
        if interrupts.seen():
            return


def _truth(truth: Picture, picture: Picture) -> np.ndarray:
    """Return the truth in the shape of the image; only gray and transparency are converted."""
    goal = truth.pixels if picture.alpha is not None else truth.on_black()
    want = picture.pixels
    if goal.shape[:2] != want.shape[:2]:
        raise InputError(
            "the truth must have the size of the input",
            given="{1} x {0} for an input of {3} x {2} pixels".format(*goal.shape[:2], *want.shape[:2]),
            do="crop or resize one of them",
        )
    if goal.ndim == 2 and want.ndim == 3:
        goal = np.repeat(goal[..., None], want.shape[2], axis=2)
    if (goal.shape, goal.dtype) != (want.shape, want.dtype):
        raise InputError(
            "the truth must have the bands and the dtype of the input",
            given=f"{goal.dtype} {goal.shape} and {want.dtype} {want.shape}",
            do="convert one of them",
        )
    return goal


def _table(
    picture: Picture, goal: np.ndarray | None, results: dict[str, Result], failures: Collection[str]
) -> None:
    from jumpset.cli._tables import show
    from jumpset.report import numbers

    def row(label: str, image: np.ndarray, *last: str) -> list[str]:
        scores = [] if goal is None else numbers.scores(image, goal)
        return [label, *scores, *last]

    rows = [row("input", picture.pixels, "", "", "")]
    for label, r in results.items():
        rows.append(row(label, r.image, str(r.n_steps), f"{r.elapsed:.2f}", r.status.name))
    for label in failures:
        rows.append([label, *[""] * (len(rows[0]) - 2), "FAILED"])
    show(["method", *(numbers.SCORES if goal is not None else ()), "steps", "seconds", "status"], rows)
