"""Checks of batches of images, and the factor tau in a form that multiplies them."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.operators.namespaces import is_of_tensorflow, namespace

_FEW = 4  # channels at most of what may be an image: gray, RGB, RGBA
_BANDS = (1, 3, _FEW)


def as_images(x: Any, channel_axis: int | None = None, *, is_complex: bool = False) -> Any:
    """Return ``x`` as a batch ``(B, C, *spatial)`` of floats.

    Parameters
    ----------
    x
        An array of any library. Integers and bools become floats, except those of torch.
    channel_axis
        Where the channels are, see :meth:`jumpset.Penalty.value`.
    is_complex
        Whether the values are complex; otherwise complex values are refused.

    Raises
    ------
    InputError
        Another number of axes, an empty image, complex values, integers in a torch tensor, or a shape that
        looks like another layout while ``channel_axis`` is None.
    """
    if channel_axis is not None:
        x = channels_to_front(x, channel_axis)
    check_images(x.real if is_complex else x, may_be=channel_axis is None)
    if is_complex or isinstance(x, Tensor) or x.dtype.name.startswith(("float", "bfloat")):
        return x
    if is_of_tensorflow(x):
        return namespace(x).astype(x, "float64")
    return x.astype(float)  # the library's usual float


def check_images(x: Any, *, may_be: bool = True) -> None:
    """Raise unless x is ``(B, C, *spatial)`` with one to three spatial axes, and real numbers.

    Parameters
    ----------
    x
        An array of any library.
    may_be
        Whether to raise also for a shape that is more likely one image ``(C, H, W)``, or channels last.
    """
    shape = tuple(getattr(x, "shape", ()))
    if not 3 <= len(shape) <= 5:
        raise InputError(
            "penalties take (B, C, *spatial) with 1 to 3 spatial axes",
            given=f"shape {shape}",
            do="add the missing axes, e.g. x[None, None]",
        )
    _check_values(x)
    if 0 in shape[1:]:
        raise InputError("an image has at least one pixel", given=f"shape {shape}", do="leave it out")
    if may_be and not torch.compiler.is_compiling():  # a traced graph must not depend on the lengths
        _check_layout(shape, isinstance(x, Tensor))


def check_tensor(v: Any, *, may_be: bool = True) -> None:
    """Raise unless v is a torch tensor that :func:`check_images` accepts: the argument of a prox."""
    if not isinstance(v, Tensor):
        given = type(v).__name__
        raise InputError("a prox takes a torch tensor", given=given, do="convert with torch.from_numpy(v)")
    check_images(v, may_be=may_be)


def _check_values(x: Any) -> None:
    name = str(x.dtype).removeprefix("torch.") if isinstance(x, Tensor) else x.dtype.name
    if isinstance(x, Tensor) and not (x.is_floating_point() or x.is_complex()):
        raise InputError("penalties take floats", given=name, do="convert with x.float() / 255")
    if not name.startswith(("float", "bfloat", "int", "uint", "bool")):
        advice = (
            "pass abs(x), or real and imaginary parts as two channels" if "complex" in name else "pass floats"
        )
        raise InputError("penalties take real numbers", given=name, do=advice)


def _check_layout(shape: tuple[int | None, ...], of_torch: bool) -> None:
    """Raise for shapes that are images in another layout: the result would be a number, but a wrong one.

    Torch tensors have the channels first by convention; arrays of other libraries may have them last.
    """
    many = [n is None or n > _FEW for n in shape]  # an unknown length counts as long
    if len(shape) == 3 and shape[0] in (1, 3) and many[1]:
        raise InputError(
            "a batch has the axes (B, C, *spatial), and this shape looks like one image (C, H, W)",
            given=f"shape {shape}",
            do="pass x[None] for one image, x[:, :, None] for a batch of signals",
        )
    is_long = all(many[0 if len(shape) == 3 else 1 : -1])  # with three axes it may be one image
    if not of_torch and shape[-1] in _BANDS and is_long:
        raise InputError(
            "a batch has the axes (B, C, *spatial), and this shape looks like channels last",
            given=f"shape {shape}",
            do=f"pass channel_axis=-1 for channels last{', with x[None] for one image' * (len(shape) == 3)};"
            " channel_axis=1 if the channels are on axis 1",
        )


def channels_to_front(x: Any, axis: int) -> Any:
    """Return ``x`` with its channels on axis 1; axis 0 makes one image ``(C, *spatial)`` a batch."""
    ndim = len(getattr(x, "shape", ()))
    checks.integer("channel_axis", axis, at_least=-ndim, at_most=ndim - 1)
    axis %= max(ndim, 1)
    if axis == 0:
        return x[None]
    if axis == 1:
        return x
    order = (0, axis, *(k for k in range(1, ndim) if k != axis))
    return x.permute(order) if isinstance(x, Tensor) else namespace(x).permute_dims(x, order)


def channels_back(x: Tensor, axis: int) -> Tensor:
    """Return ``(B, C, *spatial)`` in the layout from which :func:`channels_to_front` made it."""
    axis %= x.ndim
    return x[0] if axis == 0 else x.movedim(1, axis)


def per_image(tau: float | Tensor, v: Tensor) -> float | Tensor:
    """Return ``tau`` in a form that multiplies ``v``: a number, or one number per image.

    A tensor of no axes that has a derivative stays a tensor. While a graph is traced, the values of a tensor
    are unknown and not checked.

    Raises
    ------
    InputError
        Negative or non-finite ``tau``, or a tensor that is neither ``()``, ``(B,)`` nor ``(B, 1, …)``.
    """
    if not isinstance(tau, Tensor):
        checks.real("tau", tau, at_least=0.0)
        return float(tau)
    given = cast(Tensor, tau)
    if given.ndim == 0 and not is_traced():
        checks.real("tau", given.item(), at_least=0.0)
        return given.to(v) if given.requires_grad else given.item()
    if given.ndim == 0:
        return given.to(v)
    shape = tuple(given.shape)
    if shape not in ((v.shape[0],), (v.shape[0], *[1] * (v.ndim - 1))):
        raise InputError(
            "tau must be one number, or one per image", given=f"shape {shape}", do=f"pass ({len(v)},)"
        )
    if not is_traced() and not bool(((given >= 0) & torch.isfinite(given)).all()):
        raise InputError("tau must be finite and not negative", given=given.tolist(), do="clamp it at 0")
    return given.to(v).reshape(-1, *[1] * (v.ndim - 1))


def spread(numbers: Tensor, like: Tensor) -> Tensor:
    """Reshape ``(B,)`` to ``(B, 1, …)``, which multiplies images like ``like``; bool stays bool."""
    dtype = numbers.dtype if numbers.dtype == torch.bool else like.dtype
    return numbers.to(like.device, dtype).reshape(-1, *[1] * (like.ndim - 1))


def is_traced() -> bool:
    """Return whether tensors may have no values: in a graph of torch, or a transform of ``torch.func``."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return True
    return torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
