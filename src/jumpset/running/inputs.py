"""What a run is given: an image or data, missing pixels, the images that its method holds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from jumpset._core.arrays import Layout, ValueRange, to_tensor
from jumpset._core.axes import check_axes, like, spatial, to_batch
from jumpset._core.errors import InputError, RangeWarning
from jumpset._core.types import Iteration
from jumpset.io.sources import open_image, to_pil
from jumpset.operators.linear import Identity
from jumpset.operators.pixel_weights import is_valid, nan_pixels

if TYPE_CHECKING:
    from jumpset.io.sources import PILImage

_FLAT = 1e-4  # range of a constant answer, relative to that of its image


@dataclass(frozen=True)
class _PILLayout(Layout):
    """A layout whose images are PIL images."""

    like: Any = None

    def restore(self, tensor: Tensor) -> PILImage:
        """Return the image as a PIL image with the metadata of the caller's."""
        return to_pil(super().restore(tensor), self.like)


def read_input(
    image: Any,
    method: Any,
    *,
    channel_axis: int | None,
    axes: str | None = None,
    alpha: bool | None,
    value_range: ValueRange | None,
    missing: Literal["nan"] | None = None,
    device: str | torch.device | None = None,
) -> tuple[Tensor, Layout, Any]:
    """Convert an image and the images that ``method`` holds; the parameters are those of :func:`jumpset.run`.

    Returns
    -------
    tuple
        The image as ``(B, C, *spatial)`` tensor of intensities, pixels without data filled; its layout; the
        method, its images as tensors of the same intensities, its mask completed by the missing pixels.
    """
    opened = open_image(image, missing)
    of_array: dict[str, Any] = {"channel_axis": channel_axis, "alpha": alpha}
    if opened is not None:
        if axes is not None:
            given = f"axes={axes!r} for an image file"
            raise InputError("axes names those of an array", given=given, do="omit axes")
        image, channel_axis = opened.pixels, -1
        alpha = opened.has_alpha if alpha is None else alpha
    method = _with_mask(method, image, channel_axis, axes, missing)
    is_data = not isinstance(getattr(method, "operator", None), (type(None), Identity))
    mask, ndim = getattr(method, "mask", None), _tensor_ndim(image, axes)
    tensor, layout = to_tensor(
        image,
        channel_axis=channel_axis,
        axes=axes,
        alpha=alpha,
        value_range=value_range,
        device=device,
        valid=None if mask is None else is_valid(mask, ndim),
        spatial_ndims=tuple(range(1, 10)) if is_data else method.spatial_ndims,
        is_data=is_data,
    )
    if opened is not None and opened.pil is not None:
        layout = _PILLayout(**vars(layout), like=opened.pil)
    return tensor, layout, _with_images(method, image, axes, of_array, tensor, layout, device)


def _with_mask(
    method: Any, image: Any, channel_axis: int | None, axes: str | None, missing: Literal["nan"] | None
) -> Any:
    """The method with its mask in the order of the tensor's axes, without the missing pixels."""
    if missing is not None:
        if not takes_mask(method):
            raise InputError(
                "missing pixels need a method with a mask",
                given=method.name,
                do="use e.g. 'region-fusion', 'potts', 'tv', 'wls', 'fgs' or 'gsf', or fill the pixels first",
            )
        mask = _mask_like(image, axes, method.mask)
        return replace(method, mask=nan_pixels(image, channel_axis, mask, missing, axes))
    if axes is not None and getattr(method, "mask", None) is not None:
        return replace(method, mask=_mask_like(image, axes, method.mask))
    return method


def _with_images(
    method: Any,
    image: Any,
    axes: str | None,
    of_array: dict[str, Any],
    tensor: Tensor,
    layout: Layout,
    device: str | torch.device | None,
) -> Any:
    """The method with its images as tensors of the same intensities as that of the input."""
    for name, given in own_images(method):
        how = of_array
        try:
            if (found := open_image(given)) is not None:
                given, how = found.pixels, {"channel_axis": -1, "alpha": found.has_alpha}
            elif axes is not None and hasattr(given, "ndim") and (names := like(axes, image.shape, given)):
                how = dict[str, Any](axes=names)
            if not hasattr(given, "ndim"):
                continue
            limits = (layout.low, layout.high) if _in_units_of(tensor, layout, given) else None
            converted, _ = to_tensor(
                given, **how, value_range=limits, device=device, spatial_ndims=(tensor.ndim - 2,)
            )
        except InputError as error:
            what = f"{name} cannot be used: {error.what}"
            raise type(error)(what, given=error.given, do=error.do) from None
        method = replace(method, **{name: converted})
    return method


def own_images(method: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and value of the fields of a method that may hold an image, but not a name."""
    for field in fields(method):
        given = getattr(method, field.name)
        is_name = isinstance(given, str) and "by_name" in field.metadata
        if field.metadata.get("is_image") and not is_name:
            yield field.name, given


def takes_mask(method: Any) -> bool:
    """Whether a method has a parameter ``mask``."""
    return any(field.name == "mask" for field in fields(method))


def _tensor_ndim(image: Any, axes: str | None) -> int:
    """The number of axes of the ``(B, C, *spatial)`` tensor that an image becomes."""
    if axes is not None:
        return 2 + len(spatial(check_axes(axes, getattr(image, "ndim", 0))))
    return image.ndim if isinstance(image, Tensor) else 4


def _mask_like(image: Any, axes: str | None, mask: Any) -> Any:
    """The mask as ``(B or 1, 1, *spatial)``, if its axes are those of the image but for c and perhaps t."""
    if axes is None or mask is None:
        return mask
    axes = check_axes(axes, getattr(image, "ndim", 0))
    mask = mask if hasattr(mask, "ndim") else np.asarray(mask)
    sizes = [n for n, name in zip(image.shape, axes, strict=True) if name != "c"]
    names = like(axes.replace("c", ""), sizes, mask)
    return mask if names is None or "c" in names else to_batch(mask, names)


def _in_units_of(image: Tensor, layout: Layout, other: Any) -> bool:
    """Whether another image has the dtype of the image, and is not in [0, 1] where the image is beyond."""
    if str(other.dtype).removeprefix("torch.") != layout.dtype:
        return False
    low, high = (float(v) * (layout.high - layout.low) + layout.low for v in image.aminmax())
    return 0.0 <= low <= high <= 1.0 or not 0.0 <= float(other.min()) <= float(other.max()) <= 1.0


def warn_if_constant(answer: Tensor, image: Tensor, method: Iteration) -> None:
    """Warn if an answer is constant and its image is not."""
    before, after = _ranges(image), _ranges(answer)
    if len(before) == len(after) and bool(((before > 0.0) & (after <= _FLAT * before)).any()):
        do = "lower the weight" if hasattr(method, "weight") else "use another method"
        warnings.warn(
            f"the answer is constant: {method.name} found nothing to keep in this image; {do}, or pass"
            " value_range='data' if the image uses little of its range",
            RangeWarning,
            stacklevel=3,
        )


def _ranges(image: Tensor) -> Tensor:
    """The largest range of any channel of each image."""
    low, high = image.flatten(2).aminmax(dim=2)
    return (high - low).amax(1).cpu()
