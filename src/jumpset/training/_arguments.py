"""The arguments of a training: checks before any work, and the command that repeats the training."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import FileError, InputError
from jumpset._core.files import check_target
from jumpset.datasets import Pair, pairs
from jumpset.learned.architectures import NETWORKS, SIZES, check_sizes
from jumpset.learned.weights import build_network, load_weights, safetensors_path, weights_file
from jumpset.operators.autocast import PRECISIONS
from jumpset.training._loop import LOG_SUFFIX, Plan
from jumpset.training.recipes import RECIPES, Recipe

SEEDS = 2**31  # training seeds are smaller, those of the validation pairs are not
_CROP_DIVISOR = 16  # a multiple of the size_divisor of every network


def recipe_for(
    name: str,
    preset: str,
    steps: int | None,
    batch_size: int | None,
    crop: int | None,
    rate: float | None,
    ema: float | None,
    sizes: Mapping[str, Any] | None,
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe with the caller's changes, and the sizes of the network."""
    checks.one_of("network", name, RECIPES)
    checks.one_of("preset", preset, RECIPES[name])
    counts = {"steps": steps, "batch_size": batch_size, "crop": crop}
    for key, value in counts.items():
        if value is not None:
            checks.integer(key, value, at_least=1)
    if crop is not None and crop % _CROP_DIVISOR:
        raise InputError(
            f"the crop must be a multiple of {_CROP_DIVISOR}",
            given=crop,
            do=f"pass {-(-crop // _CROP_DIVISOR) * _CROP_DIVISOR}",
        )
    if rate is not None:
        checks.real("learning_rate", rate, above=0.0)
    if ema is not None:
        checks.real("ema", ema, at_least=0.0, below=1.0)
    changes = {k: v for k, v in {**counts, "learning_rate": rate, "ema": ema}.items() if v is not None}
    sizes = {**SIZES[name][preset], **(sizes or {})}
    check_sizes(name, sizes)
    return replace(RECIPES[name][preset], **changes), sizes


def check_options(
    max_seconds: float | None,
    validate_every: float,
    checkpoint_every: float,
    seed: int,
    precision: str,
    workers: int,
    licence: str | None,
    **functions: object,
) -> None:
    """Raise ``InputError`` for an option out of range, or one of ``functions`` that cannot be called."""
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise InputError(
                f"{name} must be a function of the step", given=repr(function), do="pass None for none"
            )
    if max_seconds is not None:
        checks.real("max_seconds", max_seconds, above=0.0)
    checks.real("validate_every", validate_every, above=0.0)
    checks.real("checkpoint_every", checkpoint_every, above=0.0)
    checks.integer("seed", seed, at_least=0, at_most=SEEDS - 1)
    checks.one_of("precision", precision, PRECISIONS)
    checks.integer("workers", workers, at_least=0)
    if licence is not None and not isinstance(licence, str):
        raise InputError("licence must be a text", given=repr(licence), do="pass e.g. 'CC0-1.0'")


def pairs_of(name: str, source: Any, limit: int | None = None) -> list[Pair] | None:
    """The pairs of the folder ``source``, the value of the option ``name``; None for ``"synthetic"``."""
    advice = "pass synthetic, or a folder that holds input/ and truth/"
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"{name} must be a folder or synthetic", given=type(source).__name__, do=advice)
    if source == "synthetic":
        return None
    if not Path(source).is_dir():
        raise FileError(f"the folder of {name} does not exist", given=source, do=advice)
    return pairs(source, limit=limit)


def usable_device(device: str | torch.device | None) -> torch.device:
    """The device, if torch can compute on it; default: the CPU."""
    return torch.device(checks.device("device", device) or "cpu")


def initial_weights(name: str, sizes: Mapping[str, Any], start: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The weights to start from, if they fit the network."""
    source = weights_file(name, start)
    if not source.is_file():
        raise FileError(
            "there is no file of weights to start from",
            given=source,
            do="check the path, or start from shipped",
        )
    found = load_weights(source)
    loaded = build_network(NETWORKS[name], found, source)
    if any(found.sizes.get(key) != (list(v) if isinstance(v, tuple) else v) for key, v in sizes.items()):
        raise InputError(
            "the weights to start from are of another size",
            given=f"{found.sizes} in {source}, {dict(sizes)} for the training",
            do="pass the preset or the sizes of the weights",
        )
    return loaded.state_dict()


def weights_path(out: str | os.PathLike[str]) -> Path:
    """The path of the weights, which must end in ``.safetensors`` and can be written, and its log."""
    path = safetensors_path(check_target(out))
    check_target(path.with_suffix(LOG_SUFFIX))
    return path


def checkpoint_path(checkpoint: str | os.PathLike[str], weights: Path) -> Path:
    """The path of the checkpoint, which can be written and differs from ``weights``."""
    path = check_target(checkpoint)
    if path.resolve() == weights.resolve():
        raise InputError("the checkpoint would replace the weights", given=path, do="name another file")
    return path


def command(
    name: str,
    preset: str,
    target: Path,
    data: str | os.PathLike[str],
    plan: Plan,
    recipe: Recipe,
    sizes: Mapping[str, Any],
    start: str | os.PathLike[str] | None,
    seed: int,
    precision: str,
) -> str:
    """The command that repeats the training."""
    words = ["jumpset", "train", name, "--preset", preset, "--out", target.name]
    if data != "synthetic":
        words += ["--data", str(data)]
    if start is not None:
        words += ["--start", str(start)]
    if plan.steps is not None:
        words += ["--steps", str(plan.steps)]
    if plan.seconds is not None:
        words += ["--max-seconds", f"{plan.seconds:g}"]
    words += ["--seed", str(seed)]
    # explicit, since the recipe may change in a later version
    keys = ("batch_size", "crop", "learning_rate", "ema")
    settings: dict[str, Any] = {key: getattr(recipe, key) for key in keys}
    settings |= {key: value for key, value in sizes.items() if value != SIZES[name][preset][key]}
    if precision != "auto":
        settings["precision"] = precision
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    return shlex.join(words)
