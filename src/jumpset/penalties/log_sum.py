"""Logarithmic penalties: log-sum, sharp at zero, and Cauchy, smooth at zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.operators.namespaces import namespace
from jumpset.penalties._scalar import ScalarPenalty, cubic_roots, newton_polish


@dataclass(frozen=True)
class LogSum(ScalarPenalty):
    r"""Log-sum: sparser than l1, with little bias on large entries.

    .. math:: R(x) = \sum_{c, p} s \log(1 + |x_{c, p}| / s)

    Parameters
    ----------
    scale
        s, above 0, in the unit of x: entries well below it are shrunk as by l1 (slope 1 at zero), and those
        well above it hardly at all.

    Raises
    ------
    InputError
        ``scale`` out of range.

    Notes
    -----
    E. Candès, M. Wakin, S. Boyd, "Enhancing sparsity by reweighted l1 minimization", JFAA 2008; here scaled
    so that the slope at zero is 1. The prox compares the stationary point of its closed form with 0.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.LogSum(scale=0.5)
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [2.197]
    """

    scale: float = parameter(0.1, checks.real, above=0.0)

    name: ClassVar[str] = "log-sum"
    paper: ClassVar[str] = "Candès, Wakin, Boyd, JFAA 2008"
    convex: ClassVar[bool] = False

    def profile(self, size: Any) -> Any:
        """Return ``s log(1 + |x| / s)``."""
        return self.scale * namespace(size).log1p(size / self.scale)

    def candidates(self, size: Tensor, tau: float | Tensor) -> list[Tensor]:
        """Return the larger root of ``(u − v)(s + u) + tau s = 0``; the smaller one is a maximum."""
        with torch.no_grad():
            inside = (size + self.scale).square() - 4 * tau * self.scale
            u = ((size - self.scale + inside.clamp_min(0.0).sqrt()) / 2).clamp_min(0.0)
        slope = 2 * u + self.scale - size
        polished = newton_polish(u, (u - size) * (self.scale + u) + tau * self.scale, slope)
        return [torch.where((inside > 0) & (u > 0), polished, 0.0)]


@dataclass(frozen=True)
class Cauchy(ScalarPenalty):
    r"""Cauchy (Lorentzian) penalty: a square for small entries, a logarithm for large ones.

    .. math:: R(x) = \sum_{c, p} \frac{s^2}{2} \log\bigl(1 + x_{c, p}^2 / s^2\bigr)

    It is smooth at 0, so that it shrinks small entries but sets none to zero.

    Parameters
    ----------
    scale
        s, above 0, in the unit of x: entries above it are treated as outliers.

    Raises
    ------
    InputError
        ``scale`` out of range.

    Notes
    -----
    M. Black, P. Anandan, CVIU 1996. The radiance-field form Σ log(1 + 2x²) (Fridovich-Keil et al.,
    "Plenoxels", CVPR 2022) is ``4 * Cauchy(scale=0.5 ** 0.5)``. The prox compares all roots of its cubic.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.Cauchy(scale=0.5)
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [0.805]
    """

    scale: float = parameter(0.1, checks.real, above=0.0)

    name: ClassVar[str] = "cauchy"
    paper: ClassVar[str] = "Black, Anandan, CVIU 1996"
    convex: ClassVar[bool] = False

    def profile(self, size: Any) -> Any:
        """Return ``s²/2 log(1 + x²/s²)``."""
        ratio = size / self.scale
        return 0.5 * self.scale**2 * namespace(size).log1p(ratio * ratio)

    def candidates(self, size: Tensor, tau: float | Tensor) -> list[Tensor]:
        """Return the roots of ``u³ − v u² + s² (1 + tau) u − s² v = 0``."""
        square = self.scale**2
        linear = torch.as_tensor(square * (1 + tau), dtype=size.dtype, device=size.device)
        polished = []
        for root in cubic_roots(-size.detach(), linear, -square * size.detach()):
            u = root.clamp_min(0.0)
            value = ((u - size) * u + linear) * u - square * size
            polished.append(newton_polish(u, value, (3 * u - 2 * size) * u + linear))
        return polished
