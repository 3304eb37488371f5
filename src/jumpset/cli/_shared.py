"""Helpers of the commands: errors and interrupts as exit codes, settings, devices."""

from __future__ import annotations

import ast
import functools
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

from jumpset._core import checks
from jumpset._core.errors import FileError, InputError, MissingLibrary

if TYPE_CHECKING:
    from jumpset.io import Picture
    from jumpset.running.run import Result

# Messages of torch on CPUs and GPUs; the error is a plain RuntimeError.
_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


def say(text: str) -> None:
    """Print a text as one line on stderr."""
    line = " ".join(text.splitlines())
    # a file name may have bytes that are not UTF-8
    typer.echo(line.encode("utf-8", "backslashreplace").decode(), err=True)


class Interrupts:
    """Ctrl-C and SIGTERM interrupt a run once; they are deferred while a file is being written.

    A second signal within one second is ignored: a shell and a wrapper often both send one.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        """The signal that was received, if any."""
        self._came = 0.0
        self._busy = False
        self._late = False  # a signal was received while busy

    def seen(self, *_: object) -> bool:
        """Whether a signal was received; also usable as a ``stop`` function."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """Exit code by the convention of shells: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self.signal or signal.SIGINT)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Turn both signals into ``KeyboardInterrupt`` within the block."""
        self.signal = None
        handled = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._handle) for number in handled]
        try:
            yield
        finally:
            for number, handler in zip(handled, before, strict=True):
                signal.signal(number, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Defer signals until the end of a short block that must finish."""
        self._busy, self._late = True, False
        try:
            yield
        finally:
            self._busy = False
        if self._late:
            raise KeyboardInterrupt

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        repeated = self.signal is not None and time.monotonic() - self._came < 1.0
        if self.signal is None:
            self.signal, self._came = number, time.monotonic()
        if repeated:
            return
        if self._busy:
            self._late = True
        else:
            raise KeyboardInterrupt


interrupts = Interrupts()


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make a function a command: its errors become one line and exit code 2, Ctrl-C exit code 130."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with interrupts.caught():
                function(*args, **kwargs)
        except (InputError, MissingLibrary) as error:
            say(f"jumpset: {error}")
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            say("jumpset: interrupted before there was a result; nothing was written")
            raise typer.Exit(interrupts.exit_code) from None
        except (MemoryError, RuntimeError) as error:
            if not (isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)):
                raise
            say("jumpset: not enough memory for this method and image; use a smaller image or another method")
            raise typer.Exit(1) from None

    return run


def names(text: str) -> list[str]:
    """Return ``"a, b"`` as a list."""
    return [part.strip() for part in text.split(",") if part.strip()]


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
        try:
            values[key] = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            values[key] = text
    return values


def check_seconds(seconds: float | None) -> None:
    """Raise ``InputError`` unless the time limit is above 0."""
    if seconds is not None:
        checks.real("max_seconds", seconds, above=0.0)


def command_line() -> str:
    """Return the command line, quoted for a shell."""
    return shlex.join(["jumpset", *sys.argv[1:]])


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
    path: Path, results: Result | dict[str, Result], picture: Picture, source: Path, note: str, **more: Any
) -> None:
    """Write the report on an image; the note is for an image with transparency."""
    from jumpset.report import write_report

    write_report(
        path,
        results,
        picture=picture.pixels,
        name=source.name,
        command=command_line(),
        alpha=False,
        notes=[] if picture.alpha is None else [note],
        **more,
    )
