"""Latent groups: a support that is a union of windows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import parameter
from jumpset.operators.differences import spatial_axes
from jumpset.operators.images import check_tensor, per_image
from jumpset.operators.norms import over_channels
from jumpset.operators.precision import to_float64
from jumpset.operators.windows import check_sizes, sizes_per_axis, window_sums
from jumpset.penalties._masks import keep_inside
from jumpset.penalties.base import Channels, Penalty, coupling
from jumpset.prox.latent_groups import latent_shrinkage

_TINY = 1e-30
_LOWEST = -200.0  # of log η: such a window has no effect, and its η can grow again


@dataclass(frozen=True)
class LatentGroups(Penalty):
    r"""Latent groups: the support becomes a union of windows; with sliding groups, the zeros do.

    .. math:: R(x) = \min \Bigl\{ \sum_i \|z_i\|_2 : \sum_i z_i = x,\ \operatorname{supp} z_i \subset W(i)
              \Bigr\} = \max \Bigl\{ \langle \alpha, x \rangle : \|\alpha_{W(i)}\|_2 \le 1 \Bigr\}

    over all windows of one size within the image. Torch tensors only.

    Parameters
    ----------
    window
        Pixels along each spatial axis: one number, or one per axis; reduced to the size of the image if it is
        larger.
    tol
        The value is below the exact one by at most this part of it.
    max_steps
        Limit of the inner iteration; a ``RuntimeWarning`` reports that an image has reached it.
    channels
        ``"joint"``: a group holds all channels of its window. ``"separate"``: the sum over the channels.

    Raises
    ------
    InputError
        A parameter out of range, or an array that is not a torch tensor.

    Notes
    -----
    L. Jacob, G. Obozinski, J.-P. Vert, "Group lasso with overlap and graph lasso", ICML 2009. The inner
    iteration has one number η_i per window instead of the z_i: with ``ζ_p = Σ_{i : p ∈ W(i)} η_i`` and α =
    x/ζ, repeat ``η_i ← η_i ‖α_W(i)‖₂``, the majorisation-minimisation of ``½ Σ_p x_p²/ζ_p + ½ Σ_i η_i``, with
    Nesterov's extrapolation of log η, restarted where that sum rises; in double precision. ``Σ_i η_i
    ‖α_W(i)‖`` is an upper bound of R, and ⟨α, x⟩ with α scaled to be feasible a lower bound; each image stops
    separately when their relative distance is at most ``tol``. The value returned is the lower bound and the
    gradient is its α (envelope theorem).

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.LatentGroups(window=2)
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [1.999]
    """

    window: int | tuple[int, ...] = parameter(5, check_sizes)
    tol: float = parameter(1e-3, checks.real, above=0.0)
    max_steps: int = parameter(2000, checks.integer, at_least=1)
    channels: Channels = coupling()

    name: ClassVar[str] = "latent-groups"
    paper: ClassVar[str] = "Jacob, Obozinski, Vert, ICML 2009"

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return ``α x``, with the maximiser α held fixed."""
        if not isinstance(x, Tensor):
            raise InputError(
                "LatentGroups needs its inner solver, which is written for torch",
                given=type(x).__name__,
                do="convert with torch.from_numpy, or use SlidingGroups",
            )
        inside = keep_inside(x, mask)
        return self._dual(inside.detach()).to(x.dtype) * inside

    def prox(self, v: Tensor, tau: float | Tensor, *, tol: float = 1e-4, max_steps: int = 10_000) -> Tensor:
        """Compute latent group shrinkage; exact zeros, no derivative.

        The prox is v minus its projection onto tau times the set of α above, by the same iteration as the
        value, in double precision. Each image stops separately when its duality gap proves
        ``‖u − prox‖₂ ≤ tol ‖v‖₂``. Pixels that the bound cannot distinguish from zero are set to zero.

        Parameters
        ----------
        v
            ``(B, C, *spatial)``.
        tau
            A number, or one number per image.
        tol
            Relative distance to the exact solution.
        max_steps
            Limit; a ``RuntimeWarning`` reports that an image has reached it.
        """
        checks.real("tol", tol, above=0.0)
        checks.integer("max_steps", max_steps, at_least=1)
        check_tensor(v)
        window = self._window(v)
        return latent_shrinkage(
            v,
            per_image(tau, v),
            lambda squares: self._sums(squares, window),
            lambda eta: self._cover(eta, window),
            tol,
            max_steps,
        )

    def _window(self, x: Tensor) -> list[int]:
        sizes = sizes_per_axis("window", self.window, x.ndim - 2)
        return [min(size, length) for size, length in zip(sizes, x.shape[2:], strict=True)]

    def _dual(self, x: Tensor) -> Tensor:
        """Compute a feasible α with ⟨α, x⟩ ≥ (1 − tol) R(x), for each image."""
        check_tensor(x, may_be=False)
        window = self._window(x)
        wide = to_float64(x)
        largest = wide.abs().amax(dim=tuple(range(1, x.ndim)), keepdim=True)
        wide = wide / torch.where(largest > 0, largest, 1.0)
        answer = torch.zeros_like(wide)
        solvable = (largest > 0) & torch.isfinite(largest)
        open_ = torch.nonzero(solvable.flatten()).flatten()  # images that have not converged
        y = self._sums(torch.zeros_like(wide), window)[open_]  # log η, one number per window
        last = y.clone()  # the last iterate before the extrapolation
        momentum = y.new_ones(len(open_))
        energy = y.new_full((len(open_),), torch.inf)
        missing = 0.0
        for step in range(1, self.max_steps + 1):
            if len(open_) == 0:
                break
            f, eta = wide[open_], y.exp()
            zeta = self._cover(eta, window)
            alpha = torch.where(f != 0, f / torch.where(f != 0, zeta, 1.0), 0.0)
            norms = self._sums(alpha.square(), window).sqrt()
            # separate channels have their own groups, and their own scale
            peak = norms.amax(dim=tuple(range(2, x.ndim)), keepdim=True).clamp_min(1.0)
            upper = (eta * norms).flatten(1).sum(1)
            gap = 1 - (alpha / peak * f).flatten(1).sum(1) / upper
            done = gap <= self.tol
            if step == self.max_steps:
                missing = float(gap.max())
                done = torch.ones_like(done)
            answer[open_[done]] = (alpha / peak)[done]
            # one step, extrapolated along its direction while the energy decreases
            new = (y + norms.clamp_min(_TINY).log()).clamp_min(_LOWEST)
            now = (alpha * f).flatten(1).sum(1) + eta.flatten(1).sum(1)
            momentum = torch.where(now > energy, 1.0, momentum)
            faster = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
            ahead = ((momentum - 1) / faster).reshape(-1, *[1] * (x.ndim - 1))
            y = (new + ahead * (new - last)).clamp_min(_LOWEST)
            open_, y, last = open_[~done], y[~done], new[~done]
            momentum, energy = faster[~done], now[~done]
        if missing > self.tol:
            warnings.warn(
                f"latent groups stopped after {self.max_steps} steps with a relative gap of {missing:.1e};"
                " raise max_steps or tol",
                RuntimeWarning,
                stacklevel=4,
            )
        return answer

    def _sums(self, squares: Tensor, window: list[int]) -> Tensor:
        """Return the sums over every window within the image."""
        squares = over_channels(squares, self.channels)
        for axis, size in zip(spatial_axes(squares), window, strict=True):
            squares = window_sums(squares, axis, size)
        return squares

    def _cover(self, eta: Tensor, window: list[int]) -> Tensor:
        """Return the sums over the windows that contain each pixel."""
        for axis, size in zip(spatial_axes(eta), window, strict=True):
            border = [0, 0] * (eta.ndim - 1 - axis) + [size - 1, size - 1]
            eta = window_sums(torch.nn.functional.pad(eta, border), axis, size)
        return eta
