"""The bilateral filter (Tomasi & Manduchi 1998), and the joint bilateral filter (Petschnigg et al. 2004)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from jumpset._core import checks
from jumpset._core.types import image_parameter, parameter
from jumpset.kernels.filters import bilateral as kernel
from jumpset.operators.spacing import axis_scales
from jumpset.smoothers._channels import channel_scale
from jumpset.smoothers._numpy import NumpyMethod


@dataclass(frozen=True)
class Bilateral(NumpyMethod):
    r"""Bilateral filter: averages pixels that are near and alike; the everyday denoiser, exact here.

    .. math:: u_p = \frac{\sum_q w_{pq} f_q}{\sum_q w_{pq}}, \qquad
              w_{pq} = \exp\Bigl(-\frac{|p - q|^2}{2\, \text{radius}^2}
              - \frac{\|g_p - g_q\|^2}{2\, \text{weight}^2}\Bigr)

    over the pixels q of the image within 3 radii of p.

    Parameters
    ----------
    weight
        Width of the Gaussian of differences, in intensities (norm over the channels); 0.02 to 0.5. Larger is
        smoother; 0 changes nothing.
    radius
        Width of the Gaussian of distances, in pixels. The time grows with its square, in volumes with its
        cube.
    guidance
        Image g of the same height and width, with any number of channels. Default: f.
    mask
        Optional ``(H, W)`` array or tensor, or ``(B, 1, H, W)``: True, or not 0, where a pixel is valid;
        floats from 0 to 1 weight it. The answer fills the other pixels, whatever they hold.
    spacing
        Distances between pixels along each spatial axis, in the order z, y, x;
        relative to the smallest one, they are the distances to which ``radius`` is compared. Default: equal.

    Raises
    ------
    InputError
        A parameter out of range, or guidance or a mask of another size.

    Notes
    -----
    C. Tomasi, R. Manduchi, "Bilateral filtering for gray and color images", ICCV 1998; with ``guidance``:
    G. Petschnigg et al., "Digital photography with flash and no-flash image pairs", SIGGRAPH 2004.
    Differences from the papers: (1) windows are cut at the borders; (2) the norm over G > 3
    channels is divided by √(G / 3), so that noise is smoothed alike whatever their number. The mean is not
    kept.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.Bilateral()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(0.1, checks.weight)
    radius: float = parameter(3.0, checks.real, above=0.0)
    guidance: Any = image_parameter()
    mask: Any = None
    spacing: tuple[float, ...] | None = parameter(None, checks.spacing)

    name: ClassVar[str] = "bilateral"
    paper: ClassVar[str] = "Tomasi & Manduchi, ICCV 1998"
    spatial_ndims: ClassVar[tuple[int, ...]] = (1, 2, 3)
    keeps_mean: ClassVar[bool] = False
    aliases: ClassVar[dict[str, str]] = {"sigma_range": "weight", "sigma_space": "radius"}

    @property
    def halo(self) -> int:
        """Three times the radius."""
        return math.ceil(3.0 * self.radius)

    def _smooth(self, u: np.ndarray, f: np.ndarray, t: int, g: np.ndarray | None = None) -> None:
        g = f if g is None else g
        sigma = self.weight * math.sqrt(channel_scale(len(g)))
        u[:] = kernel.bilateral(f, g, self.radius, sigma, axis_scales(self.spacing, f.ndim - 1))
