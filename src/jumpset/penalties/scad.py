"""The smoothly clipped absolute deviation."""

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
class SCAD(ScalarPenalty):
    r"""Smoothly clipped absolute deviation: l1 up to a scale, and constant above a multiple of it.

    .. math:: R(x) = \sum_{c, p} \rho(|x_{c, p}|), \qquad
              \rho(t) = \begin{cases} t & t \le s \\
              (2 a s t - t^2 - s^2) / 2 (a - 1) s & s < t \le a s \\ (a + 1) s / 2 & t > a s \end{cases}

    Parameters
    ----------
    scale
        s, above 0, in the unit of x.
    a
        Above 1; entries above a s are not shrunk at all.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    J. Fan, R. Li, JASA 2001 (a = 3.7), whose penalty is λ R with s = λ. The prox is the global minimiser for
    every tau, also where the paper has no closed form.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.SCAD(scale=0.2)
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [1.88]
    """

    scale: float = parameter(0.1, checks.real, above=0.0)
    a: float = parameter(3.7, checks.real, above=1.0)

    name: ClassVar[str] = "scad"
    paper: ClassVar[str] = "Fan, Li, JASA 2001"
    convex: ClassVar[bool] = False

    def profile(self, size: Any) -> Any:
        """Return ρ above, as ``m − max(m − s, 0)² / 2(a − 1)s`` with m = min(t, a s)."""
        xp = namespace(size)
        end = self.a * self.scale
        # the multiple of 0 is NaN for NaN and infinity, so that neither looks like a large entry
        capped = xp.where(size < end, size, 0 * size + end)
        excess = xp.where(capped > self.scale, capped - self.scale, xp.zeros_like(capped))
        return capped - excess * excess / (2 * (self.a - 1) * self.scale)

    def candidates(self, size: Tensor, tau: float | Tensor) -> list[Tensor]:
        """Return a minimiser of each of the three pieces; a concave one shares its ends with the others."""
        taus = torch.as_tensor(tau, dtype=size.dtype, device=size.device)
        end = self.a * self.scale
        bend = taus / ((self.a - 1) * self.scale)
        convex = bend < 1
        stretch = torch.where(convex, 1 - bend, 1.0)
        middle = ((size - bend * end) / stretch).clamp(self.scale, end)
        soft = (size - taus).clamp(0.0, self.scale)
        return [soft, torch.where(convex, middle, soft), size.clamp_min(end)]
