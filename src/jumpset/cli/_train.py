"""``jumpset train``: train a network on synthetic pairs or a folder of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jumpset._core import checks
from jumpset._core.catalog import LEARNED
from jumpset._core.errors import TrainingDiverged
from jumpset._core.signals import Hold
from jumpset.cli import _complete
from jumpset.cli._options import AsJson, Checkpoint, Device, Quiet
from jumpset.cli._progress import Events, Progress
from jumpset.cli._shared import command, interrupts, say, settings

if TYPE_CHECKING:
    from jumpset.training.train import Trained, TrainingStep

_SETTABLE = ("batch_size", "crop", "learning_rate", "ema", "precision", "validate_every", "checkpoint_every")


@command
def train(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="resnet, vdcnn, jess-net, deep-wls, jumpset-net or dejpeg.",
            autocompletion=_complete.network_names,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE.safetensors", help="The file for the trained weights."),
    ],
    preset: Annotated[
        str, typer.Option(help="Size of the network: small, or published, as in the paper.")
    ] = "small",
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A folder of pairs, in input/ and truth/; default: synthetic pairs."
        ),
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of pairs to score; default: synthetic pairs.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Default: those of the recipe, unless --max-seconds is given.")
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Time of the whole training; the schedule is scaled to it.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Initial weights: a file, or shipped; default: random ones."),
    ] = None,
    checkpoint: Checkpoint = None,
    device: Device = None,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights and the pairs.")] = 0,
    threads: Annotated[int | None, typer.Option(help="Number of CPU threads for the network.")] = None,
    workers: Annotated[int, typer.Option(help="Number of processes that prepare batches, for a GPU.")] = 0,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="batch_size, crop, learning_rate, …, or a size of the network.",
        ),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the weights, stored in the file, e.g. CC0-1.0.")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a network and write its weights to a file for jumpset smooth --set weights=FILE.

    The scores are of pairs that are not used for training; FILE.log.jsonl, next to the weights, logs them
    while the training runs. An existing file of weights is replaced only at the end.

    Ctrl-C writes the weights so far and exits with 130; with --checkpoint the same command resumes the
    training, and with --steps gives the result of an uninterrupted training. If the training diverges,
    nothing is written and the exit code is 1.
    """
    checks.one_of("network", name, LEARNED)
    from jumpset.learned.architectures import SIZES

    hyper = settings(assignments or [])
    sizes = {key: hyper.pop(key) for key in list(hyper) if key in SIZES[name]["published"]}
    for key in hyper:
        checks.one_of("parameter of the training", key, [*_SETTABLE, *SIZES[name]["published"]])
    if threads is not None:
        checks.integer("threads", threads, at_least=1)
        import torch

        torch.set_num_threads(threads)
    from jumpset.training.train import train as run

    with Progress(wanted=not quiet and not as_json) as progress:
        report = _Report(name, progress, quiet=quiet, as_json=as_json)
        try:
            with Hold():  # ends between two steps, where the checkpoint is complete
                trained = run(
                    name,
                    out=out,
                    data="synthetic" if data is None else data,
                    validation="synthetic" if validation is None else validation,
                    preset=preset,
                    steps=steps,
                    max_seconds=max_seconds,
                    sizes=sizes,
                    start=start,
                    seed=seed,
                    device=device,
                    workers=workers,
                    checkpoint=checkpoint,
                    licence=licence,
                    stop=interrupts.seen,
                    callback=report.step,
                    **hyper,
                )
                interrupts.kept = f"the weights so far are in {out}"
                report.result(trained)
        except TrainingDiverged as error:
            say(f"jumpset: {error}; nothing was written")
            raise typer.Exit(1) from None


class _Report:
    """A progress bar on a terminal, else one line per score, or JSON lines."""

    def __init__(self, name: str, progress: Progress, *, quiet: bool, as_json: bool) -> None:
        self._name, self._progress, self._silent = name, progress, quiet or as_json
        self._events, self._psnr = Events(as_json, interval=1.0), 0.0

    def step(self, step: TrainingStep) -> None:
        line = f"{self._name} {step.psnr:.2f} dB, loss {step.loss:.4f}"
        self._progress.advance(round(1000 * step.share), 1000, line)
        self._events.step(**vars(step))
        if step.psnr != self._psnr:
            self._psnr = step.psnr
            if not (self._silent or self._progress.shown):
                say(f"{line}, step {step.n_steps}, {step.elapsed:.0f} s, {100 * step.share:.1f} %")

    def result(self, trained: Trained) -> None:
        self._events.print("result", status=trained.status.name, output=trained.path,
                           n_steps=trained.n_steps, elapsed=trained.elapsed, psnr=trained.psnr)  # fmt: skip
        if not self._silent:
            say(f"{trained.path}: {self._name}, {trained.n_steps} steps, {trained.elapsed:.0f} s, "
                f"{trained.psnr:.2f} dB")  # fmt: skip
