"""What makes the v of DIP-l0 piecewise constant: one of the package's solvers, by name."""

from __future__ import annotations

from importlib import import_module

from torch import Tensor

from jumpset._core.iterate import solve
from jumpset.regions.fusion import fuse

_CLASSES = {
    "potts": "jumpset.smoothers.potts:PottsADMM",
    "potts-descent": "jumpset.smoothers.potts_descent:PottsDescent",
    "l0": "jumpset.smoothers.l0:L0Smoothing",
}
SOLVERS = ("region-fusion", *_CLASSES)


def flatten(picture: Tensor, weight: float, solver: str, levels: int) -> Tensor:
    """A small value of ‖v − picture‖² + weight ‖∇v‖₀, v of the same shape, dtype and device.

    ``levels`` are region fusion's.
    """
    if solver == "region-fusion":
        return fuse(picture, weight, levels)
    module, _, name = _CLASSES[solver].partition(":")
    return solve(getattr(import_module(module), name)(weight=weight), picture)
