"""A proximal operator as a layer of a network, with derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import Images
from jumpset.nn import small_tv
from jumpset.nn.small_tv import Start
from jumpset.operators.conjugate_gradient import conjugate_gradient
from jumpset.operators.images import check_tensor, per_image
from jumpset.operators.precision import at_least_single, to_float64
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
from jumpset.penalties.weighted_sum import WeightedSum
from jumpset.prox.tv import TOL

_FINE = {TGV2: 1e-8, LatentGroups: 1e-6}  # tol of a prox whose derivative is a finite difference
_STEP = 1e-3  # step of such a difference, relative to v


class Prox(nn.Module):
    r"""Prox layer: exact zeros or flat regions inside a network, with derivatives for training.

    .. math:: \operatorname{prox}_{\tau R}(v) = \operatorname{argmin}_u \tfrac12 \|u - v\|^2 + \tau R(u)

    Parameters
    ----------
    penalty
        R; it must have a prox.
    tau
        At least 0: a number, or a tensor with one number or one per image; a buffer, or a parameter if
        ``learnable``.
    learnable
        Whether tau is trained; values below 0 count as 0.
    flat
        For penalties of differences: neighbours that differ by at most this part of the range of v belong to
        one flat region. ``None``: 1e-4, or 0 for anisotropic total variation of small images, whose dual
        field shows the regions.
    tol
        For total variation and sparse TV of small images (see below): relative duality gap of the proximal
        point. The larger it is, the faster the layer and the rougher its derivative.
    warm_start
        As ``tol``: start at the dual variable of the last call of the same shape. It
        saves steps where a call contains the images of the last one, as in full-batch training or a deep
        image prior; otherwise it costs some. It is no part of ``state_dict``.

    Raises
    ------
    InputError
        A parameter out of range.
    NoProx
        When called, if the penalty has no prox.

    Notes
    -----
    Autograd differentiates closed forms, in v and in tau. Iterative proxes have a symmetric derivative J
    almost everywhere, and ``∂u/∂tau = −J (v − u) / tau``, taken as follows (implicit differentiation on the
    active manifold; S. Vaiter, C. Deledalle, J. Fadili, G. Peyré, C. Dossal, "The degrees of freedom of
    partly smooth regularizers", Ann. Inst. Stat. Math. 2017; no second derivatives):

    - Total variation and sparse TV of small images on the CPU (at most 2¹⁵ values per image): as in the next
      item, with the flat regions that the dual field shows, in compiled loops.
    - Total variation, sparse TV, VectorialTV with coupling l2, AITV: with Π the mean over each flat region (0
      on regions of zeros), ``J = (Π (I + tau ∇²R) Π)⁺`` by conjugate gradients; for anisotropic TV of
      separate channels this is Π, exactly. Potts and L0Gradient in one dimension: Π.
    - Sliding groups: the same with Π zero where u is. Huber TV, and the exponent 2: Π = I.
    - TGV2, LatentGroups, other TVs: a central difference of the prox along the incoming gradient, with a
      small ``tol`` and in double precision; its error is about one percent.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> layer = js.Prox(js.L1(), 0.1, learnable=True)
    >>> layer(torch.tensor([[[0.5, -0.05]]]))
    tensor([[[0.4000, -0.0000]]], grad_fn=<MulBackward0>)
    """

    tau: Tensor

    def __init__(
        self,
        penalty: Penalty,
        tau: float | Tensor,
        *,
        learnable: bool = False,
        flat: float | None = None,
        tol: float = 1e-5,
        warm_start: bool = False,
    ) -> None:
        super().__init__()
        checks.flag("learnable", learnable)
        checks.flag("warm_start", warm_start)
        checks.real("tol", tol, above=0.0, below=1.0)
        if flat is not None:
            checks.real("flat", flat, at_least=0.0)
        self.penalty, self.flat, self.tol, self.warm_start = penalty, flat, tol, warm_start
        self._start = Start()
        start = torch.as_tensor(tau, dtype=torch.get_default_dtype()).detach().clone()
        per_image(start, torch.zeros(max(start.numel(), 1)))  # checks its values
        if learnable:
            self.tau = nn.Parameter(start)
        else:
            self.register_buffer("tau", start)

    def forward(self, v: Images, tau: float | Tensor | None = None) -> Images:
        """Compute ``prox(v)``, for ``tau`` of this call if it is given."""
        given = self.tau.clamp_min(0.0) if tau is None else tau
        if not self.warm_start:
            return differentiable_prox(self.penalty, v, given, self.flat, self.tol)
        return differentiable_prox(self.penalty, v, given, self.flat, self.tol, self._start)

    def extra_repr(self) -> str:
        """Return the penalty, for ``repr``."""
        return repr(self.penalty)


def differentiable_prox(
    penalty: Penalty,
    v: Images,
    tau: float | Tensor,
    flat: float | None = None,
    tol: float = TOL,
    start: Start | None = None,
) -> Images:
    """Compute ``penalty.prox(v, tau)`` with derivatives in v and tau; see :class:`Prox`."""
    check_tensor(v, may_be=not penalty.separable)
    if not isinstance(tau, Tensor):
        checks.real("tau", tau, at_least=0.0)
        tau = torch.tensor(tau, dtype=at_least_single(v).dtype)
    else:
        per_image(cast(Tensor, tau).detach(), v)
    taus = cast(Tensor, tau).to(v.device).reshape(-1).expand(v.shape[0])
    if isinstance(penalty, WeightedSum) and (merged := penalty.merged()) is not None:
        factor, penalty = merged
        taus = factor * taus
    active = _active_manifold(penalty)
    if active == "closed":
        return penalty.prox(v, taus)
    if getattr(torch.compiler, "is_exporting", bool)():  # of torch 2.7 and later
        raise InputError(
            f"the prox of {type(penalty).__name__} is solved by iteration and cannot be exported",
            given="torch.export or torch.onnx.export",
            do="export a prox in closed form, such as that of L1 or TiledGroups",
        )
    if isinstance(penalty, (TotalVariation, SparseTV)) and active != "difference" and active.edges != "none":
        terms = penalty.prox_terms(v)
        if small_tv.applies(v, terms):
            return small_tv.prox(v, taus, terms, flat, tol, start)
    return _Solved.apply(v, taus, penalty, active, 1e-4 if flat is None else flat)


def is_closed(penalty: Penalty) -> bool:
    """Return whether the prox is a closed form, which autograd differentiates and a graph contains."""
    merged = penalty.merged() if isinstance(penalty, WeightedSum) else None
    return _active_manifold(penalty if merged is None else merged[1]) == "closed"


@dataclass(frozen=True)
class _Manifold:
    """The constraints that stay active for small changes of the input."""

    edges: Literal["each", "pixel", "none"] = "none"
    """Flat neighbours: each pair separately, or all pairs of a pixel together."""
    joint: bool = False
    """Whether regions are flat in all channels together."""
    zeros: bool = False
    """Whether zeros stay zero."""
    curved: bool = True
    """Whether R has curvature along the manifold."""


def _active_manifold(penalty: Penalty) -> _Manifold | Literal["closed", "difference"]:
    joint = getattr(penalty, "channels", "separate") == "joint"
    if isinstance(penalty, TotalVariation):
        if (penalty.beta, penalty.order, penalty.scheme) == (1.0, 1, "forward"):
            return _Manifold(
                "pixel" if penalty.isotropic else "each", joint, curved=penalty.isotropic or joint
            )
        return _Manifold() if penalty.beta == 2.0 else "difference"
    if isinstance(penalty, SparseTV):
        return _Manifold("pixel" if penalty.isotropic else "each", joint, zeros=True)
    if isinstance(penalty, VectorialTV):
        return _Manifold("pixel", joint=True) if penalty.coupling == "l2" else "difference"
    if isinstance(penalty, AITV):
        return _Manifold("each", joint)
    if isinstance(penalty, (Potts, L0Gradient)):
        return _Manifold("each", joint, curved=False)
    if isinstance(penalty, HuberTV):
        return _Manifold()
    groups = penalty.groups if isinstance(penalty, SparseGroup) else penalty
    if isinstance(groups, SlidingGroups):
        return _Manifold(zeros=True)
    return "difference" if isinstance(penalty, (TGV2, LatentGroups)) else "closed"


class _Solved(torch.autograd.Function):
    """A prox that is computed by iteration, and its derivative."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, taus: Tensor, penalty: Penalty, active: Any, flat: float) -> Tensor:
        u = penalty.prox(v.detach(), taus.detach())
        ctx.save_for_backward(v, taus, u)
        ctx.penalty, ctx.active, ctx.flat = penalty, active, flat
        return u

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        v, taus, u = ctx.saved_tensors
        v, u, g, spread = (
            to_float64(v),
            to_float64(u),
            to_float64(gradient),
            to_float64(taus).reshape(-1, *[1] * (v.ndim - 1)),
        )
        if ctx.active == "difference":
            moved = _difference(ctx.penalty, v, taus, g)
        else:
            moved = _implicit(ctx.penalty, ctx.active, v, u, spread, g, ctx.flat)
        moved = torch.where(spread > 0, moved, g)  # at tau = 0 the prox is the identity
        force = torch.where(spread > 0, (v - u) / torch.where(spread > 0, spread, 1.0), 0.0)
        by_tau = -(moved * force).flatten(1).sum(1)
        return moved.to(gradient.dtype), by_tau.to(taus.dtype), None, None, None


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
    penalty: Penalty, active: _Manifold, v: Tensor, u: Tensor, tau: Tensor, g: Tensor, flat: float
) -> Tensor:
    """Compute J g from the tangent space of the active manifold and the curvature of R along it."""
    regions = None if active.edges == "none" else _regions(u, v, active, flat)

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


def _image_axes(v: Tensor, active: _Manifold) -> tuple[int, ...]:
    """Return the axes of one image: a channel by itself if the channels are not coupled."""
    return tuple(range(1 if active.joint else 2, v.ndim))


def _regions(u: Tensor, v: Tensor, active: _Manifold, flat: float) -> Tensor:
    """Label the flat region of each pixel, ``(B, C, *spatial)``, with one channel for joint channels."""
    axes = _image_axes(v, active)
    spread = v.amax(axes, keepdim=True) - v.amin(axes, keepdim=True)
    steps = [u.diff(dim=k, append=u.narrow(k, -1, 1)).abs() for k in range(2, u.ndim)]
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
