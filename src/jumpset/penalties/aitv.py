"""Weighted difference of anisotropic and isotropic total variation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from jumpset import _checks
from jumpset.operators.norms import root
from jumpset.penalties._base import Penalty
from jumpset.penalties._gradient_squares import squares_by_axis


@dataclass(frozen=True)
class AITV(Penalty):
    r"""AITV: gradients along one axis at a time, for pictures of boxes, letters and sharp corners.

    .. math:: R(x) = \sum_p \|\nabla x_p\|_1 - \alpha \|\nabla x_p\|_2

    with forward differences, zero across the border. With α = 1, gradients along an axis are free of charge.

    Parameters
    ----------
    alpha
        α, from 0 (anisotropic total variation) to 1.
    channels
        ``"separate"``: the sum over the channels. ``"joint"``: the squares of all channels share the roots of
        both norms.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    Y. Lou, T. Zeng, S. Osher, J. Xin, SIIMS 2015; K. Bui, F. Park, Y. Lou, J. Xin, SIIMS 2021. Not convex for
    α above 0. Half precision is computed, and returned, in float32.
    """

    alpha: float = 0.5
    channels: Literal["separate", "joint"] = "separate"

    name: ClassVar[str] = "aitv"
    paper: ClassVar[str] = "Lou, Zeng, Osher, Xin, SIIMS 2015"

    def __post_init__(self) -> None:
        _checks.real("alpha", self.alpha, at_least=0.0, at_most=1.0)
        _checks.one_of("channels", self.channels, ("separate", "joint"))

    @property
    def convex(self) -> bool:  # type: ignore[override]
        """Whether R is convex."""
        return self.alpha == 0.0

    def terms(self, x: Any, mask: Any = None) -> Any:
        """The formula above, a map."""
        squares = squares_by_axis(x, self.channels, mask)
        return sum(root(s) for s in squares) - self.alpha * root(sum(squares))
