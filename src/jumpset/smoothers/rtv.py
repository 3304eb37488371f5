"""Relative total variation: separates structure from texture (Xu, Yan, Xia, Jia 2012)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.kernels.linear.grid_laplacian import solve
from jumpset.smoothers._numpy import ArrayState, NumpyMethod

_LEAST_SIGMA = 0.5
_FLOOR = 1e-3  # ε of the denominators
_TRUNCATE = 2.5  # radius of the Gaussian, in σ


@dataclass(frozen=True)
class RTV(NumpyMethod):
    r"""Relative total variation: removes texture of any contrast, keeps the structure behind it.

    Looks for a small value of

    .. math:: \sum_p \|u_p - f_p\|^2 + \text{weight} \sum_p
              \sum_d \frac{\mathcal D_d(p)}{\mathcal L_d(p) + \varepsilon}, \qquad
              \mathcal D_d = G_\sigma * |\partial_d u|, \quad \mathcal L_d = |G_\sigma * \partial_d u|:

    texture has differences of both signs, which cancel in :math:`\mathcal L` but not in :math:`\mathcal D`.
    Each step computes, from the last u,

    .. math:: w = \frac{1}{\max(\overline{|\nabla u|}, \varepsilon_s)}, \quad
              W_d = \frac{w}{\max(\overline{|\partial_d (G_\sigma * u)|}, 10^{-3})}, \quad
              u = \Bigl(1 + \tfrac{\text{weight}}{2} \sum_d \partial_d^\top W_d \partial_d\Bigr)^{-1} f,

    where bars are means over the channels, and then halves σ, down to 0.5.

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
    a stated accuracy, which keeps the mean of every channel exactly; (3) the weights of the authors' program:
    both directions share w, maxima bound the denominators, and W is not filtered again.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.RTV()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(0.002, checks.weight)
    sigma: float = parameter(2.5, checks.real, above=0.0)
    sharpness: float = parameter(0.005, checks.real, above=0.0)
    n_steps: int = parameter(4, checks.integer, at_least=1)
    tol: float = parameter(1e-5, checks.real, above=0.0, below=1.0)

    name: ClassVar[str] = "rtv"
    paper: ClassVar[str] = "Xu, Yan, Xia & Jia, SIGGRAPH Asia 2012"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"weight": 0.01, "sigma": 3.0, "sharpness": 0.02}
    }

    def _smooth(self, u: np.ndarray, f: np.ndarray, t: int) -> tuple[int, float]:
        sigma = self.sigma if t == 1 else max(self.sigma / 2.0 ** (t - 1), _LEAST_SIGMA)
        return solve(u, *self._weights(u, sigma), f, self.tol)

    def record(self, state: ArrayState) -> dict[str, float]:
        """Root mean square distance of u from f; worst residual and most iterations of the last solves."""
        return super().record(state) | {"residual": state.residual, "iterations": state.iterations}

    def _weights(self, u: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
        """``weight / 2`` times W_x and W_y of one image; 0 for edges that would leave the image."""
        across, along = _differences(u)
        shared = np.maximum(np.sqrt(across**2 + along**2).mean(0), self.sharpness)
        blurred = gaussian_filter(u, sigma, axes=(1, 2), mode="reflect", truncate=_TRUNCATE)
        scale = 0.5 * self.weight / shared
        right, down = (scale / np.maximum(np.abs(d).mean(0), _FLOOR) for d in _differences(blurred))
        right[:, -1] = down[-1] = 0.0
        return right, down


def _differences(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences of ``(C, H, W)`` to the right and down, zero across the border."""
    return np.diff(u, axis=2, append=u[:, :, -1:]), np.diff(u, axis=1, append=u[:, -1:])
