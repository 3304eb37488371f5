"""The number of nonzeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from jumpset.penalties._jumps import count
from jumpset.penalties._scalar import ScalarPenalty


@dataclass(frozen=True)
class L0(ScalarPenalty):
    r"""The number of nonzero entries, for its prox, hard thresholding, and as a measure.

    .. math:: R(x) = \sum_{c, p} [x_{c, p} \ne 0]

    Notes
    -----
    T. Blumensath, M. Davies, JFAA 2008. The gradient is 0 everywhere, so that it has no effect on training.
    The prox keeps entries with ``|v| > √(2 tau)`` (the fidelity is ½‖u − v‖², as for every penalty here).

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.L0()
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [4.0]
    """

    name: ClassVar[str] = "l0"
    paper: ClassVar[str] = "Blumensath, Davies, JFAA 2008"
    convex: ClassVar[bool] = False

    def profile(self, size: Any) -> Any:
        """Return 1 where the entry is not zero."""
        return count(size)

    def candidates(self, size: Tensor, tau: float | Tensor) -> list[Tensor]:  # noqa: ARG002
        """Return the entry itself."""
        return [size]
