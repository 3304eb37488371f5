"""What every part of the package agrees on: how a run ended, and what an iteration is."""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar, Protocol, TypeVar

from torch import Tensor

State = TypeVar("State")


class Status(Enum):
    """How a run ended. The value is advice to the user.

    ``CONVERGED`` says that the method's own stopping rule was met; for a nonconvex
    method that is a fixed point or the end of its schedule, never a proof of optimality.
    """

    CONVERGED = "the method's own stopping rule was met"
    MAX_STEPS = "the step limit came first; raise max_steps if the residual is still falling"
    TIME_LIMIT = "the time limit came first; the picture is the best so far, raise max_seconds for more"
    STOPPED = "the caller's stop function asked for the end"
    INTERRUPTED = "interrupted from the keyboard; the picture is the best so far"
    DIVERGED = "a value became infinite or NaN; the picture is the last sound one, lower step_size or weight"


class Iteration(Protocol[State]):
    """One published method: a frozen dataclass of hyper-parameters that :func:`jumpset.run` drives.

    ``image`` tensors are ``(B, C, H, W)``, float32 or float64, intensities in [0, 1], on any device.
    A direct method is an iteration of one step.
    """

    name: ClassVar[str]
    """The name used by :func:`jumpset.smooth` and the command line."""
    paper: ClassVar[str]
    """Authors, title or venue, year."""
    presets: ClassVar[dict[str, dict[str, Any]]]
    """Named settings: preset name to hyper-parameters."""
    batched: ClassVar[bool]
    """Whether ``init`` takes B > 1 pictures, each treated as if alone; otherwise :func:`jumpset.run` takes a
    step with each in turn."""
    check_every: ClassVar[int]
    """Steps between two readings of ``record`` and ``finished`` (each reading waits for a GPU)."""

    @property
    def max_steps(self) -> int:
        """Steps of the method's own schedule, or its step limit."""
        ...

    def init(self, image: Tensor) -> State:
        """Everything that happens before the first step."""
        ...

    def step(self, state: State) -> State:
        """One iteration."""
        ...

    def image(self, state: State) -> Tensor:
        """The answer so far: usable after any step, and right after ``init``."""
        ...

    def record(self, state: State) -> dict[str, float]:
        """Numbers for the history: energies, residuals. All must be finite while all is well."""
        ...

    def finished(self, state: State) -> Status | None:
        """``Status.CONVERGED`` when the method's own rule is met, else ``None``."""
        ...
