"""Semi-sparse smoothing: l0 of second differences by half-quadratic splitting (Huang et al. 2023)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import Iteration, Status
from jumpset.kernels.filters.semi_sparsity import threshold_second_differences
from jumpset.operators.spectral import dct2, idct2


@dataclass(frozen=True)
class State:
    """S of the paper, and what stays fixed between the steps."""

    source: Tensor  # (B, C, H, W), f
    spectrum: Tensor  # cosine transform of f
    slopes: Tensor  # (H, W), eigenvalues of D⊤D, first differences in four directions
    bends: Tensor  # (H, W), eigenvalues of B⊤B, second differences in four directions
    smoothed: Tensor  # (B, C, H, W), S
    smoothed_spectrum: Tensor  # cosine transform of S
    kept: Tensor  # (B,), pixels whose second differences were kept in the last step
    rho: float  # weight of the coupling of second differences in the next step
    alpha: float  # weight of the coupling of first differences in the next step


@dataclass(frozen=True)
class SemiSparsity(Iteration[State]):
    r"""Semi-sparse smoothing: flat regions and smooth slopes stay, edges stay sharp, texture goes.

    Looks for a small value of

    .. math:: \sum_p \|u_p - f_p\|^2 + \text{weight} \cdot \#\{p : (B u)_p \ne 0\},

    where B stands for the second differences (x[p+o] − 2 x[p] + x[p−o]) / 4 right, down and along both
    diagonals, all channels together: linear slopes cost nothing, so it does not make stairs of them.
    Alternates, for a growing ρ and a shrinking α, at first ``slope_weight``,

    .. math:: g_p = \begin{cases} (Bu)_p & \|(Bu)_p\|^2 \ge \text{weight} / \rho \\ 0 & \text{else}
              \end{cases}, \qquad u \leftarrow (1 + \alpha D^\top D + \rho B^\top B)^{-1}
              (f + \alpha D^\top D u + \rho B^\top g),

    with D the first differences (x[p+o] − x[p]) / 2 in the same directions.

    Parameters
    ----------
    weight
        In squared intensities; useful from 0.001 to 0.1. Larger is smoother.
    slope_weight
        How strongly slopes are held to those of the step before, at first; falls by 5 % in each step.
    start
        The first ρ, as a multiple of ``weight``: second differences above 1 / start, squared, are kept in the
        first step.
    kappa
        Growth of ρ in each step, above 1; smaller is lower in energy and slower.
    rho_max
        The last ρ. Remaining second differences in smooth places are of the order weight / rho_max, squared.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    J. Huang, H. Wang, X. Wang, M. Ruzhansky, "Semi-sparsity for smoothing filters", IEEE TIP 2023.
    Differences from the paper: (1) mirrored instead of periodic borders, exactly: neither diagonal's operator
    alone is diagonal under the cosine transform, but the sum of both is; (2) ``weight=0`` returns the
    picture; (3) a schedule that starts later and ends sooner: it leaves faint bends, and corners and thin
    lines where they are; and more weight on slopes at first. The preset ``"paper"`` has the published one.
    """

    weight: float = 0.011
    slope_weight: float = 2.0
    start: float = 145.0
    kappa: float = 1.2
    rho_max: float = 3e3

    name: ClassVar[str] = "semi-sparsity"
    paper: ClassVar[str] = "Huang, Wang, Wang & Ruzhansky, IEEE TIP 2023"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"weight": 0.02, "slope_weight": 0.1, "start": 10.0, "kappa": 1.2, "rho_max": 1e8}
    }

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.real("slope_weight", self.slope_weight, at_least=0.0)
        checks.real("start", self.start, above=0.0)
        checks.real("kappa", self.kappa, above=1.0)
        checks.real("rho_max", self.rho_max, above=0.0, at_most=1e12)

    @property
    def max_steps(self) -> int:
        """Steps until ρ passes ``rho_max``, at least one; none where there is nothing to smooth."""
        if self.weight == 0.0:
            return 0
        return max(1, math.ceil(math.log(self.rho_max / (self.start * self.weight)) / math.log(self.kappa)))

    def init(self, image: Tensor) -> State:
        """S = f, ρ = start · weight."""
        slopes, bends = _eigenvalues(image)
        nothing = torch.zeros(len(image), dtype=torch.int64, device=image.device)
        spectrum = dct2(image)
        return State(
            image,
            spectrum,
            slopes,
            bends,
            image,
            spectrum,
            nothing,
            self.start * self.weight,
            self.slope_weight,
        )

    def step(self, state: State) -> State:
        """Keep the large second differences, then fit a picture to them, to the last slopes and to f."""
        rho, alpha = state.rho, state.alpha
        transposed, kept = threshold_second_differences(state.smoothed, self.weight / rho)
        numerator = dct2(transposed).mul_(rho).add_(state.spectrum)
        numerator.addcmul_(state.smoothed_spectrum, alpha * state.slopes)
        spectrum = numerator.div_(1.0 + alpha * state.slopes + rho * state.bends)
        return State(
            state.source,
            state.spectrum,
            state.slopes,
            state.bends,
            idct2(spectrum),
            spectrum,
            kept,
            rho * self.kappa,
            alpha * _DECAY,
        )

    def image(self, state: State) -> Tensor:
        """S."""
        return state.smoothed

    def record(self, state: State) -> dict[str, float]:
        """Energy with the second differences that g keeps, and their pixels; sums over the batch."""
        kept = int(state.kept.sum())
        squares = (state.smoothed - state.source).square().sum(dtype=torch.float64).item()
        return {"energy": squares + self.weight * kept, "bends": kept}

    def finished(self, state: State) -> Status | None:
        """When ρ has passed ``rho_max``."""
        return Status.CONVERGED if self.weight == 0.0 or state.rho >= self.rho_max else None


_DECAY = 0.95  # of α in each step


def _eigenvalues(like: Tensor) -> tuple[Tensor, Tensor]:
    """Of D⊤D and B⊤B for mirrored borders, ``(H, W)`` each, in the basis of :func:`dct2`.

    A difference along (1, 1) has the symbol 2 − 2 cos(s + t), along (1, −1) it has 2 − 2 cos(s − t); sums of
    equal functions of the two are even in s and in t, so the cosine basis diagonalises them.
    """
    height, width = like.shape[-2:]
    s, t = (math.pi * torch.arange(n, dtype=torch.float64, device=like.device) / n for n in (height, width))
    s, t = s[:, None], t[None, :]
    symbols = torch.stack([2.0 - 2.0 * torch.cos(angle) for angle in (s + 0 * t, 0 * s + t, s + t, s - t)])
    return (symbols.sum(0) / 4.0).to(like.dtype), (symbols.square().sum(0) / 16.0).to(like.dtype)
