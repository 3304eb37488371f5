"""The one driver: runs any iteration, keeps time, history, limits and interrupts."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.arrays import to_tensor
from jumpset._core.types import Iteration, Status
from jumpset.running.batches import SequentialBatch
from jumpset.running.checkpoints import Checkpoint


@dataclass(frozen=True)
class Step:
    """What a callback or a stop function sees."""

    n_steps: int
    """Steps done so far."""
    max_steps: int
    """Steps after which the run ends in any case."""
    elapsed: float
    """Seconds spent in the method, callbacks not counted."""
    record: Mapping[str, float]
    """The method's numbers at this step: energies, residuals."""
    _image: Callable[[], Any] = field(repr=False)

    @property
    def image(self) -> Any:
        """The picture so far, of the caller's kind and dtype (made when asked for)."""
        return self._image()


@dataclass(frozen=True)
class Result:
    """What a run leaves."""

    image: Any
    """The picture: the kind, shape and dtype that came in."""
    status: Status
    """How it ended; ``status.value`` is advice."""
    n_steps: int
    """Steps done."""
    elapsed: float
    """Seconds spent in the method; callbacks and evaluation are not in it."""
    history: dict[str, list[float]]
    """``"step"``, ``"seconds"`` and the method's own numbers, one entry a reading."""
    method: Iteration
    """The hyper-parameters that were run."""
    state: Any = field(repr=False)
    """The method's last state."""


class Snapshots:
    """A callback that keeps the picture every ``every`` steps, for films and previews.

    Examples
    --------
    >>> film = Snapshots(every=5)
    >>> result = run(method, image, callback=film)  # doctest: +SKIP
    >>> film.images  # doctest: +SKIP
    """

    def __init__(self, every: int = 1) -> None:
        checks.integer("every", every, at_least=1)
        self.every = every
        self.steps: list[int] = []
        self.images: list[Any] = []

    def __call__(self, step: Step) -> None:
        """Keep the picture if ``every`` steps have passed."""
        if not self.steps or step.n_steps - self.steps[-1] >= self.every:
            self.steps.append(step.n_steps)
            self.images.append(step.image)


def run(
    method: Iteration,
    image: Any,
    *,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    stop: Callable[[Step], bool] | None = None,
    callback: Callable[[Step], object] | None = None,
    check_every: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    channel_axis: int | None = -1,
    alpha: bool | None = None,
    value_range: tuple[float, float] | None = None,
    device: str | torch.device | None = None,
) -> Result:
    """Run a method on a picture until it has finished or a limit is reached.

    Parameters
    ----------
    method
        An iteration, e.g. ``js.smoothers.TV(weight=0.1)``.
    image
        ``(H, W)`` or ``(H, W, C)`` NumPy array, or ``(B, C, H, W)`` tensor; bool, any integer or float
        dtype. Integers are scaled by their dtype's range, floats are taken as they are.
    max_steps
        Step limit; default: the method's own.
    max_seconds
        Time limit in seconds, looked at between steps; those before a checkpoint do not count.
    stop
        ``stop(step) -> bool``; true ends the run with ``Status.STOPPED``.
    callback
        ``callback(step)`` at every reading; its time is not in ``elapsed``. ``step.image`` is the picture so
        far, for a live preview.
    check_every
        Steps between readings of history and stopping rules; default: the method's own.
    checkpoint
        A file that the run is saved to, and goes on from where it exists: the answer is then that of a run
        which was never interrupted, bit for bit on one machine and device. It is written as a whole, every
        ``checkpoint_every`` steps and at the end, but for ends by Ctrl-C or divergence, and is left there.
        Picture and method must be those it was made with; limits may differ.
    checkpoint_every
        Steps between two savings; default: ten readings.
    channel_axis
        Which axis of a 3-D NumPy array holds the channels.
    alpha
        Whether the last channel of a NumPy array is alpha, passed through untouched.
        Default: yes for four uint8 channels, no for all else.
    value_range
        The values that stand for intensity 0 and 1, e.g. ``(0, 4095)`` for 12-bit data in uint16.
    device
        Where to compute; default: the tensor's own device, the CPU for arrays.

    Returns
    -------
    Result
        Picture, status, step count, seconds, history, method and state. Ctrl-C during the run gives a
        result with ``Status.INTERRUPTED`` and the picture so far.

    Raises
    ------
    InputError
        For a picture or an option that cannot be used, or a checkpoint of another run, before any work.
    FileError
        If the checkpoint cannot be read or written.
    """
    if max_steps is not None:
        checks.integer("max_steps", max_steps, at_least=0)
    if max_seconds is not None:
        checks.real("max_seconds", max_seconds, above=0.0)
    if check_every is not None:
        checks.integer("check_every", check_every, at_least=1)
    tensor, layout = to_tensor(
        image, channel_axis=channel_axis, alpha=alpha, value_range=value_range, device=device
    )
    limit = method.max_steps if max_steps is None else max_steps
    every = check_every or method.check_every
    steps = method if method.batched or len(tensor) == 1 else SequentialBatch(method, every)
    back = layout.restore
    history: dict[str, list[float]] = {"step": [], "seconds": []}
    file = None if checkpoint is None else Checkpoint(checkpoint, method, tensor, every=checkpoint_every)

    clock = _Clock(tensor)
    with torch.no_grad():
        state, n_steps, status = steps.init(tensor), 0, None
        saved = None if file is None else file.load(state)
        if saved is not None:
            state, n_steps, history = saved.state, saved.n_steps, saved.history
            clock.advance(saved.seconds)
            if history["step"] and history["step"][-1] == n_steps:  # this step will be read once more
                history = {key: values[:-1] for key, values in history.items()}
        before = 0.0 if saved is None else saved.seconds
        sound, kept = state, n_steps  # the last state whose record was finite, the last step that was saved
        try:
            while status is None:
                if n_steps % every == 0 or n_steps >= limit:
                    record = steps.record(state)
                    with clock.paused():
                        _append(history, n_steps, clock.elapsed, record)
                    if not all(math.isfinite(v) for v in record.values()):
                        status = Status.DIVERGED
                        break
                    sound = state
                    status = steps.finished(state)
                    if callback is not None or stop is not None:
                        with clock.paused():
                            seen = Step(
                                n_steps, limit, clock.elapsed, record, lambda s=state: back(steps.image(s))
                            )
                            if callback is not None:
                                callback(seen)
                            if status is None and stop is not None and stop(seen):
                                status = Status.STOPPED
                    if status is not None:
                        break
                if file is not None and n_steps >= kept + file.every:
                    with clock.paused():
                        file.save(state, n_steps, clock.elapsed, history)
                    kept = n_steps
                if n_steps >= limit:
                    status = Status.MAX_STEPS
                elif max_seconds is not None and clock.elapsed - before >= max_seconds:
                    status = Status.TIME_LIMIT
                else:
                    state = steps.step(state)
                    n_steps += 1
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
        if file is not None and n_steps > kept and status not in (Status.DIVERGED, Status.INTERRUPTED):
            # an interrupt may come in the middle of a step, which networks take in place
            with clock.paused():
                file.save(state, n_steps, clock.elapsed, history)
        answer = steps.image(sound if status is Status.DIVERGED else state)
        clock.stop()
    return Result(back(answer), status, n_steps, clock.elapsed, history, method, state)


def _append(
    history: dict[str, list[float]], n_steps: int, seconds: float, record: Mapping[str, float]
) -> None:
    row = {"step": n_steps, "seconds": seconds, **record}
    for key, value in row.items():
        history.setdefault(key, []).append(value)


class _Clock:
    """Seconds of work on the tensor's device, without the pauses."""

    def __init__(self, tensor: Tensor) -> None:
        self._device = tensor.device
        self._start = time.perf_counter()
        self._pauses = 0.0
        self._stopped: float | None = None

    @property
    def elapsed(self) -> float:
        now = time.perf_counter() if self._stopped is None else self._stopped
        return now - self._start - self._pauses

    def advance(self, seconds: float) -> None:
        self._start -= seconds

    def stop(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._stopped = time.perf_counter()

    def paused(self) -> _Pause:
        return _Pause(self)


class _Pause:
    def __init__(self, clock: _Clock) -> None:
        self._clock = clock

    def __enter__(self) -> None:
        # stopping here makes `elapsed` read the moment of the pause
        self._clock._stopped = self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._clock._pauses += time.perf_counter() - self._began
        self._clock._stopped = None
