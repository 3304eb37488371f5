"""The deep image prior with an l0 gradient term, by ADMM (Tran, Bui & Xin 2026)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import Iteration, Status
from jumpset.dip.fitting import Fit, blend, single
from jumpset.dip.initialize import (
    STARTS,
    check_start,
    initialize,
    read_tables,
)
from jumpset.dip.memory import check_tile
from jumpset.dip.networks import ARCHITECTURES
from jumpset.dip.stopping import VarianceEarlyStopping
from jumpset.jpeg.chroma import ChromaSubsampling
from jumpset.jpeg.observation import JPEGObservation
from jumpset.operators.autocast import PRECISIONS
from jumpset.operators.observations import Observation, check_operator, observe
from jumpset.smoothers.jump_penalty import SOLVERS, flatten
from jumpset.texture.whitened_colors import WhitenedColors


@dataclass(frozen=True)
class State:
    """A step changes ``fit`` in place and nothing else: ``image`` and ``record`` do not read it."""

    source: Tensor  # (1, C, H, W), the picture as given
    observation: Observation  # of the picture in float32; all that follow are in its coordinates
    fit: Fit
    v: Tensor  # the piecewise constant copy of the output
    w: Tensor  # the multipliers of v = g
    flat: Tensor  # the start, where it has a share in anything; else f
    average: Tensor  # the answer, a running average of the outputs
    stopping: VarianceEarlyStopping | None  # where the method stops by itself
    loss: Tensor  # fidelity plus coupling, before the last Adam step
    sound: Tensor  # whether the output of that step was finite and no jump
    residual: Tensor  # root mean square of v - g after the last outer iteration
    rollbacks: int  # returns to earlier weights so far
    n_steps: int  # Adam steps done


_CAREFUL = 0.05  # of the step size, where the network corrects a good picture
_FLATTENINGS = 6
_SLIGHT = 0.2  # of the weight, in each

_PAPER: dict[str, Any] = {
    "solver": "region-fusion",
    "feed": "noise",
    "start": "random",
    "outer_steps": 100,
    "inner_steps": 25,
    "step_size": 0.001,
    "levels": 50,
    "anchor": 0.0,
    "precision": "float32",
}


@dataclass(frozen=True)
class DIPl0(Iteration[State]):
    r"""Deep image prior with an l0 gradient term: a network's picture that wants to be piecewise constant.

    Looks for weights θ of a network g of a fixed input z, and a picture v, with a small value of

    .. math:: \| A g_\theta(z) - f \|^2 + \text{weight} \, \| \nabla v \|_0
              \quad \text{subject to} \quad v = g_\theta(z)

    (no ½; sums over pixels and channels; ‖∇v‖₀ counts the pairs of neighbours that differ in any channel) by
    ADMM with multipliers w. A is the identity, or the ``operator`` through which the picture was seen: a mask
    (inpainting), a blur, fewer pixels (super-resolution). One outer iteration is

    .. math:: \theta &\leftarrow \text{some Adam steps down } \| A g - f \|^2 + \langle w, v - g \rangle
              + \tfrac{\rho}{2} \| v - g \|^2 \\
              v &\leftarrow \text{a small value of } \| v - (g - w / \rho) \|^2
              + \tfrac{2 \, \text{weight}}{\rho} \| \nabla v \|_0 \\
              w &\leftarrow w + \rho (v - g) \\
              \text{answer} &\leftarrow \text{average} \cdot \text{answer} + (1 - \text{average}) \cdot g

    The answer, of which the start may have a share, is smooth to the eye, not exactly flat.

    Parameters
    ----------
    weight
        λ, in squared intensities; useful from 0.005 (grain) to 0.1 (poster). Larger is flatter.
    rho
        The paper's β, the coupling of v to the network's picture, the same in all iterations.
    solver
        Of the step for v: ``"region-fusion"`` (the paper's, and the fastest), ``"potts"``,
        ``"potts-descent"``, or ``"l0"``, which counts pixels with a jump instead of pairs.
    network
        ``"full"`` (2.2 million weights, the paper's), ``"jpeg"`` (0.57 million) or ``"thin"`` (0.26 million,
        few of them at full resolution: about 20 times faster on a CPU).
    feed
        The input z: ``"noise"``, or ``"picture"``, which is f beside the start.
    start
        ``"structure-texture"``: v and the answer start at :class:`jumpset.smoothers.StructureTexture` of f
        with weight / 0.025, w at 0, and the network corrects it, see Notes. Where that finds no texture, or
        detail that is no texture (a photograph), and with ``tables`` or an ``operator``, as the next.
        ``"region-fusion"``: they start at region fusion of f with penalty ``weight``, and the network draws
        the whole picture. A picture of the answer's size, an array or a tensor as :func:`jumpset.run` takes
        it: the same with that picture, e.g. another method's answer, which also takes region fusion's place
        in ``feed`` and ``anchor``. ``"jumpset-net"``: that of the trained network
        :class:`jumpset.learned.JumpsetNet`, after which the method is no longer free of training data.
        ``"random"``: v and w uniform in [0, 1), the answer starts at f.
    outer_steps
        Outer iterations.
    inner_steps
        Adam steps in each; one step of this method is one Adam step.
    step_size
        Adam's learning rate. One Adam serves the whole run. For a correction a twentieth of it.
    average
        How much of the answer each outer iteration keeps; 0 takes the last picture.
    anchor
        Share of the start in the answer. The errors of region fusion and those of the network's pictures
        are nearly independent, so the mix is better than both. Taken as 0 with ``tables`` or an ``operator``,
        through which the start sees less than the network.
    levels
        Levels of region fusion; more is slower and slightly lower in energy.
    patience
        Stop when the running variance of the outputs has not fallen for so many outer iterations, and return
        the answer of the time when it was least (:class:`jumpset.dip.stopping.VarianceEarlyStopping`);
        0 runs all.
    tables
        The picture is a JPEG file's: its ``JPEGTables``, or the file, whose tables are read; the command line
        does so by itself where the start is the default. f is then what the file holds before values are
        clipped to [0, 1], A is the file's subsampling of chroma, and the answer u is at last flattened within
        what the file may stand for, six times :math:`u \leftarrow \Pi(\text{l0}(u))` with a fifth of
        ``weight`` and Π of :class:`jumpset.learned.DeJPEG`. Not with an ``operator``.
    operator
        A, with ``A(g)`` and ``A.adjoint(f)``, e.g. one of ``jumpset.operators.linear``; the answer has the
        size of ``A.adjoint(f)``. None: the identity. With one, argmin ‖A u − f‖² + 0.001 ‖∇u‖² takes the
        place of f in ``feed`` and ``start``.
    tile
        Side in pixels of overlapping tiles, as in :class:`DIP`; v and w are those of the whole picture.
    precision
        Of the network's layers: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the device
        multiplies it faster, which takes a third of the time with the full network and two thirds with the
        thin one. Weights, loss and Adam stay in float32.
    compiled
        Have ``torch.compile`` fuse the network's layers, which takes a C++ compiler on a CPU and about a
        minute before the first step. There a step of the full network then takes 30 % less time, one of the
        thin network more. The answer differs by rounding.
    seed
        Of weights, noise and random starts; the same seed repeats the run bit for bit on one machine and
        device.

    Raises
    ------
    InputError
        A parameter out of range, a start of another size, more than one picture, or too little memory.
    FileError
        ``tables`` is a file that holds none.

    Notes
    -----
    Tran, Bui & Xin, deep image prior with l0 gradient regularisation, 2026. ``preset="paper"`` and
    ``preset="paper-jpeg"`` (JPEG artifacts) are the paper's method; ``preset="jpeg"`` is the default seen
    through :class:`jumpset.jpeg.chroma.ChromaSubsampling`, so that colours get their sharp edges back.
    Differences of the default from it: (1) the network is thin, with zeros at the borders of its layers; (2)
    it is fed with the picture and the start, not with noise, as edges need not grow from noise; (3)
    ``start``; (4) 2 Adam steps an outer iteration, not 25; (5) step size 0.02, not 0.001; (6) 20 levels in
    region fusion, not 50; (7) ``anchor``; (8) in a textured picture the network's output is added to the
    start, at first as zeros, a value of it at most 0.1, and the fidelity is
    :math:`\sigma^2 (g - f)^\top C^{-1} (g - f)`, that of v to g alike, for the covariance C of the texture's
    colours and σ² the mean of its diagonal: a colour in which the texture is faint counts more.
    Of all settings: (9) the merge order of :class:`RegionFusion`; (10) a picture smaller than 64 pixels gets
    a network with fewer scales; (11) the picture is padded once and cropped; (12) a step after which the
    output leaves the picture by 5 dB is taken back with those since the last good one (``"rollbacks"`` in the
    history); (13) ``patience``, of Wang et al. 2021, off in the presets that are the paper's.
    """

    weight: float = 0.025
    rho: float = 2.25
    solver: str = "region-fusion"
    network: str = "thin"
    feed: str = "picture"
    start: Any = "structure-texture"
    outer_steps: int = 120
    inner_steps: int = 2
    step_size: float = 0.02
    average: float = 0.9
    anchor: float = 0.4
    levels: int = 20
    patience: int = 0
    tables: Any = None
    operator: Any = None
    tile: int = 0
    precision: str = "auto"
    compiled: bool = False
    seed: int = 0

    name: ClassVar[str] = "dip-l0"
    paper: ClassVar[str] = "Tran, Bui & Xin, 2026"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"network": "full", **_PAPER},
        "paper-jpeg": {"network": "jpeg", "rho": 2.0, **_PAPER},
        "jpeg": {"operator": ChromaSubsampling(), "weight": 0.025},
        "fast": {"outer_steps": 50},
        "early-stopping": {"patience": 20},
    }
    batched: ClassVar[bool] = False
    check_every: ClassVar[int] = 25

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.real("rho", self.rho, above=0.0)
        checks.one_of("solver", self.solver, SOLVERS)
        checks.one_of("network", self.network, ARCHITECTURES)
        checks.one_of("feed", self.feed, ("picture", "noise"))
        check_start(self.start, STARTS)
        checks.integer("outer_steps", self.outer_steps, at_least=0)
        checks.integer("inner_steps", self.inner_steps, at_least=1)
        checks.real("step_size", self.step_size, above=0.0, at_most=10.0)
        checks.real("average", self.average, at_least=0.0, below=1.0)
        checks.real("anchor", self.anchor, at_least=0.0, at_most=1.0)
        checks.integer("levels", self.levels, at_least=1)
        checks.integer("patience", self.patience, at_least=0)
        object.__setattr__(self, "tables", read_tables(self.tables))
        check_operator(self.operator)
        if self.tables is not None and self.operator is not None:
            raise InputError(
                "a JPEG file's own operator is that of its chroma",
                given=f"tables and operator={self.operator!r}",
                do="pass one of them",
            )
        check_tile(self.tile)
        checks.one_of("precision", self.precision, PRECISIONS)
        checks.flag("compiled", self.compiled)
        checks.integer("seed", self.seed, at_least=0)

    @property
    def max_steps(self) -> int:
        """Adam steps of the whole schedule."""
        return self.outer_steps * self.inner_steps

    def init(self, image: Tensor) -> State:
        """A fresh network, and v, w and the answer as ``start`` says."""
        observation = self._observe(single(image))
        used = self.feed == "picture" or self.anchor > 0.0 or not self._starts("random")
        # what an operator leaves of a texture is no longer stationary
        plain = self._starts("structure-texture") and not self._sees_all
        start = "region-fusion" if plain else self.start
        observation, flat = initialize(observation, start, self.weight, self.levels, used=used)
        corrects = isinstance(observation, WhitenedColors)
        first = observation.initial()
        fit = Fit(
            first,
            network=self.network,
            step_size=self.step_size * (_CAREFUL if corrects else 1.0),
            seed=self.seed,
            feed=(flat, first) if self.feed == "picture" else (),
            around=flat if corrects else None,
            precision=self.precision,
            compiled=self.compiled,
            tile=self.tile,
        )
        if self._starts("random"):
            generator = torch.Generator().manual_seed(self.seed)
            v, w = (torch.rand(first.shape, generator=generator).to(first) for _ in range(2))
            answer = first
        else:
            v, w, answer = flat, torch.zeros_like(first), flat
        stopping = VarianceEarlyStopping.begin(answer) if self.patience else None
        g = fit.output()
        loss, residual = self.objective(g, observation, v, w), _rms(v - g)
        sound = torch.isfinite(loss)
        return State(
            image, observation, fit, v, w, flat, answer, stopping, loss, sound, residual, 0, n_steps=0
        )

    def step(self, state: State) -> State:
        """One Adam step; every ``inner_steps``-th also completes an outer iteration."""
        _, loss, sound = state.fit.step(lambda g: self.objective(g, state.observation, state.v, state.w))
        rollbacks, n = state.fit.rollbacks, state.n_steps + 1
        state = replace(state, loss=loss, sound=sound, rollbacks=rollbacks, n_steps=n)
        return self._outer(state) if state.n_steps % self.inner_steps == 0 else state

    def _outer(self, state: State) -> State:
        g = state.fit.output()
        residual = _rms(state.v - g)
        if not torch.isfinite(residual):  # region fusion is for numbers; the record shows that they are gone
            return replace(state, residual=residual)
        weight = self.weight * state.observation.scale
        v = flatten(g - state.w / self.rho, 2 * weight / self.rho, self.solver, self.levels)
        w = state.w + self.rho * (v - g)
        average = blend(state.average, g, self.average, state.sound)
        stopping = state.stopping and state.stopping.seen(g, average, state.sound)
        return replace(state, v=v, w=w, average=average, stopping=stopping, residual=_rms(v - g))

    def _observe(self, f: Tensor) -> Observation:
        return observe(f, self.operator) if self.tables is None else JPEGObservation.of(f, self.tables)

    def _within(self, observation: Observation, u: Tensor) -> Tensor:
        u = observation.project(u)
        for _ in range(_FLATTENINGS if observation.is_constrained else 0):
            u = observation.project(flatten(u, _SLIGHT * self.weight, "l0", self.levels))
        return u

    @property
    def reads_tables(self) -> bool:
        """Whether the tables of a JPEG file are of use; not to a setting that is the paper's."""
        return self.operator is None and self._starts("structure-texture")

    @property
    def _sees_all(self) -> bool:
        return self.tables is None and self.operator is None

    def _starts(self, name: str) -> bool:
        return isinstance(self.start, str) and self.start == name  # it may be a picture

    def objective(self, g: Tensor, observation: Observation, v: Tensor, w: Tensor) -> Tensor:
        """What the Adam steps lower: ‖A g − f‖² + ⟨w, v − g⟩ + (ρ/2) ‖v − g‖²."""
        fidelity = observation.misfit(g).square().sum()
        coupling = w * (v - g) + self.rho / 2 * (v - g).square()
        return fidelity + coupling.sum()

    def image(self, state: State) -> Tensor:
        """The running average of the outputs, at their stillest with ``patience``, and the start's share."""
        best = state.average if state.stopping is None else state.stopping.best
        anchor = self.anchor if self._sees_all else 0.0
        answer = self._within(state.observation, torch.lerp(best, state.flat, anchor))
        return state.observation.to_image(answer).to(state.source.dtype)

    def record(self, state: State) -> dict[str, float]:
        """The objective of the last Adam step, the root mean square of v − g, and the steps taken back."""
        return {
            "loss": state.loss.item(),
            "residual": state.residual.item(),
            "rollbacks": float(state.rollbacks),
        }

    def finished(self, state: State) -> Status | None:
        """At the end of the schedule, or when patience is at its end."""
        over = state.stopping is not None and state.stopping.over(self.patience)
        return Status.CONVERGED if over or state.n_steps >= self.max_steps else None


def _rms(x: Tensor) -> Tensor:
    return x.square().mean().sqrt()
