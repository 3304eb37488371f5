"""L0 gradient projection: the nearest image with a given fraction of nonzero gradients (Ono 2017)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import Iteration, Status, parameter
from jumpset.operators.spectral import dct, idct, laplacian_eigenvalues

_LEAST_GAMMA = 1e-9  # below it the solve would lose f in rounding


@dataclass(frozen=True)
class State:
    """The variables of ADMM, and what stays fixed between the steps."""

    source: Tensor  # (B, C, H, W), f
    spectrum: Tensor  # cosine transform of f
    eigenvalues: Tensor  # (H, W), of D⊤D
    u: Tensor  # (B, C, H, W)
    z: Tensor  # (B, 2, C, H, W), the gradients that are kept, right and down
    y: Tensor  # (B, 2, C, H, W), scaled multipliers of Du = z
    gamma: float  # step size of the next step
    n_steps: int


@dataclass(frozen=True)
class L0Projection(Iteration[State]):
    r"""L0 gradient projection: like l0, with the number of nonzero gradients given instead of their cost.

    Looks for the nearest image with few jumps,

    .. math:: \min_u \|u - f\|^2 \quad \text{with} \quad
              \#\{p : \nabla u_p \ne 0\} \le \text{fraction} \cdot N,

    N the number of pixels, all channels and both directions together, by ADMM with a decreasing step γ:

    .. math:: u = (1 + D^\top D / \gamma)^{-1} (f + D^\top (z - y) / \gamma), \qquad
              z = P(D u + y), \qquad y \leftarrow
              (y + D u - z)\, \frac{\gamma'}{\gamma},

    where P keeps the ``fraction · N`` largest gradients and zeroes the others, and γ' = ``decay`` · γ is the
    next step size.

    Parameters
    ----------
    fraction
        Fraction of the pixels that may differ from their right or lower neighbour, 0 to 1. Smaller is
        smoother; 1 changes nothing, 0 gives the mean. Line art: 0.05; main edges of a photograph: 0.1 to 0.3.
    gamma
        The first step size γ.
    decay
        Factor on γ in each step, below 1: nearer to 1 is slower and more precise.
    tol
        The run ends when the root mean square of Du − z is at most this, in intensities.
    max_steps
        Step limit.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    S. Ono, "L0 gradient projection", IEEE TIP 2017. Differences from the paper: (1) mirrored instead of
    periodic borders; (2) exactly as many gradients are kept as allowed, the first among equal ones; (3) no
    clipping to [0, 1]; (4) y is scaled with γ, which finds a nearer image in fewer steps; (5) the stopping
    rule.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> image, _ = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.L0Projection()).image
    >>> bool(np.abs(np.diff(flat, axis=1)).mean() < 0.9 * np.abs(np.diff(image, axis=1)).mean())
    True
    """

    fraction: float = parameter(0.1, checks.real, at_least=0.0, at_most=1.0)
    gamma: float = parameter(3.0, checks.real, above=0.0)
    decay: float = parameter(0.95, checks.real, above=0.0, below=1.0)
    tol: float = parameter(1e-4, checks.real, above=0.0)
    max_steps: int = parameter(500, checks.integer, at_least=0)

    name: ClassVar[str] = "l0-projection"
    paper: ClassVar[str] = "Ono, IEEE TIP 2017"
    batched: ClassVar[bool] = False  # images end at different steps

    def init(self, image: Tensor) -> State:
        """Start from u = f and its largest gradients."""
        eigenvalues = laplacian_eigenvalues(*image.shape[-2:], like=image)
        z = _keep_largest(_gradient(image), self.fraction)
        return State(image, dct(image), eigenvalues, image, z, torch.zeros_like(z), self.gamma, n_steps=0)

    def step(self, state: State) -> State:
        """Fit u to f and to the gradients z, then choose z again."""
        gamma = state.gamma
        numerator = dct(_transpose(state.z - state.y)).div_(gamma).add_(state.spectrum)
        u = idct(numerator.div_(1.0 + state.eigenvalues / gamma))
        v = _gradient(u) + state.y
        z = _keep_largest(v, self.fraction)
        after = max(gamma * self.decay, _LEAST_GAMMA)
        y = (v - z) * (after / gamma)  # the multiplier itself, y / γ, stays the same
        return replace(state, u=u, z=z, y=y, gamma=after, n_steps=state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The last u."""
        return state.u

    def record(self, state: State) -> dict[str, float]:
        """``‖u − f‖²``, summed over the batch, and the largest root mean square of Du − z."""
        distance = (state.u - state.source).square().sum(dtype=torch.float64).item()
        error = (_gradient(state.u) - state.z).square().mean(dim=(1, 2, 3, 4), dtype=torch.float64)
        return {"distance": distance, "residual": math.sqrt(float(error.max()))}

    def finished(self, state: State) -> Status | None:
        """When the residual is at most ``tol``."""
        return Status.CONVERGED if self.record(state)["residual"] <= self.tol else None


def _gradient(u: Tensor) -> Tensor:
    """Forward differences right and down, zero across the border, ``(B, 2, C, H, W)``."""
    out = torch.zeros(len(u), 2, *u.shape[1:], dtype=u.dtype, device=u.device)
    out[:, 0, :, :, :-1] = u[..., :, 1:] - u[..., :, :-1]
    out[:, 1, :, :-1, :] = u[..., 1:, :] - u[..., :-1, :]
    return out


def _transpose(g: Tensor) -> Tensor:
    """D⊤g for a g that is zero across the border."""
    out = -g[:, 0] - g[:, 1]
    out[..., :, 1:] += g[:, 0, :, :, :-1]
    out[..., 1:, :] += g[:, 1, :, :-1, :]
    return out


def _keep_largest(g: Tensor, fraction: float) -> Tensor:
    """The largest gradients of each image, in a ``fraction`` of its pixels, and zero elsewhere."""
    size = g.square().sum(dim=(1, 2)).flatten(1)
    # rounding must not lose an allowed gradient: 0.29 · 100 is below 29
    count = min(size.shape[1], math.floor(fraction * size.shape[1] * (1.0 + 1e-12)))
    if count == size.shape[1]:
        return g
    mask = torch.zeros_like(size)
    if count > 0:
        least = size.sort(dim=1, descending=True, stable=True).indices[:, :count]
        mask.scatter_(1, least, 1.0)
    return g * mask.reshape(len(g), 1, 1, *g.shape[-2:])
