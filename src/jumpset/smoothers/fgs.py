"""Fast global smoothing: weighted least squares by one-dimensional solves (Min et al. 2014)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from jumpset._core import checks
from jumpset.kernels.filters.gradient_magnitudes import gradient_magnitudes
from jumpset.kernels.linear.line_solvers import solve_columns, solve_rows
from jumpset.smoothers._guidance import match_guidance
from jumpset.smoothers._planes import NumpyMethod, planes


@dataclass(frozen=True)
class State:
    """The answers so far, and the links between neighbours."""

    source: Tensor  # (B, C, H, W), the picture as given
    smoothed: np.ndarray  # (B, C, H, W), u
    right: np.ndarray  # (B or 1, W − 1, H), link of each pixel to the one at its right, transposed
    down: np.ndarray  # (B or 1, H − 1, W), to the one below
    n_steps: int


@dataclass(frozen=True)
class FGS(NumpyMethod):
    r"""Fast global smoothing: edge-preserving blur of any reach in time linear in the pixels.

    Approaches the weighted least squares solution, the minimiser of

    .. math:: \|u - f\|^2 + \text{weight} \sum_{(p,q)} \exp(-\|g_p - g_q\| / \sigma) \|u_p - u_q\|^2

    over the edges (p, q) of the grid, by solving it exactly on every row, then on every column, ``n_steps`` =
    T times, with the weight of step t

    .. math:: \lambda_t = \tfrac32\, \frac{4^{T - t}}{4^T - 1}\, \text{weight}, \qquad t = 1 … T.

    Parameters
    ----------
    weight
        λ; 30 (grain) to 10 000 (poster), less for a larger sigma. Larger is smoother; 0 changes nothing.
    sigma
        Differences of the guidance, in intensities (norm over its bands), at which a link weighs 1/e.
    n_steps
        T; streaks along rows and columns vanish with more.
    guidance
        Picture g whose edges are kept, ``(H, W)`` or ``(H, W, C)`` array or ``(B, C, H, W)`` tensor of the
        same height and width, any number of bands; default: f.

    Raises
    ------
    InputError
        A parameter out of range, or guidance of another size.

    Notes
    -----
    D. Min, S. Choi, J. Lu, B. Ham, K. Sohn, M. N. Do, "Fast global image smoothing based on weighted least
    squares", IEEE TIP 2014. Differences from the paper: (1) any number of bands in picture and guidance.
    OpenCV's ``fastGlobalSmootherFilter`` takes 8/21 of this weight for three steps, and sigma in gray levels.
    """

    weight: float = 300.0
    sigma: float = 0.03
    n_steps: int = 3
    guidance: Any = field(default=None, compare=False, repr=False)

    name: ClassVar[str] = "fgs"
    paper: ClassVar[str] = "Min, Choi, Lu, Ham, Sohn & Do, IEEE TIP 2014"
    aliases: ClassVar[dict[str, str]] = {"sigma_color": "sigma"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"weight": 900.0, "sigma": 0.1}}

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.real("sigma", self.sigma, above=0.0)
        checks.integer("n_steps", self.n_steps, at_least=1)

    def init(self, image: Tensor) -> State:
        """Start from u = f; the links."""
        sizes = gradient_magnitudes(match_guidance(self.guidance, image))
        right, down = (size.mul_(-1.0 / self.sigma).exp_() for size in sizes)
        smoothed = planes(image)
        return State(image, smoothed, right.mT.contiguous().numpy(), down.numpy(), n_steps=0)

    def step(self, state: State) -> State:
        """Solve every row, then every column."""
        u, t = state.smoothed.copy(), state.n_steps + 1
        weight = 1.5 * self.weight * 4.0 ** (self.n_steps - t) / (4.0**self.n_steps - 1.0)
        for k, picture in enumerate(u):
            solve_rows(picture, state.right[k % len(state.right)], weight)
            solve_columns(picture, state.down[k % len(state.down)], weight)
        return State(state.source, u, state.right, state.down, t)
