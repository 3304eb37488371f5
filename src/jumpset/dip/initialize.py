"""Components of a run: checks of those that are given, and the start that they make."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from jumpset._core.arrays import to_tensor
from jumpset._core.errors import InputError
from jumpset._core.iterate import solve
from jumpset._core.types import Iteration
from jumpset.jpeg.tables import JPEGTables, as_tables


def check_start(name: str, value: object, words: tuple[str, ...] = ()) -> None:
    """Raise unless ``value`` is None, one of the words, a method, or looks like an image."""
    is_word = isinstance(value, str) and value in words
    if not (value is None or is_word or isinstance(value, Iteration) or hasattr(value, "ndim")):
        listed = "".join(f"{word!r}, " for word in words)
        raise InputError(
            f"{name} must be {listed}an image, a method, or None",
            given=repr(value),
            do=f"pass jumpset.method('region-fusion'), or {name}='region-fusion' to jumpset.method",
        )


def starting_image(start: Any, like: Tensor) -> Tensor:
    """The answer of the method ``start`` for the image ``like``, or the image ``start`` as such a tensor."""
    if isinstance(start, Iteration):
        return solve(start, like)
    image, _ = to_tensor(start, device=like.device)
    if image.shape != like.shape:
        raise InputError(
            "the start must be an image of the size and the channels of the answer",
            given=f"{tuple(image.shape)} for {tuple(like.shape)} (B, C, H, W)",
            do="pass (H, W) or (H, W, C), channels last, or a tensor (1, C, H, W)",
        )
    return image.to(like.dtype)


def check_solver(name: str, value: object) -> None:
    """Raise unless ``value`` is a method with a weight."""
    if not (isinstance(value, Iteration) and hasattr(value, "weight")):
        raise InputError(
            f"{name} must be a method with a weight",
            given=repr(value),
            do=f"pass jumpset.smoothers.RegionFusion(), or {name}='region-fusion' to jumpset.method",
        )


def read_tables(tables: Any, operator: Any) -> JPEGTables | None:
    """The tables, read where a file is given; an error where an operator is given too."""
    if tables is not None and operator is not None:
        raise InputError(
            "the operator of a JPEG file is its subsampling of chroma",
            given=f"tables and operator={operator!r}",
            do="pass one of them",
        )
    return as_tables(tables)
