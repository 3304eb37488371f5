"""Weighted difference of anisotropic and isotropic total variation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import NoProx
from jumpset._core.types import parameter
from jumpset.operators.gradient import divergence, gradient
from jumpset.operators.images import check_tensor, per_image
from jumpset.operators.norms import root
from jumpset.operators.precision import to_float64
from jumpset.operators.spectral import smooth_solve
from jumpset.penalties._grid import GridPenalty
from jumpset.penalties.base import Channels, coupling
from jumpset.penalties.total_variation import TotalVariation

_POLISH = 3
_FLAT = 1e-4  # of the range of v: smaller gradients count as zero


@dataclass(frozen=True)
class AITV(GridPenalty):
    r"""AITV: favours gradients along one axis, for images of boxes, letters and sharp corners.

    .. math:: R(x) = \sum_p \|\nabla x_p\|_1 - \alpha \|\nabla x_p\|_2

    with forward differences, zero across the border. With α = 1, gradients along an axis have the value 0.

    Parameters
    ----------
    alpha
        α, from 0 (anisotropic total variation) to 1.
    channels
        ``"joint"``: the squares of all channels share the roots of both norms. ``"separate"``: the sum over
        the channels.
    spacing
        Distances between pixels along each spatial axis, in the order z, y, x. A difference along an axis is
        divided by its distance relative to the smallest one. Default: equal.
    periodic
        Whether the first pixel of a line is the neighbour of the last one.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    Y. Lou, T. Zeng, S. Osher, J. Xin, SIIMS 2015; K. Bui, F. Park, Y. Lou, J. Xin, SIIMS 2021. R is not
    convex for α above 0. Half precision is computed, and returned, in float32.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.AITV(alpha=0.5)
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [1.0]
    """

    alpha: float = parameter(0.5, checks.real, at_least=0.0, at_most=1.0)
    channels: Channels = coupling()

    name: ClassVar[str] = "aitv"
    paper: ClassVar[str] = "Lou, Zeng, Osher, Xin, SIIMS 2015"

    @property
    def convex(self) -> bool:  # type: ignore[override]
        """Whether R is convex."""
        return self.alpha == 0.0

    @property
    def has_prox(self) -> bool:
        """Whether :meth:`prox` is defined."""
        return self.is_plain

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the terms of the formula above."""
        squares = self.squares_by_axis(x, self.channels, mask)
        return sum(root(s) for s in squares) - self.alpha * root(sum(squares))

    def prox(self, v: Tensor, tau: float | Tensor, *, tol: float = 1e-4, max_steps: int = 300) -> Tensor:
        """Compute a stationary point of ``½‖u − v‖² + tau R(u)``; for α = 0 or one axis the exact minimiser.

        First ADMM on d = ∇u, whose d-step has a closed form (Y. Lou, M. Yan, J. Sci. Comput. 2018), from
        d = ∇v. Then three steps of the difference-of-convex-functions algorithm: the tangent of
        ``−α ‖∇u‖₂`` replaces that term, which leaves a prox of anisotropic total variation and makes nearly
        flat regions exactly flat. The result has no derivative.

        Parameters
        ----------
        v
            ``(B, C, *spatial)``.
        tau
            A number, or one number per image.
        tol
            The ADMM of an image stops when a step changes ∇u and d by at most ``tol ‖∇v‖``.
        max_steps
            Limit of the steps of ADMM.
        """
        checks.real("tol", tol, above=0.0)
        checks.integer("max_steps", max_steps, at_least=1)
        check_tensor(v)
        if not self.is_plain:
            raise NoProx("AITV with spacing or periodic borders has no proximal operator; use its gradient")
        tv = TotalVariation(isotropic=False, channels=self.channels)
        if self.alpha == 0.0:
            return tv.prox(v, tau)
        with torch.no_grad():
            wide = to_float64(v.detach())
            taus = per_image(tau, wide)
            u = self._by_admm(wide, taus, tol, max_steps)
            axes = (1, 2) if self.channels == "joint" else (1,)
            spread = wide.flatten(1).amax(1) - wide.flatten(1).amin(1)
            still = (_FLAT * spread).reshape(-1, *[1] * v.ndim)
            for _ in range(_POLISH):
                slope = gradient(u)
                size = slope.square().sum(axes, keepdim=True).sqrt()
                # at a flat pixel any vector of length up to α is a tangent; 0 keeps the pixel flat
                q = torch.where(size > still, slope / torch.where(size > 0, size, 1.0), 0.0)
                u = tv.prox(wide - taus * self.alpha * divergence(q), tau)
        return u.to(v.dtype)

    def _by_admm(self, v: Tensor, taus: float | Tensor, tol: float, max_steps: int) -> Tensor:
        """Repeat ``u = (1 + ∇ᵀ∇)⁻¹ (v + ∇ᵀ(d − y))``, ``d = shrink(∇u + y)``, ``y += ∇u − d``."""
        per_field = torch.as_tensor(taus, dtype=v.dtype, device=v.device).reshape(
            -1, *[1] * v.ndim
        )  # (B, D, C, *spatial)
        d = gradient(v)
        y = torch.zeros_like(d)
        size = _squares(d)
        u, active = v, size > 0
        for _ in range(max_steps):
            new = smooth_solve(v - divergence(d - y), 0.5)
            slope = gradient(new)
            jumps = _l1_minus_l2(slope + y, per_field, self.alpha, self.channels == "joint")
            moved = torch.maximum(_squares(slope - jumps), _squares(jumps - d))
            u = torch.where(_like(active, v), new, u)
            y = torch.where(_like(active, y), y + slope - jumps, y)
            d = torch.where(_like(active, d), jumps, d)
            active = active & (moved > tol**2 * size)
            if not bool(active.any()):
                break
        return u


def _l1_minus_l2(y: Tensor, t: Tensor, alpha: float, joint: bool) -> Tensor:
    """Compute ``argmin_x ½‖x − y‖² + t (‖x‖₁ − α ‖x‖₂)`` over the directions, axis 1.

    If the largest entry exceeds t: soft thresholding, then the length is increased by ``t α``. Otherwise: the
    largest entry alone, reduced by ``t (1 − α)``, or zero. With joint channels an entry is the norm of a
    direction over the channels.
    """
    entry = y.square().sum(2, keepdim=True).sqrt() if joint else y.abs()
    largest = entry.amax(1, keepdim=True)
    soft = (entry - t).clamp_min(0.0)
    length = soft.square().sum(1, keepdim=True).sqrt()
    longer = soft * (1 + t * alpha / torch.where(length > 0, length, 1.0))
    first = torch.zeros_like(entry).scatter_(1, entry.argmax(1, keepdim=True), 1.0)
    alone = first * (largest - (1 - alpha) * t).clamp_min(0.0)
    new = torch.where(largest > t, longer, alone)
    return y * torch.where(entry > 0, new / torch.where(entry > 0, entry, 1.0), 0.0)


def _squares(field: Tensor) -> Tensor:
    return field.square().flatten(1).sum(1)


def _like(active: Tensor, x: Tensor) -> Tensor:
    return active.reshape(-1, *[1] * (x.ndim - 1))
