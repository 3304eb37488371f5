"""The bilateral filter (Tomasi & Manduchi 1998), and the joint one (Petschnigg et al. 2004)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from jumpset._core import checks
from jumpset.kernels.filters import bilateral as kernel
from jumpset.smoothers._guidance import match_guidance
from jumpset.smoothers._planes import GuidedState, NumpyMethod, planes


@dataclass(frozen=True)
class Bilateral(NumpyMethod):
    r"""Bilateral filter: averages what is near and alike; the everyday denoiser, exact here.

    .. math:: u_p = \frac{\sum_q w_{pq} f_q}{\sum_q w_{pq}}, \qquad
              w_{pq} = \exp\Bigl(-\frac{|p - q|^2}{2\, \text{radius}^2}
              - \frac{\|g_p - g_q\|^2}{2\, \text{weight}^2}\Bigr)

    over the pixels q of the picture within 3 radii of p.

    Parameters
    ----------
    weight
        Width of the Gaussian of differences, in intensities (norm over the bands); 0.02 to 0.5. Larger is
        smoother; 0 changes nothing.
    radius
        Width of the Gaussian of distances, in pixels. The time grows with its square.
    guidance
        Picture g, ``(H, W)`` or ``(H, W, C)`` array or ``(B, C, H, W)`` tensor of the same
        height and width, any number of bands; default: f.

    Raises
    ------
    InputError
        A parameter out of range, or guidance of another size.

    Notes
    -----
    C. Tomasi, R. Manduchi, "Bilateral filtering for gray and color images", ICCV 1998; with ``guidance``:
    G. Petschnigg et al., "Digital photography with flash and no-flash image pairs", SIGGRAPH 2004.
    Differences from the papers: (1) windows are cut at the borders. The mean is not kept.
    """

    weight: float = 0.1
    radius: float = 3.0
    guidance: Any = field(default=None, compare=False, repr=False)

    name: ClassVar[str] = "bilateral"
    paper: ClassVar[str] = "Tomasi & Manduchi, ICCV 1998"
    aliases: ClassVar[dict[str, str]] = {"sigma_range": "weight", "sigma_space": "radius"}

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.real("radius", self.radius, above=0.0)

    @property
    def halo(self) -> int:
        """Three widths."""
        return math.ceil(3.0 * self.radius)

    def init(self, image: Tensor) -> GuidedState:
        """The picture itself."""
        return GuidedState(image, planes(match_guidance(self.guidance, image)), planes(image), n_steps=0)

    def step(self, state: GuidedState) -> GuidedState:
        """Filter."""
        out = np.empty_like(state.smoothed)
        for k, f in enumerate(state.smoothed):
            guide = state.guide[k % len(state.guide)]
            out[k] = kernel.bilateral(f, guide, self.radius, self.weight)
        return GuidedState(state.source, state.guide, out, 1)
