"""The l1 norm: zeros without regard to adjacency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset.kernels.values import l1 as kernel
from jumpset.operators.images import check_tensor, per_image
from jumpset.operators.namespaces import namespace
from jumpset.penalties.base import Penalty


@dataclass(frozen=True)
class L1(Penalty):
    r"""The l1 norm: shrinks each pixel towards zero, independently of the others.

    .. math:: R(x) = \sum_{c, p} |x_{c, p}|

    The baseline of all sparse penalties. It ignores adjacency, so its zeros are scattered.

    Notes
    -----
    R. Tibshirani, JRSS B 1996. The gradient at 0 is 0. The prox is soft thresholding.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.L1()
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [4.0]
    >>> penalty.prox(x, 0.1).shape
    torch.Size([1, 1, 2, 4])
    """

    name: ClassVar[str] = "l1"
    paper: ClassVar[str] = "Tibshirani, JRSS B 1996"
    separable: ClassVar[bool] = True

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return ``|x|``."""
        xp = namespace(x)
        kept = x != 0 if mask is None else (x != 0) & mask  # the derivative of |x| at 0 is 1 in JAX
        return xp.where(kept, xp.abs(x), xp.zeros_like(x))

    def _fused(self, x: Tensor, factor: float) -> Tensor | None:
        return kernel.l1(x, factor) if kernel.applies(x) else None

    def prox(self, v: Tensor, tau: float | Tensor) -> Tensor:
        """Compute the soft threshold, ``sign(v) max(|v| − tau, 0)``."""
        check_tensor(v, may_be=False)
        taus = per_image(tau, v)
        return torch.sign(v) * (v.abs() - taus).clamp_min(0.0)
