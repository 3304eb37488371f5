"""Plug-and-play ADMM: a data step by least squares, and a denoising step by any penalty or method."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import Iteration, Status, parameter
from jumpset.jpeg import JPEGTables
from jumpset.operators.algebra import LinearOp
from jumpset.operators.linear import Identity
from jumpset.penalties import TotalVariation
from jumpset.restoration.data import JPEGData, LinearData, make_data
from jumpset.restoration.priors import Automatic, check_prior, denoise, is_penalty
from jumpset.smoothers import RegionFusion

_STEPS = 60  # with a penalty at most
_TAU = 0.05  # largest strength of a proximal step, relative to the range of the image
_LEAST_RHO = 5e-4  # below it the data step is ill conditioned
_JUMP = 3.0  # weight of a jump, in units of the variance of the noise
_FIRST, _PER_NOISE = 0.01, 2.0  # first error level: of the range, and of the noise
_WEIGHT_EVERY = 3  # steps between two corrections of the weight
_SECANT_STEPS = 30  # from which on the misfit alone corrects the weight
_LARGEST_CORRECTION = 0.7  # of the logarithm of the weight
_LEAST_RATE, _FAST_RATE = 0.03, 0.1  # of the misfit, in powers of the weight
_ABSORBED = 0.04  # share of the noise that the image takes up where the misfit follows the weight
_SETTLED, _SMALL = 0.05, 0.25  # distance of the misfit from that of the noise; last change of the weight
_LEAST, _MOST = 1e-8, 1e3  # bounds of the weight, relative to the range


@dataclass(frozen=True)
class State:
    """u, z and the scaled multipliers of ADMM; b and its multipliers where there are bounds."""

    source: Tensor  # the data, as given
    data: LinearData | JPEGData
    range: float  # of the first image
    prior: Any  # the penalty or method in use
    u: Tensor  # (1, C, *spatial), of the data step
    z: Tensor  # of the denoising step, the answer
    w: Tensor  # multipliers of u = z
    b: Tensor  # of the projection onto the bounds
    c: Tensor  # multipliers of u = b
    dual: Any  # of the last proximal step
    weight: float  # of the objective, for penalties as corrected so far
    misfit: float  # root mean square of A u − y, in units of the noise
    before: Any  # logarithms of weight and misfit at the last correction
    change: float  # that the last correction asked for
    residual: float  # ‖u − z‖ and the change of z, relative to ‖z‖
    n_steps: int


def _operator(_: str, value: object) -> None:
    if isinstance(value, type) or not isinstance(value, LinearOp | JPEGTables):
        raise InputError(
            "the operator must be callable and have an adjoint, or be JPEGTables",
            given=repr(value),
            do="pass e.g. js.operators.Blur.gaussian(2.0)",
        )


@dataclass(frozen=True)
class PlugAndPlay(Iteration[State]):
    r"""Restoration with any operator and any prior, by ADMM whose denoising step is exchangeable.

    Minimises, or looks for a small value of,

    .. math:: D(A u, y) + \text{weight} \cdot R(u), \qquad \text{lower} \le u \le \text{upper},

    where D(u, f) + weight R(u) is what the prior minimises: D is ½‖A u − y‖² for a penalty, and ‖A u − y‖²
    for ``RegionFusion`` and the other methods of the l0 family. One step is

    .. math:: u &\leftarrow \arg\min_u \|A u - y\|^2 + \rho \|u - z + w\|^2 \\
              z &\leftarrow \text{the answer of the prior for } u + w \text{ with } \text{weight} / \rho \\
              w &\leftarrow w + u - z

    with a second copy of u for the bounds where R is a penalty; z of a method is clamped. A and y are divided
    by ‖A‖ first.

    Parameters
    ----------
    prior
        A penalty that has a prox, or a method with a ``weight`` or, without one, with a ``sigma``; or
        :class:`Automatic`.
    operator
        A; or ``JPEGTables``, for an image that was read from a JPEG file: the data step is then the
        projection onto the images that the file allows.
    weight
        For the operator divided by its norm. None, for a penalty: it is corrected every three steps until
        the misfit is that of the noise, ‖A u − y‖² = n σ² (the discrepancy principle), up to 4 % less where
        it depends much on the weight, since the image then takes up a part of the noise. None, for a method
        of the l0 family: 3 σ². None, for other methods: their own weight. Given, an automatic prior is total
        variation.
    noise
        σ, the standard deviation of the noise of the data, in their units; None: estimated
        (:func:`data_noise`). Less than 0.002 of the root mean square of the data counts as that.
    lower, upper
        Bounds of the image, which the answer meets exactly; None: no bound.
    warm_up
        Steps with total variation before those with a method, whose answer depends on the start.
    n_steps
        Steps with a method: the level of the errors it removes falls geometrically from 0.01 of the range and
        twice the noise, to the noise, and ρ rises accordingly. For a penalty: the step limit.
    tol
        With a penalty, the run ends when ‖u − z‖ and the change of z are at most tol ‖z‖, and the weight
        has settled; also the accuracy of the proximal points.

    Raises
    ------
    InputError
        A parameter out of range, a prior without a strength, or bounds that exclude each other; data that
        the operator does not give.

    Notes
    -----
    S. Venkatakrishnan, C. Bouman, B. Wohlberg, "Plug-and-play priors for model based reconstruction",
    GlobalSIP 2013; with methods, the schedule of K. Zhang et al., "Plug-and-play image restoration with deep
    denoiser prior", PAMI 2022, and for jumps L. Kiefer, M. Storath, A. Weinmann, arXiv 1812.00862. The
    discrepancy principle is V. Morozov's (1966). Only with a convex penalty, and a weight that is no longer
    corrected, is the limit known to be a minimiser. Differences: (1) the start is a smooth image
    that nearly agrees with the data; (2) the answer is z within the bounds, for a JPEG file the nearest image
    that the file allows; (3) the images are mirrored in turn before a method is applied.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> blur = js.operators.Blur(torch.ones(3, 3) / 9)
    >>> y = blur(torch.from_numpy(js.datasets.shapes(32, 32, seed=0)).movedim(-1, 0)[None])
    >>> js.run(y, js.restoration.PlugAndPlay(operator=blur, noise=0.01), max_steps=2).image.shape
    torch.Size([1, 3, 32, 32])
    """

    prior: Any = parameter(RegionFusion(levels=10), check_prior)
    operator: Any = parameter(Identity(), _operator)
    weight: float | None = parameter(None, checks.real_or_none, at_least=0.0)
    noise: float | None = parameter(None, checks.real_or_none, at_least=0.0)
    lower: float | None = parameter(None, checks.real_or_none)
    upper: float | None = parameter(None, checks.real_or_none)
    warm_up: int = parameter(15, checks.integer, at_least=0)
    n_steps: int | None = None
    tol: float = parameter(1e-3, checks.real, above=0.0, below=1.0)

    name: ClassVar[str] = "plug-and-play"
    paper: ClassVar[str] = "Venkatakrishnan, Bouman & Wohlberg, GlobalSIP 2013"
    spatial_ndims: ClassVar[tuple[int, ...]] = (1, 2, 3)
    batched: ClassVar[bool] = False
    is_symmetric: ClassVar[bool] = False
    keeps_mean: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_steps is not None:
            checks.integer("n_steps", self.n_steps, at_least=0)
        if self.lower is not None and self.upper is not None and not self.lower < self.upper:
            raise InputError(
                "lower must be below upper", given=f"{self.lower} and {self.upper}", do="exchange them"
            )

    @property
    def max_steps(self) -> int:
        """Steps of the warm-up and of the schedule, or the step limit of a penalty."""
        by_schedule = self._warm_up + self._scheduled
        if is_penalty(self.prior):
            return _STEPS if self.n_steps is None else self.n_steps
        return max(_STEPS, by_schedule) if self._is_automatic else by_schedule

    @property
    def _warm_up(self) -> int:
        return 0 if is_penalty(self.prior) else self.warm_up

    @property
    def _is_automatic(self) -> bool:
        return isinstance(self.prior, Automatic)

    @property
    def _scheduled(self) -> int:
        return 12 if self.n_steps is None else self.n_steps

    def init(self, image: Tensor) -> State:
        """Start at a smooth image that agrees with the data."""
        data = make_data(image, self.operator, self.noise)
        u = self._bounded(data.start())
        taken = getattr(self.prior, "spatial_ndims", (1, 2, 3))
        if u.ndim - 2 not in taken:
            raise InputError(
                f"{self.prior.name} takes images of {' or '.join(map(str, taken))} spatial axes",
                given=f"an image of shape {tuple(u.shape)}",
                do="use a penalty as the prior, such as 'tv'",
            )
        size = float(u.amax() - u.amin()) or 1.0
        prior = self.prior.first if isinstance(self.prior, Automatic) else self.prior
        is_given = self.weight is not None and is_penalty(prior)
        weight = float(self.weight or 0.0) if is_given else data.noise * _TAU
        zero, misfit = torch.zeros_like(u), data.misfit(u) / data.noise
        return State(
            image, data, size, prior, u, u, zero, u, zero, None, weight, misfit, None, float("inf"), 1.0, 0
        )

    def step(self, state: State) -> State:
        """A data step and a denoising step."""
        state = self._data_step(state, *self._level(state))
        penalised = is_penalty(state.prior) or state.n_steps < self._warm_up
        if penalised and self._corrects(state) and state.n_steps % _WEIGHT_EVERY == _WEIGHT_EVERY - 1:
            state = self._corrected(state)
        state = replace(state, n_steps=state.n_steps + 1)
        return self._after_warm_up(state) if state.n_steps == self._warm_up else state

    def _after_warm_up(self, state: State) -> State:
        """The prior chosen where it is automatic; a method starts without total variation's multipliers."""
        prior = state.prior
        if isinstance(self.prior, Automatic) and self.weight is None:
            prior = self.prior.choose(state.z, self.operator, state.data.noise)
        if is_penalty(prior):
            return state
        return replace(state, prior=prior, w=torch.zeros_like(state.w), dual=None)

    def _level(self, state: State) -> tuple[Any, float, float, float]:
        """The prior of the next step, its strength, the level of the errors, and ρ."""
        k, noise = state.n_steps - self._warm_up, state.data.noise
        if is_penalty(state.prior) or k < 0:
            prior = state.prior if is_penalty(state.prior) else TotalVariation(channels="joint")
            rho = max(state.weight / (_TAU * state.range), _LEAST_RHO)
            return prior, state.weight / rho, state.weight / rho, rho
        first = max(_FIRST * state.range + _PER_NOISE * noise, noise)
        share = k / max(self._scheduled - 1, 1)
        level = first ** (1 - share) * noise**share
        rho = (noise / level) ** 2
        return state.prior, self._jump_weight(state.prior, noise) / rho, level, rho

    def _jump_weight(self, prior: Any, noise: float) -> float:
        if self.weight is not None:
            return self.weight
        name = getattr(prior, "name", "")
        automatic = name in ("region-fusion", "l0", "potts", "potts-descent")
        return _JUMP * noise**2 if automatic else float(getattr(prior, "weight", 1.0))

    def _data_step(self, state: State, prior: Any, strength: float, level: float, rho: float) -> State:
        if self._is_split(prior):
            u = state.data.solve(0.5 * (state.z - state.w + state.b - state.c), 2 * rho, state.u)
            b = self._bounded(u + state.c)
            state = replace(state, b=b, c=state.c + u - b)
        else:
            u = state.data.solve(state.z - state.w, rho, state.u)
        if not bool(torch.isfinite(u).all()):  # the record reports the divergence
            return replace(state, u=u, misfit=float("nan"))
        found = denoise(
            prior, u + state.w, strength, level, dual=state.dual, turn=state.n_steps, tol=self.tol
        )
        z = found.image.to(u) if self._is_split(prior) else self._bounded(found.image.to(u))
        size = float(z.norm()) or 1.0
        residual = max(float((u - z).norm()), float((z - state.z).norm())) / size
        misfit = state.data.misfit(u) / state.data.noise
        changes = {"w": state.w + u - z, "dual": found.dual, "misfit": misfit, "residual": residual}
        return replace(state, u=u, z=z, **changes)

    def _corrects(self, state: State) -> bool:
        by_hand = self.weight is not None and is_penalty(state.prior)
        return not by_hand and not isinstance(state.data, JPEGData)

    def _corrected(self, state: State) -> State:
        """The weight moved towards a misfit as large as the noise, by the secant of both on log scales."""
        misfit, rate = max(state.misfit, 1e-12), 1.0
        here = np.array([np.log(state.weight), np.log(misfit)])
        if state.before is None:  # a probe: where the data are blurred, the misfit hardly tells the weight
            change = np.inf if misfit < 1 else -np.inf
        else:
            moved = here - state.before
            is_told = moved[0] != 0.0 and state.n_steps < _SECANT_STEPS  # later, small steps that settle
            rate = moved[1] / moved[0] if is_told else 1.0
            goal = 1.0 - _ABSORBED * min((rate / _FAST_RATE) ** 2, 1.0)
            change = (np.log(goal) - here[1]) / min(max(rate, _LEAST_RATE), 1.0)
        factor = float(np.exp(min(max(change, -_LARGEST_CORRECTION), _LARGEST_CORRECTION)))
        weight = min(max(state.weight * factor, _LEAST * state.range), _MOST * state.range)
        return replace(state, weight=weight, before=here, change=abs(float(change)))

    def _is_split(self, prior: Any) -> bool:
        """Whether the bounds have a copy of u: the answer of a method is clamped, a convex prox is not."""
        return is_penalty(prior) and (self.lower is not None or self.upper is not None)

    def _bounded(self, u: Tensor) -> Tensor:
        if self.lower is None and self.upper is None:
            return u
        return u.clamp(self.lower, self.upper)

    def image(self, state: State) -> Tensor:
        """Z within the bounds; for a JPEG file, the nearest image that the file allows."""
        z = state.z
        if isinstance(state.data, JPEGData):
            z = state.data.constraint.project(z)
        return self._bounded(z).to(state.source.real.dtype)

    def record(self, state: State) -> dict[str, float]:
        """The misfit in units of the noise, the noise, the residual, and the weight."""
        scale = getattr(state.data, "scale", 1.0)
        weight = state.weight
        if state.n_steps > self._warm_up and not is_penalty(state.prior):
            weight = self._jump_weight(state.prior, state.data.noise)
        return {
            "misfit": state.misfit,
            "noise": state.data.noise * scale,
            "residual": state.residual,
            "weight": weight,
        }

    def finished(self, state: State) -> Status | None:
        """With a penalty when u and z agree and the misfit has settled; with a method, after its schedule."""
        if not is_penalty(state.prior):
            over = state.n_steps >= self._warm_up + self._scheduled
            return Status.CONVERGED if over else None
        if self._is_automatic and self.weight is None and state.n_steps < self._warm_up:
            return None  # the prior is chosen then
        settled = not self._corrects(state) or (abs(state.misfit - 1) < _SETTLED and state.change < _SMALL)
        return Status.CONVERGED if state.residual <= self.tol and settled else None
