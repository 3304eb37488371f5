"""The domain transform: recursive filters along rows and columns (Gastal & Oliveira 2011)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import image_parameter, parameter
from jumpset.kernels.filters.gradient_magnitudes import gradient_magnitudes
from jumpset.kernels.linear.line_solvers import arrange_links, filter_columns, filter_rows, sweep_axes
from jumpset.operators.spacing import axis_scales
from jumpset.smoothers._channels import channel_scale
from jumpset.smoothers._guidance import match_guidance
from jumpset.smoothers._halo import recursion_moments, tail_radius
from jumpset.smoothers._numpy import NumpyMethod


@dataclass(frozen=True)
class DomainTransform(NumpyMethod):
    r"""Domain transform: an edge-preserving blur of any width in real time.

    Along a row, the transformed distance of neighbours is

    .. math:: d_{pq} = 1 + \frac{\text{reach}}{\text{weight}} \sum_c |g_{c,p} - g_{c,q}|,

    and :math:`u_q \leftarrow (1 - a^{d_{pq}})\, u_q + a^{d_{pq}} u_p` runs from left to right and back, with
    :math:`a = \exp(-\sqrt2 / \sigma_t)`; likewise along columns; T times, with

    .. math:: \sigma_t = \text{reach} \sqrt 3\, \frac{2^{T - t}}{\sqrt{4^T - 1}}, \qquad t = 1 … T.

    Parameters
    ----------
    weight
        Range of differences that are smoothed, in intensities (summed over the channels); 0.1 to 3. Larger is
        smoother; 0 changes nothing.
    reach
        Width of the blur where the guidance is flat, in pixels.
    n_steps
        T; more steps remove the streaks along rows and columns.
    guidance
        Image g of the same height and width, with any number of channels. Default: f.
    mask
        Optional ``(H, W)`` array or tensor, or ``(B, 1, H, W)``: True, or not 0, where a pixel is valid;
        floats from 0 to 1 weight it. The answer fills the other pixels, whatever they hold.
    spacing
        Distances between pixels along each spatial axis, in the order z, y, x;
        relative to the smallest one, they are the distances to which ``reach`` is compared. Default: equal.

    Raises
    ------
    InputError
        A parameter out of range, or guidance or a mask of another size.

    Notes
    -----
    E. S. L. Gastal, M. M. Oliveira, "Domain transform for edge-aware image and video processing", SIGGRAPH
    2011: the recursive filter (RF). Differences from the paper: (1) the sum over G > 3 channels is divided by
    G / 3, so that noise is smoothed alike whatever their number. The mean is not kept.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.DomainTransform()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(0.4, checks.weight)
    reach: float = parameter(20.0, checks.real, above=0.0)
    n_steps: int = parameter(3, checks.integer, at_least=1)
    guidance: Any = image_parameter()
    mask: Any = None
    spacing: tuple[float, ...] | None = parameter(None, checks.spacing)

    name: ClassVar[str] = "domain-transform"
    paper: ClassVar[str] = "Gastal & Oliveira, SIGGRAPH 2011"
    keeps_mean: ClassVar[bool] = False
    spatial_ndims: ClassVar[tuple[int, ...]] = (1, 2, 3)
    is_symmetric: ClassVar[bool] = False
    aliases: ClassVar[dict[str, str]] = {"sigma_range": "weight", "sigma_space": "reach"}

    def halo_for(self, tol: float) -> int:
        """Where the recursions of a flat image have less weight."""
        shares = (math.exp(-math.sqrt(2.0) / self._sigma(t)) for t in range(1, self.n_steps + 1))
        return tail_radius(tol, [recursion_moments(share) for share in shares])

    def _sigma(self, t: int) -> float:
        """Width of step t; the squares of all widths sum to that of ``reach``."""
        return self.reach * math.sqrt(3.0 / (4.0**self.n_steps - 1.0)) * 2.0 ** (self.n_steps - t)

    def _prepare(self, image: Tensor) -> tuple[np.ndarray, ...]:
        """The transformed distances to the next pixel along each axis, the last axis first."""
        scale = self.reach / self.weight if self.weight > 0.0 else 0.0
        guide = match_guidance(self.guidance, image)
        scale /= channel_scale(guide.shape[1])
        sizes = gradient_magnitudes(guide, squares=False)
        steps = [1.0 / s for s in reversed(axis_scales(self.spacing, guide.ndim - 2))]
        return arrange_links([size.mul_(scale).add_(h) for size, h in zip(sizes, steps, strict=True)])

    def _smooth(self, u: np.ndarray, f: np.ndarray, t: int, *distances: np.ndarray) -> None:
        sigma = self._sigma(t)
        links = [np.exp(distance * (-math.sqrt(2.0) / sigma)) for distance in distances]
        sweep_axes(u, links, filter_rows, filter_columns)
