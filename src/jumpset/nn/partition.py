"""A layer that makes an image flat: the mean over each region of a cut of the region tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.operators.images import check_tensor
from jumpset.regions.cuts import check_cut, cut_labels


class PartitionLayer(nn.Module):
    r"""Partition layer: an output that is exactly flat in regions, which the image itself determines.

    .. math:: u_p = \frac{1}{|R(p)|} \sum_{q \in R(p)} v_q

    with R(p) the region of pixel p in a cut of the :class:`jumpset.RegionTree` of v.

    Parameters
    ----------
    weight
        The partition is the one of least :math:`\sum_p \|u_p - v_p\|^2 + \text{weight} \cdot
        \text{boundary length}` in the tree. At least 0.
    n_regions
        Number of regions, from 1; an image with fewer pixels has one region per pixel. Pass exactly one of
        the two.
    neighbors
        4 or 8 neighbours of a pixel, as for :class:`jumpset.RegionTree`.
    perturbation
        σ, at least 0: standard deviation of the noise with which the boundaries become differentiable in
        training, in the units of v; 0: boundaries have no gradient.
    samples
        Number of noise fields per image, at least 2.

    Raises
    ------
    InputError
        A parameter out of range; when called, a tensor that is not ``(B, C, H, W)`` or ``(B, C, L)``.

    Notes
    -----
    All channels share the regions. The partition is constant almost everywhere, so that the derivative of the
    layer is the same mean over each region, exactly, except where two merges have equal weight. An image with
    a value that is not finite becomes NaN.

    With ``perturbation``, the layer in training mode is the mean of :math:`\Pi_{z} v` over Gaussian noise z,
    with :math:`\Pi_z` the means over the regions of :math:`v + \sigma z`, and its derivative has a second
    term, which moves the boundaries (Q. Berthet, M. Blondel, O. Teboul, M. Cuturi, J.-P. Vert, F. Bach,
    "Learning with differentiable perturbed optimizers", NeurIPS 2020):

    .. math:: \nabla = \mathbb E\bigl[\Pi_z g\bigr]
              + \tfrac{1}{\sigma} \mathbb E\bigl[\langle g, \Pi_z v - \bar u \rangle\, z\bigr],

    where the mean :math:`\bar u` of the other samples reduces the variance. The output is then a mean of
    flat images. This gradient is unbiased, and noisy for few samples. In evaluation mode there is no noise.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> layer = js.nn.PartitionLayer(n_regions=2)
    >>> layer(torch.tensor([[[0.0, 0.2, 1.0, 1.2]]]))
    tensor([[[0.1000, 0.1000, 1.1000, 1.1000]]])
    """

    def __init__(
        self,
        *,
        weight: float | None = None,
        n_regions: int | None = None,
        neighbors: int = 4,
        perturbation: float = 0.0,
        samples: int = 8,
    ) -> None:
        super().__init__()
        check_cut(n_regions, weight)
        if n_regions is not None:
            checks.integer("n_regions", n_regions, at_least=1)
        checks.one_of("neighbors", neighbors, (4, 8))
        checks.real("perturbation", perturbation, at_least=0.0)
        checks.integer("samples", samples, at_least=2)
        self.weight, self.n_regions, self.neighbors = weight, n_regions, neighbors
        self.perturbation, self.samples = float(perturbation), int(samples)

    def forward(self, v: Tensor) -> Tensor:
        """Return the flat image of ``(B, C, H, W)`` or ``(B, C, L)``, in its shape and dtype."""
        check_tensor(v)
        if v.ndim > 4:
            raise InputError("a region tree has at most two axes", given=tuple(v.shape), do="pass slices")
        if not (self.training and self.perturbation > 0.0):
            return region_means(v, self.labels(v))
        noise = torch.randn((self.samples, *v.shape), dtype=v.dtype, device=v.device)
        moved = (v.detach() + self.perturbation * noise).flatten(0, 1)
        labels = self.labels(moved).reshape(self.samples, len(v), *v.shape[2:])
        flat = torch.stack([region_means(v, one) for one in labels])
        return _Perturbed.apply(v, flat, noise, self.perturbation)

    @torch.no_grad()
    def labels(self, v: Tensor) -> Tensor:
        """Return the regions ``(B, *spatial)``, int64 labels 0, 1, … in raster order."""
        pixels = v.detach().cpu().double()
        pixels = pixels if pixels.ndim == 4 else pixels[:, :, None]
        pixels = torch.nan_to_num(pixels, nan=0.0, posinf=0.0, neginf=0.0)  # such an image becomes NaN
        images = np.ascontiguousarray(pixels.permute(0, 2, 3, 1).numpy())
        settings = {"weight": self.weight, "n_regions": self.n_regions, "neighbors": self.neighbors}
        labels = cut_labels(images, **settings)
        return torch.from_numpy(labels).reshape(len(v), *v.shape[2:]).to(v.device)

    def extra_repr(self) -> str:
        """Return the settings, for ``repr``."""
        cut = f"weight={self.weight:g}" if self.weight is not None else f"n_regions={self.n_regions}"
        noise = f", perturbation={self.perturbation:g}, samples={self.samples}" if self.perturbation else ""
        return f"{cut}, neighbors={self.neighbors}{noise}"


def region_means(v: Tensor, labels: Tensor) -> Tensor:
    """Return the mean of ``(B, C, *spatial)`` over the regions ``(B, *spatial)`` of each image.

    Sums are in float64, and differentiable any number of times.
    """
    if v.numel() == 0:
        return v
    batch, channels = v.shape[:2]
    pixels = labels[0].numel()
    plane = torch.arange(batch * channels, device=v.device).reshape(batch, channels, 1) * pixels
    index = (plane + labels.reshape(batch, 1, pixels)).flatten()
    x = v.reshape(-1) if v.device.type == "mps" else v.reshape(-1).double()
    sums = torch.zeros_like(x).index_add(0, index, x)
    count = torch.bincount(index, minlength=len(x)).clamp_min(1).to(x)
    means = (sums / count)[index].reshape(v.shape).to(v.dtype)
    is_finite = torch.isfinite(v).flatten(1).all(1).reshape(-1, *[1] * (v.ndim - 1))
    return torch.where(is_finite, means, torch.nan)


class _Perturbed(torch.autograd.Function):
    """The mean of the samples, with the derivative of their regions."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, flat: Tensor, noise: Tensor, sigma: float) -> Tensor:  # noqa: ARG004
        ctx.save_for_backward(flat, noise)
        ctx.sigma = sigma
        return flat.mean(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        flat, noise = ctx.saved_tensors
        n = len(flat)
        score = (flat.double() * gradient.double()).flatten(2).sum(2)  # (samples, B)
        score = (score - score.mean(0)) * (n / (n - 1))  # minus the mean of the others
        score = score.reshape(*score.shape, *[1] * (flat.ndim - 2))
        by_regions = ((score * noise).mean(0) / ctx.sigma).to(gradient.dtype)
        return by_regions, (gradient / n).expand_as(flat), None, None
