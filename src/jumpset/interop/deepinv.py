"""A penalty as a deepinv prior, with ``fn``, ``grad`` and ``prox``."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from jumpset._core.optional import needs
from jumpset.nn.prox import DifferentiableProx
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
        self.penalty, self._prox = penalty, DifferentiableProx(penalty)
        self.explicit_prior = True

    def fn(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        """Compute R(x), ``(B,)``."""
        return self.penalty.value(x)

    def grad(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        """Compute the gradient, or the subgradient of least norm; differentiable where autograd records."""
        records = torch.is_grad_enabled() and x.requires_grad
        with torch.enable_grad():
            x = x if records else x.detach().requires_grad_()
            return torch.autograd.grad(self.penalty.value(x).sum(), x, create_graph=records)[0]

    def prox(self, x: Tensor, *_: Any, gamma: float | Tensor = 1.0, **__: Any) -> Tensor:
        """Compute ``argmin_u ½‖u − x‖² + gamma R(u)``, with the derivatives of :class:`jumpset.Prox`.

        ``gamma`` is a number, or a tensor with one number or one per image, ``(B,)`` or ``(B, 1, …)``.
        """
        tau = cast(Tensor, gamma) if isinstance(gamma, Tensor) else torch.tensor(gamma, dtype=torch.float64)
        return self._prox(x, tau.reshape(()) if tau.numel() == 1 else tau)
