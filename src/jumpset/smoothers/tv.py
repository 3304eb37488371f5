"""Total variation smoothing (Rudin, Osher & Fatemi 1992): an accelerated dual method with a certificate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset import _checks
from jumpset._types import Status
from jumpset.kernels import tv as kernel
from jumpset.kernels.tv_gap import measure

# Weights below this part of the largest value change no digit of it.
_NEGLIGIBLE = 1e-20
# The momentum is k / (k + _LAG + 1) after k steps (Chambolle & Dossal 2015); 3 to 10 are about equally fast.
_LAG = 4.0


@dataclass
class Group:
    """Pictures computed in one dtype. Each list has one entry a picture; the kernel works in place."""

    places: list[int]  # where in the batch
    f: Tensor  # (B, C, H, W), the pictures; the answer itself where it is known beforehand
    p: Tensor  # (B, 2, C, H, W), the dual field
    old: Tensor  # the dual field one step before
    spare: Tensor  # room for the next one
    since: list[int]  # steps since the last restart
    energy: list[float]  # primal objective at the last reading
    gap: list[float]  # duality gap relative to it
    bound: list[float]  # energy of the dual field then, a lower bound of the least energy
    done: list[bool]  # converged at a reading of the schedule: frozen
    fresh: bool = True  # energy and gap belong to p


@dataclass(frozen=True)
class State:
    """The groups hold all numbers; they are updated in place."""

    source: Tensor  # (B, C, H, W), the picture as given
    groups: tuple[Group, ...]
    n_steps: int


@dataclass(frozen=True)
class TV:
    r"""Total variation: removes noise and grain, keeps edges; convex, solved to a stated accuracy.

    Minimises, for each picture,

    .. math:: \tfrac12 \|u - f\|^2 + \text{weight} \cdot \mathrm{TV}(u)

    over u, where, with forward differences :math:`\partial_d` that are zero across the border,

    .. math:: \mathrm{TV}(u) = \sum_p \Bigl( \sum_c \sum_d (\partial_d u_c)_p^2 \Bigr)^{1/2}
              \text{ (isotropic), or} \quad
              \sum_p \sum_d \Bigl( \sum_c (\partial_d u_c)_p^2 \Bigr)^{1/2} \text{ (anisotropic)}.

    Parameters
    ----------
    weight
        In intensities; useful from 0.01 (grain) to 0.3 (poster). Larger is flatter; 0 changes nothing.
    isotropic
        The first or the second sum: round or axis-parallel boundaries.
    channels
        ``"joint"``: as above, channels share their edges. ``"separate"``: the sum of the TV of each channel.
    tol
        Ends when the duality gap is at most this part of the energy: the energy is then less than
        ``tol / (1 - tol)`` above the least one. In each picture, for separate channels in each channel.
    max_steps
        Step limit. A 512×512 picture needs about 200 steps at weight 0.1 and 1 000 at weight 1.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    L. Rudin, S. Osher, E. Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 1992
    (the model); A. Beck, M. Teboulle, "Fast gradient-based algorithms for constrained total variation image
    denoising and deblurring problems", IEEE TIP 2009 (the algorithm). Differences from the latter: (1) the
    momentum k/(k + 5) of Chambolle & Dossal (JOTA 2015); (2) a restart when the dual energy has fallen
    between two readings, after O'Donoghue & Candès (FoCM 2015); (3) the duality gap as the stopping rule,
    which holds for u before it is rounded to the caller's dtype; (4) float32 pictures are computed in float64
    where float32 might not reach ``tol``; (5) weights so large that the mean is optimal are answered at once.

    The same weight gives the same picture as scikit-image's ``denoise_tv_chambolle`` run to convergence.
    """

    weight: float = 0.1
    isotropic: bool = True
    channels: str = "joint"
    tol: float = 1e-4
    max_steps: int = 10_000

    name: ClassVar[str] = "tv"
    paper: ClassVar[str] = "Rudin, Osher & Fatemi, Physica D 1992"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"accurate": {"tol": 1e-6, "max_steps": 100_000}}
    batched: ClassVar[bool] = True
    check_every: ClassVar[int] = 10

    def __post_init__(self) -> None:
        _checks.real("weight", self.weight, at_least=0.0)
        _checks.flag("isotropic", self.isotropic)
        _checks.one_of("channels", self.channels, ("joint", "separate"))
        _checks.real("tol", self.tol, above=0.0, below=1.0)
        _checks.integer("max_steps", self.max_steps, at_least=0)

    def init(self, image: Tensor) -> State:
        """No dual field yet: the picture itself is the first answer, or the last where that is known."""
        pictures = image.flatten(0, 1)[:, None] if self.channels == "separate" else image
        starts = [self._start(k, picture[None]) for k, picture in enumerate(pictures)]
        dtypes = sorted({start.f.dtype for start in starts}, key=str)
        groups = (_join([start for start in starts if start.f.dtype == dtype]) for dtype in dtypes)
        return State(image, tuple(groups), n_steps=0)

    def step(self, state: State) -> State:
        """One accelerated step on the dual; every ``check_every`` steps, restarts and freezes where due."""
        n_steps = state.n_steps + 1
        for group in state.groups:
            if not all(group.done):
                self._advance(group)
                if n_steps % self.check_every == 0:
                    self._read(group)
                    self._settle(group)
        return State(state.source, state.groups, n_steps)

    def image(self, state: State) -> Tensor:
        """The picture that belongs to the dual field, f + div p."""
        count = sum(len(group.places) for group in state.groups)
        out: list[Tensor] = [state.source] * count
        for group in state.groups:
            for place, u in zip(group.places, kernel.primal(group.f, group.p), strict=True):
                out[place] = u.to(state.source.dtype)
        return torch.stack(out).reshape(state.source.shape)

    def record(self, state: State) -> dict[str, float]:
        """The objective above, summed over the batch, and the largest relative duality gap."""
        for group in state.groups:
            self._read(group)
        return {
            "energy": sum(sum(group.energy) for group in state.groups),
            "gap": max(max(group.gap) for group in state.groups),
        }

    def finished(self, state: State) -> Status | None:
        """When every picture has reached ``tol``."""
        return Status.CONVERGED if self.record(state)["gap"] <= self.tol else None

    def _start(self, place: int, picture: Tensor) -> Group:
        """A group of one picture ``(1, C, H, W)``."""
        f = picture.contiguous()
        zero = torch.zeros(1, 2, *f.shape[1:], dtype=f.dtype, device=f.device)
        group = Group([place], f, zero, zero, zero, [0], [0.0], [0.0], [0.0], [True])
        low, high = f.detach().flatten(2).aminmax(dim=2)
        size, spread = float(torch.maximum(high, -low).max()), float((high - low).max())
        if self.weight <= _NEGLIGIBLE * size or spread == 0.0:
            return group  # the picture itself
        # No field of size w has a divergence above 4 w: this spares the usual weights the second test.
        if 8.0 * self.weight >= spread:
            mean = f.mean(dim=(-2, -1), keepdim=True, dtype=torch.float64)
            if self.weight >= _weight_of_mean(f, mean, self.isotropic):
                group.f = mean.to(f.dtype).expand_as(f).contiguous()
                group.energy = [0.5 * float((f - mean).square().sum())]
                return group
        group.done, group.fresh = [False], False
        self._read(group)
        if f.dtype == torch.float32:
            # Rounding makes flat regions rough by about this much TV; the least energy is below the bound.
            rough = self.weight * f.numel() * torch.finfo(f.dtype).eps * (size + self.weight)
            bound = min(group.energy[0], 0.5 * f.numel() * float(f.detach().var(correction=0)))
            if rough > self.tol * bound or not 1e-12 < size < 1e12:  # squares must not overflow or vanish
                group.f, group.p = f.double(), zero.double()
        group.old, group.spare = torch.zeros_like(group.p), torch.empty_like(group.p)
        return group

    def _advance(self, group: Group) -> None:
        height, width = group.f.shape[-2:]
        new = kernel.advance(
            group.f,
            group.p,
            group.old,
            group.spare,
            momentum=[max(k - 1, 0) / (k + _LAG) for k in group.since],
            weight=self.weight,
            step=0.25 / max((height > 1) + (width > 1), 1),  # 1 / ‖grad‖²
            isotropic=self.isotropic,
            active=[not done for done in group.done],
        )
        group.p, group.old, group.spare = new, group.p, group.old
        group.since = [k + 1 for k in group.since]
        group.fresh = False

    def _read(self, group: Group) -> None:
        """Energy and gap of the present field."""
        if group.fresh:
            return
        for k, done in enumerate(group.done):
            if not done:
                u = kernel.primal(group.f[k : k + 1], group.p[k : k + 1])[0]
                energy, gap = measure(u, group.f[k], group.p[k], self.weight, self.isotropic)
                group.energy[k], group.gap[k] = energy, gap / energy if energy > 0 else 0.0
        group.fresh = True

    def _settle(self, group: Group) -> None:
        """Restart the momentum where the dual energy fell; freeze what has converged."""
        for k, done in enumerate(group.done):
            if done:
                continue
            bound = group.energy[k] * (1.0 - group.gap[k])
            if bound < group.bound[k]:
                group.since[k] = 0
            group.bound[k] = bound
            if group.gap[k] <= self.tol:
                group.done[k] = True
                if len(group.done) > 1 and kernel.has_loops(group.f):
                    # the three buffers go on changing places for the others, so each must hold the answer
                    group.old[k] = group.spare[k] = group.p[k]


def _join(groups: list[Group]) -> Group:
    """One group of several."""
    if len(groups) == 1:
        return groups[0]
    joined: dict[str, Any] = {"fresh": all(g.fresh for g in groups)}
    for name in ("f", "p", "old", "spare"):
        joined[name] = torch.cat([getattr(g, name) for g in groups])
    for name in ("places", "since", "energy", "gap", "bound", "done"):
        joined[name] = [x for g in groups for x in getattr(g, name)]
    return Group(**joined)


def _weight_of_mean(f: Tensor, mean: Tensor, isotropic: bool) -> float:
    """A weight from which on the mean is optimal.

    That is the size of any field with divergence ``mean - f``. This one evens out each row, then carries
    what the rows have too much or too little straight down.
    """
    lack = mean - f.detach()
    rows = lack.mean(dim=-1, keepdim=True)
    down = rows.cumsum(dim=-2).square().sum(dim=1)
    right = (lack - rows).cumsum(dim=-1).square().sum(dim=1)
    return math.sqrt(float((down + right).max() if isotropic else torch.maximum(down.max(), right.max())))
