"""The driver: runs any method, with history, limits, callbacks, checkpoints and Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.arrays import ValueRange
from jumpset._core.axes import from_batch
from jumpset._core.errors import InputError
from jumpset._core.iterate import Moment, iterate
from jumpset._core.signals import Hold
from jumpset._core.text import brief
from jumpset._core.types import Iteration, Status
from jumpset.running import wrappers
from jumpset.running.batches import SequentialBatch
from jumpset.running.batches import State as BatchState
from jumpset.running.checkpoints import Checkpoint
from jumpset.running.clock import Clock
from jumpset.running.inputs import read_input, warn_if_constant
from jumpset.running.wrappers import Step


@dataclass(frozen=True)
class Result:
    """What :func:`run` returns.

    Examples
    --------
    >>> import jumpset as js
    >>> result = js.run(js.datasets.coffee()[:32, :48], js.method("tv", weight=0.1))
    >>> result.image.shape, result.status.name
    ((32, 48, 3), 'CONVERGED')
    >>> sorted(result.history)
    ['energy', 'gap', 'seconds', 'step']
    """

    image: Any
    """The answer, of the kind, shape and dtype of the input."""
    status: Status
    """How the run ended; ``status.value`` is advice."""
    n_steps: int
    """Steps done."""
    elapsed: float
    """Seconds spent in the method; the time of callbacks and evaluation is not counted."""
    history: dict[str, list[float]]
    """``"step"``, ``"seconds"`` and the method's own numbers, one entry a reading."""
    method: Iteration[Any]
    """The hyper-parameters that were run."""
    state: Any = field(repr=False)
    """The method's last state, after a divergence the last finite one."""
    axes: str | None = field(default=None, repr=False)
    """The names of the image's axes; None for a ``(B, C, *spatial)`` tensor."""
    source: Any = field(default=None, repr=False)
    """The image that was run, as it was given."""

    def __repr__(self) -> str:
        """Return one line: the image's dtype and shape, the method, how it ended, and the last numbers."""
        parts = [brief(self.image), getattr(self.method, "name", type(self.method).__name__)]
        parts += [self.status.name, f"{self.n_steps} steps", f"{self.elapsed:.2f} s"]
        last = {k: v[-1] for k, v in self.history.items() if k not in ("step", "seconds") and v}
        return f"Result({', '.join([*parts, *(f'{key}={value:.4g}' for key, value in last.items())])})"

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows: the image before and after, and how the run ended."""
        from jumpset.io.notebook import card

        last = {key: f"{values[-1]:.6g}" for key, values in self.history.items() if values}
        facts = {"method": repr(self.method), "status": self.status.value, "steps": str(self.n_steps)}
        facts |= {"seconds": f"{self.elapsed:.2f}"}
        facts |= {key: text for key, text in last.items() if key not in ("step", "seconds")}
        return card({"Before": self.source, "After": self.image}, facts, self.axes)

    @property
    def labels(self) -> np.ndarray:
        """Labels 1, 2, … of the answer's flat regions, in raster order.

        int32, with the axes of the image without channels: ``(H, W)``, or ``(B, H, W)`` for a tensor.
        Regions are connected pixels of exactly equal value, before the answer is converted to the input's
        dtype, by the method's ``neighbors`` or 4: the regions of ``region-fusion``, ``potts`` and
        ``potts-descent``. Other methods leave small differences inside regions; for these, use
        :class:`jumpset.RegionTree` on ``image``.
        """
        from jumpset.regions.labels import label

        states = self.state.each if isinstance(self.state, BatchState) else (self.state,)
        neighbors = 8 if getattr(self.method, "neighbors", 4) != 4 else 4
        answers = torch.cat([self.method.image(state) for state in states]).detach().cpu().numpy()
        axes = "c" + "zyx"[3 - (answers.ndim - 2) :]
        each = np.stack([label(answer, neighbors=neighbors, axes=axes) for answer in answers])
        return each if self.axes is None else from_batch(each[:, None], self.axes.replace("c", ""))

    @property
    def gap(self) -> float | None:
        """The last ``"gap"`` of the history, which bounds the relative distance from the least energy."""
        return self.history["gap"][-1] if self.history.get("gap") else None


class Snapshots:
    """A callback that keeps the image every ``every`` steps, for films and previews.

    Parameters
    ----------
    every
        Number of steps between two kept images.

    Examples
    --------
    >>> import jumpset as js
    >>> film = js.running.Snapshots(every=2)
    >>> result = js.run(js.datasets.coffee()[:32, :48], js.method("rtv"), callback=film)
    >>> film.steps
    [0, 2, 4]
    """

    def __init__(self, every: int = 1) -> None:
        checks.integer("every", every, at_least=1)
        self.every = every
        self.steps: list[int] = []
        self.images: list[Any] = []

    def __call__(self, step: Step) -> None:
        """Keep the image if ``every`` steps have passed."""
        if not self.steps or step.n_steps - self.steps[-1] >= self.every:
            image = step.image
            with Hold():  # an interrupt would leave a step without its image
                self.steps.append(step.n_steps)
                self.images.append(image)


def run(
    image: Any,
    method: Iteration[Any],
    *,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    stop: Callable[[Step], bool] | None = None,
    callback: Callable[[Step], object] | None = None,
    progress: Callable[[int, int], object] | None = None,
    check_every: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    channel_axis: int | None = -1,
    axes: str | None = None,
    alpha: bool | None = None,
    value_range: ValueRange | None = None,
    missing: Literal["nan"] | None = None,
    device: str | torch.device | None = None,
) -> Result:
    """Run a method on an image until the method has finished or a limit is reached.

    Parameters
    ----------
    image
        ``(H, W)`` or ``(H, W, C)`` NumPy array, or ``(B, C, *spatial)`` tensor, or an array or tensor whose
        axes are named by ``axes``; bool, any integer or float dtype. Integers are scaled by their dtype's
        range, except those of 64 bits, which need a ``value_range``; floats are taken as they are. For a
        method with an ``operator``: the operator's data, a tensor ``(B, C, …)`` of any number of axes or
        such an array; integers are taken as they are, too, and give an answer of floats. A PIL
        image or the path of an image file: as in :func:`jumpset.smooth`.
    method
        A method, e.g. ``js.smoothers.TV(weight=0.1)`` or ``js.method("tv", weight=0.1)``.
    max_steps
        Step limit; default: the method's own.
    max_seconds
        Time limit in seconds, checked between steps; the seconds before a checkpoint do not count.
    stop
        ``stop(step) -> bool``; true ends the run with ``Status.STOPPED``.
    callback
        ``callback(step)`` at every reading; its time does not count in ``elapsed``. ``step.image`` is the
        image at that step, for a live preview.
    progress
        ``progress(n_steps, max_steps)`` before the first step and after every one, for a progress bar: it
        reads nothing from the method.
    check_every
        Steps between readings of history and stopping rules; default: the method's own.
    checkpoint
        A file to which the run is saved, and from which it continues where the file exists: the answer then
        equals that of an uninterrupted run, bit for bit on one machine and device. The file is replaced as a
        whole, every ``checkpoint_every`` steps and at the end, but not after Ctrl-C or a divergence, and is
        never deleted. Image and method must be those of the file; limits may differ.
    checkpoint_every
        Steps between two savings; default: ten readings.
    channel_axis
        Which axis of a 3-D NumPy array holds the channels, of ``image`` and of the images of the method.
    axes
        One letter for each axis of ``image``, in place of ``channel_axis``: ``x``, ``y`` and ``z`` in space,
        ``c`` for channels, ``t`` for a batch of separate images. ``"zyx"`` is a volume, which a method takes
        if its ``spatial_ndims`` has 3; ``"tyx"`` a stack of images; ``"zyxc"``, ``"tzyx"`` and ``"x"`` are
        further examples. The images and the mask of the method have the same axes, or lack ``c`` or ``t``.
    alpha
        Whether the last channel of a NumPy array is alpha, which is passed through unchanged.
        Default: yes for four uint8 channels, no for all else.
    value_range
        The values that stand for intensity 0 and 1, e.g. ``(0, 4095)`` for 12-bit data in uint16; or
        ``"data"``: the smallest and the largest value of the valid pixels, over the whole batch. It holds for
        the images of the method too (``guidance``, ``start``), if they have the dtype of ``image``
        and are not within [0, 1] where ``image`` is beyond.
    missing
        ``"nan"``: NaN marks pixels as missing, which the answer fills; for methods with a ``mask``.
    device
        Where to compute; default: the tensor's own device, the CPU for arrays.

    Returns
    -------
    Result
        Image, status, step count, seconds, history, method and state. Ctrl-C during the run gives a
        result with ``Status.INTERRUPTED`` and the image so far.

    Raises
    ------
    InputError
        For an image or an option that cannot be used, or a checkpoint of another run, before any work.
    FileError
        If the checkpoint cannot be read or written.

    Warns
    -----
    RangeWarning
        Little of the range of the image's dtype is used, or the answer is constant and the image is not.

    Examples
    --------
    >>> import jumpset as js
    >>> image = js.datasets.coffee()[:64, :64]
    >>> result = js.run(image, js.method("tv", weight=0.1), max_seconds=10)
    >>> result.image.dtype == image.dtype, result.status.name
    (True, 'CONVERGED')
    """
    _check_options(image, method, callback, stop, max_steps, max_seconds, check_every)
    tensor, layout, prepared = read_input(
        image,
        method,
        channel_axis=channel_axis,
        axes=axes,
        alpha=alpha,
        value_range=value_range,
        missing=missing,
        device=device,
    )
    file = None if checkpoint is None else Checkpoint(checkpoint, method, tensor, every=checkpoint_every)
    steps = prepared if method.batched or len(tensor) == 1 else SequentialBatch(prepared, check_every)
    limit = method.max_steps if max_steps is None else max_steps
    clock = Clock(tensor.device)
    latest: Moment[Any] | None = None

    def remembered(moments: wrappers.Moments) -> wrappers.Moments:
        nonlocal latest
        for moment in moments:
            latest = moment
            if progress is not None:
                progress(moment.n_steps, limit)
            yield moment

    with torch.no_grad(), Hold(raises=True) as hold:
        try:
            latest, history = _first(steps, tensor, file, clock)
            moments = iterate(steps, tensor, max_steps=limit, check_every=check_every, start=latest)
            moments = wrappers.with_history(remembered(moments), steps, history, clock)
            moments = wrappers.with_rollback(moments)
            if callback is not None or stop is not None:
                moments = wrappers.with_callback(
                    moments, steps, callback, stop, max_steps=limit, clock=clock, restore=layout.restore
                )
            if max_seconds is not None:
                moments = wrappers.with_time_limit(moments, clock, max_seconds)
            if file is not None:
                moments = wrappers.with_checkpoints(moments, file, history, clock)
            for _ in moments:
                pass
            hold.raises = False
        except KeyboardInterrupt:
            hold.raises = False
            if latest is None:  # during the method's preparations
                raise
            latest.status = Status.INTERRUPTED
        smoothed = steps.image(latest.state)
        clock.stop()
        warn_if_constant(smoothed, tensor, method)
        answer = layout.restore(smoothed)
        if hold.take():  # a signal came while the answer was computed
            latest.status = Status.INTERRUPTED
    status = latest.status or Status.MAX_STEPS
    seconds, axes = clock.elapsed, layout.axes
    return Result(answer, status, latest.n_steps, seconds, history, method, latest.state, axes, image)


def _check_options(
    image: Any,
    method: Any,
    callback: Any,
    stop: Any,
    max_steps: int | None,
    max_seconds: float | None,
    check_every: int | None,
) -> None:
    if isinstance(image, Iteration) or not isinstance(method, Iteration):
        given = method.__name__ if isinstance(method, type) else type(method).__name__
        raise InputError(
            "run takes an image, then a method object",
            given=f"{type(image).__name__}, {given}",
            do="call run(image, js.method('tv')); js.smooth also takes a method's name",
        )
    for name, function in (("callback", callback), ("stop", stop)):
        if function is not None and not callable(function):
            raise InputError(f"{name} must be a function", given=repr(function), do="pass f(step), or None")
    if max_steps is not None:
        checks.integer("max_steps", max_steps, at_least=0)
    if max_seconds is not None:
        checks.real("max_seconds", max_seconds, above=0.0)
    if check_every is not None:
        checks.integer("check_every", check_every, at_least=1)


def _first(
    steps: Iteration[Any], tensor: Tensor, file: Checkpoint | None, clock: Clock
) -> tuple[Moment[Any], wrappers.History]:
    """The moment at which a run starts: with a fresh state, or where the file ends."""
    state = steps.init(tensor)
    saved = None if file is None else file.load(state, steps.image)
    if saved is None:
        return Moment(0, state), {"step": [], "seconds": []}
    clock.resume(saved.seconds)
    history = saved.history
    if history["step"] and history["step"][-1] == saved.n_steps:  # this step will be read once more
        history = {key: values[:-1] for key, values in history.items()}
    return Moment(saved.n_steps, saved.state), history
