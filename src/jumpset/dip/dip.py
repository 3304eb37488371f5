"""The deep image prior (Ulyanov, Vedaldi & Lempitsky 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from jumpset import _checks
from jumpset._types import Status
from jumpset.dip.fitting import PRECISIONS, Fit, blend, single
from jumpset.dip.networks import ARCHITECTURES


@dataclass(frozen=True)
class State:
    """``fit`` is changed in place by a step, the tensors never are."""

    source: Tensor  # (1, C, H, W), the picture as given
    target: Tensor  # the picture in float32
    fit: Fit
    average: Tensor  # running average of the outputs, the answer
    loss: Tensor  # before the last step
    n_steps: int


@dataclass(frozen=True)
class DIP:
    r"""Deep image prior: a network fitted to the picture learns its structure before its noise.

    Adam on the weights θ of a convolutional network g of a fixed random input z,

    .. math:: \min_\theta \; \frac{1}{n} \| g_\theta(z) - f \|^2,

    stopped early; n counts pixels times channels. The answer is a running average of the outputs.

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
    precision
        Of the network's layers: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the device has
        instructions for it. Weights, loss and Adam stay in float32.
    seed
        Of weights and noise; the same seed repeats the run bit for bit on one machine and device.

    Raises
    ------
    InputError
        A parameter out of range, or more than one picture.

    Notes
    -----
    D. Ulyanov, A. Vedaldi, V. Lempitsky, "Deep image prior", CVPR 2018. The presets are the paper's:
    ``"denoising"`` and ``"jpeg"``. Differences from the paper: (1) the default is the thin network, with
    zeros at the borders of its layers; (2) a picture smaller than 64 pixels gets a network with fewer
    scales; (3) the picture is padded once and cropped, so its sides need not be multiples of 32.
    """

    network: str = "thin"
    n_steps: int = 1000
    step_size: float = 0.01
    input_noise: float = 1 / 30
    average: float = 0.99
    precision: str = "auto"
    seed: int = 0

    name: ClassVar[str] = "dip"
    paper: ClassVar[str] = "Ulyanov, Vedaldi & Lempitsky, CVPR 2018"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "denoising": {"network": "full", "n_steps": 3000, "precision": "float32"},
        "jpeg": {"network": "jpeg", "n_steps": 2400, "input_noise": 0.0, "precision": "float32"},
    }
    batched: ClassVar[bool] = False
    check_every: ClassVar[int] = 50

    def __post_init__(self) -> None:
        _checks.one_of("network", self.network, ARCHITECTURES)
        _checks.integer("n_steps", self.n_steps, at_least=0)
        _checks.real("step_size", self.step_size, above=0.0, at_most=10.0)
        _checks.real("input_noise", self.input_noise, at_least=0.0)
        _checks.real("average", self.average, at_least=0.0, below=1.0)
        _checks.one_of("precision", self.precision, PRECISIONS)
        _checks.integer("seed", self.seed, at_least=0)

    @property
    def max_steps(self) -> int:
        """``n_steps``."""
        return self.n_steps

    def init(self, image: Tensor) -> State:
        """A fresh network. Before the first step the answer is the picture itself."""
        target = single(image)
        fit = Fit(
            target,
            network=self.network,
            step_size=self.step_size,
            seed=self.seed,
            input_noise=self.input_noise,
            precision=self.precision,
        )
        loss = self.objective(fit.output(), target)
        return State(image, target, fit, average=target, loss=loss, n_steps=0)

    def step(self, state: State) -> State:
        """One Adam step."""
        output, loss = state.fit.step(lambda g: self.objective(g, state.target))
        keep = self.average if state.n_steps > 0 else 0.0  # the average starts at the first output
        average = blend(state.average, output, keep, loss)
        return State(state.source, state.target, state.fit, average, loss, state.n_steps + 1)

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        """What the steps lower, as a tensor of one number."""
        return (output - target).square().mean()

    def image(self, state: State) -> Tensor:
        """The running average of the outputs."""
        return state.average.to(state.source.dtype)

    def record(self, state: State) -> dict[str, float]:
        """The objective before the last step."""
        return {"loss": state.loss.item()}

    def finished(self, state: State) -> Status | None:
        """At the end of the schedule."""
        return Status.CONVERGED if state.n_steps >= self.n_steps else None
