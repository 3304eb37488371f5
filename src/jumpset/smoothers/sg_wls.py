"""Semi-global weighted least squares: exact solves on overlapping strips (Liu et al. 2017)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from jumpset._core import checks
from jumpset._core.types import image_parameter, parameter
from jumpset.kernels.linear.strips import smooth_strips
from jumpset.smoothers._channels import channel_scale
from jumpset.smoothers._numpy import NumpyMethod

_LEVELS = 255.0  # the paper's intensities
_DELTA = 1e-2  # δ: bounds the weight of equal neighbours


@dataclass(frozen=True)
class SGWLS(NumpyMethod):
    r"""Semi-global weighted least squares: sharp texture removal by exact solves on narrow strips.

    Approximates the minimiser of

    .. math:: \|u - f\|^2 + \text{weight} \sum_p \sum_{q \in N(p)} w_{pq} \|u_p - u_q\|^2, \qquad
              w_{pq} = \frac{\exp(-|p - q|^2 / 2 r^2)}{(255 \|g_p - g_q\|)^{\text{exponent}} + \delta},

    with distances in pixels. A step solves this problem exactly on all strips of 2 r + 1 columns, one every
    r + 1 columns, and averages them where two overlap; then on strips of rows. The pixels of a strip are
    numbered row by row, in alternating directions, and each is linked to the next r.

    Parameters
    ----------
    weight
        λ; 100 to 30 000. Larger is smoother; 0 changes nothing.
    exponent
        Larger keeps edges sharper.
    radius
        r, in pixels.
    n_steps
        Number of steps.
    guidance
        Image g whose edges are kept, of the same height and width, with any number of channels. Default: the
        result of the step before, f in the first step.

    Raises
    ------
    InputError
        A parameter out of range, or guidance of another size.

    Notes
    -----
    W. Liu, X. Chen, C. Shen, Z. Liu, J. Yang, "Semi-global weighted least squares in image filtering", ICCV
    2017. Differences from the paper: (1) the weights use the norm of the guidance's differences over its G
    channels, divided by √(G / 3) for G > 3, so that noise is smoothed alike whatever G is; (2) each
    step smooths the last result, not f; without ``guidance`` it is also guided by it, which removes texture
    better; (3) δ = 10⁻² bounds the weight of equal neighbours. The mean is not kept exactly, since pixels in
    two strips are averaged.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.SGWLS()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(2000.0, checks.weight)
    exponent: float = parameter(2.5, checks.real, at_least=0.0)
    radius: int = parameter(1, checks.integer, at_least=1)
    n_steps: int = parameter(4, checks.integer, at_least=1)
    guidance: Any = image_parameter()

    name: ClassVar[str] = "sg-wls"
    paper: ClassVar[str] = "Liu, Chen, Shen, Liu & Yang, ICCV 2017"
    keeps_mean: ClassVar[bool] = False
    is_symmetric: ClassVar[bool] = False
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"weight": 900.0, "exponent": 2.0, "n_steps": 2}}

    def _smooth(self, u: np.ndarray, f: np.ndarray, t: int, g: np.ndarray | None = None) -> None:
        settings = self.radius, self.weight, self.exponent, _DELTA
        g = u if g is None else g
        g = _LEVELS / math.sqrt(channel_scale(len(g))) * g
        columns = smooth_strips(_transpose(u), _transpose(g), *settings)
        u[:] = smooth_strips(_transpose(columns), g, *settings)


def _transpose(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.swapaxes(-2, -1))
