"""Conjugate gradients, separately for each image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def conjugate_gradient(
    apply: Callable[[Tensor], Tensor],
    b: Tensor,
    start: Tensor,
    tol: float,
    max_steps: int,
    *,
    precondition: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Solve ``apply(x) = b`` for a symmetric positive definite map of ``(B, …)``.

    Parameters
    ----------
    apply
        The map; it treats each image separately.
    b, start
        Right-hand side, and an x near the solution.
    tol
        An image ends when its residual is at most this part of ‖b‖, or at rounding level.
    max_steps
        Step limit.
    precondition
        A symmetric positive definite map near the inverse of ``apply``; default: the identity.
    """
    near = precondition or (lambda r: r)
    axes = tuple(range(1, b.ndim))
    dot = lambda x, y: (x * y).sum(axes, keepdim=True)  # noqa: E731
    x, r = start, b - apply(start)
    p = z = near(r)
    rest, product = dot(r, r), dot(r, z)
    least = max(tol, 4 * torch.finfo(b.dtype).eps) ** 2 * dot(b, b)
    for _ in range(max_steps):
        active = rest > least
        if not bool(active.any()):
            break
        image = apply(p)
        curvature = dot(p, image)
        moves = active & (curvature > 0)
        alpha = torch.where(moves, product / torch.where(moves, curvature, 1.0), 0.0)
        x, r = x + alpha * p, r - alpha * image
        z = near(r)
        new = dot(r, z)
        p = torch.where(active, z + new / torch.where(product > 0, product, 1.0) * p, p)
        rest, product = (torch.where(active, a, b) for a, b in ((dot(r, r), rest), (new, product)))
    return x
