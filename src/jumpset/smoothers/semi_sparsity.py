"""Semi-sparse smoothing: l0 of second differences by half-quadratic splitting (Huang et al. 2023)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import Iteration, Status, parameter
from jumpset.kernels.filters.semi_sparsity import threshold_second_differences
from jumpset.operators.spectral import dct2, idct2

_DECAY = 0.95  # factor on α in each step


@dataclass(frozen=True)
class State:
    """The last u, and what stays fixed between the steps."""

    source: Tensor  # (B, C, H, W), f
    spectrum: Tensor  # cosine transform of f
    slopes: Tensor  # (H, W), eigenvalues of D⊤D, first differences in four directions
    bends: Tensor  # (H, W), eigenvalues of B⊤B, second differences in four directions
    smoothed: Tensor  # (B, C, H, W), u
    smoothed_spectrum: Tensor  # cosine transform of u
    kept: Tensor  # (B,), pixels whose second differences were kept in the last step
    rho: float  # weight of the coupling of second differences in the next step
    alpha: float  # weight of the coupling of first differences in the next step


@dataclass(frozen=True)
class SemiSparsity(Iteration[State]):
    r"""Semi-sparse smoothing: removes texture, keeps flat regions, smooth slopes and sharp edges.

    Looks for a small value of

    .. math:: \sum_p \|u_p - f_p\|^2 + \text{weight} \cdot \#\{p : (B u)_p \ne 0\},

    where B are the second differences (x[p+o] − 2 x[p] + x[p−o]) / 4 to the right, down and along both
    diagonals, all channels together: linear slopes cost nothing, so they do not become staircases.
    Alternates, for a growing ρ and a shrinking α, at first ``slope_weight``,

    .. math:: g_p = \begin{cases} (Bu)_p & \|(Bu)_p\|^2 \ge \text{weight} / \rho \\ 0 & \text{else}
              \end{cases}, \qquad u \leftarrow (1 + \alpha D^\top D + \rho B^\top B)^{-1}
              (f + \alpha D^\top D u + \rho B^\top g),

    with D the first differences (x[p+o] − x[p]) / 2 in the same directions.

    Parameters
    ----------
    weight
        λ, in squared intensities; useful from 0.001 to 0.1. Larger is smoother.
    slope_weight
        The first α, which holds first differences near those of the last u; falls by 5 % in each step.
    start
        The first ρ, as a multiple of ``weight``: the first step keeps squared second differences above
        1 / start.
    kappa
        Growth of ρ in each step, above 1; smaller is lower in energy and slower.
    rho_max
        The last ρ. The squared second differences that remain in smooth regions are of the order
        weight / rho_max.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    J. Huang, H. Wang, X. Wang, M. Ruzhansky, "Semi-sparsity for smoothing filters", IEEE TIP 2023.
    Differences from the paper: (1) mirrored instead of periodic borders, exactly: the cosine transform does
    not diagonalise the operator of one diagonal, but it does diagonalise their sum; (2) ``weight=0`` returns
    the image; (3) a schedule that starts later and ends sooner, which keeps faint bends, corners and thin
    lines, and more weight on slopes at first. The preset ``"paper"`` has the published schedule.
    """

    weight: float = parameter(0.011, checks.real, at_least=0.0)
    slope_weight: float = parameter(2.0, checks.real, at_least=0.0)
    start: float = parameter(145.0, checks.real, above=0.0)
    kappa: float = parameter(1.2, checks.real, above=1.0)
    rho_max: float = parameter(3e3, checks.real, above=0.0, at_most=1e12)

    name: ClassVar[str] = "semi-sparsity"
    paper: ClassVar[str] = "Huang, Wang, Wang & Ruzhansky, IEEE TIP 2023"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"weight": 0.02, "slope_weight": 0.1, "start": 10.0, "kappa": 1.2, "rho_max": 1e8}
    }

    @property
    def max_steps(self) -> int:
        """Steps until ρ reaches ``rho_max``, at least one; none for weight 0."""
        if self.weight == 0.0:
            return 0
        return max(1, math.ceil(math.log(self.rho_max / (self.start * self.weight)) / math.log(self.kappa)))

    def init(self, image: Tensor) -> State:
        """Start from u = f, ρ = start · weight, α = slope_weight."""
        spectrum, rho = dct2(image), self.start * self.weight
        nothing = torch.zeros(len(image), dtype=torch.int64, device=image.device)
        return State(image, spectrum, *_eigenvalues(image), image, spectrum, nothing, rho, self.slope_weight)

    def step(self, state: State) -> State:
        """Keep the large second differences as g, then fit u to g, to the last slopes and to f."""
        rho, alpha = state.rho, state.alpha
        transposed, kept = threshold_second_differences(state.smoothed, self.weight / rho)
        numerator = dct2(transposed).mul_(rho).add_(state.spectrum)
        numerator.addcmul_(state.smoothed_spectrum, alpha * state.slopes)
        spectrum = numerator.div_(1.0 + alpha * state.slopes + rho * state.bends)
        after = {"rho": rho * self.kappa, "alpha": alpha * _DECAY}
        return replace(state, smoothed=idct2(spectrum), smoothed_spectrum=spectrum, kept=kept, **after)

    def image(self, state: State) -> Tensor:
        """The last u."""
        return state.smoothed

    def record(self, state: State) -> dict[str, float]:
        """The energy with the pixels of nonzero g, and their number, summed over the batch."""
        kept = int(state.kept.sum())
        squares = (state.smoothed - state.source).square().sum(dtype=torch.float64).item()
        return {"energy": squares + self.weight * kept, "bends": kept}

    def finished(self, state: State) -> Status | None:
        """When ρ has reached ``rho_max``, or for weight 0."""
        return None if 0.0 < state.rho < self.rho_max else Status.CONVERGED


def _eigenvalues(like: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues of D⊤D and B⊤B for mirrored borders, ``(H, W)`` each, in the basis of :func:`dct2`.

    A difference along (1, 1) has the symbol 2 − 2 cos(s + t), one along (1, −1) has 2 − 2 cos(s − t); the sum
    of one function of both is even in s and in t, so the cosine basis diagonalises it.
    """
    height, width = like.shape[-2:]
    s, t = (math.pi * torch.arange(n, dtype=torch.float64, device=like.device) / n for n in (height, width))
    s, t = s[:, None], t[None, :]
    symbols = torch.stack([2.0 - 2.0 * torch.cos(angle) for angle in (s + 0 * t, 0 * s + t, s + t, s - t)])
    return (symbols.sum(0) / 4.0).to(like.dtype), (symbols.square().sum(0) / 16.0).to(like.dtype)
