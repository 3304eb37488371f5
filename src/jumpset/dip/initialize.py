"""What a run begins with: a picture that agrees with the data, a start, and whose components it works in."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.arrays import to_tensor
from jumpset._core.errors import InputError
from jumpset._core.iterate import final_state, solve
from jumpset.dip.whitened_colors import WhitenedColors
from jumpset.jpeg.constraint import JPEGTables
from jumpset.jpeg.tables import jpeg_tables
from jumpset.operators.gradient import divergence, gradient
from jumpset.regions.fusion import fuse
from jumpset.smoothers.structure_texture import StructureTexture

STARTS = ("region-fusion", "structure-texture", "jumpset-net", "random")
_USUAL = 0.025  # weight at which structure-texture removes what it finds, no more and no less
_ROUGHNESS = 1e-3  # small beside the data, and what decides where there are none
_STEPS = 200
_TOLERANCE = 1e-6  # of the residual; that in holes is small from the beginning


def tikhonov_estimate(f: Tensor, operator: Any) -> Tensor:
    r"""A smooth picture that agrees with the data: argmin ‖A u − f‖² + 0.001 ‖∇u‖², by conjugate gradients.

    Holes are filled smoothly, blur is half undone, missing pixels are interpolated; values stay within those
    of f and [0, 1]. ``f`` itself where there is no operator.
    """
    if operator is None:
        return f
    u = torch.zeros_like(operator.adjoint(f))
    r = operator.adjoint(f)
    p, energy = r, r.square().sum()
    goal = _TOLERANCE**2 * energy
    for _ in range(_STEPS):
        if energy <= goal:
            break
        q = operator.adjoint(operator(p)) - _ROUGHNESS * divergence(gradient(p))
        size = energy / (p * q).sum()
        u, r = u + size * p, r - size * q
        before, energy = energy, r.square().sum()
        p = r + energy / before * p
    return u.clamp(f.amin().clamp(max=0.0), f.amax().clamp(min=1.0))


def check_operator(operator: Any) -> None:
    """Raise unless the operator can be applied and has an adjoint."""
    if operator is not None and not (callable(operator) and callable(getattr(operator, "adjoint", None))):
        raise InputError(
            "operator must be a linear operator, or None",
            given=repr(operator),
            do="pass one of jumpset.operators.linear, or an object with __call__ and adjoint",
        )


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
    first: Tensor, start: Any, weight: float, levels: int, *, used: bool
) -> tuple[WhitenedColors | None, Tensor]:
    """The colours whose components a run works in, if any, and its start in them.

    Parameters
    ----------
    first
        ``(1, C, H, W)``, the picture, or one that agrees with the data.
    start
        Of :data:`STARTS`, or a picture.
    weight, levels
        Of region fusion; structure-texture's weight in proportion.
    used
        Whether a random start's place in the input or in the answer wants a picture; else it is ``first``.
    """
    if not isinstance(start, str):
        return None, given_start(start, first)
    if start == "jumpset-net":
        from jumpset.learned.jumpset_net import JumpsetNet  # not above: few runs need it

        return None, solve(JumpsetNet(), first)
    if start == "structure-texture" and weight > 0.0:
        state = final_state(StructureTexture(weight=weight / _USUAL), first)
        if state.textures[0].strength.any() and not state.detailed[0]:
            colours = WhitenedColors.of(first, state.textures[0])
            return colours, colours.components(state.structure)
    return None, fuse(first, weight, levels) if used else first
