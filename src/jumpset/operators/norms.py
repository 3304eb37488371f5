"""Roots and powers whose gradient is finite everywhere, in the formula language.

At zero, where the root has a kink, every automatic differentiation gets the subgradient of least norm, 0:
the argument is replaced by 1 *before* the root, so that no infinity is multiplied by zero on the way back.
"""

from __future__ import annotations

from typing import Any

from jumpset.operators.namespaces import namespace


def root(squares: Any) -> Any:
    """``√squares`` for ``squares ≥ 0``, gradient 0 where ``squares`` is 0."""
    xp = namespace(squares)
    positive = squares > 0
    safe = xp.where(positive, squares, xp.ones_like(squares))
    return xp.where(positive, xp.sqrt(safe), xp.zeros_like(squares))


def power(squares: Any, exponent: float) -> Any:
    """``squares ** exponent`` for ``squares ≥ 0`` and an exponent above 0; gradient 0 at 0."""
    if exponent == 1.0:
        return squares
    if exponent == 0.5:
        return root(squares)
    xp = namespace(squares)
    positive = squares > 0
    safe = xp.where(positive, squares, xp.ones_like(squares))
    return xp.where(positive, safe**exponent, xp.zeros_like(squares))


def over_channels(squares: Any, channels: str) -> Any:
    """Sum of squares over the channels, kept as one channel, where they are coupled (``"joint"``)."""
    return namespace(squares).sum(squares, axis=1, keepdims=True) if channels == "joint" else squares
