"""``jumpset bench``: methods on a set of images with known truths."""

from __future__ import annotations

from contextlib import closing
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.signals import Hold
from jumpset.cli._options import Assignments, MaxSeconds, Methods, Preset, Quiet, Seed, Weight
from jumpset.cli._progress import Progress
from jumpset.cli._shared import check_seconds, command, command_line, interrupts, method_labels, say, settings

if TYPE_CHECKING:
    from jumpset.datasets import PairLike


class Kind(str, Enum):
    """Source of the images, and how the name of an input gives its truth."""

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
            help="synthetic: drawn images; else how inputs name their truths: nks: S3_T7 has the truth S3; "
            "clipart, folder: the same name.",
        ),
    ],
    methods: Methods,
    output: Annotated[
        Path, typer.Option("--json", metavar="OUT.json", help="The records; .jsonl has one per line.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder with input/ and truth/; synthetic needs none."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Largest number of images, spread evenly over the set.")
    ] = None,
    preset: Preset = None,
    weight: Weight = None,
    assignments: Assignments = None,
    seed: Seed = None,
    max_seconds: MaxSeconds = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", help="Number of processes; if above 1, each has one thread.")
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the records in OUT.json and add the missing ones.")
    ] = False,
    tables: Annotated[
        list[Path] | None,
        typer.Option(
            "--table", metavar="FILE", help="Also write the table: .md, .tex or .html; may be repeated."
        ),
    ] = None,
    outputs: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the outputs in this folder; an HTML table then shows some."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Score methods on images with known truths.

    OUT.json is a list of records: image, method, psnr, ssim, ssim_volume, seconds, n_steps, status;
    ssim_luma, edges (correlation of the Laplacians), the two Potts energies at weight 0.02, the fraction of
    zeros and of isolated nonzero pixels, peak memory, and the settings. Scores are computed from the rounded
    8-bit output. Seconds are of the method alone, after a run on a tiny image that compiles its kernels.

    The whole file is rewritten after each run: --resume continues a killed comparison, or adds slow methods
    on fewer images than the fast ones. The published figures next to nks are those of Tran, Bui & Xin (2026),
    on other images of that set.

    If a run fails, its image is named, its scores are null, the other runs continue, and the exit code is 1.
    Ctrl-C keeps the finished runs.
    """
    wanted = method_labels(methods)
    from jumpset.bench import INPUT, candidates, failed, run_pairs
    from jumpset.cli._bench_files import check_paths, read_records, sort_records, write_records, write_tables

    tables = tables or []
    check_paths(output, tables, outputs)
    checks.integer("jobs", jobs, at_least=1)
    check_seconds(max_seconds)
    hyper = settings(assignments or [], weight=weight)
    found = _pairs(kind, data, limit)
    chosen = candidates(wanted, preset=preset, hyper=hyper, seed=seed)
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
                    with Hold():
                        records = sort_records([*records, record], images, [INPUT, *labels])
                        if record["method"] != INPUT:
                            done.add((record["image"], record["method"]))
                            progress.advance(len(done), len(runs))
                            write_records(output, records)
                            interrupts.kept = f"{output} has {len(done)} of {len(runs)} runs"
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
                "the synthetic images are drawn, not read", given=f"--data {data}", do="leave --data out"
            )
        return [*synthetic_pairs(limit)]
    if data is None:
        raise InputError(
            f"{kind.value} needs a folder with input/ and truth/", given="no --data", do="add --data DIR"
        )
    # a pair whose files do not fit has a record that says so, and does not cost the others
    return [*pairs(data, kind.value, limit, check=False)]
