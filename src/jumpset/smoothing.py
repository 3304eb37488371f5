"""``smooth``: array in, array out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from jumpset._errors import InputError, Interrupted
from jumpset._types import Iteration, Status
from jumpset.driver import Result, Step, run
from jumpset.registry import method as make_method


def smooth(
    image: Any,
    method: str | Iteration = "region-fusion",
    *,
    preset: str | None = None,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    stop: Callable[[Step], bool] | None = None,
    callback: Callable[[Step], object] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    channel_axis: int | None = -1,
    alpha: bool | None = None,
    value_range: tuple[float, float] | None = None,
    device: str | torch.device | None = None,
    **hyper: Any,
) -> Any:
    """Smooth a picture: the same kind, shape and dtype comes back.

    Parameters
    ----------
    image
        ``(H, W)`` or ``(H, W, C)`` NumPy array, or ``(B, C, H, W)`` tensor, of any bool, integer or float
        dtype. The pictures of a batch are smoothed independently.
    method
        A name out of :func:`jumpset.methods`, or an iteration.
    preset
        A named setting of the method.
    max_steps, max_seconds, stop, callback, channel_axis, alpha, value_range, device
        As in :func:`jumpset.run`; ``max_seconds`` is for the whole batch.
    checkpoint, checkpoint_every
        As in :func:`jumpset.run`; not for a batch whose pictures the method runs on one by one.
    **hyper
        The method's hyper-parameters, e.g. ``weight=0.05``. Larger ``weight`` is always smoother.

    Raises
    ------
    InputError
        Anything that cannot be used, before any work.
    Interrupted
        On Ctrl-C; a ``KeyboardInterrupt`` whose ``.result`` holds the picture so far.

    Examples
    --------
    >>> import jumpset as js
    >>> picture = js.datasets.coffee()
    >>> flat = js.smooth(picture, method="region-fusion", weight=0.02)
    >>> flat.shape == picture.shape and flat.dtype == picture.dtype
    True
    """
    iteration = make_method(method, preset=preset, **hyper) if isinstance(method, str) else method
    if not isinstance(method, str) and (preset is not None or hyper):
        raise TypeError(
            "preset and hyper-parameters go with a method's name; this method has its own already"
        )

    def one(picture: Any, seconds: float | None) -> Any:
        result = run(
            iteration,
            picture,
            max_steps=max_steps,
            max_seconds=seconds,
            stop=stop,
            callback=callback,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            channel_axis=channel_axis,
            alpha=alpha,
            value_range=value_range,
            device=device,
        )
        return _picture(result)

    if iteration.batched or not isinstance(image, Tensor) or image.ndim != 4 or len(image) < 2:
        return one(image, max_seconds)
    if checkpoint is not None:
        raise InputError(
            "a checkpoint holds one run, and this method runs on the pictures of a batch one by one",
            given=f"{len(image)} pictures",
            do="pass them one by one, each with a file of its own",
        )
    began, smoothed = time.perf_counter(), []
    for k in range(len(image)):  # each gets an even share of the time that is left
        left = None if max_seconds is None else max_seconds - (time.perf_counter() - began)
        smoothed.append(one(image[k : k + 1], None if left is None else max(left, 1e-3) / (len(image) - k)))
    return torch.cat(smoothed)


def _picture(result: Result) -> Any:
    if result.status is Status.INTERRUPTED:
        raise Interrupted(result)
    return result.image
