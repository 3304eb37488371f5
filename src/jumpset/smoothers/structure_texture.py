"""Structure and texture taken apart: flat regions, similar blocks, and a spectrum told from the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import Iteration
from jumpset.regions.fusion import fuse
from jumpset.smoothers.collaborative import check_groups, check_texture, shrink
from jumpset.texture import Texture
from jumpset.texture.cross_channel import predict
from jumpset.texture.estimate import alternate, largest, spectrum_of
from jumpset.texture.stationarity import power_nonuniformity, strongest

_FLAT = 0.7  # weight of the last fusion where it agrees with the filter
_DETAIL = 3.0  # a residual whose local power varies so many times more than a texture's: fusion took detail
# The fusions of the pilot: factor of the weight, neighbours, and whether the picture is turned by 180°, since
# the order of merges is the order of the pixels.
_FUSIONS = (
    (0.5, 4, False),
    (1.0, 4, False),
    (2.0, 4, False),
    (1.0, 4, True),
    (1.0, 8, False),
    (1.0, 8, True),
)


@dataclass(frozen=True)
class State:
    """Each step fills in what the next one needs."""

    source: Tensor  # (B, C, H, W), the picture
    textures: tuple[Texture, ...]  # one a picture, from the first step on
    structure: Tensor  # (B, C, H, W), the answer so far
    detailed: tuple[bool, ...]  # whether fusion takes detail away, one a picture, from the second step on
    n_steps: int

    @property
    def texture(self) -> Tensor:
        """``(B, C, H, W)``: the picture minus its structure."""
        return self.source - self.structure


@dataclass(frozen=True)
class StructureTexture(Iteration[State]):
    r"""Structure and texture: removes a texture whose spectrum it tells from the picture, keeps faint edges.

    Takes the picture as :math:`f = u + T`, with u flat in regions and T a stationary texture, described by a
    :class:`~jumpset.texture.Texture`: uncorrelated components of variance about 1. Six steps:

    1. T from an alternation of region fusion and the colours of its residual
       (:func:`jumpset.estimate_texture`).
    2. A pilot p: the mean of six region fusions of the components of f, each a low value of

       .. math:: \sum_q (u_q - f_q)^\top C^{-1} (u_q - f_q) + \lambda \sum_{(q,s)} \omega_{qs} [u_q \ne u_s]

       for C the covariance of T's colours and λ = ``fusion`` × ½, 1 or 2, with 4 or 8 neighbours, from
       both ends.
    3. y: groups of similar blocks of f, found in p and shrunk by p against ``margin`` × the exact variance
       that T has in them (:class:`~jumpset.smoothers.Collaborative`).
    4. v: a region fusion of y, as in step 2 with λ = ``refusion``. The structure is

       .. math:: y + 0.7\, e^{-\|y - v\|^2 / 2 s^2} (v - y), \qquad s = \tfrac12 \text{deviation of } T:

       mostly flat where both agree, and the filter's where fusion has taken a rounded or faint edge away.
    5. The component with the most texture is drawn towards what the others predict of it, in windows in which
       it is affine in them (:func:`~jumpset.texture.cross_channel.predict`): a texture is often nearly
       gray, so that hue tells where an edge runs.
    6. Steps 3 to 5 once more, with the structure so far as the pilot and half the margin, since its flat
       regions need no more help. The answer is the mean of both.

    A noisy photograph is not made of flat regions: where the power of f − p varies from place to place 3
    times more than a texture's would, steps 2 and 3 are those of ``collaborative``, 4 to 6 are left out.

    After the run, ``result.state.structure``, ``.texture`` and ``.textures`` hold both parts and the model.

    Parameters
    ----------
    weight
        Factor of the texture's variance: λ and the shrinkage grow with it. 1 removes what was found to be
        texture; larger is smoother, 0 changes nothing.
    texture
        A ``Texture`` of the picture's number of channels. Default: estimated from each picture.
    fusion, refusion
        Weights of the fusions before and after the filter, in units of the variance of the texture's
        strongest component.
    margin
        Factor of the variance in the filter: fusion has already taken part of the texture for structure.
    coupling, group, radius, stride
        As in :class:`~jumpset.smoothers.Collaborative`.

    Raises
    ------
    InputError
        A parameter out of range, or a texture of other channels.

    Notes
    -----
    Our own. Built on R. M. H. Nguyen, M. S. Brown, "Fast and effective L0 gradient minimization by region
    fusion", ICCV 2015, and K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, IEEE TIP 2007. The fusions err at
    faint and rounded edges, the filter inside regions, and they err differently, so each guides the other.
    """

    weight: float = 1.0
    texture: Any = None
    fusion: float = 16.0
    refusion: float = 2.0
    margin: float = 1.5
    coupling: float = 0.6
    group: int = 32
    radius: int = 24
    stride: int = 4

    name: ClassVar[str] = "structure-texture"
    paper: ClassVar[str] = "jumpset, after Nguyen & Brown, ICCV 2015 and Dabov et al., IEEE TIP 2007"

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        check_texture(self.texture)
        checks.real("fusion", self.fusion, at_least=0.0)
        checks.real("refusion", self.refusion, at_least=0.0)
        checks.real("margin", self.margin, above=0.0)
        check_groups(self.coupling, self.group, self.radius, self.stride)

    @property
    def max_steps(self) -> int:
        """The six steps; none without weight."""
        return 6 if self.weight > 0.0 else 0

    def init(self, image: Tensor) -> State:
        """Nothing is known: all is structure."""
        return State(image, (), image, (), n_steps=0)

    def step(self, state: State) -> State:
        """One of the six."""
        pictures = state.source.split(1)
        if state.n_steps == 0:
            found = [self._estimate(f) for f in pictures]
            textures, structures = tuple(t for t, _ in found), [u for _, u in found]
            return State(state.source, textures, torch.cat(structures), (), 1)
        task = (self._pilot, self._filter, self._fuse, self._guide, self._refine)[state.n_steps - 1]
        detailed = state.detailed or (False,) * len(pictures)
        answers = [
            task(f, u, t, d) if t.strength.any() else (t, f, d)
            for f, u, t, d in zip(pictures, state.structure.split(1), state.textures, detailed, strict=True)
        ]
        textures, structures, detailed = zip(*answers, strict=True)
        return State(state.source, textures, torch.cat(structures), detailed, state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The structure so far."""
        return state.structure

    def record(self, state: State) -> dict[str, float]:
        """Root mean square of the texture so far."""
        return {"texture": float(state.texture.double().square().mean().sqrt())}

    def _estimate(self, f: Tensor) -> tuple[Texture, Tensor]:
        if self.texture is not None:
            return self.texture, f
        texture, structure = alternate(f)
        return texture, structure.to(f)

    def _pilot(self, f: Tensor, _: Tensor, texture: Texture, __: bool) -> tuple[Texture, Tensor, bool]:
        z = texture.whiten(f.detach().cpu().double())
        weight = self.fusion * self.weight * largest(texture)
        mean = sum(_fused(z, factor * weight, n, turned) for factor, n, turned in _FUSIONS) / len(_FUSIONS)
        if power_nonuniformity((z - mean)[0].numpy(), texture) > _DETAIL:
            return texture, self._shrink(f, None, texture, 1.0), True
        return texture, texture.unwhiten(mean).to(f), False

    def _filter(
        self, f: Tensor, pilot: Tensor, texture: Texture, detailed: bool
    ) -> tuple[Texture, Tensor, bool]:
        if self.texture is None and not detailed:
            texture = spectrum_of((f - pilot).cpu(), texture)  # better than the rough structure's residual
        return texture, self._shrink(f, pilot, texture, 1.0 if detailed else self.margin), detailed

    def _fuse(self, f: Tensor, y: Tensor, texture: Texture, detailed: bool) -> tuple[Texture, Tensor, bool]:
        if detailed:
            return texture, y, True
        wide = y.detach().cpu().double()
        weight = self.refusion * self.weight * largest(texture)
        v = texture.unwhiten(fuse(texture.whiten(wide), weight))
        s2 = 0.25 * self.weight * float(np.sum(texture.strength**2))
        trust = _FLAT * torch.exp(-0.5 * (v - wide).square().sum(dim=1, keepdim=True) / s2)
        return texture, _same_mean(wide + trust * (v - wide), wide).to(f), False

    def _guide(self, f: Tensor, u: Tensor, texture: Texture, detailed: bool) -> tuple[Texture, Tensor, bool]:
        if detailed or f.shape[1] == 1:
            return texture, u, detailed
        wide = u.detach().cpu().double()
        k, variance = strongest(texture)
        z = predict(texture.whiten(wide)[0].numpy(), k, self.weight * variance)
        led = texture.unwhiten(torch.from_numpy(z[None]))
        return texture, _same_mean(led, wide).to(f), False

    def _refine(self, f: Tensor, u: Tensor, texture: Texture, detailed: bool) -> tuple[Texture, Tensor, bool]:
        if detailed:
            return texture, u, True
        second, answer = replace(self, margin=0.5 * self.margin), u
        for task in (second._filter, second._fuse, second._guide):
            texture, answer, _ = task(f, answer, texture, False)
        return texture, 0.5 * (u + answer), False

    def _shrink(self, f: Tensor, pilot: Tensor | None, texture: Texture, margin: float) -> Tensor:
        noise = texture.scaled(margin * self.weight)
        return shrink(f, pilot, noise, self.coupling, self.group, self.radius, self.stride)


def _same_mean(u: Tensor, like: Tensor) -> Tensor:
    """As much as weights have taken from the mean, put back."""
    return u + (like - u).mean(dim=(-2, -1), keepdim=True)


def _fused(z: Tensor, weight: float, neighbors: int, turned: bool) -> Tensor:
    out = fuse(z.flip(-2, -1).contiguous() if turned else z, weight, neighbors=neighbors)
    return out.flip(-2, -1) if turned else out
