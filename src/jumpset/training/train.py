"""Training the networks: on pairs that are drawn, or on one's own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import Status
from jumpset.datasets import Pair, pairs
from jumpset.learned.weights import save_weights
from jumpset.operators.autocast import PRECISIONS, computes_half
from jumpset.running.checkpoints import StateFile
from jumpset.training import _data
from jumpset.training._arguments import (
    check_parent,
    command,
    device_of,
    initial_weights,
    recipe_for,
    weights_path,
)
from jumpset.training._data import Batch
from jumpset.training._loop import Plan, Run, TrainingStep
from jumpset.training._trainer import Trainer
from jumpset.training.recipes import Recipe

_SCORED = 24, 160  # pairs that are scored, and the side of each
_SEEDS = 2**31  # training seeds are smaller, those of the scored pairs are not


@dataclass(frozen=True)
class Trained:
    """What a training leaves."""

    path: Path
    """The file of weights."""
    status: Status
    """CONVERGED: the schedule ran to its end. STOPPED, INTERRUPTED: the weights are those so far."""
    n_steps: int
    """Steps done."""
    elapsed: float
    """Seconds, those before an interruption counted."""
    psnr: float
    """Score of the saved weights in decibels."""
    history: list[dict[str, float]]
    """One entry a score: step, share, seconds, of which waited for batches, learning_rate, loss, psnr, and
    input_psnr, the score of the pictures as they are."""


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
    """Train one of the networks, on pairs that are drawn or on your own, and write its weights to a file.

    AdamW on crops; the learning rate rises for a fiftieth of the training and falls to 0 along a cosine, over
    ``steps``, or over ``max_seconds``, so that a training planned by time ends as well as one planned by
    steps. What is saved and scored is a running mean of the weights. Steps whose gradient is not finite are
    passed over.

    Parameters
    ----------
    name
        A key of :data:`jumpset.learned.SIZES`, e.g. ``"jumpset-net"``.
    out
        The file of weights, ``….safetensors``; replaced only when the training ends. The scores are written
        beside it while it runs, one JSON object a line, to ``….log.jsonl``.
    data
        ``"synthetic"``: pairs that :func:`jumpset.datasets.batches` draws without end. Otherwise a folder
        with ``input/`` and ``truth/``, see :func:`jumpset.datasets.pairs`: random crops, turned and mirrored;
        smaller pictures are continued by their mirror images.
    preset
        ``"small"``: a network that trains in about twenty minutes on two cores. ``"published"``: the size of
        the paper, for a GPU; of jumpset-net, the size that is shipped.
    steps, batch_size, crop, learning_rate, ema
        Replace those of the recipe, :data:`jumpset.learned.RECIPES`. The crop is a multiple of 16 pixels;
        ``ema`` the decay of the running mean, 0 to 1.
    max_seconds
        Time for the whole training, interruptions not counted. Alone, it replaces ``steps``; with ``steps``,
        what ends first ends it.
    sizes
        Of the network, replacing those of the preset, e.g. ``{"width": 32}``.
    start
        Weights to go on from instead of fresh ones, for pictures of your own kind: ``"shipped"``, or a file
        of an earlier training of the same sizes. The guess of jumpset-net then stays as it is there, and
        batch norm keeps its statistics.
    seed
        Of weights and pairs, whole number from 0 to 2³¹ - 1. With ``steps`` alone, the same seed gives the
        same weights bit for bit on one machine, device and number of threads.
    device
        Where to compute; default: the CPU.
    precision
        Of the layers: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the device
        multiplies it faster. Weights, loss and Adam are in float32.
    workers
        Processes that make the batches, for a GPU; 0: a thread, which is enough for a CPU. The batches are
        the same. A script needs its ``if __name__ == "__main__":`` then.
    validation
        What is scored: ``"synthetic"``, 24 drawn pairs that are no part of any training, or a folder as
        ``data``, the middles of up to 24 pictures. 160 × 160 pixels each.
    validate_every
        Seconds between two scores.
    checkpoint
        A file to save the training to, every ``checkpoint_every`` seconds and at the end. If it exists the
        training goes on from it, and ends as if it had never been interrupted, bit for bit where it is
        planned by ``steps``.
    checkpoint_every
        Seconds between two savings.
    licence
        Of the weights, if you give them away: a text that is kept in the file, as are data, steps, seed,
        score and the command that trains the same again.
    stop
        Called with a :class:`TrainingStep` after each step; True ends the training there.
    callback
        Called with a :class:`TrainingStep` after each step.

    Returns
    -------
    Trained
        Path, status, steps, seconds, score and history. Ctrl-C ends a training with the weights so far, and
        the status INTERRUPTED.

    Raises
    ------
    InputError
        An unknown name or preset, a parameter out of range, or a checkpoint of another training.
    FileError
        Weights to start with that are missing, a folder of data that is missing or incomplete, a file that
        cannot be written, a damaged checkpoint.
    TrainingDiverged
        The gradient was not finite for several steps in a row; ``out`` is not written.

    Examples
    --------
    >>> trained = js.training.train("jumpset-net", out="mine.safetensors", max_seconds=600)  # doctest: +SKIP
    >>> flat = js.smooth(image, method="jumpset-net", weights=trained.path)  # doctest: +SKIP
    """
    recipe, sizes = recipe_for(name, preset, steps, batch_size, crop, learning_rate, ema, sizes)
    if max_seconds is not None:
        checks.real("max_seconds", max_seconds, above=0.0)
    for key, value in (("validate_every", validate_every), ("checkpoint_every", checkpoint_every)):
        checks.real(key, value, above=0.0)
    checks.integer("seed", seed, at_least=0, at_most=_SEEDS - 1)
    checks.one_of("precision", precision, PRECISIONS)
    checks.integer("workers", workers, at_least=0)
    if licence is not None and not isinstance(licence, str):
        raise InputError("licence must be a text", given=repr(licence), do="pass e.g. 'CC0-1.0'")
    target = weights_path(out)
    begun = None if start is None else initial_weights(name, sizes, start)
    if begun is not None:
        recipe = replace(recipe, first=None, freeze_batchnorm_at=0.0)
    saved = None if checkpoint is None else check_parent(checkpoint)
    if saved is not None and saved.resolve() == target.resolve():
        raise InputError("the checkpoint would replace the weights", given=saved, do="name another file")
    place = device_of(device)
    own = None if data == "synthetic" else pairs(data)
    scored = _scored(recipe, validation)
    half = computes_half(precision, place)
    plan = Plan(recipe, None if steps is None and max_seconds is not None else recipe.steps, max_seconds)
    kept = ("loss", "first", "scored")
    names = {"network": name, "start": str(start)}
    names |= {k: str(v) for k, v in vars(recipe).items() if k not in kept}
    names |= {
        "sizes": json.dumps(sizes, sort_keys=True),
        "data": str(data),
        "seed": str(seed),
        "precision": "bfloat16" if half else "float32",
        "steps": str(plan.steps),
        "max_seconds": str(max_seconds),
    }
    file = None if saved is None else StateFile(saved, names, place)
    trainer = Trainer(name, sizes, recipe, seed=seed, device=place, half=half)
    if begun is not None:
        trainer.begin_with(begun)
    run = Run(trainer, plan, scored, target, file)
    batches = _batches(own, recipe, seed)
    status = run.run(batches, workers, validate_every, checkpoint_every, stop, callback)
    metadata = {
        "recipe": preset,
        "data": str(data),
        "steps": trainer.n_steps,
        "seconds": round(run.clock.elapsed),
        "seed": seed,
        **({} if start is None else {"start": str(start)}),
        "validation": run.history[-1],
        "settings": names,
        **({} if licence is None else {"licence": licence}),
        "command": command(name, preset, target, data, plan, recipe, sizes, start, seed, precision),
    }
    save_weights(target, name, sizes, trainer.average.state_dict(), metadata)
    return Trained(target, status, trainer.n_steps, run.clock.elapsed, run.history[-1]["psnr"], run.history)


def _batches(own: list[Pair] | None, recipe: Recipe, seed: int) -> Callable[..., Iterator[Batch]]:
    """Of start and step."""
    if own is None:
        return partial(_data.synthetic, recipe.batch_size, recipe.crop, kind=recipe.kind, seed=seed)
    return partial(_data.folder, own, recipe.batch_size, recipe.crop, seed=seed)


def _scored(recipe: Recipe, validation: str | os.PathLike[str]) -> Batch:
    count, side = _SCORED
    if validation != "synthetic":
        return _data.centres(pairs(validation, limit=count), side)
    return _data.drawn(count, side, kind=recipe.kind, seed=_SEEDS)
