"""Transformed l1: between l0 and l1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.penalties._scalar import ScalarPenalty, cubic_roots, newton_polish


@dataclass(frozen=True)
class TransformedL1(ScalarPenalty):
    r"""Transformed l1: interpolates between l0 and l1.

    .. math:: R(x) = \sum_{c, p} \frac{(a + 1) |x_{c, p}|}{a + |x_{c, p}|}

    Parameters
    ----------
    a
        Scale, above 0, in the unit of x: the count of nonzeros as a → 0, the l1 norm as a → ∞.

    Raises
    ------
    InputError
        ``a`` out of range.

    Notes
    -----
    M. Nikolova, SIAM J. Appl. Math. 2000; S. Zhang, J. Xin, "Minimization of transformed L1 penalty", Math.
    Programming 2018. The prox compares all roots of its cubic with 0.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.TransformedL1()
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [4.0]
    """

    a: float = parameter(1.0, checks.real, above=0.0)

    name: ClassVar[str] = "transformed-l1"
    paper: ClassVar[str] = "Zhang, Xin, Mathematical Programming 2018"
    convex: ClassVar[bool] = False

    def profile(self, size: Any) -> Any:
        """Return ``(a + 1) t / (a + t)``."""
        return (self.a + 1) * (size / (self.a + size))

    def candidates(self, size: Tensor, tau: float | Tensor) -> list[Tensor]:
        """Return the roots of ``(u − v)(a + u)² + tau a (a + 1) = 0``."""
        a, v = self.a, size.detach()
        pull = torch.as_tensor(tau * a * (a + 1), dtype=size.dtype, device=size.device)
        polished = []
        for root in cubic_roots(2 * a - v, a * a - 2 * a * v, pull - a * a * v):
            u = root.clamp_min(0.0)
            value = (u - size) * (a + u).square() + pull
            slope = (a + u).square() + 2 * (u - size) * (a + u)
            polished.append(torch.where(root > 0, newton_polish(u, value, slope), 0.0))
        return polished
