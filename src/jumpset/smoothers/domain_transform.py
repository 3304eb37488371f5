"""The domain transform: recursive filters along rows and columns (Gastal & Oliveira 2011)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from jumpset._core import checks
from jumpset.kernels.filters.gradient_magnitudes import gradient_magnitudes
from jumpset.kernels.linear.line_solvers import filter_columns, filter_rows
from jumpset.smoothers._guidance import match_guidance
from jumpset.smoothers._planes import NumpyMethod, planes


@dataclass(frozen=True)
class State:
    """The answers so far, and the distances between neighbours."""

    source: Tensor  # (B, C, H, W), the picture as given
    smoothed: np.ndarray  # (B, C, H, W), u
    right: np.ndarray  # (B or 1, W − 1, H), transformed distance to the pixel at the right, transposed
    down: np.ndarray  # (B or 1, H − 1, W), to the one below
    n_steps: int


@dataclass(frozen=True)
class DomainTransform(NumpyMethod):
    r"""Domain transform: an edge-preserving blur of any reach in real time.

    Along a row, the transformed distance of neighbours is

    .. math:: d_{pq} = 1 + \frac{\text{reach}}{\text{weight}} \sum_c |g_{c,p} - g_{c,q}|,

    and :math:`u_q \leftarrow (1 - a^{d_{pq}})\, u_q + a^{d_{pq}} u_p` runs forth and back, with
    :math:`a = \exp(-\sqrt2 / \sigma_t)`; likewise along columns; T times, with

    .. math:: \sigma_t = \text{reach} \sqrt 3\, \frac{2^{T - t}}{\sqrt{4^T - 1}}, \qquad t = 1 … T.

    Parameters
    ----------
    weight
        Range of differences that are smoothed, in intensities (summed over the bands); 0.1 to 3. Larger is
        smoother; 0 changes nothing.
    reach
        Width of the blur where the guidance is flat, in pixels.
    n_steps
        T; streaks along rows and columns vanish with more.
    guidance
        Picture g, ``(H, W)`` or ``(H, W, C)`` array or ``(B, C, H, W)`` tensor of the same
        height and width, any number of bands; default: f.

    Raises
    ------
    InputError
        A parameter out of range, or guidance of another size.

    Notes
    -----
    E. S. L. Gastal, M. M. Oliveira, "Domain transform for edge-aware image and video processing", SIGGRAPH
    2011: the recursive filter (RF). The mean is not kept.
    """

    weight: float = 0.4
    reach: float = 20.0
    n_steps: int = 3
    guidance: Any = field(default=None, compare=False, repr=False)

    name: ClassVar[str] = "domain-transform"
    paper: ClassVar[str] = "Gastal & Oliveira, SIGGRAPH 2011"
    aliases: ClassVar[dict[str, str]] = {"sigma_range": "weight", "sigma_space": "reach"}

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.real("reach", self.reach, above=0.0)
        checks.integer("n_steps", self.n_steps, at_least=1)

    def init(self, image: Tensor) -> State:
        """Start from u = f; the distances."""
        scale = self.reach / self.weight if self.weight > 0.0 else 0.0
        sizes = gradient_magnitudes(match_guidance(self.guidance, image), squares=False)
        right, down = (size.mul_(scale).add_(1.0) for size in sizes)
        return State(image, planes(image), right.mT.contiguous().numpy(), down.numpy(), n_steps=0)

    def step(self, state: State) -> State:
        """Filter every row, then every column."""
        t = state.n_steps + 1
        sigma = self.reach * math.sqrt(3.0 / (4.0**self.n_steps - 1.0)) * 2.0 ** (self.n_steps - t)
        right, down = (
            np.exp(distances * (-math.sqrt(2.0) / sigma)) for distances in (state.right, state.down)
        )
        u = state.smoothed.copy()
        for k, picture in enumerate(u):
            filter_rows(picture, right[k % len(right)])
            filter_columns(picture, down[k % len(down)])
        return State(state.source, u, state.right, state.down, t)
