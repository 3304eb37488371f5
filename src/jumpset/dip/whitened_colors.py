"""Coordinates in which a picture's texture is equally strong in every channel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from jumpset.texture import Texture


@dataclass(frozen=True)
class WhitenedColors:
    r"""The components :math:`z = M^{-1} u` of pictures, scaled so that those of f fit [0, 1].

    M are the colours of a texture, of covariance :math:`C = M M^\top`, and σ² is the mean of C's diagonal.
    A sum of squares over components is ``scale`` × the fidelity
    :math:`\sigma^2 (u - f)^\top C^{-1} (u - f)`, a plain sum of squares where C is σ² times the identity.
    """

    mixing: Tensor  # (C, C) float64: M times the span that is scaled to 1
    low: Tensor  # (1, C, 1, 1): the picture's least value of each component
    scale: float  # of squared components by squared intensities

    @classmethod
    def of(cls, f: Tensor, texture: Texture) -> WhitenedColors:
        """Those of a ``(1, C, H, W)`` picture with a texture."""
        z = texture.whiten(f.double())
        low = z.amin(dim=(-2, -1), keepdim=True)
        span = (z - low).amax()
        mixing = torch.as_tensor(texture.mixing).to(z) * span
        variance = float((texture.mixing**2).sum(1).mean())
        return cls(mixing, low / span, 1.0 / (variance * float(span) ** 2))

    def components(self, u: Tensor) -> Tensor:
        """Those of a picture, in float32."""
        return (_mixed(torch.linalg.inv(self.mixing), u.double()) - self.low).float()

    def picture(self, z: Tensor) -> Tensor:
        """The inverse of :meth:`components`, in float32."""
        return _mixed(self.mixing, z.double() + self.low).float()


def _mixed(matrix: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("kc,bchw->bkhw", matrix, x)
