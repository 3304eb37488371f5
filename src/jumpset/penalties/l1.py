"""The l1 norm: zeros without regard to adjacency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset.kernels.values import l1 as kernel
from jumpset.operators.images import check_tensor, per_image
from jumpset.operators.masks import as_weight_map
from jumpset.operators.namespaces import namespace
from jumpset.penalties.base import Penalty
from jumpset.prox.tv_weighted import check_bounds, check_weights


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

    def prox(
        self,
        v: Tensor,
        tau: float | Tensor,
        *,
        weight_map: Any = None,
        lower: float | None = None,
        upper: float | None = None,
    ) -> Tensor:
        """Compute the soft threshold, ``sign(v) max(|v| − tau, 0)``.

        ``weight_map`` multiplies tau at each pixel. With bounds ``lower ≤ u ≤ upper`` the result is clipped,
        which is exact since entries do not depend on each other.
        """
        check_tensor(v, may_be=False)
        taus = per_image(tau, v)
        if weight_map is not None:
            weights = as_weight_map(weight_map, v)
            check_weights("weight_map", weights)
            taus = taus * weights
        low, high = check_bounds(lower, upper)
        u = torch.sign(v) * (v.abs() - taus).clamp_min(0.0)
        return u if lower is None and upper is None else u.clamp(low, high)
