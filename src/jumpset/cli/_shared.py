"""Helpers of the commands: errors and interrupts as exit codes, settings, devices."""

from __future__ import annotations

import functools
import logging
import math
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from jumpset._core import checks, signals
from jumpset._core.catalog import CLASSES
from jumpset._core.errors import FileError, InputError, MissingLibrary
from jumpset._core.files import is_zarr_store, read_head
from jumpset._core.text import as_value
from jumpset.cli._messages import forget_names, in_options, say, warnings_as_lines

if TYPE_CHECKING:
    from jumpset.io import Picture
    from jumpset.running.run import Result

# Messages of torch on CPUs and GPUs; the error is a plain RuntimeError.
_MEMORY_ERRORS = ("out of memory", "not enough memory", "can't allocate memory")
NO_MEMORY = "not enough memory for this method and image; use a smaller image or another method"


class RunFailed(Exception):
    """A run that gave no image; the exit code is 1."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _MEMORY_ERRORS)


class Interrupts:
    """Ctrl-C and SIGTERM interrupt a command once, outside the blocks that hold them.

    A second signal within one second is ignored: a shell and a wrapper often both send one. So is one after
    the command, while Python ends: all is written, and the exit code says what happened.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        """The signal that was received, if any."""
        self.kept = ""
        """What an interrupted command leaves, e.g. "the image is in out.png"."""
        self.owns_process = False
        """Whether the process ends after the command, as that of the program does."""
        self._came = 0.0
        self._is_over = False

    def seen(self, *_: object) -> bool:
        """Whether a signal was received; also usable as a ``stop`` function."""
        return self.signal is not None or signals.pending()

    @property
    def exit_code(self) -> int:
        """Exit code by the convention of shells: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self.signal or signal.SIGINT)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Turn both signals into ``KeyboardInterrupt`` within the block."""
        self.signal, self.kept, self._is_over = None, "", False
        handled = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._handle) for number in handled]
        try:
            yield
        finally:
            self._is_over = True
            for number, handler in zip(handled, before, strict=True):
                ends = self.owns_process and self.signal is not None
                signal.signal(number, signal.SIG_IGN if ends else handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._is_over:
            return
        repeated = self.signal is not None and time.monotonic() - self._came < 1.0
        if self.signal is None:
            self.signal, self._came = number, time.monotonic()
        if not repeated:
            raise KeyboardInterrupt


interrupts = Interrupts()


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make a function a command: its errors become one line and exit code 2, Ctrl-C exit code 130."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        is_quiet = kwargs.get("quiet") or kwargs.get("as_json")
        logging.getLogger("jumpset").setLevel(logging.ERROR if is_quiet else logging.NOTSET)
        try:
            with interrupts.caught(), warnings_as_lines(kwargs):
                function(*args, **kwargs)
        except (InputError, MissingLibrary) as error:
            say(f"jumpset: {in_options(str(error), kwargs)}")
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            kept = interrupts.kept and f"; {interrupts.kept}"
            say(f"jumpset: interrupted{kept or ' before there was a result; nothing was written'}")
            raise typer.Exit(interrupts.exit_code) from None
        except RunFailed as error:
            say(f"jumpset: {error}")
            raise typer.Exit(1) from None
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            say(f"jumpset: {NO_MEMORY}")
            raise typer.Exit(1) from None
        finally:
            forget_names()

    return run


def names(text: str) -> list[str]:
    """Return ``"a, b"`` as a list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def method_labels(text: str) -> list[str]:
    """Return ``"tv:weight=0.1, l0"`` as a list; raise if a method is unknown, before torch is loaded."""
    labels = names(text)
    for label in labels:
        checks.one_of("method", label.partition(":")[0].strip(), CLASSES)
    return labels


def chosen_colors(palette: str, colors: int | None) -> list[str]:
    """Return the colours of ``--palette``; raise if there is also a number of colours, or no colour."""
    chosen = names(palette)
    if chosen and colors is not None:
        raise InputError("--colors and --palette exclude each other", given="both", do="pass one of the two")
    if colors is not None:
        checks.integer("the number of colours", colors, at_least=1)
    return chosen


def settings(assignments: Sequence[str], **named: Any) -> dict[str, Any]:
    """Return ``["levels=50", "isotropic=False"]`` and the named options as Python values by name."""
    values = {key: value for key, value in named.items() if value is not None}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip()
        if not equals or not key.isidentifier():
            raise InputError(
                "--set needs name=value", given=repr(assignment), do="write e.g. --set levels=50"
            )
        if key in values:
            raise InputError("a parameter is set twice", given=key, do="set it once")
        values[key] = as_value(text)
    return values


def as_range(text: str | None) -> tuple[float, float] | str | None:
    """Return the option ``--value-range`` as two numbers, or ``"data"``."""
    if text is None or text == "data":
        return text
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            "--value-range takes two numbers, or data", given=repr(text), do="write e.g. 0,4095"
        ) from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError("--value-range needs low < high", given=text, do="write e.g. 0,4095")
    return low, high


def range_of(
    picture: Picture, given: tuple[float, float] | str | None, missing: float | None = None
) -> tuple[float, float] | None:
    """Return ``"data"`` as the least and the largest value of the image that is not ``missing``."""
    if not isinstance(given, str):
        return given
    values = picture.pixels
    if missing is not None:
        from jumpset._core.arrays import equals

        values = values[~equals(values, missing)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    return (low, high) if low < high else (low, low + 1.0)


def read_mask(path: Path | None) -> Any:
    """Return where an image file is neither 0 in all channels nor transparent, ``(H, W)``; None for None."""
    if path is None:
        return None
    if path.suffix.lower() in (".jpg", ".jpeg"):
        raise InputError("a JPEG file is no mask: it blurs edges", given=path, do="save the mask as PNG")
    picture = read_other(path)
    valid = (picture.pixels != 0).reshape(*picture.pixels.shape[:2], -1).any(2)
    return valid if picture.alpha is None else valid & (picture.alpha != 0)


def read_other(path: Path) -> Picture:
    """Return an image that is not the input, in which no pixel may be missing."""
    from jumpset import io

    try:
        return io.read_picture(path)
    except FileError as error:
        if "missing=" not in error.do:
            raise
        raise FileError(error.what, given=error.given, do="replace them by numbers first") from None


def read_input(source: Path, page: int | None, missing: str | None) -> tuple[Picture, np.ndarray]:
    """Return an image, its missing pixels filled with the nearest valid ones, and its pixels as they are."""
    from jumpset import io

    check_reading(page, missing)
    if missing is None:
        picture = io.read_picture(source, page=page)
        return picture, picture.pixels
    picture = io.read_picture(source, page=page, missing="nan")
    if picture.pixels.dtype.kind != "f":
        raise InputError("NaN is a float", given=f"{source}, {picture.pixels.dtype}", do="omit --missing")
    import torch

    from jumpset._core.arrays import fill_nearest

    bands = np.moveaxis(picture.pixels.reshape(*picture.pixels.shape[:2], -1), 2, 0)[None]
    valid = np.asarray(~np.isnan(bands).any(1, keepdims=True))
    filled = fill_nearest(torch.from_numpy(np.ascontiguousarray(bands)), valid)
    pixels = np.moveaxis(filled[0].numpy(), 0, 2).reshape(picture.pixels.shape)
    return picture.with_pixels(np.ascontiguousarray(pixels)), picture.pixels


def check_files(*paths: Path | None) -> None:
    """Raise unless each of the files can be read: a spelling mistake must not wait for torch."""
    for path in paths:
        if path is not None and is_zarr_store(path):
            do = "use jumpset smooth with --tile, e.g. --tile 512"
            raise InputError("a Zarr store is smoothed by tiles", given=path, do=do)
        if path is not None:
            read_head(path)


def check_seconds(seconds: float | None) -> None:
    """Raise ``InputError`` unless the time limit is above 0."""
    if seconds is not None:
        checks.real("max_seconds", seconds, above=0.0)


def check_reading(page: int | None, missing: str | None) -> None:
    """Raise ``InputError`` for a page or a mark of missing pixels that no file has."""
    if page is not None:
        checks.integer("--page", page, at_least=1)
    if missing is not None:
        checks.one_of("--missing", missing, ("nan",))


def check_steps(steps: int | None) -> None:
    """Raise ``InputError`` unless the step limit is at least 0."""
    if steps is not None:
        checks.integer("--max-steps", steps, at_least=0)


def command_line() -> str:
    """Return the command line, quoted for a shell."""
    return shlex.join(["jumpset", *sys.argv[1:]])


def was_stopped(result: Result) -> bool:
    """Whether Ctrl-C or SIGTERM ended a run."""
    from jumpset._core.types import Status

    return interrupts.seen() or result.status is Status.INTERRUPTED


def settled(result: Result, name: str) -> Result:
    """Return the result of a run, interrupted where a signal stopped it; exit with 1 where it diverged."""
    from jumpset._core.types import Status

    if result.status is Status.DIVERGED:
        raise RunFailed(f"{name} diverged, nothing was written: {Status.DIVERGED.value}")
    return replace(result, status=Status.INTERRUPTED) if result.status is Status.STOPPED else result


def is_input(result: Result, pixels: np.ndarray) -> bool:
    """Whether a run was stopped where its answer was still the input."""
    return result.n_steps == 0 and np.array_equal(result.image, pixels)


@contextmanager
def creating(folder: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the block, which creates the folder, into a ``FileError``."""
    try:
        yield
    except OSError as error:
        raise FileError(
            "the folder cannot be created", given=f"{folder} ({error.strerror or error})", do="name another"
        ) from error


def save_report(
    path: Path,
    results: Result | dict[str, Result],
    picture: Picture,
    source: Path,
    transparent: str,
    *,
    notes: Sequence[str] = (),
    **more: Any,
) -> None:
    """Write the report on an image; the note ``transparent`` is for an image with transparency."""
    from jumpset.report import write_report

    write_report(
        path,
        results,
        picture=picture.pixels,
        name=source.name,
        command=command_line(),
        alpha=False,
        notes=[*notes, *([] if picture.alpha is None else [transparent])],
        **more,
    )
