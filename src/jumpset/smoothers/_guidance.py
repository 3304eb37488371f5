"""A guidance picture, of any kind that a picture may be, as a tensor that fits the picture it guides."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from jumpset._core.arrays import to_tensor
from jumpset._core.errors import InputError


def match_guidance(guidance: Any, image: Tensor) -> Tensor:
    """Read a guidance picture like any other picture, on the device and in the dtype of ``image``.

    Parameters
    ----------
    guidance
        ``(H, W)`` or ``(H, W, C)`` NumPy array, or ``(B, C, H, W)`` tensor with B = 1 for all pictures or one
        for each; any number of bands, integers scaled by their dtype's range, floats as they are. None: the
        picture guides itself.
    image
        ``(B, C, H, W)``.

    Returns
    -------
    Tensor
        ``(1, C', H, W)`` or ``(B, C', H, W)``.

    Raises
    ------
    InputError
        Not a picture, non-finite pixels, or another size than ``image``.
    """
    if guidance is None:
        return image
    try:
        guide, _ = to_tensor(guidance, alpha=False)
    except InputError as error:
        raise InputError(
            f"guidance cannot be used: {error.what}",
            given=error.given,
            do="pass finite (H, W) or (H, W, C) arrays or (B, C, H, W) tensors, floats within [0, 1]",
        ) from None
    if guide.shape[-2:] != image.shape[-2:]:
        raise InputError(
            "guidance must have the height and width of the picture",
            given=f"{tuple(guide.shape[-2:])} for a picture of {tuple(image.shape[-2:])}",
            do="resize it first",
        )
    if len(guide) not in (1, len(image)):
        raise InputError(
            "guidance must be one picture, or one for each of the batch",
            given=f"{len(guide)} for {len(image)} pictures",
            do="pass one, or as many as there are pictures",
        )
    return guide.to(image)
