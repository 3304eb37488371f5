"""Fidelity to an image with texture: ADMM between a spectral data step and a flat prior."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import Iteration, parameter
from jumpset.penalties import TotalVariation
from jumpset.regions.fusion import fuse
from jumpset.smoothers.collaborative import check_texture
from jumpset.texture.estimate import alternate
from jumpset.texture.model import Texture

_TOL = 1e-4  # relative duality gap of the TV steps


@dataclass(frozen=True)
class State:
    """The variables of ADMM, in the texture's components M⁻¹ u."""

    source: Tensor  # (B, C, H, W), f
    textures: tuple[Texture, ...]
    flat: Tensor  # (B, C, H, W), v
    dual: Tensor  # (B, C, H, W), w, scaled
    rho: float  # of the next step
    residual: float  # root mean square of M⁻¹ u − v
    n_steps: int


@dataclass(frozen=True)
class Whitened(Iteration[State]):
    r"""Whitened fidelity: a flat prior with the covariance of the texture instead of white noise.

    Looks for a small value of

    .. math:: (u - f)^\top \Sigma^{-1} (u - f) + \text{weight} \sqrt{K / 3} \; R(M^{-1} u)

    for the covariance Σ and the colours M of a :class:`~jumpset.texture.Texture`, K its number of components
    that are not zero (by the factor, one weight is right for any number of channels), and R either the number
    of jumps :math:`\sum_{(p,q)} [z_p \ne z_q]` (``"l0"``) or the isotropic, joint total variation (``"tv"``),
    by ADMM in the components :math:`z = M^{-1} u`:

    .. math::
        u &= \arg\min_u (u - f)^\top \Sigma^{-1} (u - f) + \rho \|M^{-1} u - v + w\|^2 \quad\text{(one FFT)}\\
        v &= \arg\min_v \rho \|v - (M^{-1} u + w)\|^2 + \text{weight} \sqrt{K / 3} \; R(v)\\
        w &\leftarrow w + M^{-1} u - v, \qquad \rho \leftarrow \text{growth} \cdot \rho.

    The answer is M v.

    Parameters
    ----------
    weight
        Weight of R in three components of variance 1. Larger is flatter; 0 changes nothing.
    prior
        ``"l0"``, whose step is region fusion, or ``"tv"``, whose step is a convex solver.
    texture
        A ``Texture`` with the channels of the image. Default: estimated from each image.
    rho
        The first ρ, above 0, without unit. Small: the first steps may move far from f.
    growth
        Factor on ρ in each step, at least 1. 1 is ADMM with a fixed ρ.
    n_steps
        Number of steps.

    Raises
    ------
    InputError
        A parameter out of range, or a texture of other channels.

    Notes
    -----
    S. Boyd, N. Parikh, E. Chu, B. Peleato, J. Eckstein, "Distributed optimization and statistical learning
    via the alternating direction method of multipliers", 2011; M. Storath, A. Weinmann, "Fast partitioning of
    vector-valued images", SIAM J. Imaging Sci. 2014, for a growing ρ with a Potts prior. Differences from
    both: (1) the texture's covariance in the data step, with periodic borders; (2) the l0 step is a
    heuristic, without a guarantee on the energy; (3) a texture of strength 0 leaves the image unchanged.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.Whitened()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(16.0, checks.weight)
    prior: str = parameter("l0", checks.one_of, allowed=("l0", "tv"))
    texture: Any = parameter(None, check_texture)
    rho: float = parameter(0.1, checks.real, above=0.0)
    growth: float = parameter(2.0, checks.real, at_least=1.0)
    n_steps: int = parameter(8, checks.integer, at_least=0)

    name: ClassVar[str] = "whitened"
    paper: ClassVar[str] = "jumpset, after Boyd et al., Found. Trends Mach. Learn. 2011"
    is_symmetric: ClassVar[bool] = False
    presets: ClassVar[dict[str, dict[str, Any]]] = {"tv": {"prior": "tv", "weight": 2.0}}

    def init(self, image: Tensor) -> State:
        """Start from v = M⁻¹ f, w = 0; estimate the texture where it is not given."""
        if self.max_steps == 0:
            return State(image, (), image, image, self.rho, 0.0, n_steps=0)
        textures = tuple(self.texture or alternate(f)[0] for f in image.split(1))
        components = [t.whiten(f.double()) for t, f in zip(textures, image.split(1), strict=True)]
        flat = torch.cat(components)
        return State(image, textures, flat, torch.zeros_like(flat), self.rho, 0.0, n_steps=0)

    def step(self, state: State) -> State:
        """One step of ADMM."""
        flats, duals, squares = [], [], 0.0
        images = zip(*(x.split(1) for x in (state.source, state.flat, state.dual)), strict=True)
        for (f, v, w), texture in zip(images, state.textures, strict=True):
            if texture.strength.any():
                u = texture.whiten(texture.fit(f.double(), texture.unwhiten(v - w), state.rho))
                v = self._flatten(u + w, self._weight_of(texture) / state.rho)
                w = w + u - v
                squares += float((u - v).square().sum())
            flats.append(v)
            duals.append(w)
        residual = (squares / state.flat.numel()) ** 0.5
        now = replace(state, flat=torch.cat(flats), dual=torch.cat(duals), residual=residual)
        return replace(now, rho=state.rho * self.growth, n_steps=state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """M v; f where there is no texture."""
        out = []
        for k, (f, v) in enumerate(zip(state.source.split(1), state.flat.split(1), strict=True)):
            changed = state.n_steps > 0 and state.textures[k].strength.any()
            out.append(state.textures[k].unwhiten(v).to(f) if changed else f)
        return torch.cat(out)

    def record(self, state: State) -> dict[str, float]:
        """Root mean square of M⁻¹ u − v, in units of the texture's deviation."""
        return {"residual": state.residual}

    def _weight_of(self, texture: Texture) -> float:
        """The weight for the number K of components: the norm of K unit deviations grows like √K."""
        return self.weight * math.sqrt(np.count_nonzero(texture.variances) / 3)

    def _flatten(self, z: Tensor, weight: float) -> Tensor:
        if self.prior == "l0":
            return fuse(z, weight)
        return TotalVariation(channels="joint").prox(z, 0.5 * weight, tol=_TOL)
