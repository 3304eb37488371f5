"""Coordinates in which a picture's texture is equally strong in every channel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from jumpset.smoothers._inner import ended
from jumpset.smoothers.structure_texture import StructureTexture
from jumpset.smoothers.texture import Texture
from jumpset.smoothers.texture.estimate import alternate, largest


@dataclass(frozen=True)
class Colours:
    r"""The components :math:`z = M^{-1} u` of pictures, scaled so that those of f fit [0, 1].

    M are the colours of a texture. A sum of squares over components is the fidelity
    :math:`(u - f)^\top C^{-1} (u - f)` for the covariance C of the texture's colours: a colour in which the
    texture is faint counts more.
    """

    mixing: Tensor  # (C, C) float64: M times the span that is scaled to 1
    low: Tensor  # (1, C, 1, 1): the picture's least value of each component
    variance: float  # of the texture in its strongest component; 0 where no texture was found

    @classmethod
    def of(cls, f: Tensor, texture: Texture) -> Colours:
        """Those of a ``(1, C, H, W)`` picture."""
        z = texture.whiten(f.double())
        low = z.amin(dim=(-2, -1), keepdim=True)
        span = (z - low).amax().clamp(min=1e-12)  # a constant picture has none
        mixing = torch.as_tensor(texture.mixing).to(z) * span
        return cls(mixing, low / span, largest(texture) / float(span) ** 2)

    def components(self, u: Tensor) -> Tensor:
        """Those of a picture, in float32."""
        return (_mixed(torch.linalg.inv(self.mixing), u.double()) - self.low).float()

    def picture(self, z: Tensor) -> Tensor:
        """The inverse of :meth:`components`, in float32."""
        return _mixed(self.mixing, z.double() + self.low).float()


def told(f: Tensor, *, separate: bool) -> tuple[Texture, Tensor]:
    """The texture of a picture, and its structure: a rough one, or that of structure-texture."""
    if not separate:
        texture, structure = alternate(f)
        return texture, structure.to(f)
    state = ended(StructureTexture(), f)
    return state.textures[0], state.structure


def _mixed(matrix: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("kc,bchw->bkhw", matrix, x)
