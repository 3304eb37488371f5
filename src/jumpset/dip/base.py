"""The settings and the state that all deep image priors share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from torch import Tensor

from jumpset._core.types import Iteration, Status
from jumpset.dip.fitting import Fit
from jumpset.dip.networks import Architecture
from jumpset.dip.stopping import VarianceEarlyStopping
from jumpset.operators.observations import Observation


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

    def record(self, state: AnyState) -> dict[str, float]:
        """The objective before the last step, and the number of returns to earlier weights."""
        return {"loss": state.loss.item(), "rollbacks": float(state.rollbacks)}
