"""Components of a run: checks of those that are given, and the start that they make."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from jumpset._core.arrays import to_tensor
from jumpset._core.errors import InputError
from jumpset._core.iterate import solve
from jumpset._core.types import Iteration
from jumpset.jpeg.tables import JPEGTables, as_tables


def check_start(start: object, words: tuple[str, ...] = ()) -> None:
    """Raise unless ``start`` is None, one of the words, a method, or looks like an image."""
    is_word = isinstance(start, str) and start in words
    if not (start is None or is_word or isinstance(start, Iteration) or hasattr(start, "ndim")):
        named = "".join(f"{word!r}, " for word in words)
        raise InputError(
            f"start must be {named}an image, a method, or None",
            given=repr(start),
            do="pass jumpset.method('region-fusion'), or start='region-fusion' to jumpset.method",
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


def check_solver(solver: object) -> None:
    """Raise unless ``solver`` is a method with a weight."""
    if not (isinstance(solver, Iteration) and hasattr(solver, "weight")):
        raise InputError(
            "solver must be a method with a weight",
            given=repr(solver),
            do="pass jumpset.smoothers.RegionFusion(), or solver='region-fusion' to jumpset.method",
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
