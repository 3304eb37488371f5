"""Fidelity to a picture under a texture: ADMM between a spectral data step and a flat prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import Iteration
from jumpset.penalties import TotalVariation
from jumpset.regions.fusion import fuse
from jumpset.smoothers.collaborative import check_texture
from jumpset.texture.estimate import alternate
from jumpset.texture.model import Texture

_TOL = 1e-4  # relative duality gap of the TV steps


@dataclass(frozen=True)
class State:
    """All in the texture's components, M⁻¹ of pictures."""

    source: Tensor  # (B, C, H, W), the picture f itself
    textures: tuple[Texture, ...]
    flat: Tensor  # (B, C, H, W), v
    dual: Tensor  # (B, C, H, W), w, scaled
    rho: float  # of the next step
    residual: float  # root mean square of u − v
    n_steps: int


@dataclass(frozen=True)
class Whitened(Iteration[State]):
    r"""Whitened fidelity: a flat prior that does not take texture for white noise.

    Looks for a small value of

    .. math:: (u - f)^\top \Sigma^{-1} (u - f) + \text{weight} \cdot R(M^{-1} u)

    for the covariance Σ and the colours M of a :class:`~jumpset.texture.Texture`, and R either the number of jumps
    :math:`\sum_{(p,q)} [z_p \ne z_q]` (``"l0"``) or the isotropic, joint total variation (``"tv"``), by ADMM
    in the components :math:`z = M^{-1} u`:

    .. math::
        u &= \arg\min_u (u - f)^\top \Sigma^{-1} (u - f) + \rho \|M^{-1} u - v + w\|^2 \quad\text{(one FFT)}\\
        v &= \arg\min_v \rho \|v - (M^{-1} u + w)\|^2 + \text{weight} \cdot R(v)\\
        w &\leftarrow w + M^{-1} u - v, \qquad \rho \leftarrow \text{growth} \cdot \rho.

    The answer is M v.

    Parameters
    ----------
    weight
        Where the texture has variance 1. Larger is flatter, 0 changes nothing.
    prior
        ``"l0"``, its step by region fusion, or ``"tv"``, its step by a convex solver.
    texture
        A ``Texture`` of the picture's number of channels. Default: estimated from each picture.
    rho
        At the start, above 0, without unit. Small: the first steps are free to leave the picture.
    growth
        At least 1. 1 is ADMM with a fixed ρ.
    n_steps
        Steps.

    Raises
    ------
    InputError
        A parameter out of range, or a texture of other channels.

    Notes
    -----
    S. Boyd, N. Parikh, E. Chu, B. Peleato, J. Eckstein, "Distributed optimization and statistical learning
    via the alternating direction method of multipliers", 2011; M. Storath, A. Weinmann, "Fast partitioning of
    vector-valued images", SIAM J. Imaging Sci. 2014, for a growing ρ on a Potts prior. Our own: (1) the
    texture's covariance in the data step, with periodic borders; (2) the l0 step is a heuristic, so nothing
    is claimed of the energy that is reached; (3) a texture of strength 0 leaves the picture as it is.
    """

    weight: float = 16.0
    prior: str = "l0"
    texture: Any = None
    rho: float = 0.1
    growth: float = 2.0
    n_steps: int = 8

    name: ClassVar[str] = "whitened"
    paper: ClassVar[str] = "jumpset, after Boyd et al., Found. Trends Mach. Learn. 2011"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"tv": {"prior": "tv", "weight": 2.0}}

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.one_of("prior", self.prior, ("l0", "tv"))
        check_texture(self.texture)
        checks.real("rho", self.rho, above=0.0)
        checks.real("growth", self.growth, at_least=1.0)
        checks.integer("n_steps", self.n_steps, at_least=0)

    def init(self, image: Tensor) -> State:
        """Know the texture; v = f, w = 0."""
        if self.max_steps == 0:
            return State(image, (), image, image, self.rho, 0.0, n_steps=0)
        textures = tuple(self.texture or alternate(f)[0] for f in image.split(1))
        components = [t.whiten(f.double()) for t, f in zip(textures, image.split(1), strict=True)]
        flat = torch.cat(components)
        return State(image, textures, flat, torch.zeros_like(flat), self.rho, 0.0, n_steps=0)

    def step(self, state: State) -> State:
        """One step of ADMM."""
        flats, duals, squares = [], [], 0.0
        pictures = zip(*(x.split(1) for x in (state.source, state.flat, state.dual)), strict=True)
        for (f, v, w), texture in zip(pictures, state.textures, strict=True):
            if texture.strength.any():
                u = texture.whiten(texture.fit(f.double(), texture.unwhiten(v - w), state.rho))
                v = self._flatten(u + w, self.weight / state.rho)
                w = w + u - v
                squares += float((u - v).square().sum())
            flats.append(v)
            duals.append(w)
        residual = (squares / state.flat.numel()) ** 0.5
        return State(state.source, state.textures, torch.cat(flats), torch.cat(duals),
                     state.rho * self.growth, residual, state.n_steps + 1)  # fmt: skip

    def image(self, state: State) -> Tensor:
        """M v; where there is no texture, the picture."""
        out = []
        for k, (f, v) in enumerate(zip(state.source.split(1), state.flat.split(1), strict=True)):
            changed = state.n_steps > 0 and state.textures[k].strength.any()
            out.append(state.textures[k].unwhiten(v).to(f) if changed else f)
        return torch.cat(out)

    def record(self, state: State) -> dict[str, float]:
        """Root mean square of u − v, in units of the texture's deviation."""
        return {"residual": state.residual}

    def _flatten(self, z: Tensor, weight: float) -> Tensor:
        if self.prior == "l0":
            return fuse(z, weight)
        return TotalVariation(channels="joint").prox(z, 0.5 * weight, tol=_TOL)
