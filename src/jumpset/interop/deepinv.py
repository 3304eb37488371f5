"""A penalty as a deepinv prior, with ``fn``, ``grad`` and ``prox``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from jumpset._core.optional import needs
from jumpset.penalties import Penalty

with needs("deepinv"):
    from deepinv.optim import Prior


class PenaltyPrior(Prior):
    """R(x) of a penalty for deepinv's algorithms.

    Parameters
    ----------
    penalty
        Any penalty; algorithms that call ``prox`` need one that has a prox.
    """

    def __init__(self, penalty: Penalty) -> None:
        super().__init__()
        self.penalty = penalty
        self.explicit_prior = True

    def fn(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        """Compute R(x), ``(B,)``."""
        return self.penalty.value(x)

    def grad(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        """Compute the gradient, or the subgradient of least norm."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.penalty.value(x).sum(), x)[0]

    def prox(self, x: Tensor, *_: Any, gamma: float | Tensor = 1.0, **__: Any) -> Tensor:
        """Compute ``argmin_u ½‖u − x‖² + gamma R(u)``."""
        return self.penalty.prox(x, gamma)
