"""What a training was asked for: checked before any work, and written down as a command."""

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
from jumpset._core.files import as_path
from jumpset.learned.architectures import NETWORKS, SIZES, check_sizes
from jumpset.learned.weights import build_network, load_weights, safetensors_path, weights_file
from jumpset.training._loop import Plan
from jumpset.training.recipes import RECIPES, Recipe

_MULTIPLE = 16  # of a crop's side: what any of the networks needs


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
    """The recipe with what the caller asked for, and the network's sizes."""
    checks.one_of("network", name, RECIPES)
    checks.one_of("preset", preset, RECIPES[name])
    asked = {"steps": steps, "batch_size": batch_size, "crop": crop}
    for key, value in asked.items():
        if value is not None:
            checks.integer(key, value, at_least=1)
    if crop is not None and crop % _MULTIPLE:
        raise InputError(
            f"the crop must be a multiple of {_MULTIPLE}",
            given=crop,
            do=f"pass {-(-crop // _MULTIPLE) * _MULTIPLE}",
        )
    if rate is not None:
        checks.real("learning_rate", rate, above=0.0)
    if ema is not None:
        checks.real("ema", ema, at_least=0.0, below=1.0)
    changes = {k: v for k, v in {**asked, "learning_rate": rate, "ema": ema}.items() if v is not None}
    sizes = {**SIZES[name][preset], **(sizes or {})}
    check_sizes(name, sizes)
    return replace(RECIPES[name][preset], **changes), sizes


def device_of(device: str | torch.device | None) -> torch.device:
    """Where to compute, if torch can compute there."""
    try:
        place = torch.device("cpu" if device is None else device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:  # the latter where torch is built without it
        raise InputError(
            "the device is not available", given=repr(str(device)), do="use cpu, cuda, cuda:1, … or mps"
        ) from error
    return place


def initial_weights(name: str, sizes: Mapping[str, Any], start: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The weights to start a training with, if they fit its network."""
    source = weights_file(name, start)
    found = load_weights(source)
    loaded = build_network(NETWORKS[name], found, source)
    if any(found.sizes.get(key) != (list(v) if isinstance(v, tuple) else v) for key, v in sizes.items()):
        raise InputError(
            "the weights to start with are of another size",
            given=f"{found.sizes} in {source}, {dict(sizes)} asked for",
            do="choose the preset or the sizes that they have",
        )
    return loaded.state_dict()


def weights_path(out: str | os.PathLike[str]) -> Path:
    """A file of weights that can be written."""
    return safetensors_path(check_parent(out))


def check_parent(file: str | os.PathLike[str]) -> Path:
    """A file in a folder that exists."""
    path = as_path(file)
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise FileError(
            "the file cannot be written there", given=path, do="name a file in a folder that exists"
        )
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
    """The command that trains the same again."""
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
    # spelt out, for the recipe may be another one by the time it is typed again
    told: dict[str, Any] = {
        key: getattr(recipe, key) for key in ("batch_size", "crop", "learning_rate", "ema")
    }
    told |= {key: value for key, value in sizes.items() if value != SIZES[name][preset][key]}
    if precision != "auto":
        told["precision"] = precision
    for key, value in told.items():
        words += ["--set", f"{key}={value}"]
    return shlex.join(words)
