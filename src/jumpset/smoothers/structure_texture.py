"""Structure and texture: flat regions, similar blocks, and a texture whose spectrum is estimated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import Iteration, parameter
from jumpset.kernels.filters.collaborative import SIZE
from jumpset.regions.fusion import fuse
from jumpset.smoothers.collaborative import GROUPS, Collaborative, check_texture, varies
from jumpset.texture import Texture
from jumpset.texture.cross_channel import predict
from jumpset.texture.estimate import alternate, largest, spectrum_of
from jumpset.texture.noise import noise_or_texture
from jumpset.texture.stationarity import power_nonuniformity, strongest
from jumpset.texture.support import varying

# The fusions of the pilot: factor on the weight, neighbours, and whether the image is rotated by 180°, since
# the order of merges is the order of the pixels.
_FUSIONS = (
    (0.5, 4, False),
    (1.0, 4, False),
    (2.0, 4, False),
    (1.0, 4, True),
    (1.0, 8, False),
    (1.0, 8, True),
)
_DETAIL = 3.0  # power_nonuniformity of a residual above which it holds detail, not only texture
# The blend y + 0.7 exp(−‖y − v‖² / 2 s²) (v − y) of the filter's y and the fusion's v.
_FUSION_SHARE = 0.7  # of v where both agree; below 1, because the fusion places rounded edges less exactly
_AGREEMENT = 0.5  # s in deviations of the texture: an edge that the fusion has removed differs by more


@dataclass(frozen=True)
class Separation:
    """One image f, and its structure and texture after some steps."""

    f: Tensor  # (1, C, H, W)
    u: Tensor  # (1, C, H, W), the structure
    texture: Texture  # model of f − u; of strength 0 before the first step
    detailed: bool  # whether region fusion removes detail; from the second step on


@dataclass(frozen=True)
class State:
    """The separation of each image."""

    source: Tensor  # (B, C, H, W), f
    structure: Tensor  # (B, C, H, W), u
    textures: tuple[Texture, ...]
    detailed: tuple[bool, ...]
    n_steps: int

    @property
    def texture(self) -> Tensor:
        """``(B, C, H, W)``: image minus structure."""
        return self.source - self.structure


@dataclass(frozen=True)
class StructureTexture(Iteration[State]):
    r"""Structure and texture: removes a texture of a spectrum estimated from the image, keeps faint edges.

    The model is :math:`f = u + T`, with u flat in regions and T a stationary texture, described by a
    :class:`~jumpset.texture.Texture`: uncorrelated components of variance about 1. Six steps:

    1. T is estimated by alternating region fusion and the covariance of its residual's colours
       (:func:`jumpset.estimate_texture`).
    2. The pilot p is the mean of six region fusions of the components of f, each a low value of

       .. math:: \sum_q (u_q - f_q)^\top C^{-1} (u_q - f_q) + \lambda \sum_{(q,s)} \omega_{qs} [u_q \ne u_s]

       for C the covariance of T's colours and λ = ``fusion`` × ½, 1 or 2, with 4 or 8 neighbours, and with
       both orders of the pixels.
    3. y is the collaborative filter of f (:class:`~jumpset.smoothers.Collaborative`): groups of similar
       blocks are found in p and shrunk by p against ``margin`` × the exact variance that T has in them.
    4. v is a region fusion of y, as in step 2 with λ = ``refusion``. The structure is

       .. math:: y + 0.7\, e^{-\|y - v\|^2 / 2 s^2} (v - y), \qquad s = \tfrac12 \text{deviation of } T:

       mostly v where both agree, and y where the fusion has removed a rounded or faint edge.
    5. The component with the most texture is moved towards the values that the others predict, in windows in
       which it is an affine function of them (:func:`~jumpset.texture.cross_channel.predict`): a texture is
       often nearly gray, so that hue shows where an edge is.
    6. Steps 3 to 5 are repeated with the structure as the pilot and half the margin, since its flat regions
       need less smoothing. The answer is the mean of both results.

    A noisy photograph does not consist of flat regions: where the power of f − p varies 3 times more from
    place to place than that of a texture would, steps 2 and 3 are those of ``collaborative``, with its model
    of the noise, and steps 4 to 6 are omitted.

    After the run, ``result.state.structure``, ``.texture`` and ``.textures`` hold both parts and the model.

    Parameters
    ----------
    weight
        Factor on the texture's variance, in λ and in the shrinkage. 1 removes the estimated texture; larger
        is smoother; 0 changes nothing.
    texture
        A ``Texture`` with the channels of the image. Default: estimated from each image.
    fusion, refusion
        Weights of the fusions before and after the filter, in units of the variance of the texture's
        strongest component.
    margin
        Factor on the variance in the filter: the pilot's fusions have left a part of the texture in p.
    coupling, group, radius, stride
        As in :class:`~jumpset.smoothers.Collaborative`.

    Raises
    ------
    InputError
        A parameter out of range, or a texture of other channels.

    Notes
    -----
    The method is ours, based on R. M. H. Nguyen, M. S. Brown, "Fast and effective L0 gradient minimization by
    region fusion", ICCV 2015, and K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, IEEE TIP 2007. Region fusion
    errs at faint and rounded edges, the filter inside regions, so each corrects the other.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.StructureTexture()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(1.0, checks.weight)
    texture: Any = parameter(None, check_texture)
    fusion: float = parameter(16.0, checks.real, at_least=0.0)
    refusion: float = parameter(2.0, checks.real, at_least=0.0)
    margin: float = parameter(1.5, checks.real, above=0.0)
    coupling: float = parameter(0.6, checks.real, at_least=0.0, at_most=1.0)
    group: int = parameter(32, checks.one_of, allowed=GROUPS)
    radius: int = parameter(24, checks.integer, at_least=0)
    stride: int = parameter(4, checks.integer, at_least=1, at_most=SIZE)

    name: ClassVar[str] = "structure-texture"
    paper: ClassVar[str] = "jumpset, after Nguyen & Brown, ICCV 2015 and Dabov et al., IEEE TIP 2007"

    @property
    def max_steps(self) -> int:
        """The six steps; none for weight 0."""
        return 6 if self.weight > 0.0 else 0

    def init(self, image: Tensor) -> State:
        """Start from u = f, without a texture."""
        batch, channels = image.shape[:2]
        none = Texture(np.eye(channels), np.zeros((channels, 1, 1)))
        return State(image, image, (none,) * batch, (False,) * batch, n_steps=0)

    def step(self, state: State) -> State:
        """One of the six steps; without texture only the first, with detail only the first three."""
        steps = self._estimate, self._pilot, self._filter, self._blend, self._guide, self._refine
        k, images = state.n_steps, []
        parts = state.source.split(1), state.structure.split(1), state.textures, state.detailed
        for s in map(Separation, *parts):
            due = k == 0 or (s.texture.strength.any() and (k < 3 or not s.detailed))
            images.append(steps[k](s) if due else s)
        structure = torch.cat([s.u for s in images])
        textures, detailed = tuple(s.texture for s in images), tuple(s.detailed for s in images)
        return State(state.source, structure, textures, detailed, k + 1)

    def image(self, state: State) -> Tensor:
        """The structure."""
        return state.structure

    def record(self, state: State) -> dict[str, float]:
        """Root mean square of image minus structure."""
        return {"texture": float(state.texture.double().square().mean().sqrt())}

    def _estimate(self, s: Separation) -> Separation:
        """Step 1: T, and u from the last region fusion of its estimate; u = f for a given texture."""
        if self.texture is not None:
            return replace(s, texture=self.texture)
        texture, structure = alternate(s.f)
        return replace(s, texture=texture, u=structure.to(s.f))

    def _pilot(self, s: Separation) -> Separation:
        """Step 2: p, the mean of ``_FUSIONS`` of f; for an image with detail, the thresholded f."""
        z = s.texture.whiten(_wide(s.f))
        weight = self.fusion * self.weight * largest(s.texture)
        fused: Any = sum(_fuse(z, factor * weight, n, rotated) for factor, n, rotated in _FUSIONS)
        mean = fused / len(_FUSIONS)
        if power_nonuniformity((z - mean)[0].numpy(), s.texture, _varying(s.f)) > _DETAIL:
            noise = noise_or_texture(s.f) if self.texture is None else s.texture
            s = replace(s, texture=noise, detailed=True)
            return replace(s, u=self._shrink(s, None, margin=1.0))
        return replace(s, u=s.texture.unwhiten(mean).to(s.f))

    def _filter(self, s: Separation) -> Separation:
        """Step 3: y, the filter of f with the pilot u; f − u also gives a better spectrum than step 1."""
        if s.detailed:
            return replace(s, u=self._shrink(s, s.u, margin=1.0))
        if self.texture is None:
            s = replace(s, texture=spectrum_of((s.f - s.u).cpu(), s.texture, _varying(s.f)))
        return replace(s, u=self._shrink(s, s.u, self.margin))

    def _blend(self, s: Separation) -> Separation:
        """Step 4: y + 0.7 exp(−‖y − v‖² / 2 s²) (v − y) with the mean of y, v a region fusion of y."""
        y = _wide(s.u)
        v = s.texture.unwhiten(fuse(s.texture.whiten(y), self.refusion * self.weight * largest(s.texture)))
        variance = _AGREEMENT**2 * self.weight * float(np.sum(s.texture.strength**2))
        share = _FUSION_SHARE * torch.exp(-0.5 * (v - y).square().sum(dim=1, keepdim=True) / variance)
        return replace(s, u=_restore_mean(y + share * (v - y), y).to(s.f))

    def _guide(self, s: Separation) -> Separation:
        """Step 5: the strongest component of T, moved towards its prediction from the others."""
        u = _wide(s.u)
        z = s.texture.whiten(u)
        k, variance = strongest(s.texture)
        leads = varies(z, s.texture)
        leads[k] = True
        if leads.sum() == 1:
            return s
        z[0, leads] = torch.from_numpy(
            predict(z[0, leads].numpy(), int(leads[:k].sum()), self.weight * variance)
        )
        return replace(s, u=_restore_mean(s.texture.unwhiten(z), u).to(s.f))

    def _refine(self, s: Separation) -> Separation:
        """Step 6: (u + u′) / 2, u′ from steps 3 to 5 with the pilot u and half the margin."""
        second = replace(self, margin=0.5 * self.margin)
        again = second._guide(second._blend(second._filter(s)))
        return replace(again, u=0.5 * (s.u + again.u))

    def _shrink(self, s: Separation, pilot: Tensor | None, margin: float) -> Tensor:
        shared = {name: getattr(self, name) for name in ("coupling", "group", "radius", "stride")}
        return Collaborative(**shared).shrink(s.f, pilot, s.texture.scaled(margin * self.weight))


def _wide(x: Tensor) -> Tensor:
    return x.detach().cpu().double()


def _varying(x: Tensor) -> np.ndarray:
    """``(H, W)``: where any channel varies."""
    return np.any(varying(_wide(x)[0].numpy()), axis=0)


def _restore_mean(u: Tensor, like: Tensor) -> Tensor:
    """``u`` shifted to the mean of ``like`` in each channel."""
    return u + (like - u).mean(dim=(-2, -1), keepdim=True)


def _fuse(z: Tensor, weight: float, neighbors: int, rotated: bool) -> Tensor:
    out = fuse(z.flip(-2, -1).contiguous() if rotated else z, weight, neighbors=neighbors)
    return out.flip(-2, -1) if rotated else out
