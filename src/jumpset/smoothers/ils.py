"""Iterative least squares: a sparse gradient prior by a few cosine transforms (Liu et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import Iteration
from jumpset.operators.gradient import divergence, gradient
from jumpset.operators.spectral import dct2, idct2, laplacian_eigenvalues


@dataclass(frozen=True)
class State:
    """u, and what stays fixed between the steps."""

    source: Tensor  # (B, C, H, W), f
    spectrum: Tensor  # cosine transform of f
    divisor: Tensor  # (H, W), eigenvalues of 1 + ½ c λ D⊤D
    smoothed: Tensor  # (B, C, H, W), u
    n_steps: int


@dataclass(frozen=True)
class ILS(Iteration[State]):
    r"""Iterative least squares: soft, halo-free smoothing for tone mapping and detail, fast on any device.

    Lowers, in every step,

    .. math:: \|u - f\|^2 + \text{weight} \sum_p \sum_d (|\partial_d u_p|^2 + \varepsilon)^{p / 2}

    by the quadratic that touches it from above, whose matrix is always the same: with
    :math:`c = p\, \varepsilon^{p/2-1}`,

    .. math:: \mu_d = c\, \partial_d u - p\, \partial_d u\, (|\partial_d u|^2 + \varepsilon)^{p/2-1}, \qquad
              u = (1 + \tfrac{\text{weight}}{2} c D^\top D)^{-1} (f + \tfrac{\text{weight}}{2} D^\top \mu).

    Parameters
    ----------
    weight
        λ; 0.03 to 30. Larger is smoother; 0 changes nothing.
    p
        Power of the differences, from 0 (exclusive) to 2; smaller keeps edges sharper.
    epsilon
        ε, in squared intensities: differences below its root are smoothed quadratically.
    n_steps
        Number of steps; 4 look smooth already, flat regions need some tens.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    W. Liu, P. Zhang, X. Huang, J. Yang, C. Shen, I. Reid, "Real-time image smoothing via iterative least
    squares", ACM TOG 2020. Differences from the paper: (1) exact Neumann borders by the cosine transform, so
    that nothing wraps around. The defaults are for texture; ``preset="paper"`` is for detail and tones.
    """

    weight: float = 0.1
    p: float = 0.6
    epsilon: float = 1e-4
    n_steps: int = 40

    name: ClassVar[str] = "ils"
    paper: ClassVar[str] = "Liu, Zhang, Huang, Yang, Shen & Reid, ACM TOG 2020"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"weight": 1.0, "p": 0.8, "n_steps": 4}}

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.real("p", self.p, above=0.0, at_most=2.0)
        checks.real("epsilon", self.epsilon, above=0.0)
        checks.integer("n_steps", self.n_steps, at_least=1)

    def init(self, image: Tensor) -> State:
        """Start from u = f."""
        divisor = 1.0 + 0.5 * self.weight * self._curvature * laplacian_eigenvalues(
            *image.shape[-2:], like=image
        )
        return State(image, dct2(image), divisor, image, n_steps=0)

    def step(self, state: State) -> State:
        """μ, and the solution for it."""
        slopes = gradient(state.smoothed)
        bent = slopes * (self._curvature - self.p * (slopes.square() + self.epsilon) ** (self.p / 2.0 - 1.0))
        numerator = dct2(divergence(bent)).mul_(-0.5 * self.weight).add_(state.spectrum)
        smoothed = idct2(numerator.div_(state.divisor))
        return State(state.source, state.spectrum, state.divisor, smoothed, state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The last u."""
        return state.smoothed

    def record(self, state: State) -> dict[str, float]:
        """The objective above, summed over the batch; it never rises."""
        squares = (state.smoothed - state.source).square().sum(dtype=torch.float64).item()
        slopes = gradient(state.smoothed).square().add_(self.epsilon).pow_(self.p / 2.0)
        return {"energy": squares + self.weight * slopes.sum(dtype=torch.float64).item()}

    @property
    def _curvature(self) -> float:
        """c, the largest curvature of the penalty."""
        return self.p * self.epsilon ** (self.p / 2.0 - 1.0)
