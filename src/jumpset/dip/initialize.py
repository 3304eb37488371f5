"""What a run begins with: a picture that agrees with the data, a start, and whose components it works in."""

from __future__ import annotations

import os
from typing import Any

from torch import Tensor

from jumpset._core import checks
from jumpset._core.arrays import to_tensor
from jumpset._core.errors import InputError
from jumpset._core.iterate import final_state, solve
from jumpset.jpeg.constraint import JPEGTables
from jumpset.jpeg.tables import jpeg_tables
from jumpset.operators.observations import Observation
from jumpset.regions.fusion import fuse
from jumpset.smoothers.structure_texture import StructureTexture
from jumpset.texture.whitened_colors import WhitenedColors

STARTS = ("region-fusion", "structure-texture", "jumpset-net", "random")
_USUAL = 0.025  # weight at which structure-texture removes what it finds, no more and no less


def check_start(start: object, names: tuple[str, ...]) -> None:
    """Raise unless ``start`` is one of the names, or looks like a picture."""
    if not hasattr(start, "ndim"):
        checks.one_of("start", start, names)


def read_tables(tables: Any) -> JPEGTables | None:
    """The tables, read if they are a file's; an error if they are anything else."""
    if isinstance(tables, (str, os.PathLike)):
        return jpeg_tables(tables)
    if tables is not None and not isinstance(tables, JPEGTables):
        raise InputError(
            "tables must be JPEGTables, a JPEG file, or None",
            given=repr(tables),
            do="pass jumpset.jpeg.jpeg_tables(file)",
        )
    return tables


def given_start(start: Any, like: Tensor) -> Tensor:
    """The user's picture as a tensor of the size, dtype and device of ``like``."""
    picture, _ = to_tensor(start, device=like.device)
    if picture.shape != like.shape:
        raise InputError(
            "the start must be a picture of the size and the channels of the answer",
            given=f"{tuple(picture.shape)} for {tuple(like.shape)} (B, C, H, W)",
            do="pass (H, W) or (H, W, C), channels last, or a tensor (1, C, H, W)",
        )
    return picture.to(like.dtype)


def initialize(
    observation: Observation, start: Any, weight: float, levels: int, *, used: bool
) -> tuple[Observation, Tensor]:
    """The observation that a run works with, and its start in the coordinates of that observation.

    Parameters
    ----------
    observation
        Of the picture.
    start
        Of :data:`STARTS`, or a picture.
    weight, levels
        Of region fusion; structure-texture's weight in proportion.
    used
        Whether a random start's place in the input or in the answer wants a picture; else it is the first.
    """
    first = observation.initial()
    if not isinstance(start, str):
        return observation, given_start(start, first)
    if start == "jumpset-net":
        from jumpset.learned.jumpset_net import JumpsetNet  # not above: few runs need it

        return observation, solve(JumpsetNet(), first)
    if start == "structure-texture" and weight > 0.0:
        state = final_state(StructureTexture(weight=weight / _USUAL), first)
        if state.textures[0].strength.any() and not state.detailed[0]:
            colors = WhitenedColors.of(first, state.textures[0])
            return colors, colors.components(state.structure)
    return observation, fuse(first, weight, levels) if used else first
