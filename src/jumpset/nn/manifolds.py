"""Derivatives of solved proximal operators: the active manifold, and the curvature of R along it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from jumpset.operators.conjugate_gradient import conjugate_gradient
from jumpset.operators.images import spread
from jumpset.penalties.aitv import AITV
from jumpset.penalties.base import Penalty
from jumpset.penalties.huber_tv import HuberTV
from jumpset.penalties.l0_gradient import L0Gradient
from jumpset.penalties.latent_groups import LatentGroups
from jumpset.penalties.potts import Potts
from jumpset.penalties.sliding_groups import SlidingGroups
from jumpset.penalties.sparse_group import SparseGroup
from jumpset.penalties.sparse_tv import SparseTV
from jumpset.penalties.tgv import TGV2
from jumpset.penalties.total_variation import TotalVariation
from jumpset.penalties.vectorial_tv import VectorialTV

_FINE = {TGV2: 1e-8, LatentGroups: 1e-6}  # tol of a prox whose derivative is a finite difference
_STEP = 1e-3  # step of such a difference, relative to v


@dataclass(frozen=True)
class Manifold:
    """The constraints that stay active for small changes of the input."""

    edges: Literal["each", "pixel", "none"] = "none"
    """Flat neighbours: each pair separately, or all pairs of a pixel together."""
    joint: bool = False
    """Whether regions are flat in all channels together."""
    zeros: bool = False
    """Whether zeros stay zero."""
    curved: bool = True
    """Whether R has curvature along the manifold."""


def active_manifold(penalty: Penalty) -> Manifold | Literal["closed", "difference"]:
    """Return what stays constant near a proximal point, or how else the prox is differentiated."""
    joint = getattr(penalty, "channels", "separate") == "joint"
    if isinstance(penalty, TotalVariation):
        if (penalty.beta, penalty.order, penalty.scheme) == (1.0, 1, "forward"):
            return Manifold(
                "pixel" if penalty.isotropic else "each", joint, curved=penalty.isotropic or joint
            )
        return Manifold() if penalty.beta == 2.0 else "difference"
    if isinstance(penalty, SparseTV):
        return Manifold("pixel" if penalty.isotropic else "each", joint, zeros=True)
    if isinstance(penalty, VectorialTV):
        return Manifold("pixel", joint=True) if penalty.coupling == "l2" else "difference"
    if isinstance(penalty, AITV):
        return Manifold("each", joint)
    if isinstance(penalty, (Potts, L0Gradient)):
        return Manifold("each", joint, curved=False)
    if isinstance(penalty, HuberTV):
        return Manifold()
    groups = penalty.groups if isinstance(penalty, SparseGroup) else penalty
    if isinstance(groups, SlidingGroups):
        return Manifold(zeros=True)
    return "difference" if isinstance(penalty, (TGV2, LatentGroups)) else "closed"


def derivative(penalty: Penalty, v: Tensor, u: Tensor, taus: Tensor, g: Tensor, flat: float) -> Tensor:
    """Compute J g, with J the derivative at the proximal point ``u`` of ``v``; see :class:`jumpset.Prox`."""
    active = active_manifold(penalty)
    if isinstance(active, Manifold):
        return _implicit(penalty, active, v, u, spread(taus, v), g, flat)
    return _difference(penalty, v, taus, g)


def _difference(penalty: Any, v: Tensor, taus: Tensor, g: Tensor) -> Tensor:
    """Compute J g, J symmetric, by a central difference."""
    norm = lambda x: x.flatten(1).norm(dim=1).reshape(-1, *[1] * (x.ndim - 1))  # noqa: E731
    size = norm(g)
    h = _STEP * norm(v) / torch.where(size > 0, size, 1.0)
    h = torch.where(h > 0, h, 1.0)
    options = {"tol": _FINE[type(penalty)]} if type(penalty) in _FINE else {}
    ahead, behind = (penalty.prox(v + s * h * g, taus, **options) for s in (1, -1))
    return (ahead - behind) / (2 * h)


def _implicit(
    penalty: Penalty, active: Manifold, v: Tensor, u: Tensor, tau: Tensor, g: Tensor, flat: float
) -> Tensor:
    """Compute J g from the tangent space of the active manifold and the curvature of R along it."""
    regions = (
        None if active.edges == "none" else _regions(u, v, active, flat, getattr(penalty, "periodic", False))
    )

    def project(x: Tensor) -> Tensor:
        if regions is not None:
            x = _region_means(x, regions, active.joint)
        return torch.where(nonzero, x, 0.0) if active.zeros else x

    nonzero = torch.ones_like(u, dtype=torch.bool)
    settled = project(u)  # makes nearly flat regions exactly flat
    # of its own image: the other images of the batch, and channels apart, have no influence
    least = flat * v.abs().amax(_image_axes(v, active), keepdim=True) if regions is not None else 0.0
    nonzero = settled.abs() > least
    settled = project(settled)
    projected = project(g)
    if not active.curved:
        return projected
    with torch.enable_grad():
        place = settled.detach().requires_grad_()
        (slope,) = torch.autograd.grad(penalty.terms(place).sum(), place, create_graph=True)

        def apply(w: Tensor) -> Tensor:
            if not slope.requires_grad:
                return w
            product = torch.autograd.grad(slope, place, w, retain_graph=True, allow_unused=True)[0]
            return w if product is None else w + tau * project(product)

        return conjugate_gradient(apply, projected, projected, 1e-8, 500)


def _image_axes(v: Tensor, active: Manifold) -> tuple[int, ...]:
    """Return the axes of one image: a channel by itself if the channels are not coupled."""
    return tuple(range(1 if active.joint else 2, v.ndim))


def _regions(u: Tensor, v: Tensor, active: Manifold, flat: float, periodic: bool) -> Tensor:
    """Label the flat region of each pixel, ``(B, C, *spatial)``, with one channel for joint channels."""
    axes = _image_axes(v, active)
    spread = v.amax(axes, keepdim=True) - v.amin(axes, keepdim=True)
    last = lambda k: u.narrow(k, 0 if periodic else -1, 1)  # noqa: E731
    steps = [u.diff(dim=k, append=last(k)).abs() for k in range(2, u.ndim)]
    if active.joint:
        steps = [s.amax(1, keepdim=True) for s in steps]
    is_flat = [s <= flat * spread for s in steps]
    if active.edges == "pixel":
        all_flat = torch.stack(is_flat).all(0)
        is_flat = [all_flat] * len(steps)
    places = np.arange(steps[0].numel()).reshape(steps[0].shape)
    starts, ends = [], []
    for axis, one in enumerate(is_flat, start=2):
        inner = one.narrow(axis, 0, one.shape[axis] - 1).cpu().numpy()
        n = places.shape[axis]
        if periodic:
            last = one.narrow(axis, -1, 1).cpu().numpy()
            starts.append(np.take(places, [n - 1], axis)[last])
            ends.append(np.take(places, [0], axis)[last])
        starts.append(np.take(places, range(n - 1), axis)[inner])
        ends.append(np.take(places, range(1, n), axis)[inner])
    start, end = np.concatenate(starts), np.concatenate(ends)
    graph = coo_matrix((np.ones(len(start), np.int8), (start, end)), shape=(places.size, places.size))
    labels = connected_components(graph, directed=False)[1]
    return torch.from_numpy(labels.astype(np.int64).reshape(places.shape)).to(u.device)


def _region_means(x: Tensor, regions: Tensor, joint: bool) -> Tensor:
    """Return the mean of each region; channels that share their regions have separate means."""
    if joint:
        parts = [_region_means(x[:, c : c + 1], regions, False) for c in range(x.shape[1])]
        return torch.cat(parts, 1)
    index = regions.flatten()
    count = torch.bincount(index).to(x)
    sums = torch.zeros_like(count).index_add(0, index, x.flatten())
    return (sums / count.clamp_min(1.0))[index].reshape(x.shape)
