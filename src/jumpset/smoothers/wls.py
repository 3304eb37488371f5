"""Weighted least squares: edge-preserving smoothing by one linear system (Farbman et al. 2008)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset.kernels.filters.gradient_magnitudes import gradient_magnitudes
from jumpset.kernels.linear.grid_laplacian import solve
from jumpset.smoothers._guidance import match_guidance
from jumpset.smoothers._planes import NumpyMethod, planes


@dataclass(frozen=True)
class State:
    """The answers so far."""

    source: Tensor  # (B, C, H, W), the picture as given
    smoothed: np.ndarray  # (B, C, H, W), u
    n_steps: int
    iterations: int  # of the solver, the most of any picture
    residual: float  # it ended with, the worst


@dataclass(frozen=True)
class WLS(NumpyMethod):
    r"""Weighted least squares: smooths detail without halos, for tone mapping and detail enhancement.

    Minimises

    .. math:: \|u - f\|^2 + \text{weight} \sum_{(p,q)} \frac{\|u_p - u_q\|^2}
              {\|\ell_p - \ell_q\|^{\text{exponent}} + 10^{-4}}, \qquad
              \ell = \log(\max(g, 0) + \varepsilon)

    over the edges (p, q) of the grid.

    Parameters
    ----------
    weight
        λ; 0.03 (with a large epsilon) to 10. Larger is smoother; 0 changes nothing.
    exponent
        The paper's α. Larger keeps edges sharper; 1.2 to 2.
    epsilon
        Added before the logarithm, in intensities: differences far below it do not count.
    guidance
        Picture g whose edges are kept, ``(H, W)`` or ``(H, W, C)`` array or ``(B, C, H, W)`` tensor of the
        same height and width, any number of bands; default: f.
    tol
        Accuracy of the solve: about the size of the error relative to f, in the norm of the objective.

    Raises
    ------
    InputError
        A parameter out of range, or guidance of another size.

    Notes
    -----
    Z. Farbman, R. Fattal, D. Lischinski, R. Szeliski, "Edge-preserving decompositions for multi-scale tone
    and detail manipulation", SIGGRAPH 2008. Differences from the paper: (1) bands of the guidance count
    together, by the norm of their differences, where the paper takes the luminance; (2) an iterative solve,
    the mean of every band being kept exactly. The defaults are for texture; ``preset="paper"`` is for detail
    and tones.
    """

    weight: float = 0.1
    exponent: float = 2.0
    epsilon: float = 0.3
    guidance: Any = field(default=None, compare=False, repr=False)
    tol: float = 1e-5

    name: ClassVar[str] = "wls"
    paper: ClassVar[str] = "Farbman, Fattal, Lischinski & Szeliski, SIGGRAPH 2008"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"weight": 1.0, "exponent": 1.2, "epsilon": 1e-4}
    }

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.real("exponent", self.exponent, at_least=0.0)
        checks.real("epsilon", self.epsilon, above=0.0)
        checks.real("tol", self.tol, above=0.0, below=1.0)

    def init(self, image: Tensor) -> State:
        """Start from u = f."""
        match_guidance(self.guidance, image)  # its errors come before any work
        return State(image, planes(image), n_steps=0, iterations=0, residual=0.0)

    def step(self, state: State) -> State:
        """Weigh the edges and solve."""
        guide = match_guidance(self.guidance, state.source)
        sizes = gradient_magnitudes(guide.clamp(min=0.0).add_(self.epsilon).log_())
        answers = state.smoothed.copy()
        counts, residuals = [], []
        for k, (u, f) in enumerate(zip(answers, planes(state.source), strict=True)):
            right, down = (self._weights(s[k % len(s)], pad) for s, pad in zip(sizes, _PADS, strict=True))
            count, residual = solve(u, right, down, f, self.tol)
            counts.append(count)
            residuals.append(residual)
        return State(state.source, answers, 1, max(counts), max(residuals))

    def record(self, state: State) -> dict[str, float]:
        """Root mean square distance of u from f; residual and iterations of the solver."""
        return super().record(state) | {"residual": state.residual, "iterations": state.iterations}

    def _weights(self, size: Tensor, pad: tuple[int, ...]) -> np.ndarray:
        return torch.nn.functional.pad(self.weight / (size**self.exponent + _FLOOR), pad).numpy()


_PADS = (0, 1), (0, 0, 0, 1)  # a column and a row of edges that would leave the picture
_FLOOR = 1e-4  # keeps the weights of equal neighbours finite
