"""Coordinates in which an image's texture is equally strong in every channel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from jumpset.operators.observations import Observation
from jumpset.texture.model import Texture


@dataclass(frozen=True)
class WhitenedColors(Observation):
    r"""An image with a texture, seen directly: f and u by their components :math:`z = M^{-1} u`.

    M are the texture's colours, of covariance :math:`C = M M^\top`, and σ² is the mean of C's diagonal; the
    components are scaled so that those of f fit [0, 1]. The sum of squares of a misfit is ``scale`` times
    :math:`\sigma^2 (u - f)^\top C^{-1} (u - f)`, a plain sum of squares where C is σ² times the identity.
    """

    mixing: Tensor  # (C, C) float64: M times the span that is scaled to 1
    low: Tensor  # (1, C, 1, 1): the least value of each component of the image
    variance: float  # σ² times the squared span

    @classmethod
    def of(cls, image: Tensor, texture: Texture) -> WhitenedColors:
        """Observe a ``(1, C, H, W)`` image with this texture."""
        z = texture.whiten(image.double())
        low = z.amin(dim=(-2, -1), keepdim=True)
        span = (z - low).amax()
        mixing, low = torch.as_tensor(texture.mixing).to(z) * span, low / span
        variance = float((texture.mixing**2).sum(1).mean()) * float(span) ** 2
        return cls(_components(image, mixing, low), mixing, low, variance)

    @property
    def scale(self) -> float:
        """Squared components to squared intensities."""
        return 1.0 / self.variance

    def initial(self) -> Tensor:
        """The components of the image."""
        return self.f

    def misfit(self, z: Tensor) -> Tensor:
        """Z − f."""
        return z - self.f

    def components(self, u: Tensor) -> Tensor:
        """The components of an image, in float32."""
        return _components(u, self.mixing, self.low)

    def to_image(self, z: Tensor) -> Tensor:
        """The inverse of :meth:`components`, in float32."""
        return _mixed(self.mixing, z.double() + self.low).float()


def _components(u: Tensor, mixing: Tensor, low: Tensor) -> Tensor:
    return (_mixed(torch.linalg.inv(mixing), u.double()) - low).float()


def _mixed(matrix: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("kc,bchw->bkhw", matrix, x)
