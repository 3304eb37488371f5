"""GraphNet: squared differences and L1, the cheap baseline for sparse and smooth images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.penalties._grid import GridPenalty
from jumpset.penalties.base import Penalty, fused_sum
from jumpset.penalties.l1 import L1
from jumpset.penalties.total_variation import TotalVariation


@dataclass(frozen=True)
class GraphNet(GridPenalty):
    r"""GraphNet: zeros, and smooth bumps between them; cheap, but it blurs edges.

    .. math:: R(x) = \sum_p \|\nabla x_p\|_2^2 + \rho \sum_{c,p} |x_{c,p}|

    with forward differences, zero across the border.

    Parameters
    ----------
    ratio
        ρ, at least 0: weight of sparsity relative to smoothness.
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
    L. Grosenick, B. Klingenberg, K. Katovich, B. Knutson, J. Taylor, "Interpretable whole-brain prediction
    analysis with GraphNet", NeuroImage 2013. The prox has no closed form.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.GraphNet(ratio=1.0)
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [6.0]
    """

    ratio: float = parameter(0.1, checks.real, at_least=0.0)

    name: ClassVar[str] = "graph-net"
    paper: ClassVar[str] = "Grosenick et al., NeuroImage 2013"

    def _smoothness(self) -> TotalVariation:
        tv = TotalVariation(beta=2.0, channels="separate", spacing=self.spacing, periodic=self.periodic)
        return tv.on_edges(self.edge_weights)

    def complex_parts(self) -> tuple[tuple[float, Penalty], ...]:
        """Return smoothness and L1."""
        return (1.0, self._smoothness()), (self.ratio, L1())

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the sum of both parts at each pixel."""
        return self._smoothness().terms(x, mask) + self.ratio * L1().terms(x, mask)

    def _fused(self, x: Tensor, factor: float) -> Tensor | None:
        return fused_sum(self.complex_parts(), x, factor)

    def _value(self, x: Any, mask: Any, weight_map: Any) -> Any:
        smoothness = self._smoothness()._value(x, mask, weight_map)
        return smoothness + self.ratio * L1()._value(x, mask, weight_map)
