"""Fast global smoothing: weighted least squares by one-dimensional solves (Min et al. 2014)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import image_parameter, parameter
from jumpset.kernels.filters.gradient_magnitudes import gradient_magnitudes
from jumpset.kernels.linear.line_solvers import arrange_links, solve_columns, solve_rows, sweep_axes
from jumpset.operators.spacing import axis_scales
from jumpset.smoothers._channels import channel_scale
from jumpset.smoothers._guidance import match_guidance
from jumpset.smoothers._halo import solve_moments, tail_radius
from jumpset.smoothers._numpy import NumpyMethod


@dataclass(frozen=True)
class FGS(NumpyMethod):
    r"""Fast global smoothing: an edge-preserving blur of any width in time linear in the number of pixels.

    Approximates the weighted least squares solution, the minimiser of

    .. math:: \|u - f\|^2 + \text{weight} \sum_{(p,q)} \exp(-\|g_p - g_q\| / \sigma) \|u_p - u_q\|^2

    over the edges (p, q) of the grid, by exact solves on every row, then on every column (and across the
    slices), ``n_steps`` = T times, with the weight of step t

    .. math:: \lambda_t = \tfrac32\, \frac{4^{T - t}}{4^T - 1}\, \text{weight}, \qquad t = 1 … T.

    Parameters
    ----------
    weight
        λ; 30 (grain) to 10 000 (poster), less for a larger sigma. Larger is smoother; 0 changes nothing.
    sigma
        Difference of the guidance, in intensities (norm over its channels), at which an edge's weight is 1/e.
    n_steps
        T; more steps remove the streaks along rows and columns.
    guidance
        Image g whose edges are kept, of the same height and width, with any number of channels. Default: f.
    mask
        Optional ``(H, W)`` array or tensor, or ``(B, 1, H, W)``: True, or not 0, where a pixel is valid;
        floats from 0 to 1 weight it. The answer fills the other pixels, whatever they hold.
    spacing
        Distances between pixels along each spatial axis, in the order z, y, x: the weight of
        the edges along an axis is divided by the square of its distance relative to the smallest one.
        Default: equal.

    Raises
    ------
    InputError
        A parameter out of range, or guidance or a mask of another size.

    Notes
    -----
    D. Min, S. Choi, J. Lu, B. Ham, K. Sohn, M. N. Do, "Fast global image smoothing based on weighted least
    squares", IEEE TIP 2014. Differences from the paper: (1) any number of channels in image and guidance;
    the norm over G > 3 channels is divided by √(G / 3), so that noise is smoothed alike whatever G is.
    OpenCV's ``fastGlobalSmootherFilter`` takes 8/21 of this weight for three steps, and sigma in gray levels.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.FGS()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(300.0, checks.weight)
    sigma: float = parameter(0.03, checks.real, above=0.0)
    n_steps: int = parameter(3, checks.integer, at_least=1)
    guidance: Any = image_parameter()
    mask: Any = None
    spacing: tuple[float, ...] | None = parameter(None, checks.spacing)

    name: ClassVar[str] = "fgs"
    paper: ClassVar[str] = "Min, Choi, Lu, Ham, Sohn & Do, IEEE TIP 2014"
    spatial_ndims: ClassVar[tuple[int, ...]] = (1, 2, 3)
    is_symmetric: ClassVar[bool] = False
    aliases: ClassVar[dict[str, str]] = {"sigma_color": "sigma"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"weight": 900.0, "sigma": 0.1}}

    def halo_for(self, tol: float) -> int:
        """Where the solves of a flat image have less weight: ``n_steps`` exponentials of width √λ_t."""
        return tail_radius(tol, [solve_moments(self._weight(t)) for t in range(1, self.n_steps + 1)])

    def _weight(self, t: int) -> float:
        """λ of step t."""
        return 1.5 * self.weight * 4.0 ** (self.n_steps - t) / (4.0**self.n_steps - 1.0)

    def _prepare(self, image: Tensor) -> tuple[np.ndarray, ...]:
        """Weights of the edges along each axis, the last axis first."""
        guide = match_guidance(self.guidance, image)
        sigma = self.sigma * math.sqrt(channel_scale(guide.shape[1]))
        return arrange_links([size.mul_(-1.0 / sigma).exp_() for size in gradient_magnitudes(guide)])

    def _smooth(self, u: np.ndarray, f: np.ndarray, t: int, *links: np.ndarray) -> None:
        scales = reversed(axis_scales(self.spacing, len(links)))
        sweep_axes(u, links, solve_rows, solve_columns, [self._weight(t) * s * s for s in scales])
