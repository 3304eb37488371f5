"""``smooth``: array in, array out."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import numpy as np
import torch

from jumpset._core.arrays import ValueRange
from jumpset._core.errors import Interrupted
from jumpset._core.types import Iteration, Status
from jumpset.running.registry import method as make_method
from jumpset.running.run import run
from jumpset.running.wrappers import Step

Image = TypeVar("Image", np.ndarray, torch.Tensor)


def smooth(
    image: Image,
    method: str | Iteration[Any] = "region-fusion",
    *,
    preset: str | None = None,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    stop: Callable[[Step], bool] | None = None,
    callback: Callable[[Step], object] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    channel_axis: int | None = -1,
    axes: str | None = None,
    alpha: bool | None = None,
    value_range: ValueRange | None = None,
    missing: Literal["nan"] | None = None,
    device: str | torch.device | None = None,
    **hyper: Any,
) -> Image:
    """Smooth an image: an answer of the same kind, shape and dtype.

    Parameters
    ----------
    image
        ``(H, W)`` or ``(H, W, C)`` NumPy array, ``(B, C, *spatial)`` tensor, or an array or tensor whose axes
        are named by ``axes``, of any bool, integer or float dtype. The images of a batch are smoothed independently.
    method
        A name out of :func:`jumpset.methods`, or a method object.
    preset
        A named setting of the method.
    max_steps, max_seconds, stop, callback, checkpoint, checkpoint_every
        As in :func:`jumpset.run`; the limits are for the whole batch.
    channel_axis, axes, alpha, value_range, missing, device
        As in :func:`jumpset.run`.
    **hyper
        The method's hyper-parameters, e.g. ``weight=0.05``. Larger ``weight`` is always smoother.

    Returns
    -------
    ndarray or Tensor
        The result, of the kind, shape and dtype of the image.

    Raises
    ------
    InputError
        An image, a method or an option that cannot be used, before any work.
    Interrupted
        On Ctrl-C; a ``KeyboardInterrupt`` whose ``.result`` holds the image so far.

    Examples
    --------
    >>> import jumpset as js
    >>> image = js.datasets.coffee()
    >>> flat = js.smooth(image, method="region-fusion", weight=0.02)
    >>> flat.shape == image.shape and flat.dtype == image.dtype
    True

    A volume with its voxel size, and a stack of separate images:

    >>> import numpy as np
    >>> volume = np.random.default_rng(0).random((4, 24, 32))
    >>> smoothed = js.smooth(volume, "tv", axes="zyx", weight=0.1, spacing=(2.0, 0.5, 0.5))
    >>> stack = js.smooth(volume, "region-fusion", axes="tyx")
    >>> smoothed.shape, stack.shape
    ((4, 24, 32), (4, 24, 32))
    """
    iteration = make_method(method, preset=preset, **hyper) if isinstance(method, str) else method
    if not isinstance(method, str) and (preset is not None or hyper):
        raise TypeError("preset and hyper-parameters go with a method's name; a method object has its own")

    result = run(
        image,
        iteration,
        max_steps=max_steps,
        max_seconds=max_seconds,
        stop=stop,
        callback=callback,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        channel_axis=channel_axis,
        axes=axes,
        alpha=alpha,
        value_range=value_range,
        missing=missing,
        device=device,
    )
    if result.status is Status.INTERRUPTED:
        raise Interrupted(result)
    return result.image
