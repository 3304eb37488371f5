"""The last step of a run whose data allow only some images."""

from __future__ import annotations

from torch import Tensor

from jumpset._core.iterate import solve
from jumpset.operators.observations import Observation
from jumpset.smoothers.l0 import L0Smoothing

_STEPS = 6
_SHARE = 0.2  # of the weight, in each step


def flatten_within(observation: Observation, u: Tensor, weight: float) -> Tensor:
    r"""Alternate l0 smoothing with the projection Π onto the images that the data allow.

    Six times :math:`u \leftarrow \Pi(\text{L0Smoothing}(u))` with a fifth of ``weight``, from Π(u); u itself
    where the data allow any image.
    """
    if not observation.is_constrained:
        return u
    u, smoother = observation.project(u), L0Smoothing(weight=_SHARE * weight, beta_max=100.0)
    for _ in range(_STEPS):
        u = observation.project(solve(smoother, u))
    return u
