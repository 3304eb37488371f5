"""Sparse total variation: flat regions, many of them exactly zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.operators.namespaces import namespace
from jumpset.penalties.base import Channels, Penalty, coupling, fused_sum
from jumpset.penalties.l1 import L1
from jumpset.penalties.solved_prox import SolvedProx
from jumpset.penalties.total_variation import TotalVariation
from jumpset.prox.tv import Terms


@dataclass(frozen=True)
class SparseTV(SolvedProx):
    r"""Sparse TV (sparse fused lasso): for images that are zero in some regions and flat in the others.

    .. math:: R(x) = \mathrm{TV}(x) + \rho \sum_{c,p} |x_{c,p}|

    with :class:`TotalVariation` of exponent 1. L1 alone scatters its zeros; here the length of the boundary
    between zero and non-zero pixels is penalised, too.

    Parameters
    ----------
    ratio
        ρ, at least 0: weight of a pixel's magnitude relative to an edge of that height.
    isotropic
        Whether the directions share one root.
    channels
        Channel coupling of the total variation, ``"joint"`` or ``"separate"``.
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
    R. Tibshirani, M. Saunders, S. Rosset, J. Zhu, K. Knight, "Sparsity and smoothness via the fused lasso",
    JRSS B 2005. The prox of anisotropic total variation with separate channels is soft thresholding of that
    without L1, exactly (J. Friedman, T. Hastie, H. Höfling, R. Tibshirani, Ann. Appl. Stat. 2007); in all
    other cases thresholding would be wrong, and the solver minimises both parts together. Gradient descent
    alone rarely reaches exact zeros; the prox does.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.SparseTV(ratio=0.25)
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [3.0]
    >>> penalty.prox(x, 0.1).shape
    torch.Size([1, 1, 2, 4])
    """

    ratio: float = parameter(0.5, checks.real, at_least=0.0)
    isotropic: bool = parameter(True, checks.flag)
    channels: Channels = coupling()

    name: ClassVar[str] = "sparse-tv"
    paper: ClassVar[str] = "Tibshirani et al., JRSS B 2005"

    def _tv(self) -> TotalVariation:
        tv = TotalVariation(
            isotropic=self.isotropic, channels=self.channels, spacing=self.spacing, periodic=self.periodic
        )
        return tv.on_edges(self.edge_weights)

    def complex_parts(self) -> tuple[tuple[float, Penalty], ...]:
        """Return total variation and L1."""
        return (1.0, self._tv()), (self.ratio, L1())

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the sum of both parts at each pixel, ``(B, 1, *spatial)``."""
        return _over_channels(self._tv().terms(x, mask)) + self.ratio * _over_channels(L1().terms(x, mask))

    def _fused(self, x: Tensor, factor: float) -> Tensor | None:
        return fused_sum(self.complex_parts(), x, factor)

    def _value(self, x: Any, mask: Any, weight_map: Any) -> Any:
        tv = self._tv()._value(x, mask, weight_map)
        return tv + self.ratio * L1()._value(x, mask, weight_map)

    def prox_terms(self, v: Tensor) -> Terms:
        """Return what the solver of the prox minimises."""
        coupled = self.channels == "joint" and v.ndim > 2 and v.shape[1] > 1
        return Terms("l2" if self.isotropic else "l2-each", coupled, ratio=float(self.ratio))


def _over_channels(terms: Any) -> Any:
    return namespace(terms).sum(terms, axis=1, keepdims=True)
