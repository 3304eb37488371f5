"""``jumpset bench``: methods over a folder of pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jumpset.cli._progress import Progress
from jumpset.cli._shared import check_seconds, command, interrupts, names, say, settings

if TYPE_CHECKING:
    from jumpset.bench import Record


class Kind(str, Enum):
    """How an input names its truth."""

    nks = "nks"
    clipart = "clipart"
    folder = "folder"


@command
def bench(
    kind: Annotated[
        Kind,
        typer.Argument(
            metavar="nks|clipart|folder",
            help="How an input names its truth: S3_T7 is of S3, or the same name.",
        ),
    ],
    data: Annotated[Path, typer.Option(metavar="DIR", help="A folder that holds input/ and truth/.")],
    methods: Annotated[
        str, typer.Option("--methods", "-m", help="Comma-separated; with a preset as dip-l0:paper.")
    ],
    output: Annotated[
        Path, typer.Option("--json", metavar="OUT.json", help="The records, rewritten after each picture.")
    ],
    limit: Annotated[
        int | None, typer.Option(help="At most so many pictures, spread evenly over the set.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="For the methods that have it.")] = None,
    weight: Annotated[
        float | None, typer.Option("--weight", "-w", help="For the methods that have one.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="For the methods that have the parameter."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="For methods that draw random numbers.")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Time limit of each run.")] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", help="Processes; with more than one, each has one thread.")
    ] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Score methods on pictures with known truths.

    OUT.json is a list of records: image, method, psnr, ssim, ssim_volume, seconds, n_steps, status. Scores
    are of the 8-bit output, rounded. Seconds are of the method alone, after a run on a tiny picture that
    compiles what there is to compile.

    A picture that fails is named, has null scores, and makes the exit code 1; the others go on. Ctrl-C keeps
    the pictures that are done.
    """
    from jumpset import _checks
    from jumpset.bench import candidates, failed, run_pairs
    from jumpset.datasets import pairs
    from jumpset.report._files import check_text_path

    check_text_path(output, "file of records", (".json",))
    _checks.integer("jobs", jobs, at_least=1)
    check_seconds(max_seconds)
    hyper = settings(assignments or [], weight=weight)
    found = pairs(data, kind.value, limit)
    chosen = candidates(names(methods), preset=preset, hyper=hyper, seed=seed)

    done: dict[int, list[Record]] = {}
    cut_short = False
    with Progress(wanted=not quiet) as progress:
        progress.begin("pictures", len(found))
        try:
            with closing(run_pairs(found, chosen, max_seconds=max_seconds, jobs=jobs)) as runs:
                for index, records in runs:
                    done[index] = records
                    for record in filter(failed, records):
                        say(f"jumpset: {record['image']}, {record['method']}: {record['status']}")
                    progress.advance(len(done), len(found))
                    with interrupts.held_back():
                        _write(output, _in_order(done))
                    if interrupts.seen() and len(done) < len(found):
                        raise KeyboardInterrupt
        except KeyboardInterrupt:
            cut_short = True
    records = _in_order(done)
    if cut_short and not records:
        raise KeyboardInterrupt
    if not quiet:
        from jumpset.cli._tables import show_means

        show_means(records, ["input", *(c.label for c in chosen)])
        say(f"{output}: {len(done)} of {len(found)} pictures")
    if cut_short:
        raise typer.Exit(interrupts.exit_code)
    if any(map(failed, records)):
        raise typer.Exit(1)


def _in_order(done: dict[int, list[Record]]) -> list[Record]:
    return [record for index in sorted(done) for record in done[index]]


def _write(path: Path, records: Sequence[Record]) -> None:
    from jumpset.report._files import write_text
    from jumpset.report._numbers import finite

    lines = [json.dumps(finite(r), allow_nan=False) for r in records if r["method"] != "input"]
    write_text(path, "[\n" + ",\n".join(lines) + "\n]\n", "file of records")
