"""``jumpset bench``: methods over a set of pictures with known truths."""

from __future__ import annotations

from contextlib import closing
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jumpset._core.errors import InputError
from jumpset.cli._options import Assignments, MaxSeconds, Methods, Preset, Quiet, Seed, Weight
from jumpset.cli._progress import Progress
from jumpset.cli._shared import check_seconds, command, command_line, interrupts, names, say, settings

if TYPE_CHECKING:
    from jumpset.datasets import PairLike


class Kind(str, Enum):
    """Where the pictures come from, and how an input names its truth."""

    synthetic = "synthetic"
    nks = "nks"
    clipart = "clipart"
    folder = "folder"


@command
def bench(
    kind: Annotated[
        Kind,
        typer.Argument(
            metavar="synthetic|nks|clipart|folder",
            help="Our own pictures, or how an input names its truth: S3_T7 is of S3, or the same name.",
        ),
    ],
    methods: Methods,
    output: Annotated[
        Path, typer.Option("--json", metavar="OUT.json", help="The records; .jsonl holds one a line.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder that holds input/ and truth/; synthetic needs none."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most so many pictures, spread evenly over the set.")
    ] = None,
    preset: Preset = None,
    weight: Weight = None,
    assignments: Assignments = None,
    seed: Seed = None,
    max_seconds: MaxSeconds = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", help="Processes; with more than one, each has one thread.")
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the records that OUT.json holds, and add what is missing.")
    ] = False,
    tables: Annotated[
        list[Path] | None,
        typer.Option("--table", metavar="FILE", help="Also write the table: .md, .tex or .html; repeatable."),
    ] = None,
    outputs: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the outputs there; an HTML table then shows some."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Score methods on pictures with known truths.

    OUT.json is a list of records: image, method, psnr, ssim, ssim_volume, seconds, n_steps, status;
    ssim_luma, edges (correlation of the Laplacians), the energies of Potts type at weight .02, the zeros and
    how many pixels of the rest stand alone, peak memory, and the settings. Scores are of the 8-bit output,
    rounded. Seconds are of the method alone, after a run on a tiny picture that compiles what there is to
    compile.

    The file is rewritten, whole, after each run: with --resume a killed comparison goes on where it was, and
    slow methods can be added on fewer pictures than the fast ones. The published figures beside nks are those
    of Tran, Bui & Xin (2026), on other pictures of that set.

    A picture that fails is named, has null scores, and makes the exit code 1; the others go on. Ctrl-C keeps
    what is done.
    """
    from jumpset._core import checks
    from jumpset.bench import INPUT, candidates, failed, run_pairs
    from jumpset.cli._bench_files import arrange, check_paths, read_records, write_records, write_tables

    tables = tables or []
    check_paths(output, tables, outputs)
    checks.integer("jobs", jobs, at_least=1)
    check_seconds(max_seconds)
    hyper = settings(assignments or [], weight=weight)
    found = _pairs(kind, data, limit)
    chosen = candidates(names(methods), preset=preset, hyper=hyper, seed=seed)
    records = read_records(output, chosen) if resume else []
    images, labels = [pair.name for pair in found], [candidate.label for candidate in chosen]
    runs = {(image, label) for image in images for label in labels}
    done = runs & {(record["image"], record["method"]) for record in records}

    cut_short = False
    with Progress(wanted=not quiet) as progress:
        progress.begin("runs", len(runs))
        try:
            made = run_pairs(
                found, chosen, max_seconds=max_seconds, jobs=jobs, done=frozenset(done), outputs=outputs
            )
            with closing(made):
                for record in made:
                    if failed(record):
                        say(f"jumpset: {record['image']}, {record['method']}: {record['status']}")
                    with interrupts.held_back():
                        records = arrange([*records, record], images, [INPUT, *labels])
                        if record["method"] != INPUT:
                            done.add((record["image"], record["method"]))
                            progress.advance(len(done), len(runs))
                            write_records(output, records)
                    if interrupts.seen() and len(done) < len(runs):
                        raise KeyboardInterrupt
        except KeyboardInterrupt:
            cut_short = True
    if cut_short and not done:
        raise KeyboardInterrupt
    title, is_nks = f"jumpset bench {kind.value}", kind is Kind.nks
    write_tables(tables, records, found, outputs, command_line(), title=title, published=is_nks)
    if not quiet:
        from jumpset.cli._tables import show_means

        show_means(records)
        say(f"{output}: {len(done)} of {len(runs)} runs")
    if cut_short:
        raise typer.Exit(interrupts.exit_code)
    if any(map(failed, records)):
        raise typer.Exit(1)


def _pairs(kind: Kind, data: Path | None, limit: int | None) -> list[PairLike]:
    from jumpset.datasets import pairs, synthetic_pairs

    if kind is Kind.synthetic:
        if data is not None:
            raise InputError(
                "the synthetic pictures are drawn, not read", given=f"--data {data}", do="leave --data out"
            )
        return [*synthetic_pairs(limit)]
    if data is None:
        raise InputError(
            f"{kind.value} needs a folder that holds input/ and truth/",
            given="no --data",
            do="add --data DIR",
        )
    return [*pairs(data, kind.value, limit)]
