"""Total variation that is quadratic for small gradients: Huber's and Charbonnier's functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.operators.namespaces import namespace
from jumpset.operators.norms import root
from jumpset.penalties._grid import GridPenalty
from jumpset.penalties.base import Channels, coupling
from jumpset.penalties.solved_prox import SolvedProx
from jumpset.prox.tv import Terms


@dataclass(frozen=True)
class HuberTV(SolvedProx):
    r"""Huber TV: total variation without staircases, for images with smooth shading between edges.

    .. math:: R(x) = \sum_p h_\delta\bigl(\|\nabla x_p\|_2\bigr), \qquad
              h_\delta(t) = \begin{cases} t^2 / 2\delta & t \le \delta \\ t - \delta / 2 & t > \delta
              \end{cases}

    with forward differences, zero across the border.

    Parameters
    ----------
    delta
        δ, above 0, in intensities: smaller gradients count as shading, larger ones as edges.
    channels
        ``"joint"``: one norm over directions and channels. ``"separate"``: the sum over the channels.
    spacing
        Distances between pixels along each spatial axis, in the order z, y, x. A difference along an axis is
        divided by its distance relative to the smallest one. Default: equal.
    periodic
        Whether the first pixel of a line is the neighbour of the last one.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    P. Huber, Ann. Math. Stat. 1964; as a regulariser: M. Werlberger, W. Trobin, T. Pock, A. Wedel, D.
    Cremers, H. Bischof, BMVC 2009. Huber's function is applied to the norm of the gradient, not to each
    component. R is at most the isotropic total variation TV, and at least TV − δ/2 per pixel. Half precision
    is computed, and returned, in float32.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.HuberTV(delta=0.1)
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [1.9]
    """

    delta: float = parameter(0.01, checks.real, above=0.0)
    channels: Channels = coupling()

    name: ClassVar[str] = "huber-tv"
    paper: ClassVar[str] = "Werlberger et al., BMVC 2009"

    def prox_terms(self, v: Tensor) -> Terms:
        """Return what the solver of the prox minimises; δ makes its dual strongly convex."""
        coupled = self.channels == "joint" and v.ndim > 2 and v.shape[1] > 1
        return Terms("l2", coupled, delta=float(self.delta))

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return Huber's function of the norm of the gradient."""
        squares = sum(self.squares_by_axis(x, self.channels, mask))
        norm = root(squares)
        is_shading = norm <= self.delta
        return namespace(x).where(is_shading, squares / (2 * self.delta), norm - self.delta / 2)


@dataclass(frozen=True)
class Charbonnier(GridPenalty):
    r"""Charbonnier TV: total variation smoothed at 0, with derivatives of every order.

    .. math:: R(x) = \sum_p \sqrt{\|\nabla x_p\|_2^2 + \varepsilon^2} - \varepsilon

    with forward differences, zero across the border.

    Parameters
    ----------
    eps
        ε, above 0, in intensities: gradients t well below it count as ``t² / 2ε``, well above it as
        ``t − ε``.
    channels
        ``"joint"``: one norm over directions and channels. ``"separate"``: the sum over the channels.
    spacing
        Distances between pixels along each spatial axis, in the order z, y, x. A difference along an axis is
        divided by its distance relative to the smallest one. Default: equal.
    periodic
        Whether the first pixel of a line is the neighbour of the last one.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    P. Charbonnier, L. Blanc-Féraud, G. Aubert, M. Barlaud, ICIP 1994; R. Acar, C. Vogel, Inverse Problems
    1994. (1) ε is subtracted, so that flat images have the value 0. (2) The terms are evaluated as
    ``t² / (√(t² + ε²) + ε)``, which is equal and avoids cancellation. Half precision is computed, and
    returned, in float32.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.Charbonnier()
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [1.998]
    """

    eps: float = parameter(1e-3, checks.real, above=0.0)
    channels: Channels = coupling()

    name: ClassVar[str] = "charbonnier"
    paper: ClassVar[str] = "Charbonnier, Blanc-Féraud, Aubert, Barlaud, ICIP 1994"

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the terms of the formula above."""
        squares = sum(self.squares_by_axis(x, self.channels, mask))
        return squares / (root(squares + self.eps**2) + self.eps)
