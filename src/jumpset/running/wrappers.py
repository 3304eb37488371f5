"""What the driver adds to the one loop, one generator each; every wrapper may end the iteration."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from jumpset._core.errors import FileError
from jumpset._core.iterate import Moment
from jumpset._core.signals import Hold
from jumpset._core.types import Iteration, Status
from jumpset.running.checkpoints import Checkpoint
from jumpset.running.clock import Clock

Moments = Iterator[Moment[Any]]
History = dict[str, list[float]]


@dataclass(frozen=True)
class Step:
    """What a callback or a stop function sees.

    Examples
    --------
    >>> import jumpset as js
    >>> image = js.datasets.coffee()[:32, :48]
    >>> def show(step):
    ...     print(step.n_steps, "of", step.max_steps)
    >>> result = js.run(image, js.method("rtv"), callback=show)
    0 of 4
    1 of 4
    2 of 4
    3 of 4
    4 of 4
    """

    n_steps: int
    """Steps done so far."""
    max_steps: int
    """Steps after which the run ends in any case."""
    elapsed: float
    """Seconds spent in the method, callbacks not counted."""
    record: Mapping[str, float]
    """The method's numbers at this step: energies, residuals."""
    _image: Callable[[], Any] = field(repr=False)
    """Computes :attr:`image`."""

    @property
    def image(self) -> Any:
        """The image at this step, of the caller's kind and dtype (computed when it is read)."""
        return self._image()


def with_history(moments: Moments, method: Iteration[Any], history: History, clock: Clock) -> Moments:
    """Read ``record`` at each reading, and append it to ``history`` with the step and the seconds."""
    for moment in moments:
        if moment.is_reading:
            moment.record = method.record(moment.state)
            with clock.paused(), Hold():  # an interrupt would leave half a row
                row = {"step": moment.n_steps, "seconds": clock.elapsed, **moment.record}
                for key, value in row.items():
                    history.setdefault(key, []).append(value)
        yield moment


def with_rollback(moments: Moments) -> Moments:
    """End at the first record that is not finite, with the state of the last one that was."""
    finite = None
    for moment in moments:
        if moment.is_reading:
            if all(math.isfinite(value) for value in moment.record.values()):
                finite = moment.state
            else:
                moment.status = Status.DIVERGED
                moment.state = moment.state if finite is None else finite
        yield moment


def with_callback(
    moments: Moments,
    method: Iteration[Any],
    callback: Callable[[Step], object] | None,
    stop: Callable[[Step], bool] | None,
    *,
    max_steps: int,
    clock: Clock,
    restore: Callable[[Tensor], Any],
) -> Moments:
    """Call ``callback`` and ``stop`` at each reading; a true ``stop`` ends the iteration.

    ``Step.image`` is computed when it is read, and at once for a method that works in place.
    """
    for moment in moments:
        if moment.is_reading and moment.status is not Status.DIVERGED:
            with clock.paused():
                image = partial(_answer, method, moment.state, restore)
                if method.in_place:
                    image = partial(_same, image())
                step = Step(moment.n_steps, max_steps, clock.elapsed, moment.record, image)
                if callback is not None:
                    callback(step)
                undecided = moment.status in (None, Status.MAX_STEPS)
                if undecided and stop is not None and stop(step):
                    moment.status = Status.STOPPED
        yield moment


def with_time_limit(moments: Moments, clock: Clock, max_seconds: float) -> Moments:
    """End after ``max_seconds`` of work; those before a checkpoint do not count."""
    for moment in moments:
        if moment.status is None and clock.elapsed - clock.before >= max_seconds:
            moment.status = Status.TIME_LIMIT
        yield moment


def with_checkpoints(moments: Moments, file: Checkpoint, history: History, clock: Clock) -> Moments:
    """Save every ``file.every`` steps and at the end, but not after a divergence.

    A file that cannot be written, e.g. since the disk is full, is a warning: the run goes on, and tries again
    when the next saving is due.
    """
    saved: int | None = None
    for moment in moments:
        saved = moment.n_steps if saved is None else saved  # the first moment is that of the file
        is_due = moment.n_steps >= saved + file.every or moment.status is not None
        if is_due and moment.n_steps > saved and moment.status is not Status.DIVERGED:
            with clock.paused():
                try:
                    file.save(moment.state, moment.n_steps, clock.elapsed, history)
                except FileError as error:
                    warnings.warn(f"{error}; the run goes on without it", stacklevel=2)
            saved = moment.n_steps
        yield moment


def _answer(method: Iteration[Any], state: Any, restore: Callable[[Tensor], Any]) -> Any:
    return restore(method.image(state))


def _same(image: Any) -> Any:
    return image
