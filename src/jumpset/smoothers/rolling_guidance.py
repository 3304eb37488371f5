"""Rolling guidance: removes small structures, restores large edges (Zhang, Shen, Xu, Jia 2014)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.kernels.filters.bilateral import bilateral
from jumpset.operators.spacing import axis_scales
from jumpset.smoothers._channels import channel_scale
from jumpset.smoothers._numpy import NumpyMethod


@dataclass(frozen=True)
class RollingGuidance(NumpyMethod):
    r"""Rolling guidance: removes everything smaller than a size, keeps the edges of what is larger.

    A Gaussian blur of width ``weight`` removes small structures; then the image is filtered repeatedly by

    .. math:: u^{t+1}_p = \frac{\sum_q w_{pq} f_q}{\sum_q w_{pq}}, \qquad
              w_{pq} = \exp\Bigl(-\frac{|p - q|^2}{2\, \text{weight}^2}
              - \frac{\|u^t_p - u^t_q\|^2}{2 \sigma^2}\Bigr).

    Parameters
    ----------
    weight
        Size of the structures that are removed, in pixels; 1 to 8. Larger is smoother; 0 changes nothing.
    sigma
        Width of the Gaussian of differences, in intensities (norm over the channels); 0.05 to 0.2.
    n_steps
        Number of filters, the blur included.
    spacing
        Distances between pixels along each spatial axis, in the order z, y, x; relative to the smallest one,
        they are the distances to which ``weight`` is compared. Default: equal.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    Q. Zhang, X. Shen, L. Xu, J. Jia, "Rolling guidance filter", ECCV 2014. Differences from the paper: (1)
    windows are cut at the borders, and extend to three widths; (2) the norm over C > 3 channels is divided by
    √(C / 3), so that noise is smoothed alike whatever their number. The mean is not kept.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> image, _ = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.RollingGuidance()).image
    >>> bool(np.abs(np.diff(flat, axis=1)).mean() < 0.9 * np.abs(np.diff(image, axis=1)).mean())
    True
    """

    weight: float = parameter(3.0, checks.weight)
    sigma: float = parameter(0.1, checks.real, above=0.0)
    n_steps: int = parameter(4, checks.integer, at_least=1)
    spacing: tuple[float, ...] | None = parameter(None, checks.spacing)

    name: ClassVar[str] = "rolling-guidance"
    paper: ClassVar[str] = "Zhang, Shen, Xu & Jia, ECCV 2014"
    spatial_ndims: ClassVar[tuple[int, ...]] = (1, 2, 3)
    keeps_mean: ClassVar[bool] = False
    aliases: ClassVar[dict[str, str]] = {"sigma_space": "weight", "sigma_range": "sigma"}

    @property
    def halo(self) -> int:
        """Three widths of the Gaussian, for each of the filters."""
        return self.n_steps * math.ceil(3.0 * self.weight)

    def _smooth(self, u: np.ndarray, f: np.ndarray, t: int) -> None:
        sigma = self.sigma * math.sqrt(channel_scale(len(f))) if t > 1 else math.inf
        u[:] = bilateral(f, u, self.weight, sigma, axis_scales(self.spacing, f.ndim - 1))
