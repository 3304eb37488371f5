"""Relative total variation: structure extracted from texture (Xu, Yan, Xia, Jia 2012)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter
from torch import Tensor

from jumpset._core import checks
from jumpset.kernels.linear.grid_laplacian import solve
from jumpset.smoothers._planes import NumpyMethod, planes


@dataclass(frozen=True)
class State:
    """The answers so far."""

    source: Tensor  # (B, C, H, W), the picture as given
    smoothed: np.ndarray  # (B, C, H, W), S
    sigma: float  # of the windows in the next step
    n_steps: int
    iterations: int  # of the last step's solves, the most of any picture
    residual: float  # they ended with, the worst


@dataclass(frozen=True)
class RTV(NumpyMethod):
    r"""Relative total variation: removes texture of any contrast, keeps the structure behind it.

    Looks for a small value of

    .. math:: \sum_p \|S_p - f_p\|^2 + \text{weight} \sum_p
              \frac{\mathcal D_x(p)}{\mathcal L_x(p) + \varepsilon} +
              \frac{\mathcal D_y(p)}{\mathcal L_y(p) + \varepsilon}, \qquad
              \mathcal D_d = G_\sigma * |\partial_d S|, \quad \mathcal L_d = |G_\sigma * \partial_d S|:

    texture has differences of both signs, which cancel in :math:`\mathcal L` but not in :math:`\mathcal D`.
    Each step makes, from the last S,

    .. math:: w = \frac{1}{\max(\overline{|\nabla S|}, \varepsilon_s)}, \quad
              W_d = \frac{w}{\max(\overline{|\partial_d (G_\sigma * S)|}, 10^{-3})}, \quad
              S = \Bigl(1 + \tfrac{\text{weight}}{2} \sum_d \partial_d^\top W_d \partial_d\Bigr)^{-1} f,

    bars being means over the bands, and then halves σ, down to 0.5.

    Parameters
    ----------
    weight
        λ; 0.001 to 0.05. Larger is smoother; 0 changes nothing.
    sigma
        σ, size of the texture in pixels; 1 to 8.
    sharpness
        ε_s, in intensities; smaller is sharper, 0.005 to 0.03.
    n_steps
        Number of steps.
    tol
        Accuracy of the solves: about the size of the error relative to f, in the norm of the quadratic.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    L. Xu, Q. Yan, Y. Xia, J. Jia, "Structure extraction from texture via relative total variation", SIGGRAPH
    Asia 2012. Differences from the paper: (1) windows are mirrored at the borders; (2) an iterative solve to
    a stated accuracy, the mean of every band being kept exactly.
    """

    weight: float = 0.002
    sigma: float = 2.5
    sharpness: float = 0.005
    n_steps: int = 4
    tol: float = 1e-5

    name: ClassVar[str] = "rtv"
    paper: ClassVar[str] = "Xu, Yan, Xia & Jia, SIGGRAPH Asia 2012"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"weight": 0.01, "sigma": 3.0, "sharpness": 0.02}
    }

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.real("sigma", self.sigma, above=0.0)
        checks.real("sharpness", self.sharpness, above=0.0)
        checks.integer("n_steps", self.n_steps, at_least=1)
        checks.real("tol", self.tol, above=0.0, below=1.0)

    def init(self, image: Tensor) -> State:
        """Start from S = f."""
        return State(image, planes(image), self.sigma, n_steps=0, iterations=0, residual=0.0)

    def step(self, state: State) -> State:
        """Weigh the edges by the last S and solve for the next one; σ is halved."""
        answers = state.smoothed.copy()
        counts, residuals = [], []
        for s, f in zip(answers, planes(state.source), strict=True):
            right, down = self._weights(s, state.sigma)
            count, residual = solve(s, right, down, f, self.tol)
            counts.append(count)
            residuals.append(residual)
        sigma = max(state.sigma / 2.0, _LEAST_SIGMA)
        return State(state.source, answers, sigma, state.n_steps + 1, max(counts), max(residuals))

    def record(self, state: State) -> dict[str, float]:
        """Root mean square distance of S from f; worst residual and most iterations of the last solves."""
        return super().record(state) | {"residual": state.residual, "iterations": state.iterations}

    def _weights(self, s: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
        """Half of weight times W_x and W_y of one picture; 0 for edges that would leave it."""
        across, along = _differences(s)
        shared = np.maximum(np.sqrt(across**2 + along**2).mean(0), self.sharpness)
        blurred = gaussian_filter(s, sigma, axes=(1, 2), mode="reflect", truncate=_REACH)
        scale = 0.5 * self.weight / shared
        right, down = (scale / np.maximum(np.abs(d).mean(0), _FLOOR) for d in _differences(blurred))
        right[:, -1] = down[-1] = 0.0
        return right, down


_LEAST_SIGMA = 0.5
_FLOOR = 1e-3  # ε of the denominators
_REACH = 2.5  # of the Gaussian, in σ


def _differences(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """To the right and down, zero across the border, of ``(C, H, W)``."""
    return np.diff(s, axis=2, append=s[:, :, -1:]), np.diff(s, axis=1, append=s[:, -1:])
