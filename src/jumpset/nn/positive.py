"""Numbers that are trained and stay positive."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from jumpset._core.errors import InputError


def logarithm(name: str, value: Tensor) -> nn.Parameter:
    """Return the parameter ``log(value)``, with at least one axis, which sharding of parameters needs."""
    _check(name, value)
    return nn.Parameter(value.detach().log().reshape(value.shape or (1,)))


def set_logarithm(name: str, parameter: Tensor, value: Any) -> None:
    """Set the parameter of :func:`logarithm`, which an optimizer may hold, to another positive value."""
    value = torch.as_tensor(value, dtype=parameter.dtype, device=parameter.device).detach()
    _check(name, value)
    with torch.no_grad():
        parameter.copy_(value.log().expand(parameter.shape))


def _check(name: str, value: Tensor) -> None:
    if not bool(((value > 0) & torch.isfinite(value)).all()):
        given, advice = value.tolist(), f"start above 0, for instance at {name}=1e-3"
        raise InputError(f"a trained {name} is positive", given=given, do=advice)
