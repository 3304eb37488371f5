"""Rolling guidance: small structures go, the edges of large ones come back (Zhang, Shen, Xu, Jia 2014)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from jumpset._core import checks
from jumpset.kernels.filters.bilateral import bilateral
from jumpset.smoothers._planes import NumpyMethod, planes


@dataclass(frozen=True)
class State:
    """The answers so far."""

    source: Tensor  # (B, C, H, W), the picture as given
    smoothed: np.ndarray  # (B, C, H, W), the next guidance
    n_steps: int


@dataclass(frozen=True)
class RollingGuidance(NumpyMethod):
    r"""Rolling guidance: removes everything smaller than a size, keeps the edges of what is larger.

    A Gaussian blur of width ``weight`` removes the small; then the picture is filtered again and again by

    .. math:: u^{t+1}_p = \frac{\sum_q w_{pq} f_q}{\sum_q w_{pq}}, \qquad
              w_{pq} = \exp\Bigl(-\frac{|p - q|^2}{2\, \text{weight}^2}
              - \frac{\|u^t_p - u^t_q\|^2}{2 \sigma^2}\Bigr).

    Parameters
    ----------
    weight
        Size of what is removed, in pixels; 1 to 8. Larger is smoother; 0 changes nothing.
    sigma
        Width of the Gaussian of differences, in intensities (norm over the bands); 0.05 to 0.2.
    n_steps
        Number of filters, the blur included.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    Q. Zhang, X. Shen, L. Xu, J. Jia, "Rolling guidance filter", ECCV 2014. Differences from the paper: (1)
    windows are cut at the borders, and reach three widths. The mean is not kept.
    """

    weight: float = 3.0
    sigma: float = 0.1
    n_steps: int = 4

    name: ClassVar[str] = "rolling-guidance"
    paper: ClassVar[str] = "Zhang, Shen, Xu & Jia, ECCV 2014"
    aliases: ClassVar[dict[str, str]] = {"sigma_space": "weight", "sigma_range": "sigma"}

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.real("sigma", self.sigma, above=0.0)
        checks.integer("n_steps", self.n_steps, at_least=1)

    @property
    def halo(self) -> int:
        """Three widths a filter."""
        return self.n_steps * math.ceil(3.0 * self.weight)

    def init(self, image: Tensor) -> State:
        """The picture itself."""
        return State(image, planes(image), n_steps=0)

    def step(self, state: State) -> State:
        """Filter the picture by the last answer; at first, without regard to differences."""
        sigma = self.sigma if state.n_steps else math.inf
        out = np.empty_like(state.smoothed)
        for k, f in enumerate(planes(state.source)):
            out[k] = bilateral(f, state.smoothed[k], self.weight, sigma)
        return State(state.source, out, state.n_steps + 1)
