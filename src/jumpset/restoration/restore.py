"""``restore``: data and an operator in, an image out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from jumpset._core.arrays import ValueRange
from jumpset._core.errors import InputError
from jumpset._core.types import Iteration
from jumpset.io.sources import open_image, to_pil
from jumpset.jpeg import JPEGTables
from jumpset.operators.foreign import as_operator
from jumpset.operators.linear import Identity
from jumpset.penalties.complex_images import is_complex
from jumpset.restoration.missing import Missing, without_missing
from jumpset.restoration.plug_and_play import PlugAndPlay
from jumpset.restoration.priors import named_prior
from jumpset.running.run import Result, run
from jumpset.running.wrappers import Step


def restore(
    data: Any,
    operator: Any = None,
    *,
    prior: Any = "auto",
    noise: float | None = None,
    weight: float | None = None,
    lower: float | None = None,
    upper: float | None = None,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    stop: Callable[[Step], bool] | None = None,
    callback: Callable[[Step], object] | None = None,
    progress: Callable[[int, int], object] | None = None,
    channel_axis: int | None = -1,
    value_range: ValueRange | None = None,
    missing: Missing | None = None,
    device: str | torch.device | None = None,
) -> Result:
    """Restore an image from data that an operator made of it: holes, blur, few pixels, projections.

    Parameters
    ----------
    data
        ``(H, W)`` or ``(H, W, C)`` NumPy array, or ``(B, C, …)`` tensor, of any number of axes that the
        operator gives. Numbers are taken as they are, of any size, and the image is one of floats;
        ``value_range=(0, 255)`` is for an image of 8 bits, which then has its dtype. Complex data, ``(H, W)``
        or ``(J, H, W)`` arrays or tensors, are for operators whose data have a last axis of real and
        imaginary parts; the image is then ``(H, W)``, or has its channels first. A PIL image, which gives a
        PIL image, or the path of an image file: integers are intensities of their dtype's range, and
        transparency is left out.
    operator
        One of :mod:`jumpset.operators`, e.g. ``js.operators.Mask(known)``; an operator of PyLops, a linear
        physics of deepinv, or an object with ``__call__`` and ``adjoint``; ``jumpset.jpeg.JPEGTables``, for
        an image that was read from a JPEG file. None: the data are a noisy image.
    prior
        ``"auto"``: ``"tv"``, or ``"l0"`` where the operator mixes pixels (blur, rays, Fourier samples) and
        the image turns out flat in regions. ``"potts"``: flat regions. ``"l0"``: few gradients. ``"tv"``:
        edges, and little variation between them. ``"sparse-tv"``: also zero in regions. ``"groups"``: zero
        in regions. ``"tgv"``: linear shading. ``"dip"``, ``"dip-tv"``, ``"dip-l0"``: deep image priors. Or a
        penalty that has a prox, a method with a ``weight`` or a ``sigma``, or a method's name.
    noise
        Standard deviation of the noise in the units of ``data``; None: estimated.
    weight
        Of the prior; larger is smoother. None: from the noise, see
        :class:`jumpset.restoration.PlugAndPlay`.
    lower, upper
        Bounds that the image meets exactly, such as ``lower=0``. Not with a deep image prior.
    max_steps, max_seconds, stop, callback, progress, channel_axis, value_range, device
        As in :func:`jumpset.run`. ``value_range`` scales the data, and so it scales ``noise`` and the bounds.

    missing
        Which data are missing, whatever the operator: ``"nan"``, those that are NaN; a number, those equal to
        it; or an array that is not 0 where they are, of the shape of ``data`` or without its channels.

    Returns
    -------
    Result
        As that of :func:`jumpset.run`: the image, how the run ended, and the history of misfit, noise,
        residual and weight.

    Raises
    ------
    InputError
        Data, an operator, a prior or an option that cannot be used.

    Examples
    --------
    >>> import jumpset as js
    >>> image = js.datasets.shapes(48, 64, seed=7, channels=1)
    >>> known = js.datasets.add_noise(image * 0 + 0.5, 0.5, seed=0) > 0.3
    >>> result = js.restore(image * known, js.operators.Mask(known), prior="tv", noise=0.0)
    >>> js.metrics.psnr(result.image, image) > js.metrics.psnr(image * known, image) + 10
    True
    """
    opened = open_image(data, "nan" if isinstance(missing, str) and missing == "nan" else None)
    if opened is not None:
        data, channel_axis = opened.colours, -1
        if value_range is None and data.dtype.kind == "u":  # a file holds intensities, not counts
            value_range = 0.0, float(np.iinfo(data.dtype).max)
    is_complex_array = isinstance(data, np.ndarray) and is_complex(data)
    data, given = _read(data, operator, missing, 0 if is_complex_array else channel_axis)
    prior = named_prior(prior) if isinstance(prior, str) else prior
    if isinstance(prior, Iteration) and "operator" in getattr(prior, "__dataclass_fields__", {}):
        method = _with_operator(prior, given, weight, lower, upper)
    else:
        method = PlugAndPlay(
            prior=prior, operator=given, weight=weight, noise=noise, lower=lower, upper=upper
        )
    result = run(
        data,
        method,
        max_steps=max_steps,
        max_seconds=max_seconds,
        stop=stop,
        callback=callback,
        progress=progress,
        channel_axis=channel_axis,
        alpha=False,
        value_range=value_range,
        device=device,
    )
    if opened is not None and opened.pil is not None:
        return replace(result, image=to_pil(result.image, opened.pil))
    if not is_complex_array:
        return result
    image = result.image[0].cpu().numpy()  # of a tensor, whose channels come first
    return replace(result, image=image[0] if len(image) == 1 else image)


def _read(data: Any, operator: Any, missing: Missing | None, channel_axis: int | None) -> tuple[Any, Any]:
    """The data, complex ones as real pairs and missing ones as zeros, and the operator that gives them."""
    is_jpeg = isinstance(operator, JPEGTables)
    given = Identity() if operator is None else operator if is_jpeg else as_operator(operator)
    if isinstance(given, Identity) and is_complex(data):
        raise InputError(
            "complex data are those of an operator",
            given="no operator",
            do="pass it, e.g. js.operators.Fourier(mask), or restore real and imaginary part apart",
        )
    if missing is not None:
        if isinstance(given, JPEGTables):
            raise InputError(
                "a JPEG file has all its pixels", given="JPEGTables and missing", do="leave missing out"
            )
        data, given = without_missing(data, given, missing, channel_axis)
    return _as_real(data), given


def _as_real(data: Any) -> Any:
    """Complex data as tensors with a last axis of real and imaginary parts."""
    if not is_complex(data):
        return data
    if isinstance(data, np.ndarray):
        if data.ndim > 3 or data.ndim < 2:
            raise InputError(
                "complex NumPy data are (H, W) or (J, H, W)",
                given=f"shape {data.shape}",
                do="pass a tensor (B, C, …)",
            )
        data = torch.from_numpy(np.ascontiguousarray(data if data.ndim == 3 else data[None]))[None]
    return torch.view_as_real(data)


def _with_operator(
    method: Any, operator: Any, weight: float | None, lower: float | None, upper: float | None
) -> Any:
    """A method with an operator of its own, such as a deep image prior, for this operator."""
    if lower is not None or upper is not None:
        raise InputError(
            f"{method.name} takes no bounds", given=f"lower={lower}, upper={upper}", do="use another prior"
        )
    changes: dict[str, Any] = {} if weight is None else {"weight": weight}
    if weight is not None and not hasattr(method, "weight"):
        raise InputError(f"{method.name} has no weight", given=weight, do="leave the weight out")
    if isinstance(operator, JPEGTables):
        if not hasattr(method, "tables"):
            raise InputError(
                f"{method.name} does not use the tables of a JPEG file",
                given="JPEGTables",
                do="use 'dip-l0' or 'potts'",
            )
        return replace(method, tables=operator, **changes)
    return replace(method, operator=None if isinstance(operator, Identity) else operator, **changes)
