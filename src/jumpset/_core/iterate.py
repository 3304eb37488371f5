"""The one loop: a method as a generator of its states, to which the driver adds limits, history and files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic

from torch import Tensor

from jumpset._core.types import Iteration, State, Status


@dataclass
class Moment(Generic[State]):
    """A state of an iteration. Setting ``status`` ends the iteration with this state."""

    n_steps: int
    state: State
    is_reading: bool = False
    """Whether ``record`` and ``finished`` are read at this step."""
    record: dict[str, float] = field(default_factory=dict)
    """The method's numbers, where the driver has read them."""
    status: Status | None = None


def iterate(
    method: Iteration[State],
    image: Tensor,
    *,
    max_steps: int | None = None,
    check_every: int | None = None,
    start: Moment[State] | None = None,
) -> Iterator[Moment[State]]:
    """Yield the state after ``init`` and after every step, until one of them has a status.

    Parameters
    ----------
    method
        What is iterated.
    image
        ``(B, C, H, W)``.
    max_steps, check_every
        Step limit, and steps between two readings; default: the method's own.
    start
        The moment to start from instead of ``init(image)``, e.g. that of a checkpoint.
    """
    limit = method.max_steps if max_steps is None else max_steps
    every = check_every or method.check_every
    moment = start or Moment(0, method.init(image))
    while True:
        if moment.n_steps % every == 0 or moment.n_steps >= limit:
            moment.is_reading = True
            moment.status = method.finished(moment.state)
        if moment.status is None and moment.n_steps >= limit:
            moment.status = Status.MAX_STEPS
        yield moment
        if moment.status is not None:
            return
        moment = Moment(moment.n_steps + 1, method.step(moment.state))


def final_state(method: Iteration[State], image: Tensor) -> State:
    """Run a method inside another, without limits or history: the state at which it ended."""
    for moment in iterate(method, image):
        if moment.status is not None:
            return moment.state
    raise AssertionError("an iteration ends with a status")


def solve(method: Iteration[State], image: Tensor) -> Tensor:
    """Run a method inside another: its answer to ``(B, C, H, W)``, of the same shape, dtype and device."""
    return method.image(final_state(method, image))
