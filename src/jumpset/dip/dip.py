"""The deep image prior (Ulyanov, Vedaldi & Lempitsky 2018)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import component, parameter
from jumpset.dip.base import DeepImagePrior, State
from jumpset.dip.fitting import blend, single
from jumpset.dip.memory import check_tile
from jumpset.dip.networks import FULL, SMALL, THIN, Architecture, architecture, check_network
from jumpset.operators.autocast import PRECISIONS
from jumpset.operators.observations import Observation, check_operator, observe

PUBLISHED: dict[str, Any] = {
    "network": FULL,
    "n_steps": 3000,
    "input_noise": 1 / 30,
    "average": 0.99,
    "precision": "float32",
}
"""The paper's setting for noise; the methods that add a term to the objective share it."""


@dataclass(frozen=True)
class DIP(DeepImagePrior[State]):
    r"""Deep image prior: a network fitted to the image learns its structure before its noise.

    Adam on the weights θ of a convolutional network g of a fixed random input z,

    .. math:: \min_\theta \; \frac{1}{n} \| A g_\theta(z) - f \|^2,

    stopped early; n is the number of values of f. The answer is a running average of the outputs. A is the
    identity, or the ``operator`` through which the image was seen: a mask (inpainting), a blur, fewer
    pixels (super-resolution).

    Parameters
    ----------
    network
        An :class:`Architecture`, or in :func:`jumpset.method` its name: ``"full"`` (2.2 million weights, the
        paper's), ``"jpeg"`` (0.57 million, the paper's small one) or ``"thin"`` (0.26 million, few of them at
        full resolution: about 20 times faster on a CPU).
    n_steps
        Adam steps; more steps restore more detail, and in the end the noise too.
    step_size
        Adam's learning rate.
    input_noise
        Standard deviation of the noise added to the input at every step; the input itself lies in [0, 0.1).
    average
        Share of the running average that each step keeps; 0 takes the last output.
    patience
        Stop when the running variance of the outputs has not fallen for so many steps, and return the answer
        at its minimum; 0 runs all steps.
    operator
        A, with ``A(g)`` and ``A.adjoint(f)``, e.g. one of ``jumpset.operators.linear``; the answer has the
        size of ``A.adjoint(f)``. None: the identity.
    tile
        Side in pixels of overlapping tiles, each with a network of its own, fitted together so that the
        blended output lowers the objective: no seams. At least 64; 0: one network for the whole image,
        or, where :func:`fit_memory` exceeds the free memory, the largest tiles that fit.
    precision
        Precision of the network's layers: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the
        device multiplies it faster, which takes a third of the time with the full network and two thirds
        with the thin one. Weights, loss and Adam stay in float32.
    compiled
        Compile the network's layers by ``torch.compile``, which takes a C++ compiler on a CPU and about a
        minute before the first step. There a step of the full network then takes 30 % less time, one of the
        thin network more. The answer differs by rounding.
    seed
        Seed of weights and noise; the same seed repeats the run bit for bit on one machine and device.

    Raises
    ------
    InputError
        A parameter out of range, more than one image, or too little memory.

    Notes
    -----
    D. Ulyanov, A. Vedaldi, V. Lempitsky, "Deep image prior", CVPR 2018. Presets: the paper's ``"denoising"``
    and ``"jpeg"``; ``"early-stopping"``, the default until ``patience`` ends it. Differences from the paper:
    (1) the default is the thin network, with zeros at the borders of its layers, for 400 steps without noise
    on the input, with which a texture is learned later than the structure, and with a shorter average; (2)
    an image smaller than 64 pixels gets a network with fewer scales; (3) the image is padded once and
    cropped, so its sides need not be multiples of 32; (4) if the output leaves the image by 5 dB, the
    weights return to the last sound ones (``"rollbacks"`` in the history), and that output does not enter
    the average; (5) ``patience``, of Wang et al. 2021.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(48, 64, seed=4)
    >>> result = js.run(image, js.dip.DIP(n_steps=2))  # a real run has hundreds of steps
    >>> result.image.shape
    (48, 64, 3)
    """

    network: Architecture = component(THIN, architecture, check=check_network)
    n_steps: int = parameter(400, checks.integer, at_least=0)
    step_size: float = parameter(0.01, checks.real, above=0.0, at_most=10.0)
    input_noise: float = parameter(0.0, checks.real, at_least=0.0)
    average: float = parameter(0.95, checks.real, at_least=0.0, below=1.0)
    patience: int = parameter(0, checks.integer, at_least=0)
    operator: Any = parameter(None, check_operator)
    tile: int = parameter(0, check_tile)
    precision: str = parameter("auto", checks.one_of, allowed=PRECISIONS)
    compiled: bool = parameter(False, checks.flag)
    seed: int = parameter(0, checks.integer, at_least=0)

    name: ClassVar[str] = "dip"
    paper: ClassVar[str] = "Ulyanov, Vedaldi & Lempitsky, CVPR 2018"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "denoising": PUBLISHED,
        "jpeg": {"network": SMALL, "n_steps": 2400, "average": 0.99, "precision": "float32"},
        "early-stopping": {"n_steps": 1200, "patience": 100},
    }
    check_every: ClassVar[int] = 50

    @property
    def max_steps(self) -> int:
        """``n_steps``."""
        return self.n_steps

    def init(self, image: Tensor) -> State:
        """A fresh network. Before the first step the answer is an image that agrees with the data."""
        observation = observe(single(image), self.operator)
        first = observation.initial()
        fit = self.fit(first, input_noise=self.input_noise)
        loss = self.objective(fit.output(), observation)
        stopping = self.early_stopping(first)
        return State(image, observation, fit, first, stopping, loss, rollbacks=0, n_steps=0)

    def step(self, state: State) -> State:
        """One Adam step."""
        output, loss, sound = state.fit.step(lambda g: self.objective(g, state.observation))
        keep = self.average if state.n_steps > 0 else 0.0  # the average starts at the first output
        average = blend(state.average, output, keep, sound)
        return replace(
            state,
            average=average,
            stopping=state.stopping and state.stopping.seen(output, average, sound),
            loss=loss,
            rollbacks=state.fit.rollbacks,
            n_steps=state.n_steps + 1,
        )

    def objective(self, output: Tensor, observation: Observation) -> Tensor:
        """The objective of the Adam steps, as a tensor of one number."""
        return observation.misfit(output).square().mean()

    def image(self, state: State) -> Tensor:
        """The running average of the outputs; with ``patience``, at their least variance."""
        return state.best.to(state.source.dtype)
