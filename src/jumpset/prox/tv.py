"""The proximal operators of the total variation family, by one function."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.iterate import Moment, iterate
from jumpset._core.types import Images, PerImage
from jumpset.kernels.tv.norms import Norm
from jumpset.operators.gradient import divergence
from jumpset.operators.images import check_tensor, per_image
from jumpset.prox import tv_batches
from jumpset.prox.tv_dual import AcceleratedDual, Model, images, read
from jumpset.prox.tv_lines import solve_lines

TOL = 1e-6
MAX_STEPS = 20_000
# If every norm is of one number, exact solves of lines are faster for images of at most this size, where the
# number of calls dominates, and after this many steps of the dual method, which large flat regions need.
_FEW_PIXELS = 1 << 14
_PATIENCE = 1000


@dataclass(frozen=True)
class ProxSolution:
    """A proximal point and its duality gap, one per image: with separate channels, the largest of them.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> solution = js.TotalVariation().prox_solution(torch.rand(1, 1, 8, 8), 0.1)
    >>> solution.image.shape, float(solution.gap.max()) < 1e-3
    (torch.Size([1, 1, 8, 8]), True)
    """

    image: Images
    """``(B, C, *spatial)``, of the dtype of v."""
    gap: PerImage
    """``(B,)`` float64: duality gap relative to the energy ``½‖u − v‖² + tau R(u)``, before u is rounded; NaN
    for an image with a value that is not finite, whose solution is NaN."""
    n_steps: int
    """Steps of the slowest image."""
    dual: Tensor
    """The dual variable, the start of a later call of the same shape and settings."""


@dataclass(frozen=True)
class Terms:
    """A member of the family: ``Σ h_delta(norm of the gradient) + ratio Σ |u|``, channels coupled or not."""

    norm: Norm
    joint: bool
    delta: float = 0.0
    ratio: float = 0.0
    directions: tuple[Sequence[Sequence[int]], Sequence[float]] | None = None
    # offsets and lengths of the edges, if they are not along the axes
    scales: tuple[float, ...] = ()
    """Factors of the differences along each axis; none: ones."""


def tv_prox(
    v: Images,
    tau: float | Tensor,
    terms: Terms,
    *,
    tol: float,
    max_steps: int,
    dual: Tensor | None,
    lines: bool = True,
) -> ProxSolution:
    """Compute ``argmin_u ½‖u − v‖² + tau R(u)`` of each image, to a relative duality gap of ``tol``.

    A ``RuntimeWarning`` reports that an image has not reached it after ``max_steps``. Without ``lines`` the
    dual variable is always a field.
    """
    check_tensor(v)
    checks.real("tol", tol, above=0.0, below=1.0)
    checks.integer("max_steps", max_steps, at_least=1)
    factor = per_image(tau, v)
    with torch.no_grad():
        pixels = v.detach() if v.dtype in (torch.float32, torch.float64) else v.detach().float()
        taus = torch.as_tensor(factor, dtype=torch.float64).flatten().cpu().expand(len(v))
        if not terms.joint:
            pixels, taus = pixels.flatten(0, 1)[:, None], taus.repeat_interleave(v.shape[1])
        finite = torch.isfinite(pixels).flatten(1).all(1)
        all_finite = bool(finite.all())
        if not all_finite:
            pixels = torch.where(_spread(finite, v), pixels, 0.0)
        axes = sum(n > 1 for n in v.shape[2:])
        # the norm of a pixel is of one number per direction, or there is one direction
        by_lines = (
            lines and pixels.shape[1] == 1 and terms.delta == 0.0 and (terms.norm == "l2-each" or axes <= 1)
        )
        small = pixels.shape[2:].numel() <= _FEW_PIXELS or axes <= 1 or terms.directions is not None
        solver = _by_lines if by_lines and small else _by_fields
        if by_lines and not small and not terms.scales:
            solver = _by_both
        found = solver(pixels, taus, terms, tol, max_steps, dual)
        u, gaps, n_steps, dual = found
        if not all_finite:  # one unknown pixel makes all of its image unknown
            u, gaps = torch.where(_spread(finite, v), u, torch.nan), gaps.where(finite.cpu(), torch.nan)
    gap = gaps.reshape(len(v), -1).amax(1) if gaps.numel() else gaps
    warn_of_gap(gap, n_steps, tol, stacklevel=3)
    return ProxSolution(u.reshape(v.shape).to(v.dtype), gap, n_steps, dual)


def warn_of_gap(gap: Tensor, n_steps: int, tol: float, *, stacklevel: int) -> None:
    """Warn, as the calling function, if the relative duality gap of an image is above ``tol``."""
    if bool((gap > tol).any()):
        warnings.warn(
            f"the prox stopped after {n_steps} steps at a relative duality gap of {float(gap.max()):.1e};"
            " raise max_steps or tol",
            RuntimeWarning,
            stacklevel=stacklevel + 1,
        )


def exactly(v: Images, u: Images) -> ProxSolution:
    """Return a solution in closed form."""
    gap = torch.where(torch.isfinite(u).flatten(1).all(1), 0.0, torch.nan).double().cpu()
    return ProxSolution(u.to(v.dtype), gap, 1, v.new_zeros(0))


_Found = tuple[Tensor, Tensor, int, Tensor]


def _by_lines(
    v: Tensor, taus: Tensor, terms: Terms, tol: float, max_steps: int, dual: Tensor | None
) -> _Found:
    """Solve lines exactly, on the CPU, for all images at once."""
    offsets, lengths = terms.directions or _axes_of(v, terms.scales)
    found = solve_lines(v[:, 0].cpu(), taus, offsets, lengths, tol=tol, max_steps=max_steps, pulls=dual)
    return _soften(found.image[:, None], terms.ratio * taus).to(v), found.gap, found.n_steps, found.pulls


def _by_both(
    v: Tensor, taus: Tensor, terms: Terms, tol: float, max_steps: int, dual: Tensor | None
) -> _Found:
    """Use the dual method for a limited number of steps, then lines from its dual field."""
    plain = replace(terms, ratio=0.0)
    u, gaps, n_steps, duals = _by_fields(v, taus, plain, tol, min(max_steps, _PATIENCE), dual)
    late = torch.nonzero(gaps > tol).flatten()
    if len(late) and n_steps < max_steps:
        f, w, p = v[late, 0].cpu().double(), taus[late], duals[late, :, 0].cpu().double()
        used = [k for k in range(p.shape[1]) if f.shape[k + 1] > 1]
        pulls = [divergence(_alone(p, k))[:, 0].flatten(1) for k in used[1:]]
        offsets, lengths = _axes_of(v)
        settings = {"tol": tol, "max_steps": max_steps - n_steps, "pulls": torch.stack(pulls, dim=1)}
        found = solve_lines(f, w, offsets, lengths, **settings)
        u[late], gaps[late] = found.image[:, None].to(u), found.gap
        shares = [x.reshape(f.shape) for x in found.pulls.unbind(1)]
        rest = (found.image - f) / w.reshape(-1, *[1] * (f.ndim - 1)) - sum(shares)
        for k, share in zip(used, [rest, *shares], strict=True):
            p[:, k] = share.cumsum(dim=k + 1)  # the field of one axis with this divergence
        duals[late] = p[:, :, None].to(duals)
        n_steps += found.n_steps
    return _soften(u, terms.ratio * taus), gaps, n_steps, duals


def _by_fields(
    v: Tensor, taus: Tensor, terms: Terms, tol: float, max_steps: int, dual: Tensor | None
) -> _Found:
    """Use the accelerated dual method, for the images of one tau at a time."""
    shape = (len(v), v.ndim - 2, *v.shape[1:])
    if dual is not None and dual.shape != shape:
        raise InputError(
            "the dual variable does not belong to this image and penalty",
            given=f"shape {tuple(dual.shape)}",
            do=f"pass .dual of a solution of the same kind, shape {shape}",
        )
    if not terms.scales and tv_batches.applies(v, terms.norm, terms.delta):
        return tv_batches.solve_batch(v, taus, terms.norm, terms.ratio, tol, max_steps, dual)
    u, duals = torch.empty_like(v), torch.zeros(shape, dtype=v.dtype, device=v.device)
    gaps, n_steps = torch.zeros(len(v), dtype=torch.float64), 0
    for tau in taus.unique().tolist():
        where = torch.nonzero(taus == tau).flatten()
        model = Model(tau, terms.norm, terms.delta, tau * terms.ratio, terms.scales)
        method = AcceleratedDual(model, tol, max_steps)
        begin = method.start(v[where], None if dual is None else dual[where])
        for moment in iterate(method, v[where], start=Moment(0, begin)):
            state = moment.state
        n_steps = max(n_steps, state.n_steps)
        for group in state.groups:
            group = read(group, model)
            places = where[torch.from_numpy(group.places)]
            u[places], gaps[places.cpu()] = images(group, model).to(u), torch.from_numpy(group.gap)
            duals[places] = (group.p / tau if tau > 0 else group.p).to(duals)
    return u, gaps, n_steps, duals


def _axes_of(v: Tensor, scales: Sequence[float] = ()) -> tuple[list[list[int]], list[float]]:
    """Return the offsets and lengths of the edges along the axes."""
    axes = v.ndim - 2
    return [[int(k == a) for k in range(axes)] for a in range(axes)], [*(scales or [1.0] * axes)]


def _alone(p: Tensor, k: int) -> Tensor:
    """Return entry k of a field ``(P, D, *spatial)``, with zeros for the others, ``(P, D, 1, *spatial)``."""
    field = torch.zeros_like(p)
    field[:, k] = p[:, k]
    return field[:, :, None]


def _spread(per_image: Tensor, v: Tensor) -> Tensor:
    return per_image.reshape(-1, *[1] * (v.ndim - 1))


def _soften(u: Tensor, threshold: Tensor) -> Tensor:
    """Threshold softly; exact after anisotropic total variation, as no difference changes its sign."""
    threshold = threshold.to(u).reshape(-1, *[1] * (u.ndim - 1))
    return torch.sign(u) * (u.abs() - threshold).clamp_min(0.0)
