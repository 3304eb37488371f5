"""What makes a command of one file one of many files: a folder, a pattern, or standard input and output."""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import typer

from jumpset._core.errors import FileError, InputError
from jumpset._core.files import WRITABLE, can_be_written
from jumpset.cli._batch import Task, find, is_many, run_each
from jumpset.cli._messages import show_as

STREAM = Path("-")
_BATCH = ("jobs", "log", "resume", "force")


def each_file(
    output: str = "target",
    *,
    check: Callable[..., object],
    single: Sequence[str] = (),
    suffixes: Sequence[str] = tuple(WRITABLE),
    default_suffix: str | None = None,
    names: Callable[..., Sequence[str]] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command whose argument ``source`` is one file take many; apply it below :func:`command`.

    The command has the options ``jobs``, ``log``, ``resume``, ``force`` and ``suffix``, not for itself.

    Parameters
    ----------
    output
        The argument that names the output: a file, or ``"folder"``.
    check
        ``check(**options)`` raises for options that no file could be run with.
    single
        Options that name a file of one run.
    suffixes
        Suffixes that an output may have.
    default_suffix
        That of the outputs of a folder; default: that of the input, or ``.png`` if it can only be read.
    names
        ``names(source, **options)`` gives the names of the outputs, for a command that has several.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(**arguments: Any) -> None:
            suffix = arguments["suffix"] = _suffix(arguments["suffix"], suffixes)
            if not is_many(arguments["source"]):
                _check_one(arguments)
                with _streams(arguments, output, suffix or default_suffix or ".png") as real:
                    function(**real)
                return
            options = {key: value for key, value in arguments.items() if key not in ("source", output)}
            batch = {key: options[key] for key in ("jobs", "log", "resume", "force", "quiet")}
            for key in single:
                if options[key] is not None:
                    raise InputError(
                        f"--{key.replace('_', '-')} is for one image", given=options[key], do="leave it out"
                    )
            folder: Path = arguments[output]
            if folder == STREAM:
                raise InputError("several images need a folder", given=folder, do="name a folder for them")
            check(**options)
            each = {**options, **dict.fromkeys(_BATCH), "suffix": suffix, "quiet": True}
            if "as_json" in each:
                each["as_json"] = False

            def named(source: Path) -> Sequence[str]:
                if names is not None:
                    return names(source, **options)
                return [source.stem + (suffix or default_suffix or suffix_like(source))]

            command = function.__module__, function.__name__
            tasks = [
                Task(command, each, output, source, folder / place, tuple(named(source)), folder)
                for source, place in find(arguments["source"], folder)
            ]
            run_each(tasks, folder, as_json=options.get("as_json", False), **batch)

        return run

    return decorate


def suffix_like(source: Path) -> str:
    """Return the suffix of an input, or that of PNG where its format can only be read."""
    return source.suffix if can_be_written(source) else ".png"


def _suffix(form: str | None, allowed: Sequence[str]) -> str | None:
    if form is None:
        return None
    suffix = f".{form.lower().lstrip('.')}"
    if suffix not in allowed:
        known = ", ".join(name.lstrip(".") for name in allowed)
        raise InputError("no such format can be written", given=form, do=f"use one of: {known}")
    return suffix


def _check_one(arguments: dict[str, Any]) -> None:
    """Raise for options that one file has no use for."""
    given = [key for key in ("log", "resume") if arguments[key]] + ["jobs"] * (arguments["jobs"] != 1)
    if given:
        raise InputError(
            f"--{given[0]} is for several images", given=arguments["source"], do="name a folder or a pattern"
        )


@contextmanager
def _streams(arguments: dict[str, Any], output: str, suffix: str) -> Iterator[dict[str, Any]]:
    """Yield the arguments with files for ``-``: that of stdin is complete, that of stdout is copied there."""
    reads, writes = arguments["source"] == STREAM, arguments[output] == STREAM
    if output == "folder":
        writes = False
    elif arguments["suffix"] is not None and not writes:
        raise InputError(
            "--format is for a folder or -", given=arguments[output], do="change the file's name"
        )
    if not (reads or writes):
        yield arguments
        return
    if writes and arguments.get("as_json"):
        raise InputError("the events and the image would mix", given="--json and -", do="name a file")
    if writes and sys.stdout.isatty():
        raise InputError("an image is nothing for a terminal", given="-", do="add > out.png, or name a file")
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jumpset-")))
        real = dict(arguments)
        if reads:
            real["source"] = place / "stdin"
            real["source"].write_bytes(typer.get_binary_stream("stdin").read())
            show_as(real["source"], "stdin")
        if writes:
            real[output] = place / f"stdout{suffix}"
            show_as(real[output], "stdout")
        try:
            yield real
        finally:
            if writes and real[output].exists():  # also the image of an interrupted run
                _print(real[output])


def _print(path: Path) -> None:
    stream = typer.get_binary_stream("stdout")
    try:
        stream.write(path.read_bytes())
        stream.flush()
    except OSError as error:
        raise FileError("stdout cannot be written", given=error, do="name a file") from None
