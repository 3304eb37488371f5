"""Checks of parameters; each raises ``InputError`` with the allowed values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

from jumpset._core.errors import InputError


def real(name: str, value: object, *, above: float | None = None, at_least: float | None = None,
         at_most: float | None = None, below: float | None = None) -> None:  # fmt: skip
    """Raise unless ``value`` is a finite real number within the bounds."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise InputError(
            f"{name} must be a finite number",
            given=repr(value),
            do=f"pass {_bounds(above, at_least, at_most, below)}",
        )
    v = float(value)
    wrong = (
        (above is not None and v <= above)
        or (at_least is not None and v < at_least)
        or (at_most is not None and v > at_most)
        or (below is not None and v >= below)
    )
    if wrong:
        bounds = _bounds(above, at_least, at_most, below)
        raise InputError(f"{name} must be {bounds}", given=repr(value), do=f"pass {bounds}")


def weight(name: str, value: object) -> None:
    """Raise unless ``value`` is a weight of a smoother: 0 to 1e30, beyond which float32 overflows."""
    real(name, value, at_least=0.0, at_most=1e30)


def real_or_none(name: str, value: object, **bounds: float) -> None:
    """Raise unless ``value`` is None or passes :func:`real`."""
    if value is not None:
        real(name, value, **bounds)


def spacing(name: str, value: object) -> None:
    """Raise unless ``value`` is None or a tuple of one to three lengths above 0."""
    if value is None:
        return
    if not isinstance(value, (tuple, list)) or not 1 <= len(value) <= 3:
        raise InputError(
            f"{name} has one number for each spatial axis, in the order z, y, x",
            given=repr(value),
            do="pass e.g. (2.0, 0.5, 0.5) for voxels that are four times as long in z",
        )
    for length in value:
        real(name, length, above=0.0)


def integer(name: str, value: object, *, at_least: int | None = None, at_most: int | None = None) -> None:
    """Raise unless ``value`` is a whole number within the bounds."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name} must be a whole number", given=repr(value), do="pass an int")
    real(name, int(value), at_least=at_least, at_most=at_most)


def flag(name: str, value: object) -> None:
    """Raise unless ``value`` is a bool."""
    if not isinstance(value, bool):
        raise InputError(f"{name} must be True or False", given=repr(value), do="pass a bool")


def one_of(name: str, value: object, allowed: Iterable[object]) -> None:
    """Raise unless ``value`` is one of ``allowed``; the error names the nearest one."""
    options = list(allowed)
    if value not in options:
        raise InputError(f"unknown {name}", given=repr(value), do=advise(value, options))


def device(name: str, value: Any) -> Any:
    """Return a device name or ``torch.device``, or None; raise unless torch can compute on it."""
    if value is None or str(value) == "cpu":
        return value
    import torch  # the command line checks its other arguments before it waits for torch

    try:
        _ = torch.zeros(1, device=value) + 1.0
        usable = str(value) != "meta"
    except (RuntimeError, AssertionError, TypeError, ValueError, NotImplementedError):
        usable = False
    if not usable:
        present = ["cpu", *(f"cuda:{k}" for k in range(torch.cuda.device_count()))]
        present += ["mps"] * torch.backends.mps.is_available()
        raise InputError(
            f"the {name} is not available", given=repr(value), do=f"use one of: {', '.join(present)}"
        )
    return value


def advise(value: object, options: Iterable[object]) -> str:
    """Return ``use one of …``, after the nearest spelling if one is near."""
    names = [str(o) for o in options]
    near = get_close_matches(str(value), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}use one of: {', '.join(names)}" if names else "there is nothing to choose from"


def _bounds(above: float | None, at_least: float | None, at_most: float | None, below: float | None) -> str:
    parts = []
    if above is not None:
        parts.append(f"above {above:g}")
    if at_least is not None:
        parts.append(f"at least {at_least:g}")
    if below is not None:
        parts.append(f"below {below:g}")
    if at_most is not None:
        parts.append(f"at most {at_most:g}")
    return " and ".join(parts) or "a finite number"
