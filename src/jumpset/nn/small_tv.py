"""The prox layer of total variation and sparse TV for batches of small images on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from jumpset.operators.images import spread
from jumpset.operators.precision import at_least_single
from jumpset.prox import tv_batches
from jumpset.prox.tv import MAX_STEPS, Terms, tv_prox


class Start:
    """The dual variable of the last call, the start of the next; copies and saved modules begin without."""

    def __init__(self) -> None:
        self.dual: Tensor | None = None

    def of(self, planes: Tensor) -> Tensor | None:
        """Return the dual variable if it belongs to images of this shape."""
        dual = self.dual
        return dual if dual is not None and dual[:, 0].shape == planes.shape else None

    def __getstate__(self) -> dict[str, None]:
        """Return nothing to be saved: the dual variable belongs to images, not to the network."""
        return {"dual": None}


def applies(v: Tensor, terms: Terms) -> bool:
    """Return whether :func:`prox` takes the images ``(B, C, *spatial)``."""
    return terms.directions is None and tv_batches.applies(_planes(v, terms), terms.norm, terms.delta)


def prox(
    v: Tensor, taus: Tensor, terms: Terms, flat: float | None, tol: float, start: Start | None
) -> Tensor:
    """Compute the proximal point, with derivatives in v and in the ``(B,)`` tensor ``taus``."""
    return _Small.apply(v, taus, terms, flat, tol, start)


def _planes(x: Tensor, terms: Terms) -> Tensor:
    """Return ``(P, C, *spatial)``, with one channel where they are separate."""
    return x if terms.joint else x.flatten(0, 1)[:, None]


class _Small(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, v: Tensor, taus: Tensor, terms: Terms, flat: float | None, tol: float, start: Start | None
    ) -> Tensor:
        begin = None if start is None else start.of(_planes(v, terms))
        settings = {"tol": tol, "max_steps": MAX_STEPS, "dual": begin, "lines": False}
        found = tv_prox(v, taus.detach(), terms, **settings)
        if start is not None:
            start.dual = found.dual
        ctx.save_for_backward(v, taus, found.image, found.dual)
        ctx.terms, ctx.flat, ctx.tol = terms, flat, tol
        return found.image

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        v, taus, u, duals = ctx.saved_tensors
        terms: Terms = ctx.terms
        f, planes, g = (_planes(at_least_single(x), terms) for x in (v, u, gradient))
        weights = taus.double().repeat_interleave(len(f) // len(v))
        single = f.shape[1] == 1 and terms.norm == "l2-each"
        flat = (0.0 if single else 1e-4) if ctx.flat is None else ctx.flat
        low, high = f.flatten(1).aminmax(dim=1)
        zero = 1e-6 * f.flatten(1).abs().amax(1) if terms.ratio > 0 else torch.full_like(low, -1.0)
        # the error of the conjugate gradients is below the one that the gap of u causes
        arrays = planes, duals, g, weights, terms.norm, flat * (high - low), zero, 3 * ctx.tol**0.5
        moved = tv_batches.batch_derivative(*arrays).reshape(v.shape)
        tau = spread(taus.double(), moved)
        moved = torch.where(tau > 0, moved, gradient)  # at tau = 0 the prox is the identity
        force = torch.where(tau > 0, (v.double() - u) / torch.where(tau > 0, tau, 1.0), 0.0)
        by_tau = -(moved * force).flatten(1).sum(1)
        return moved.to(gradient.dtype), by_tau.to(taus.dtype), None, None, None, None
