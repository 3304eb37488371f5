"""Guidance images: read like any input image, checked against the image that they guide."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from jumpset._core.arrays import to_tensor
from jumpset._core.errors import InputError


def match_guidance(guidance: Any, image: Tensor) -> Tensor:
    """Convert a guidance image to a tensor of the device and dtype of ``image``.

    Parameters
    ----------
    guidance
        ``(H, W)`` or ``(H, W, C')`` array, or ``(B, C', *spatial)`` tensor with B = 1 for all images or one
        for each; integers are scaled by their dtype's range, floats are taken as they are. None: ``image``.
    image
        ``(B, C, *spatial)``.

    Returns
    -------
    Tensor
        ``(1, C', *spatial)`` or ``(B, C', *spatial)``.

    Raises
    ------
    InputError
        For a guidance that is not an image, has non-finite pixels, or another size than ``image``.
    """
    if guidance is None:
        return image
    try:
        guide, _ = to_tensor(guidance, alpha=False, spatial_ndims=(image.ndim - 2,))
    except InputError as error:
        raise InputError(
            f"guidance cannot be used: {error.what}",
            given=error.given,
            do="pass finite (H, W) or (H, W, C) arrays or (B, C, H, W) tensors, floats within [0, 1]",
        ) from None
    if guide.shape[2:] != image.shape[2:]:
        raise InputError(
            "guidance must have the height and width of the image",
            given=f"{tuple(guide.shape[2:])} for an image of {tuple(image.shape[2:])}",
            do="resize the guidance",
        )
    if len(guide) not in (1, len(image)):
        raise InputError(
            "guidance must be one image, or one for each image of the batch",
            given=f"{len(guide)} for {len(image)} images",
            do=f"pass 1 or {len(image)} guidance images",
        )
    return guide.to(image)
