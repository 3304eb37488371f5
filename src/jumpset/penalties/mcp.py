"""The minimax concave penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.operators.namespaces import namespace
from jumpset.penalties._scalar import ScalarPenalty


@dataclass(frozen=True)
class MCP(ScalarPenalty):
    r"""Minimax concave penalty: l1 near zero, constant above a scale; large entries are not shrunk.

    .. math:: R(x) = \sum_{c, p} \rho(|x_{c, p}|), \qquad
              \rho(t) = \begin{cases} t - t^2 / 2s & t \le s \\ s / 2 & t > s \end{cases}

    Parameters
    ----------
    scale
        s, above 0, in the unit of x: entries above it are not shrunk at all.

    Raises
    ------
    InputError
        ``scale`` out of range.

    Notes
    -----
    C.-H. Zhang, Annals of Statistics 2010, with the λ of the paper as the factor of the penalty: its (λ, γ)
    is λ R with s = γλ. The prox is firm thresholding for tau < s, else hard thresholding at √(tau s).

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.MCP(scale=0.5)
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [1.0]
    """

    scale: float = parameter(0.2, checks.real, above=0.0)

    name: ClassVar[str] = "mcp"
    paper: ClassVar[str] = "Zhang, Annals of Statistics 2010"
    convex: ClassVar[bool] = False

    def profile(self, size: Any) -> Any:
        """Return ρ above."""
        xp = namespace(size)
        # the multiple of 0 is NaN for NaN and infinity, so that neither looks like a large entry
        capped = xp.where(size < self.scale, size, 0 * size + self.scale)
        return capped - capped * capped / (2 * self.scale)

    def candidates(self, size: Tensor, tau: float | Tensor) -> list[Tensor]:
        """Return the stationary point below s, if it is a minimum, and v itself above s."""
        taus = torch.as_tensor(tau, dtype=size.dtype, device=size.device)
        convex = taus < self.scale
        stretch = torch.where(convex, 1 - taus / self.scale, 1.0)
        inner = ((size - taus) / stretch).clamp(0.0, self.scale)
        return [torch.where(convex, inner, 0.0), size.clamp_min(self.scale)]
