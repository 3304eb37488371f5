"""What a run begins with: a picture that agrees with the data, a start, and whose components it works in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from jumpset import _checks
from jumpset._arrays import to_tensor
from jumpset._errors import InputError
from jumpset.dip.colours import Colours, told
from jumpset.operators.gradient import divergence, gradient
from jumpset.smoothers._inner import answer
from jumpset.smoothers.region_fusion import fuse

STARTS = ("region-fusion", "structure-texture", "jumpset-net", "random")
_ROUGHNESS = 1e-3  # small beside the data, and what decides where there are none
_STEPS = 200
_TOLERANCE = 1e-6  # of the residual; that in holes is small from the beginning


def first_picture(f: Tensor, operator: Any) -> Tensor:
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
        _checks.one_of("start", start, names)


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


def begin(
    first: Tensor, start: Any, weight: float, levels: int, *, whitened: bool, used: bool
) -> tuple[Colours | None, Tensor]:
    """The colours whose components a run works in, if any, and its start in them.

    Parameters
    ----------
    first
        ``(1, C, H, W)``, the picture, or one that agrees with the data.
    start
        Of :data:`STARTS`, or a picture.
    weight, levels
        Of region fusion; the weight with colours in variances of the texture.
    whitened
        Whether to work in the colours of the picture's texture.
    used
        Whether a random start's place in the input or in the answer wants a picture; else it is ``first``.
    """
    named = start if isinstance(start, str) else "picture"
    colours, u = None, first
    if whitened or named == "structure-texture":
        texture, u = told(first, separate=named == "structure-texture")
        colours = Colours.of(first, texture) if whitened else None
    if named in ("region-fusion", "random"):
        if colours is not None:
            first, weight = colours.components(first), weight * colours.variance
        return colours, fuse(first, weight, levels) if used else first
    if named == "picture":
        u = given_start(start, first)
    elif named == "jumpset-net":
        from jumpset.learned.jumpset_net import JumpsetNet  # not above: few runs need it

        u = answer(JumpsetNet(), first)
    return colours, u if colours is None else colours.components(u)
