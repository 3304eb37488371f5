"""The deep image prior with an l0 gradient term, by ADMM (Tran, Bui & Xin 2026)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.iterate import solve
from jumpset._core.types import component, parameter
from jumpset.dip import base
from jumpset.dip.constrained import flatten_within
from jumpset.dip.fitting import Fit, blend, single
from jumpset.dip.initialize import check_solver, check_start, read_tables, starting_image
from jumpset.dip.memory import check_tile
from jumpset.dip.networks import FULL, THIN, Architecture, architecture, check_network
from jumpset.jpeg.chroma import ChromaSubsampling
from jumpset.jpeg.observation import JPEGObservation
from jumpset.operators.autocast import PRECISIONS
from jumpset.operators.observations import Observation, check_operator, observe
from jumpset.smoothers.region_fusion import RegionFusion

PAPER: dict[str, Any] = {
    "solver": RegionFusion(levels=50),
    "network": FULL,
    "network_input": "noise",
    "start": "random",
    "outer_steps": 100,
    "inner_steps": 25,
    "step_size": 0.001,
    "precision": "float32",
}


@dataclass(frozen=True)
class State(base.State):
    """The state of the ADMM; g is the network's output."""

    start: Tensor
    v: Tensor  # the piecewise constant copy of g
    w: Tensor  # the multipliers of v = g
    is_sound: Tensor  # whether g before the last Adam step was finite and no jump
    residual: Tensor  # root mean square of v − g after the last outer iteration


@dataclass(frozen=True)
class DIPl0(base.DeepImagePrior[State]):
    r"""Deep image prior with an l0 gradient term: the network draws a nearly piecewise constant image.

    Looks for weights θ of a network g of a fixed input z, and an image v, with a small value of

    .. math:: \| A g_\theta(z) - f \|^2 + \text{weight} \, \| \nabla v \|_0
              \quad \text{subject to} \quad v = g_\theta(z)

    (no ½; sums over pixels and channels; ‖∇v‖₀ counts the pairs of neighbours that differ in any channel) by
    ADMM with multipliers w. One outer iteration is

    .. math:: \theta &\leftarrow \text{some Adam steps on } \| A g - f \|^2 + \langle w, v - g \rangle
              + \tfrac{\rho}{2} \| v - g \|^2 \\
              v &\leftarrow \text{a small value of } \| v - (g - w / \rho) \|^2
              + \tfrac{2 \, \text{weight}}{\rho} \| \nabla v \|_0 \\
              w &\leftarrow w + \rho (v - g) \\
              \text{answer} &\leftarrow \text{average} \cdot \text{answer} + (1 - \text{average}) \cdot g

    The answer looks smooth; its regions are not exactly flat.

    Parameters
    ----------
    weight
        λ, in squared intensities; useful from 0.005 (grain) to 0.1 (poster). Larger is flatter.
    rho
        The paper's β, the coupling of v to g, the same in all iterations.
    solver
        Solver of the step for v: a method with a ``weight``, which is replaced by 2 weight / ρ. Region fusion
        is the paper's, and the fastest; ``PottsADMM`` and ``PottsDescent`` reach lower energies;
        ``L0Smoothing`` counts pixels with a jump instead of pairs.
    network, average, patience, operator, tile, precision, compiled, seed
        As in :class:`DIP`; ``average`` and ``patience`` count outer iterations, v and w are whole images.
    network_input
        z: ``"noise"``, or ``"image"``, which is f beside the start.
    start
        Start of v and of the answer: None, the answer of ``solver`` for f with penalty ``weight``; another
        method, for its answer for f; an image of the answer's size, as :func:`jumpset.run` takes it; or
        ``"random"``: v and w uniform in [0, 1), the answer starts at f.
    start_blend
        Share of the start in the answer. It helps where the network has few steps (the preset ``fast``).
    outer_steps
        Outer iterations.
    inner_steps
        Adam steps in each; one step of this method is one Adam step.
    step_size
        Adam's learning rate. One Adam serves the whole run.
    tables
        The image is a JPEG file's: its ``JPEGTables``, or the file. f and A are then those of
        :class:`jumpset.jpeg.JPEGObservation`, and the answer is flattened within what the file allows.
        Not with an ``operator``.

    Raises
    ------
    InputError
        A parameter out of range, a start of another size, more than one image, or too little memory.
    FileError
        ``tables`` is a file that holds none.

    Notes
    -----
    Tran, Bui & Xin, deep image prior with l0 gradient regularisation, 2026. ``preset="paper"`` and
    ``preset="paper-jpeg"`` (JPEG artifacts) are the paper's settings; ``preset="jpeg"`` is the default with
    :class:`jumpset.jpeg.ChromaSubsampling` as A, which restores sharp edges of colours. Differences of
    the default from the paper, for a CPU: (1) the network is thin, with zeros at the borders of its layers;
    (2) its input is the image and the start, not noise, so that edges need not grow from noise; (3) the
    start; (4) 2 Adam steps an outer iteration, not 25; (5) step size 0.02, not 0.001; (6) 20 levels in region
    fusion, not 50. Differences of all settings: (7) the merge order of :class:`RegionFusion`; (8) those
    numbered 2 to 5 in :class:`DIP`.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(48, 64, seed=4)
    >>> result = js.run(image, js.dip.DIPl0(outer_steps=1))  # a real run has hundreds of steps
    >>> result.image.shape
    (48, 64, 3)
    """

    weight: float = parameter(0.025, checks.real, at_least=0.0)
    rho: float = parameter(2.25, checks.real, above=0.0)
    solver: Any = component(RegionFusion(levels=20), check=check_solver)
    network: Architecture = component(THIN, architecture, check=check_network)
    network_input: str = parameter("image", checks.one_of, allowed=("image", "noise"))
    start: Any = component(
        None, words=("random",), check=partial(check_start, words=("random",)), is_image=True
    )
    start_blend: float = parameter(0.0, checks.real, at_least=0.0, at_most=1.0)
    outer_steps: int = parameter(120, checks.integer, at_least=0)
    inner_steps: int = parameter(2, checks.integer, at_least=1)
    step_size: float = parameter(0.02, checks.real, above=0.0, at_most=10.0)
    average: float = parameter(0.9, checks.real, at_least=0.0, below=1.0)
    patience: int = parameter(0, checks.integer, at_least=0)
    tables: Any = None
    operator: Any = parameter(None, check_operator)
    tile: int = parameter(0, check_tile)
    precision: str = parameter("auto", checks.one_of, allowed=PRECISIONS)
    compiled: bool = parameter(False, checks.flag)
    seed: int = parameter(0, checks.integer, at_least=0)

    name: ClassVar[str] = "dip-l0"
    paper: ClassVar[str] = "Tran, Bui & Xin, 2026"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": PAPER,
        "paper-jpeg": {**PAPER, "rho": 2.0},
        "jpeg": {"operator": ChromaSubsampling(), "weight": 0.025},
        "fast": {"outer_steps": 50, "start_blend": 0.4},
        "early-stopping": {"patience": 20},
    }
    check_every: ClassVar[int] = 25

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "tables", read_tables(self.tables, self.operator))

    @property
    def max_steps(self) -> int:
        """Adam steps of the whole schedule."""
        return self.outer_steps * self.inner_steps

    @property
    def reads_tables(self) -> bool:
        """Whether the tables of a JPEG file are of use; not to the paper's settings."""
        return self.operator is None and not self._is_random

    @property
    def _is_random(self) -> bool:
        return isinstance(self.start, str)

    def init(self, image: Tensor) -> State:
        """A fresh network, and v, w and the answer as ``start`` says."""
        f = single(image)
        data = observe(f, self.operator) if self.tables is None else JPEGObservation.of(f, self.tables)
        start = first = data.initial()
        if not self._is_random:
            default = replace(self.solver, weight=self.weight)
            start = starting_image(default if self.start is None else self.start, first)
        z = (start, first) if self.network_input == "image" else ()
        return self._begin(image, data, start, self.fit(first, network_input=z))

    def _begin(self, source: Tensor, data: Observation, start: Tensor, fit: Fit) -> State:
        v, w = start, torch.zeros_like(start)
        if self._is_random:
            generator = torch.Generator().manual_seed(self.seed)
            v, w = (torch.rand(start.shape, generator=generator).to(start) for _ in range(2))
        g, stopping = fit.output(), self.early_stopping(start)
        loss = self.objective(g, data, v, w)
        is_sound = torch.isfinite(loss)
        return State(source, data, fit, start, stopping, loss, 0, 0, start, v, w, is_sound, _rms(v - g))

    def step(self, state: State) -> State:
        """One Adam step; every ``inner_steps``-th also completes an outer iteration."""
        _, loss, is_sound = state.fit.step(lambda g: self.objective(g, state.observation, state.v, state.w))
        rollbacks, n = state.fit.rollbacks, state.n_steps + 1
        state = replace(state, loss=loss, is_sound=is_sound, rollbacks=rollbacks, n_steps=n)
        return self._outer(state) if n % self.inner_steps == 0 else state

    def _outer(self, state: State) -> State:
        g = state.fit.output()
        residual = _rms(state.v - g)
        if not torch.isfinite(residual):  # the solver needs finite input; `record` reports the divergence
            return replace(state, residual=residual)
        weight = self.weight * state.observation.scale
        v = solve(replace(self.solver, weight=2 * weight / self.rho), g - state.w / self.rho)
        w = state.w + self.rho * (v - g)
        average = blend(state.average, g, self.average, state.is_sound)
        stopping = state.stopping and state.stopping.seen(g, average, state.is_sound)
        return replace(state, v=v, w=w, average=average, stopping=stopping, residual=_rms(v - g))

    def objective(self, g: Tensor, observation: Observation, v: Tensor, w: Tensor) -> Tensor:
        """The objective of the Adam steps: ‖A g − f‖² + ⟨w, v − g⟩ + (ρ/2) ‖v − g‖²."""
        fidelity = observation.misfit(g).square().sum()
        coupling = w * (v - g) + self.rho / 2 * (v - g).square()
        return fidelity + coupling.sum()

    def image(self, state: State) -> Tensor:
        """The running average of the outputs, blended with the start, within what the data allow."""
        u = torch.lerp(state.best, state.start, self.start_blend)
        u = flatten_within(state.observation, u, self.weight)
        return state.observation.to_image(u).to(state.source.dtype)

    def record(self, state: State) -> dict[str, float]:
        """Also the root mean square of v − g."""
        return {**super().record(state), "residual": state.residual.item()}


def _rms(x: Tensor) -> Tensor:
    return x.square().mean().sqrt()
