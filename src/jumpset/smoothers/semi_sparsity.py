"""Semi-sparse smoothing: l0 of second differences by half-quadratic splitting (Huang et al. 2023)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import Iteration, parameter
from jumpset.kernels.filters.semi_sparsity import threshold_second_differences
from jumpset.operators.spectral import dct, idct
from jumpset.smoothers._channels import channel_scale

_END = 3e3 / 0.011  # the last ρ over the weight: 3000 for the default weight
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
    n_steps: int


@dataclass(frozen=True)
class SemiSparsity(Iteration[State]):
    r"""Semi-sparse smoothing: removes texture, keeps flat regions, smooth slopes and sharp edges.

    Looks for a small value of

    .. math:: \sum_p \|u_p - f_p\|^2 + \lambda \cdot \#\{p : (B u)_p \ne 0\}, \qquad
              \lambda = \text{weight} \cdot \max(1, C / 3),

    where B are the second differences (x[p+o] − 2 x[p] + x[p−o]) / 4 to the right, down and along both
    diagonals, all C channels together: linear slopes cost nothing, so they do not become staircases.
    Alternates, for ρ = ``start`` weight, κ ``start`` weight, … and a shrinking α, at first ``slope_weight``,

    .. math:: g_p = \begin{cases} (Bu)_p & \|(Bu)_p\|^2 \ge \lambda / \rho \\ 0 & \text{else}
              \end{cases}, \qquad u \leftarrow (1 + \alpha D^\top D + \rho B^\top B)^{-1}
              (f + \alpha D^\top D u + \rho B^\top g),

    with D the first differences (x[p+o] − x[p]) / 2 in the same directions.

    Parameters
    ----------
    weight
        The paper's λ, in squared intensities; useful from 0.001 to 0.1. Larger is smoother.
    slope_weight
        The first α, which holds first differences near those of the last u; falls by 5 % in each step.
    start
        The first ρ, as a multiple of ``weight``: the first step keeps squared second differences above
        1 / start.
    kappa
        Growth of ρ in each step, above 1; smaller is lower in energy and slower.
    rho_max
        The end of ρ; also the first ρ where ``start`` weight is larger. The squared second differences that
        remain in smooth regions are of the order weight / rho_max. None: 3000 weight / 0.011, so that the
        thresholds of all steps are the same for every weight, and a larger weight keeps fewer second
        differences; above weight 1 the thresholds grow instead of ρ.

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
    lines, and more weight on slopes at first; (4) more than three channels count as three, so that noise is
    smoothed alike whatever their number. The preset ``"paper"`` has the published schedule, which ends at the
    same ρ for every weight.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.SemiSparsity()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(0.011, checks.weight)
    slope_weight: float = parameter(2.0, checks.weight)
    start: float = parameter(145.0, checks.real, above=0.0)
    kappa: float = parameter(1.2, checks.real, above=1.0)
    rho_max: float | None = parameter(None, checks.real_or_none, above=0.0, at_most=1e12)

    name: ClassVar[str] = "semi-sparsity"
    paper: ClassVar[str] = "Huang, Wang, Wang & Ruzhansky, IEEE TIP 2023"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"weight": 0.02, "slope_weight": 0.1, "start": 10.0, "kappa": 1.2, "rho_max": 1e8}
    }

    @property
    def max_steps(self) -> int:
        """Steps until ρ reaches its end, at least one; none for weight 0."""
        if self.weight == 0.0:
            return 0
        first, last = self._schedule
        return max(1, math.ceil(math.log(last / first) / math.log(self.kappa)))

    @property
    def _schedule(self) -> tuple[float, float]:
        """The first ρ, and the ρ at which the steps end."""
        if self.rho_max is None:
            weight = min(self.weight, 1.0)
            return min(self.start, _END) * weight, _END * weight
        return min(self.start * self.weight, self.rho_max), self.rho_max

    def init(self, image: Tensor) -> State:
        """Start from u = f, the first ρ, and α = slope_weight."""
        spectrum, rho = dct(image), self._schedule[0]
        nothing = torch.zeros(len(image), dtype=torch.int64, device=image.device)
        return State(
            image, spectrum, *_eigenvalues(image), image, spectrum, nothing, rho, self.slope_weight, n_steps=0
        )

    def step(self, state: State) -> State:
        """Keep the large second differences as g, then fit u to g, to the last slopes and to f."""
        rho, alpha = state.rho, state.alpha
        transposed, kept = threshold_second_differences(state.smoothed, self._cost(state.source) / rho)
        numerator = dct(transposed).mul_(rho)
        numerator[..., 0, 0] = 0.0  # rounding, which a large ρ would make a change of the mean
        numerator.add_(state.spectrum)
        numerator.addcmul_(state.smoothed_spectrum, alpha * state.slopes)
        spectrum = numerator.div_(1.0 + alpha * state.slopes + rho * state.bends)
        after = {"rho": rho * self.kappa, "alpha": alpha * _DECAY, "n_steps": state.n_steps + 1}
        return replace(state, smoothed=idct(spectrum), smoothed_spectrum=spectrum, kept=kept, **after)

    def image(self, state: State) -> Tensor:
        """The last u."""
        return state.smoothed

    def record(self, state: State) -> dict[str, float]:
        """The energy with the pixels of nonzero g, and their number, summed over the batch."""
        kept = int(state.kept.sum())
        squares = (state.smoothed - state.source).square().sum(dtype=torch.float64).item()
        return {"energy": squares + self._cost(state.source) * kept, "bends": kept}

    def _cost(self, image: Tensor) -> float:
        """λ: the cost of a pixel with a second difference."""
        return self.weight * channel_scale(image.shape[1])


def _eigenvalues(like: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues of D⊤D and B⊤B for mirrored borders, ``(H, W)`` each, in the basis of :func:`dct`.

    A difference along (1, 1) has the symbol 2 − 2 cos(s + t), one along (1, −1) has 2 − 2 cos(s − t); the sum
    of one function of both is even in s and in t, so the cosine basis diagonalises it.
    """
    height, width = like.shape[-2:]
    s, t = (math.pi * torch.arange(n, dtype=torch.float64, device=like.device) / n for n in (height, width))
    s, t = s[:, None], t[None, :]
    symbols = torch.stack([2.0 - 2.0 * torch.cos(angle) for angle in (s + 0 * t, 0 * s + t, s + t, s - t)])
    return (symbols.sum(0) / 4.0).to(like.dtype), (symbols.square().sum(0) / 16.0).to(like.dtype)
