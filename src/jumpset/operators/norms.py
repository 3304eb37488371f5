"""Roots and powers whose gradient is finite everywhere, for any array library.

At zero, where the root is not differentiable, automatic differentiation returns the subgradient of least
norm, 0: the argument is replaced by 1 *before* the root, so that the backward pass does not multiply infinity
by zero.
"""

from __future__ import annotations

from typing import Any

from jumpset.operators.namespaces import namespace

# Squares below this (differences below 1e-19) count as zero if the exponent is below ½: the gradient would
# overflow in float32.
_TINY = 1.2e-38


def root(squares: Any) -> Any:
    """Return ``√squares`` for ``squares ≥ 0``, with gradient 0 where ``squares`` is 0. NaN stays NaN."""
    return _raised(squares, squares == 0, 0.5)


def power(squares: Any, exponent: float) -> Any:
    """Return ``squares ** exponent``, both ≥ 0, the exponent above 0; gradient 0 at 0. NaN stays NaN."""
    if exponent == 1.0:
        return squares
    return _raised(squares, squares == 0 if exponent >= 0.5 else squares < _TINY, exponent)


def _raised(squares: Any, zero: Any, exponent: float) -> Any:
    xp = namespace(squares)
    safe = xp.where(zero, xp.ones_like(squares), squares)
    raised = xp.sqrt(safe) if exponent == 0.5 else safe**exponent
    return xp.where(zero, xp.zeros_like(squares), raised)


def over_channels(squares: Any, channels: str) -> Any:
    """Return the sum of squares over the channels, as one channel, if they are coupled (``"joint"``)."""
    return namespace(squares).sum(squares, axis=1, keepdims=True) if channels == "joint" else squares
