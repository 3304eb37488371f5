"""Weighted least squares: edge-preserving smoothing by one linear system (Farbman et al. 2008)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import image_parameter, parameter
from jumpset.kernels.filters.gradient_magnitudes import gradient_magnitudes
from jumpset.kernels.linear import window_laplacian
from jumpset.kernels.linear.grid_laplacian import solve
from jumpset.operators.spacing import axis_scales
from jumpset.smoothers._channels import channel_scale
from jumpset.smoothers._guidance import match_guidance
from jumpset.smoothers._halo import solve_moments, tail_radius
from jumpset.smoothers._numpy import ArrayState, NumpyMethod, as_array, copy_array

_FLOOR = 1e-4  # keeps the weights of equal neighbours finite


@dataclass(frozen=True)
class WLS(NumpyMethod):
    r"""Weighted least squares: smooths detail without halos, for tone mapping and detail enhancement.

    Minimises

    .. math:: \|u - f\|^2 + \text{weight} \sum_{(p,q)} \frac{\|u_p - u_q\|^2}
              {\|\ell_p - \ell_q\|^{\text{exponent}} + 10^{-4}}, \qquad
              \ell = \log(\max(g, 0) + \varepsilon)

    over the edges (p, q) of the grid.

    Parameters
    ----------
    weight
        λ; 0.03 (with a large epsilon) to 10. Larger is smoother; 0 changes nothing.
    exponent
        The paper's α. Larger keeps edges sharper; 1.2 to 2.
    epsilon
        Added before the logarithm, in intensities: differences far below it do not count.
    guidance
        Image g whose edges are kept, of the same height and width, with any number of channels. Default: f.
    mask
        Optional ``(H, W)`` array or tensor, or ``(B, 1, H, W)``: True, or not 0, where a pixel is valid;
        floats from 0 to 1 weight it. The answer fills the other pixels, whatever they hold.
    spacing
        Distances between pixels along each spatial axis, in the order z, y, x. The
        differences along an axis, of u and of ℓ, are divided by its distance relative to the smallest one.
        Default: equal.
    tol
        Accuracy of the solve: about the size of the error relative to f, in the norm of the objective.

    Raises
    ------
    InputError
        A parameter out of range, or guidance or a mask of another size.

    Notes
    -----
    Z. Farbman, R. Fattal, D. Lischinski, R. Szeliski, "Edge-preserving decompositions for multi-scale tone
    and detail manipulation", SIGGRAPH 2008. Differences from the paper: (1) the weights use the norm of the
    guidance's differences over its G channels, where the paper uses the luminance, divided by √(G / 3) for
    G > 3, so that noise is smoothed alike whatever their number; (2) an iterative solve,
    which keeps the mean of every channel exactly. The defaults are for texture; ``preset="paper"`` is for
    detail and tones.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> image, _ = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.WLS()).image
    >>> bool(np.abs(np.diff(flat, axis=1)).mean() < 0.9 * np.abs(np.diff(image, axis=1)).mean())
    True
    """

    weight: float = parameter(0.1, checks.weight)
    exponent: float = parameter(2.0, checks.real, at_least=0.0)
    epsilon: float = parameter(0.3, checks.real, above=0.0)
    guidance: Any = image_parameter()
    mask: Any = None
    spacing: tuple[float, ...] | None = parameter(None, checks.spacing)
    tol: float = parameter(1e-5, checks.real, above=0.0, below=1.0)

    name: ClassVar[str] = "wls"
    paper: ClassVar[str] = "Farbman, Fattal, Lischinski & Szeliski, SIGGRAPH 2008"
    spatial_ndims: ClassVar[tuple[int, ...]] = (1, 2, 3)
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"weight": 1.0, "exponent": 1.2, "epsilon": 1e-4}
    }

    def halo_for(self, tol: float) -> int:
        """Where the solve of a flat image, whose edges all have the largest weight, has less weight."""
        return tail_radius(tol, [solve_moments(self.weight / _FLOOR)])

    def _prepare(self, image: Tensor) -> tuple[np.ndarray, ...]:
        """Weights of the edges along each axis, the last first; 0 for those that would leave the image."""
        guide = match_guidance(self.guidance, image)
        sizes = gradient_magnitudes(guide.clamp(min=0.0).add_(self.epsilon).log_())
        norm, fixed = math.sqrt(channel_scale(guide.shape[1])), []
        for k, s in enumerate(reversed(axis_scales(self.spacing, len(sizes)))):
            weights = (self.weight * s * s) / (sizes[k].div_(norm / s) ** self.exponent + _FLOOR)
            fixed.append(torch.nn.functional.pad(weights, (0, 0) * k + (0, 1)).numpy())
        return tuple(fixed)

    def _begin_masked(self, filled: Tensor, weights: np.ndarray) -> ArrayState:
        """The weights m of the pixels are a part of the linear system."""
        m = weights.astype(as_array(filled).dtype)
        fixed = (*self._prepare(filled), m)
        return ArrayState(filled, fixed, as_array(filled), copy_array(filled), n_steps=0)

    def _smooth(self, u: np.ndarray, f: np.ndarray, t: int, *fixed: np.ndarray) -> tuple[int, float]:
        ndim, width = u.ndim - 1, u.shape[-1]
        stride = u.shape[-2] if ndim == 3 else 1
        rows = u.reshape(len(u), -1, width)  # a volume is a list of rows, and a view of u
        edges = [w.reshape(-1, width) for w in fixed[:ndim]]
        if len(fixed) == ndim:
            right, down = edges[0], edges[1] if ndim > 1 else np.zeros_like(edges[0])
            deep = edges[2] if ndim > 2 else None
            return solve(rows, right, down, f.reshape(rows.shape), self.tol, deep, stride)
        m = fixed[-1].reshape(-1, width)
        offsets = np.array([(0, 1), (1, 0), (stride, 0)])[:ndim]
        tol = self.tol * math.sqrt(m.mean())
        return window_laplacian.solve(rows, m, np.stack(edges), offsets, m * f.reshape(rows.shape), tol)

    def record(self, state: ArrayState) -> dict[str, float]:
        """Root mean square distance of u from f; residual and iterations of the solver."""
        return super().record(state) | {"residual": state.residual, "iterations": state.iterations}
