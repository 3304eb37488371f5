"""Models of the total variation family by the accelerated dual method, each picture to a certified accuracy.

One implementation for the smoother and for the proximal operators. Two-dimensional pictures with the plain
norms go through the fused loops of :mod:`jumpset.kernels.tv.dual`, all others through those of
:mod:`jumpset.kernels.tv.dual_general`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from jumpset.kernels.tv import dual as fused
from jumpset.kernels.tv import dual_general as general
from jumpset.kernels.tv.gap import measure
from jumpset.kernels.tv.norms import Norm, dual_norm_of

# Weights below this part of the largest value change no digit of it.
_NEGLIGIBLE = 1e-20
# The momentum is k / (k + _LAG + 1) after k steps (Chambolle & Dossal 2015); 3 to 10 are about equally fast.
_LAG = 4.0
CHECK_EVERY = 10


@dataclass(frozen=True)
class Model:
    """``½‖u − f‖² + weight Σ h_delta(‖∇u‖) + soft Σ |u|``; h_0(t) = t."""

    weight: float
    norm: Norm
    delta: float = 0.0
    soft: float = 0.0

    def is_fused(self, f: Tensor) -> bool:
        """Whether the fused loops compute it."""
        return f.ndim == 4 and self.norm in ("l2", "l2-each") and self.delta == 0.0 and self.soft == 0.0


@dataclass
class Group:
    """Pictures computed in one dtype. Each list has one entry a picture; the kernel works in place."""

    places: list[int]  # where in the batch
    f: Tensor  # (B, C, *spatial), the pictures; the answer itself where it is known beforehand
    p: Tensor  # (B, D, C, *spatial), the dual field
    old: Tensor  # the dual field one step before
    spare: Tensor  # room for the next one
    since: list[int]  # steps since the last restart
    energy: list[float]  # primal objective at the last reading
    gap: list[float]  # duality gap relative to it
    bound: list[float]  # energy of the dual field then, a lower bound of the least energy
    done: list[bool]  # converged at a reading of the schedule: frozen
    fresh: bool = True  # energy and gap belong to p


def start(pictures: Tensor, model: Model, tol: float, duals: Tensor | None = None) -> tuple[Group, ...]:
    """Groups of the pictures ``(B, C, *spatial)``; ``duals``, where to start, are those for weight 1."""
    starts = [
        _start(k, picture[None], model, tol, None if duals is None else duals[k : k + 1])
        for k, picture in enumerate(pictures)
    ]
    dtypes = sorted({group.f.dtype for group in starts}, key=str)
    return tuple(_join([group for group in starts if group.f.dtype == dtype]) for dtype in dtypes)


def advance(group: Group, model: Model) -> None:
    """One step of every picture that is not done."""
    axes = sum(n > 1 for n in group.f.shape[2:])
    step = 0.25 / max(axes, 1)  # 1 / ‖grad‖²
    momentum = [max(k - 1, 0) / (k + _LAG) for k in group.since]
    active = [not done for done in group.done]
    arrays = (group.f, group.p, group.old, group.spare)
    if model.is_fused(group.f):
        isotropic = model.norm == "l2"
        new = fused.advance(
            *arrays, momentum=momentum, weight=model.weight, step=step, isotropic=isotropic, active=active
        )
    else:
        bend = step * model.delta / model.weight  # what makes the dual strongly convex
        root = math.sqrt(bend / (1.0 + bend))
        momentum = [min(m, (1.0 - root) / (1.0 + root)) for m in momentum]
        settings = {"weight": model.weight, "step": step, "keep": 1.0 / (1.0 + bend), "soft": model.soft}
        new = general.advance(*arrays, momentum=momentum, norm=model.norm, active=active, **settings)
    group.p, group.old, group.spare = new, group.p, group.old
    group.since = [k + 1 for k in group.since]
    group.fresh = False


def read(group: Group, model: Model) -> None:
    """Energy and gap of the present field."""
    if group.fresh:
        return
    for k, done in enumerate(group.done):
        if not done:
            f, p = group.f[k], group.p[k]
            u = images(group, model, k)[0]
            if model.is_fused(group.f):
                energy, gap = measure(u, f, p, model.weight, model.norm == "l2")
            else:
                settings = {"weight": model.weight, "delta": model.delta, "soft": model.soft}
                energy, gap = general.measure(u, f, p, norm=model.norm, **settings)
            group.energy[k], group.gap[k] = energy, gap / energy if energy > 0 else 0.0
    group.fresh = True


def settle(group: Group, tol: float) -> None:
    """Restart the momentum where the dual energy fell; freeze what has converged."""
    for k, done in enumerate(group.done):
        if done:
            continue
        bound = group.energy[k] * (1.0 - group.gap[k])
        if bound < group.bound[k]:
            group.since[k] = 0
        group.bound[k] = bound
        if group.gap[k] <= tol:
            group.done[k] = True
            if len(group.done) > 1 and fused.has_loops(group.f):
                # the three buffers go on changing places for the others, so each must hold the answer
                group.old[k] = group.spare[k] = group.p[k]


def images(group: Group, model: Model, k: int | None = None) -> Tensor:
    """The pictures that belong to the dual fields, or picture k alone; ``soft(f + div p)``."""
    f, p = (group.f, group.p) if k is None else (group.f[k : k + 1], group.p[k : k + 1])
    return fused.primal(f, p) if model.is_fused(f) else general.primal_plain(f, p, model.soft)


def _start(place: int, picture: Tensor, model: Model, tol: float, dual: Tensor | None) -> Group:
    """A group of one picture ``(1, C, *spatial)``."""
    f = picture.contiguous()
    axes = f.ndim - 2
    zero = torch.zeros(1, axes, *f.shape[1:], dtype=f.dtype, device=f.device)
    group = Group([place], f, zero, zero, zero, [0], [0.0], [0.0], [0.0], [True])
    low, high = f.detach().flatten(2).aminmax(dim=2)
    size, spread = float(torch.maximum(high, -low).max()), float((high - low).max())
    if model.weight <= _NEGLIGIBLE * size or spread == 0.0:
        group.energy = [_energy_of(general.primal_plain(f, zero[:, :0], model.soft), f, model)]
        return group  # the picture itself, or its soft threshold
    # No field of size w has a divergence above 2 w an axis: this spares the usual weights the second test.
    if model.delta == 0.0 and 4.0 * axes * model.weight >= spread:
        mean = f.mean(dim=tuple(range(2, f.ndim)), keepdim=True, dtype=torch.float64)
        if model.weight >= _weight_of_mean(f, mean, model.norm):
            group.f = mean.to(f.dtype).expand_as(f).contiguous()
            group.energy = [_energy_of(general.primal_plain(group.f, zero[:, :0], model.soft), f, model)]
            return group
    group.done, group.fresh = [False], False
    read(group, model)
    if f.dtype == torch.float32:
        # Rounding makes flat regions rough by about this much TV; the least energy is below the bound.
        rough = model.weight * f.numel() * torch.finfo(f.dtype).eps * (size + model.weight)
        bound = group.energy[0]
        if model.soft == 0.0:
            bound = min(bound, 0.5 * f.numel() * float(f.detach().var(correction=0)))
        if rough > tol * bound or not 1e-12 < size < 1e12:  # squares must not overflow or vanish
            group.f, group.p = f.double(), zero.double()
    if dual is not None:
        group.p = (model.weight * dual).to(group.p)
        group.fresh = False
        read(group, model)
    group.old, group.spare = group.p.clone(), torch.empty_like(group.p)
    return group


def _energy_of(u: Tensor, f: Tensor, model: Model) -> float:
    """Of a flat picture, or where the weight is negligible."""
    u = u.detach().double()
    return 0.5 * float((u - f.detach().double()).square().sum()) + model.soft * float(u.abs().sum())


def _join(groups: list[Group]) -> Group:
    """One group of several."""
    if len(groups) == 1:
        return groups[0]
    joined: dict[str, object] = {"fresh": all(g.fresh for g in groups)}
    for name in ("f", "p", "old", "spare"):
        joined[name] = torch.cat([getattr(g, name) for g in groups])
    for name in {f.name for f in fields(Group)} - set(joined):
        joined[name] = [x for g in groups for x in getattr(g, name)]
    return Group(**joined)  # type: ignore[arg-type]


def _weight_of_mean(f: Tensor, mean: Tensor, norm: Norm) -> float:
    """A weight from which on the mean is optimal.

    That is the size of any field with divergence ``mean − f``. This one evens out each row, then carries
    what the rows have too much or too little straight down, and so on through the axes.
    """
    lack, field = mean - f.detach(), []
    for axis in range(f.ndim - 1, 1, -1):
        even = lack.mean(dim=axis, keepdim=True)
        field.append((lack - even).cumsum(dim=axis).expand_as(f))
        lack = even
    return float(dual_norm_of(torch.stack(field[::-1], dim=1), norm).max())
