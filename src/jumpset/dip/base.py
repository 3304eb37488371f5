"""The settings and the state that all deep image priors share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import Iteration, Status
from jumpset.dip.fitting import Fit
from jumpset.dip.memory import check_tile
from jumpset.dip.networks import Architecture, check_network
from jumpset.dip.stopping import VarianceEarlyStopping
from jumpset.operators.autocast import PRECISIONS
from jumpset.operators.observations import Observation, check_operator


@dataclass(frozen=True)
class State:
    """A step changes ``fit`` in place and nothing else: ``image`` and ``record`` do not read it."""

    source: Tensor  # (1, C, H, W), the image as given
    observation: Observation  # of the image in float32; all tensors below are in its coordinates
    fit: Fit
    average: Tensor  # running average of the outputs, the answer
    stopping: VarianceEarlyStopping | None  # where patience is above 0
    loss: Tensor  # objective before the last step
    rollbacks: int  # returns to earlier weights so far
    n_steps: int  # Adam steps

    @property
    def best(self) -> Tensor:
        """The answer: the average, with early stopping at the least variance of the outputs."""
        return self.average if self.stopping is None else self.stopping.best


AnyState = TypeVar("AnyState", bound=State)


class DeepImagePrior(Iteration[AnyState]):
    """A network fitted to one image. Subclasses have the fields below; :class:`DIP` documents them."""

    network: Architecture
    step_size: float
    average: float
    patience: int
    operator: Any
    tile: int
    precision: str
    compiled: bool
    seed: int

    batched: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_network(self.network)
        checks.real("step_size", self.step_size, above=0.0, at_most=10.0)
        checks.real("average", self.average, at_least=0.0, below=1.0)
        checks.integer("patience", self.patience, at_least=0)
        check_operator(self.operator)
        check_tile(self.tile)
        checks.one_of("precision", self.precision, PRECISIONS)
        checks.flag("compiled", self.compiled)
        checks.integer("seed", self.seed, at_least=0)

    def fit(self, image: Tensor, **settings: Any) -> Fit:
        """A fresh network for an image, with other settings of :class:`~jumpset.dip.fitting.Fit`."""
        shared = {
            "network": self.network,
            "step_size": self.step_size,
            "seed": self.seed,
            "precision": self.precision,
            "compiled": self.compiled,
            "tile": self.tile,
        }
        return Fit(image, **shared | settings)

    def early_stopping(self, answer: Tensor) -> VarianceEarlyStopping | None:
        """The stopping rule before the first output, where patience is above 0."""
        return VarianceEarlyStopping.begin(answer) if self.patience else None

    def finished(self, state: AnyState) -> Status | None:
        """At the end of the schedule, or when the variance has not fallen for ``patience`` outputs."""
        is_over = state.stopping is not None and state.stopping.over(self.patience)
        return Status.CONVERGED if is_over or state.n_steps >= self.max_steps else None
