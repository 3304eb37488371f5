"""The count of jumps, exact or by a surrogate that has a gradient."""

from __future__ import annotations

from typing import Any, Literal

from jumpset._core import checks
from jumpset.operators.namespaces import namespace

Surrogate = Literal["gaussian", "rational"]


def count(size: Any) -> Any:
    """Return 1 where ``size`` is not 0, with the gradient 0 (not none: a sum with other penalties trains)."""
    xp = namespace(size)
    ones, zeros = xp.ones_like(size), xp.zeros_like(size)
    finite = xp.where(size == size, size, zeros)  # 0 · NaN would be NaN
    return xp.where(size != 0, ones, zeros) + 0 * finite


def height(d: Any, scale: float) -> Any:
    """Return the argument of :func:`jumps` for a difference; it may be summed over channels and directions.

    This is the square, or for the hard count the magnitude, since the square of a small difference may
    vanish.
    """
    return namespace(d).abs(d) if scale == 0.0 else d * d


def jumps(heights: Any, scale: float, surrogate: str) -> Any:
    """Return 1 where the height is not 0; with a scale above 0, a smooth function that rises from 0 to 1."""
    if scale == 0.0:
        return count(heights)
    if surrogate == "gaussian":
        return -namespace(heights).expm1(-heights / (2 * scale * scale))
    return heights / (heights + scale * scale)


def check_surrogate(scale: float, surrogate: str) -> None:
    """Raise unless both are in range."""
    checks.real("scale", scale, at_least=0.0)
    if scale != 0.0:
        checks.real("scale", scale, at_least=1e-12)  # its square must be a float32
    checks.one_of("surrogate", surrogate, ("gaussian", "rational"))


def annealed_scale(step: int, n_steps: int, start: float, stop: float) -> float:
    """Return ``start (stop / start)^(step / (n_steps − 1))``, which is constant from the last step on."""
    checks.integer("step", step, at_least=0)
    checks.integer("n_steps", n_steps, at_least=1)
    checks.real("start", start, above=0.0)
    checks.real("stop", stop, above=0.0)
    return start * (stop / start) ** min(1.0, step / max(1, n_steps - 1))
