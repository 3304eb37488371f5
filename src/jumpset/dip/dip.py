"""The deep image prior (Ulyanov, Vedaldi & Lempitsky 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import Iteration, Status
from jumpset.dip.fitting import Fit, blend, single
from jumpset.dip.memory import check_tile
from jumpset.dip.networks import ARCHITECTURES
from jumpset.dip.stopping import VarianceEarlyStopping
from jumpset.operators.autocast import PRECISIONS
from jumpset.operators.observations import Observation, check_operator, observe


@dataclass(frozen=True)
class State:
    """A step changes ``fit`` in place and nothing else: ``image`` and ``record`` do not read it."""

    source: Tensor  # (1, C, H, W), the picture as given
    observation: Observation  # of the picture in float32
    fit: Fit
    average: Tensor  # running average of the outputs, the answer
    stopping: VarianceEarlyStopping | None  # where the method stops by itself
    loss: Tensor  # before the last step
    rollbacks: int  # returns to earlier weights so far
    n_steps: int


PUBLISHED: dict[str, Any] = {
    "network": "full",
    "n_steps": 3000,
    "input_noise": 1 / 30,
    "average": 0.99,
    "precision": "float32",
}
"""The paper's setting for noise; the methods that add a term to the objective share it."""


@dataclass(frozen=True)
class DIP(Iteration[State]):
    r"""Deep image prior: a network fitted to the picture learns its structure before its noise.

    Adam on the weights θ of a convolutional network g of a fixed random input z,

    .. math:: \min_\theta \; \frac{1}{n} \| A g_\theta(z) - f \|^2,

    stopped early; n counts the numbers in f. The answer is a running average of the outputs. A is the
    identity, or the ``operator`` through which the picture was seen: a mask (inpainting), a blur, fewer
    pixels (super-resolution).

    Parameters
    ----------
    network
        ``"full"`` (2.2 million weights, the paper's), ``"jpeg"`` (0.57 million, the paper's small one) or
        ``"thin"`` (0.26 million, few of them at full resolution: about 20 times faster on a CPU).
    n_steps
        Adam steps; more steps restore more detail, and in the end the noise too.
    step_size
        Adam's learning rate.
    input_noise
        Standard deviation of the noise added to the input at every step; the input itself lies in [0, 0.1).
    average
        How much of the running average each step keeps; 0 takes the last output.
    patience
        Stop when the running variance of the outputs has not fallen for so many steps, and return the answer
        of the time when it was least (:class:`jumpset.dip.stopping.VarianceEarlyStopping`); 0 runs all steps.
    operator
        A, with ``A(g)`` and ``A.adjoint(f)``, e.g. one of ``jumpset.operators.linear``; the answer has the
        size of ``A.adjoint(f)``. None: the identity.
    tile
        Side in pixels of overlapping tiles, each with a network of its own, fitted together so that the
        blended picture lowers the objective: no seams. At least 64; 0: one network for the whole picture,
        or, where :func:`fit_memory` says that this does not fit, the largest tiles that do.
    precision
        Of the network's layers: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the device
        multiplies it faster. Weights, loss and Adam stay in float32.
    compiled
        Have ``torch.compile`` fuse the network's layers, which takes a C++ compiler on a CPU and about a
        minute before the first step. There a step of the full network then takes 30 % less time, one of the
        thin network more. The answer differs by rounding.
    seed
        Of weights and noise; the same seed repeats the run bit for bit on one machine and device.

    Raises
    ------
    InputError
        A parameter out of range, more than one picture, or too little memory.

    Notes
    -----
    D. Ulyanov, A. Vedaldi, V. Lempitsky, "Deep image prior", CVPR 2018. Presets: the paper's ``"denoising"``
    and ``"jpeg"``; ``"early-stopping"``, the default until ``patience`` ends it. Differences from the paper:
    (1) the default is the thin network, with zeros at the borders of its layers, for 400 steps without noise
    on the input, which a texture takes longer to get through than the structure does, and with a shorter
    average; (2) a picture smaller than 64 pixels gets a network with fewer scales; (3) the picture is padded
    once and cropped, so its sides need not be multiples of 32; (4) a step after which the output leaves the
    picture by 5 dB is taken back with those since the last good one (``"rollbacks"`` in the history), and
    does not enter the average; (5) ``patience``, of Wang et al. 2021.
    """

    network: str = "thin"
    n_steps: int = 400
    step_size: float = 0.01
    input_noise: float = 0.0
    average: float = 0.95
    patience: int = 0
    operator: Any = None
    tile: int = 0
    precision: str = "auto"
    compiled: bool = False
    seed: int = 0

    name: ClassVar[str] = "dip"
    paper: ClassVar[str] = "Ulyanov, Vedaldi & Lempitsky, CVPR 2018"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "denoising": PUBLISHED,
        "jpeg": {"network": "jpeg", "n_steps": 2400, "average": 0.99, "precision": "float32"},
        "early-stopping": {"n_steps": 1200, "patience": 100},
    }
    batched: ClassVar[bool] = False
    check_every: ClassVar[int] = 50

    def __post_init__(self) -> None:
        checks.one_of("network", self.network, ARCHITECTURES)
        checks.integer("n_steps", self.n_steps, at_least=0)
        checks.real("step_size", self.step_size, above=0.0, at_most=10.0)
        checks.real("input_noise", self.input_noise, at_least=0.0)
        checks.real("average", self.average, at_least=0.0, below=1.0)
        checks.integer("patience", self.patience, at_least=0)
        check_operator(self.operator)
        check_tile(self.tile)
        checks.one_of("precision", self.precision, PRECISIONS)
        checks.flag("compiled", self.compiled)
        checks.integer("seed", self.seed, at_least=0)

    @property
    def max_steps(self) -> int:
        """``n_steps``."""
        return self.n_steps

    def init(self, image: Tensor) -> State:
        """A fresh network. Before the first step the answer is the picture, or one that agrees with it."""
        observation = observe(single(image), self.operator)
        first = observation.initial()
        fit = Fit(
            first,
            network=self.network,
            step_size=self.step_size,
            seed=self.seed,
            input_noise=self.input_noise,
            precision=self.precision,
            compiled=self.compiled,
            tile=self.tile,
        )
        stopping = VarianceEarlyStopping.begin(first) if self.patience else None
        loss = self.objective(fit.output(), observation)
        return State(image, observation, fit, first, stopping, loss, rollbacks=0, n_steps=0)

    def step(self, state: State) -> State:
        """One Adam step."""
        output, loss, sound = state.fit.step(lambda g: self.objective(g, state.observation))
        keep = self.average if state.n_steps > 0 else 0.0  # the average starts at the first output
        average = blend(state.average, output, keep, sound)
        stopping = state.stopping and state.stopping.seen(output, average, sound)
        rollbacks, n = state.fit.rollbacks, state.n_steps + 1
        return State(state.source, state.observation, state.fit, average, stopping, loss, rollbacks, n)

    def objective(self, output: Tensor, observation: Observation) -> Tensor:
        """What the steps lower, as a tensor of one number."""
        return observation.misfit(output).square().mean()

    def image(self, state: State) -> Tensor:
        """The running average of the outputs; with ``patience``, as it was when they were stillest."""
        best = state.average if state.stopping is None else state.stopping.best
        return best.to(state.source.dtype)

    def record(self, state: State) -> dict[str, float]:
        """The objective before the last step, and how often steps were taken back."""
        return {"loss": state.loss.item(), "rollbacks": float(state.rollbacks)}

    def finished(self, state: State) -> Status | None:
        """At the end of the schedule, or when patience is at its end."""
        over = state.stopping is not None and state.stopping.over(self.patience)
        return Status.CONVERGED if over or state.n_steps >= self.n_steps else None
