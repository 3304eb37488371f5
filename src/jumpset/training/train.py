"""Training of a network, on drawn pairs or on pairs of a folder."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from jumpset._core.errors import FileError
from jumpset._core.types import Status
from jumpset.datasets import Pair
from jumpset.learned.weights import save_weights
from jumpset.operators.autocast import computes_half
from jumpset.running.checkpoints import StateFile
from jumpset.training import _data
from jumpset.training._arguments import (
    SEEDS,
    check_options,
    checkpoint_path,
    command,
    initial_weights,
    pairs_of,
    recipe_for,
    usable_device,
    weights_path,
)
from jumpset.training._data import Batch
from jumpset.training._loop import Plan, Run, TrainingStep
from jumpset.training._trainer import Trainer
from jumpset.training.recipes import Recipe

_VALIDATION = 24, 160  # pairs, and the side of each


@dataclass(frozen=True)
class Trained:
    """The result of :func:`train`.

    Examples
    --------
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> done = js.Status.MAX_STEPS
    >>> trained = js.training.Trained(Path("mine.safetensors"), done, 1000, 60.0, 31.5, [])
    >>> trained.n_steps, trained.path.name
    (1000, 'mine.safetensors')
    """

    path: Path
    """The file of weights."""
    status: Status
    """CONVERGED: the schedule ran to its end. STOPPED, INTERRUPTED: the weights at that moment."""
    n_steps: int
    """Steps done."""
    elapsed: float
    """Seconds, including those before an interruption."""
    psnr: float
    """Score of the saved weights in decibels."""
    history: list[dict[str, float]]
    """One entry per score: step, share, seconds, waited (the seconds spent on waiting for batches),
    learning_rate, loss, psnr, and input_psnr, the score of the inputs."""


def train(
    name: str,
    *,
    out: str | os.PathLike[str],
    data: str | os.PathLike[str] = "synthetic",
    preset: str = "small",
    steps: int | None = None,
    max_seconds: float | None = None,
    batch_size: int | None = None,
    crop: int | None = None,
    learning_rate: float | None = None,
    ema: float | None = None,
    sizes: Mapping[str, Any] | None = None,
    start: str | os.PathLike[str] | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    precision: str = "auto",
    workers: int = 0,
    validation: str | os.PathLike[str] = "synthetic",
    validate_every: float = 60.0,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 60.0,
    licence: str | None = None,
    stop: Callable[[TrainingStep], bool] | None = None,
    callback: Callable[[TrainingStep], None] | None = None,
) -> Trained:
    """Train a network on drawn pairs or on your own, and write its weights to a file.

    AdamW on crops; the learning rate rises for a fiftieth of the training and falls to 0 along a cosine, over
    ``steps`` or over ``max_seconds``. A running average of the weights is scored and saved. Steps whose
    gradient is not finite are skipped.

    Parameters
    ----------
    name
        A key of :data:`jumpset.learned.SIZES`, e.g. ``"jumpset-net"``.
    out
        The file of weights, ``….safetensors``; replaced only when the training ends. During the training the
        scores are written to ``….log.jsonl`` beside it, one JSON object per line.
    data
        ``"synthetic"``: pairs that :func:`jumpset.datasets.batches` draws without end. Otherwise a folder
        with ``input/`` and ``truth/``, see :func:`jumpset.datasets.pairs`, of which random crops are rotated
        and mirrored; images smaller than a crop are padded by their mirror images.
    preset
        ``"small"``: a network that trains in about twenty minutes on two cores. ``"published"``: the size of
        the paper, for a GPU; of jumpset-net, the size of the shipped weights.
    steps, batch_size, crop, learning_rate, ema
        Replace those of the recipe, :data:`jumpset.training.RECIPES`. The crop is a multiple of 16 pixels;
        ``ema`` is the decay of the running average, 0 to 1.
    max_seconds
        Time for the whole training, interruptions excluded. Alone, it replaces ``steps``; with ``steps``, the
        training ends at the first limit.
    sizes
        Sizes of the network that replace those of the preset, e.g. ``{"width": 32}``.
    start
        Weights to continue from instead of random ones, for images of your own kind: ``"shipped"``, or a file
        of an earlier training of the same sizes. The guess of jumpset-net then stays fixed, and batch norm
        keeps its statistics.
    seed
        Seed of weights and pairs, whole number from 0 to 2³¹ - 1. With ``steps`` alone, the same seed gives
        the same weights bit for bit on one machine, device and number of threads.
    device
        The device that computes; default: the CPU.
    precision
        Precision of the layers: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the device
        multiplies it faster. Weights, loss and optimiser are in float32.
    workers
        Processes that make the batches, for a GPU; 0: a thread, which is enough for a CPU. The batches are
        the same. With processes, a script needs ``if __name__ == "__main__":``.
    validation
        The pairs to score: ``"synthetic"``, 24 drawn pairs that are no part of any training, or a folder as
        for ``data``, the centres of up to 24 images. They have 160 × 160 pixels.
    validate_every
        Seconds between two scores.
    checkpoint
        A file to save the training to, every ``checkpoint_every`` seconds and at the end. If it exists, the
        training continues from it, and ends as if it had never been interrupted, bit for bit if its limit is
        ``steps``.
    checkpoint_every
        Seconds between two savings.
    licence
        Licence of the weights, if you distribute them: a text that is kept in the file, as are data, steps,
        seed, score and the command that repeats the training.
    stop
        Called with a :class:`TrainingStep` after each step; True ends the training there.
    callback
        Called with a :class:`TrainingStep` after each step.

    Returns
    -------
    Trained
        Path, status, steps, seconds, score and history. Ctrl-C ends a training with the current weights and
        the status INTERRUPTED; a second one, or one after the last step, is raised when they are written. If
        ``out`` can no longer be written at the end, a warning says so, and path is that of a temporary
        folder.

    Raises
    ------
    InputError
        An unknown name or preset, a parameter out of range, or a checkpoint of another training.
    FileError
        The weights to start from are missing, a folder of data is missing or incomplete, a file cannot be
        written, or the checkpoint is damaged.
    TrainingDiverged
        The gradient was not finite for several steps in a row; ``out`` is not written.

    Examples
    --------
    >>> trained = js.training.train("jumpset-net", out="mine.safetensors", max_seconds=600)  # doctest: +SKIP
    >>> flat = js.smooth(image, method="jumpset-net", weights=trained.path)  # doctest: +SKIP
    """
    recipe, sizes = recipe_for(name, preset, steps, batch_size, crop, learning_rate, ema, sizes)
    check_options(
        *(max_seconds, validate_every, checkpoint_every, seed, precision, workers, licence),
        stop=stop,
        callback=callback,
    )
    target = weights_path(out)
    initial = None if start is None else initial_weights(name, sizes, start)
    if initial is not None:
        recipe = replace(recipe, first=None, freeze_batchnorm_at=0.0)
    checkpoint = None if checkpoint is None else checkpoint_path(checkpoint, target)
    device = usable_device(device)
    own_pairs = pairs_of("data", data)
    scored = _validation(recipe, validation)
    half = computes_half(precision, device)
    plan = Plan(recipe, None if steps is None and max_seconds is not None else recipe.steps, max_seconds)
    settings = {
        "network": name,
        "start": str(start),
        **{k: str(v) for k, v in vars(recipe).items() if k not in ("loss", "first", "predict")},
        "sizes": json.dumps(sizes, sort_keys=True),
        "data": str(data),
        "seed": str(seed),
        "precision": "bfloat16" if half else "float32",
        "steps": str(plan.steps),
        "max_seconds": str(max_seconds),
    }
    file = None if checkpoint is None else StateFile(checkpoint, settings, device)
    trainer = Trainer(name, sizes, recipe, seed=seed, device=device, half=half)
    if initial is not None:
        trainer.set_weights(initial)
    run = Run(trainer, plan, scored, target, file)
    batches = _batches(own_pairs, recipe, seed)
    with ExitStack() as after_loop:  # a Ctrl-C after the loop waits until the weights are written
        status = run.run(batches, workers, validate_every, checkpoint_every, stop, callback, after_loop)
        metadata = {
            "recipe": preset,
            "data": str(data),
            "steps": trainer.n_steps,
            "seconds": round(run.clock.elapsed),
            "seed": seed,
            **({} if start is None else {"start": str(start)}),
            "validation": run.history[-1],
            "settings": settings,
            **({} if licence is None else {"licence": licence}),
            "command": command(name, preset, target, data, plan, recipe, sizes, start, seed, precision),
        }
        path = _write(target, name, sizes, trainer.average.state_dict(), metadata)
    return Trained(path, status, trainer.n_steps, run.clock.elapsed, run.history[-1]["psnr"], run.history)


def _write(target: Path, *weights: Any) -> Path:
    """Write the weights, to a temporary folder if ``target`` cannot be written; return their path."""
    try:
        save_weights(target, *weights)
    except FileError as error:
        spare = Path(tempfile.mkdtemp(prefix="jumpset-")) / target.name
        save_weights(spare, *weights)
        warnings.warn(f"{error}; the weights are in {spare}", stacklevel=3)
        return spare
    return target


def _batches(own_pairs: list[Pair] | None, recipe: Recipe, seed: int) -> Callable[..., Iterator[Batch]]:
    """The function of ``start`` and ``step`` that makes the batches."""
    if own_pairs is None:
        return partial(_data.synthetic, recipe.batch_size, recipe.crop, kind=recipe.kind, seed=seed)
    return partial(_data.folder, own_pairs, recipe.batch_size, recipe.crop, seed=seed)


def _validation(recipe: Recipe, validation: str | os.PathLike[str]) -> Batch:
    count, side = _VALIDATION
    own_pairs = pairs_of("validation", validation, count)
    if own_pairs is not None:
        return _data.centre_crops(own_pairs, side)
    return _data.drawn_validation(count, side, kind=recipe.kind, seed=SEEDS)
