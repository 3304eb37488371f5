"""Models of the total variation family by the accelerated dual method, each image to a certified accuracy.

One implementation for the smoother and for the proximal operators. Two-dimensional images with the plain
norms go through the fused loops of :mod:`jumpset.kernels.tv.dual`, all others through those of
:mod:`jumpset.kernels.tv.dual_general`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from jumpset._core.types import Iteration, Status
from jumpset.kernels.buffers import Pool
from jumpset.kernels.tv import dual as fused
from jumpset.kernels.tv import dual_general as general
from jumpset.kernels.tv.gap import measure
from jumpset.kernels.tv.norms import Norm, dual_norm_of

# Weights below this part of the largest value change none of its digits.
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
    scales: tuple[float, ...] = ()
    """Factors of the differences along each axis; none: ones."""

    def is_fused(self, f: Tensor) -> bool:
        """Whether the fused loops apply."""
        is_plain = self.delta == 0.0 and self.soft == 0.0 and not self.scales
        return f.ndim == 4 and self.norm in ("l2", "l2-each") and is_plain

    def axis_scales(self, f: Tensor) -> tuple[float, ...]:
        """The factor of each axis."""
        return self.scales or (1.0,) * (f.ndim - 2)


class Group(NamedTuple):
    """Images of one computing dtype; the arrays have one entry per image, and may be empty."""

    places: np.ndarray  # positions in the batch
    f: Tensor  # (N, C, *spatial), the images; the solution itself if it is known in advance
    p: Tensor  # (N, D, C, *spatial), the dual field
    old: Tensor  # the dual field one step before
    since: np.ndarray  # steps since the last restart
    bound: np.ndarray  # dual energy at the last check, a lower bound of the minimum
    energy: np.ndarray  # primal objective at the last reading, float64
    gap: np.ndarray  # duality gap relative to it
    is_read: bool  # whether energy and gap belong to p

    def check_loaded(self, template: Group) -> None:
        """Raise ``ValueError`` unless these arrays, out of a file, have one entry per image, of its size."""
        n, arrays = len(self.places), zip(self[:-1], template[:-1], strict=True)
        if any(len(a) != n or a.shape[1:] != b.shape[1:] for a, b in arrays):
            raise ValueError("a group of other images")

    def take(self, which: np.ndarray) -> Group:
        """Return the images for which the bool array ``which`` is true."""
        index = torch.from_numpy(which).to(self.f.device)
        arrays: Any = (x[index] if isinstance(x, Tensor) else x[which] for x in self[:-1])
        return Group(*arrays, is_read=self.is_read)


class State(NamedTuple):
    """For each computing dtype, a group of the running images, and one of those that have converged."""

    source: Tensor  # (B, C, *spatial), the images as given
    model: Model
    running: tuple[Group, ...]
    done: tuple[Group, ...]
    pool: Pool  # memory of the dual fields
    n_steps: int

    @property
    def groups(self) -> tuple[Group, ...]:
        """All groups that are not empty."""
        return tuple(group for group in (*self.running, *self.done) if len(group.places))


class DualMethod(Iteration[State]):
    """Accelerated gradient projection on the dual of a :class:`Model`, each image until its gap is small."""

    check_every: ClassVar[int] = CHECK_EVERY

    tol: float

    @abstractmethod
    def _model(self, ndim: int) -> Model:
        """The objective, for a number of spatial axes."""

    def _is_joint(self) -> bool:
        """Whether the channels are coupled; otherwise each channel is a separate image."""
        return True

    def init(self, image: Tensor) -> State:
        """Start at dual fields of zeros; an image whose solution is known is done."""
        return self.start(image)

    def start(self, image: Tensor, duals: Tensor | None = None) -> State:
        """Start at the dual fields ``duals`` of weight 1, default zeros."""
        model, groups, known = self._model(image.ndim - 2), [], []
        for k, f in enumerate(image if self._is_joint() else image.flatten(0, 1)[:, None]):
            dual = None if duals is None else duals[k : k + 1]
            group, is_known = _start(k, f[None], model, self.tol, dual)
            groups.append(group)
            known.append(is_known)
        running, done = [], []
        for dtype in sorted({group.f.dtype for group in groups}, key=str):
            chosen = [k for k, group in enumerate(groups) if group.f.dtype == dtype]
            joined, is_done = _join([groups[k] for k in chosen]), np.array([known[k] for k in chosen])
            rest, ended = _split(joined, is_done)
            running.append(rest)
            done.append(ended)
        return self._check(State(image, model, tuple(running), tuple(done), Pool(most=8), n_steps=0))

    def step(self, state: State) -> State:
        """Take one accelerated step; every ``check_every`` steps, restart or end images."""
        source, model, running, done, pool, n_steps = state
        running = tuple([advance(g, model, pool) if len(g.places) else g for g in running])
        state = State(source, model, running, done, pool, n_steps + 1)
        return state if state.n_steps % self.check_every else self._check(state)

    def _check(self, state: State) -> State:
        """Restart the momentum where the dual energy has decreased; move converged images to ``done``."""
        running, done = list(state.running), list(state.done)
        for k, group in enumerate(running):
            if len(group.places):
                group = read(group, state.model)
                bound = group.energy * (1.0 - group.gap)
                group = group._replace(since=np.where(bound < group.bound, 0, group.since), bound=bound)
                is_done = group.gap <= self.tol
                running[k] = group
                if is_done.any():
                    running[k], ended = _split(group, is_done)
                    done[k] = _join([done[k], ended])
        return state._replace(running=tuple(running), done=tuple(done))

    def image(self, state: State) -> Tensor:
        """Return the primal images of the dual fields."""
        out = {}
        for group in state.groups:
            for place, u in zip(group.places.tolist(), images(group, state.model), strict=True):
                out[place] = u.to(state.source.dtype)
        return torch.stack([out[k] for k in range(len(out))]).reshape(state.source.shape)

    def record(self, state: State) -> dict[str, float]:
        """Return the energy, summed over the batch, and the largest relative duality gap."""
        energies, gaps = {}, []
        for group in state.groups:
            group = read(group, state.model)
            energies.update(zip(group.places.tolist(), group.energy.tolist(), strict=True))
            gaps += group.gap.tolist()
        return {"energy": sum(energies[k] for k in range(len(energies))), "gap": max(gaps)}

    def finished(self, state: State) -> Status | None:
        """Return ``Status.CONVERGED`` once every image has reached ``tol``."""
        gaps = [read(group, state.model).gap for group in state.running]
        return Status.CONVERGED if all((gap <= self.tol).all() for gap in gaps) else None


@dataclass(frozen=True)
class AcceleratedDual(DualMethod):
    """The method for any model of the family.

    Parameters
    ----------
    model
        The objective; its norm couples the channels.
    tol
        An image is done when its duality gap is at most this part of its energy.
    max_steps
        Step limit.
    """

    model: Model
    tol: float
    max_steps: int = 10_000

    name: ClassVar[str] = "accelerated-dual"
    paper: ClassVar[str] = "Beck & Teboulle, IEEE TIP 2009"

    def _model(self, ndim: int) -> Model:  # noqa: ARG002
        return self.model


def advance(group: Group, model: Model, pool: Pool) -> Group:
    """Take one step of every image."""
    f, p, weight = group.f, group.p, model.weight
    squares = [s * s for s, n in zip(model.axis_scales(f), f.shape[2:], strict=True) if n > 1]
    step = 0.25 / (sum(squares) or 1.0)  # 1 / ‖grad‖²
    momentum = [max(k - 1, 0) / (k + _LAG) for k in group.since.tolist()]
    if model.is_fused(f):
        isotropic = model.norm == "l2"
        new = fused.advance(
            f, p, group.old, pool, momentum=momentum, weight=weight, step=step, isotropic=isotropic
        )
    else:
        bend = step * model.delta / weight  # Huber's δ makes the dual strongly convex
        root = math.sqrt(bend / (1.0 + bend))
        momentum = [min(m, (1.0 - root) / (1.0 + root)) for m in momentum]
        settings: dict[str, Any] = {
            "weight": weight,
            "step": step,
            "keep": 1.0 / (1.0 + bend),
            "soft": model.soft,
            "scales": model.scales,
        }
        new = general.advance(f, p, group.old, pool, momentum=momentum, norm=model.norm, **settings)
    return Group(group.places, f, new, p, group.since + 1, group.bound, group.energy, group.gap, False)


def read(group: Group, model: Model) -> Group:
    """Return the group with the energies and gaps of its current fields."""
    if group.is_read:
        return group
    found = np.zeros((len(group.places), 2))
    for k in range(len(found)):
        f, p = group.f[k], group.p[k]
        u = images(group, model, k)[0]
        if model.is_fused(group.f):
            energy, gap = measure(u, f, p, model.weight, model.norm == "l2")
        else:
            settings: dict[str, Any] = {
                "weight": model.weight,
                "delta": model.delta,
                "soft": model.soft,
                "scales": model.scales,
            }
            energy, gap = general.measure(u, f, p, norm=model.norm, **settings)
        found[k] = energy, gap / energy if energy != 0 else 0.0  # NaN is not exact
    return group._replace(energy=found[:, 0], gap=found[:, 1], is_read=True)


def images(group: Group, model: Model, k: int | None = None) -> Tensor:
    """Compute the primal images ``soft(f + div p)`` of the dual fields, or image k only."""
    f, p = (group.f, group.p) if k is None else (group.f[k : k + 1], group.p[k : k + 1])
    return fused.primal(f, p) if model.is_fused(f) else general.primal_plain(f, p, model.soft, model.scales)


def _start(place: int, image: Tensor, model: Model, tol: float, dual: Tensor | None) -> tuple[Group, bool]:
    """Return a group of one image ``(1, C, *spatial)``, and whether its solution is known."""
    f = image.contiguous()
    axes = f.ndim - 2
    zero = torch.zeros(1, axes, *f.shape[1:], dtype=f.dtype, device=f.device)
    none = np.zeros(1)
    group = Group(np.array([place]), f, zero, zero, np.array([0]), none, none, none, is_read=True)
    low, high = f.detach().flatten(2).aminmax(dim=2)
    size, spread = float(torch.maximum(high, -low).max()), float((high - low).max())
    known = lambda f, u: (group._replace(f=f, energy=np.array([_energy_of(u, image, model)])), True)  # noqa: E731
    if model.weight <= _NEGLIGIBLE * size or spread == 0.0:  # the image itself, or its soft threshold
        return known(f, general.primal_plain(f, zero[:, :0], model.soft))
    # A field of size w has a divergence of at most 2 w per axis: usual weights skip the second test.
    if model.delta == 0.0 and 4.0 * axes * model.weight >= spread:
        mean = f.mean(dim=tuple(range(2, f.ndim)), keepdim=True, dtype=torch.float64)
        if model.weight >= weight_of_mean(f, mean, model.norm, model.axis_scales(f)):
            flat = mean.to(f.dtype).expand_as(f).contiguous()
            return known(flat, general.primal_plain(flat, zero[:, :0], model.soft))
    group = read(group._replace(is_read=False), model)
    if f.dtype == torch.float32:
        # Rounding adds about this much TV to flat regions; the minimum of the energy is below the bound.
        rough = model.weight * f.numel() * torch.finfo(f.dtype).eps * (size + model.weight)
        bound = float(group.energy[0])
        if model.soft == 0.0:
            bound = min(bound, 0.5 * f.numel() * float(f.detach().var(correction=0)))
        if rough > tol * bound or not 1e-12 < size < 1e12:  # squares must not overflow or vanish
            group = group._replace(f=f.double(), p=zero.double(), old=zero.double())
    if dual is not None:
        p = (model.weight * dual).to(group.p)
        group = read(group._replace(p=p, old=p, is_read=False), model)
    return group, False


def _energy_of(u: Tensor, f: Tensor, model: Model) -> float:
    """Compute the energy of a flat image, or of one whose weight is negligible."""
    u = u.detach().double()
    return 0.5 * float((u - f.detach().double()).square().sum()) + model.soft * float(u.abs().sum())


def _split(group: Group, is_done: np.ndarray) -> tuple[Group, Group]:
    """Return the images that are not done, and those that are."""
    rest, ended = (group if which.all() else group.take(which) for which in (~is_done, is_done))
    return rest, ended


def _join(groups: Sequence[Group]) -> Group:
    """Join groups to one."""
    groups = [group for group in groups if len(group.places)] or groups[:1]
    if len(groups) == 1:
        return groups[0]
    columns = zip(*(group[:-1] for group in groups), strict=True)
    arrays: Any = (torch.cat(c) if isinstance(c[0], Tensor) else np.concatenate(c) for c in columns)
    return Group(*arrays, is_read=all(group.is_read for group in groups))


def weight_of_mean(f: Tensor, mean: Tensor, norm: Norm, scales: Sequence[float] = ()) -> float:
    """Return a weight at and above which the mean is optimal.

    The size of any field with divergence ``mean − f`` is such a weight. The field used here balances each
    row, then transports the differences between the means of the rows along the next axis, and so on.
    """
    lack, field = mean - f.detach(), []
    for axis in range(f.ndim - 1, 1, -1):
        even = lack.mean(dim=axis, keepdim=True)
        scale = scales[axis - 2] if scales else 1.0
        field.append(((lack - even).cumsum(dim=axis) / scale).expand_as(f))
        lack = even
    return float(dual_norm_of(torch.stack(field[::-1], dim=1), norm).max())
