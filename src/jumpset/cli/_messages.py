"""What a command says: one line on stderr, in the words of the command line."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

# An argument of Python with its value: value_range=(0, 255), missing='nan'.
_ARGUMENT = re.compile(r"(?<![\w:,.-])([a-z]\w*)=(\([^()]*\)|'[^']*'|[^\s,;()]*)")
_RENAMED = {"assignments": "set", "suffix": "format", "as_json": "json", "folder": "output"}
_ARGUMENTS = {"n_regions": "regions", "n_colors": "colors"}  # names in Python: those here


def _plain(value: str) -> str:
    return value.strip("()'").replace(" ", "")


def in_options(text: str, parameters: Mapping[str, Any]) -> str:
    """Return a message with the arguments of Python that it names as options of the command.

    Parameters
    ----------
    text
        The message of an error or a warning.
    parameters
        The arguments of the command's function, with their values.
    """

    def option(name: str) -> str:
        return f"--{_RENAMED.get(name, name).replace('_', '-')}"

    def with_value(found: re.Match[str]) -> str:
        name = _ARGUMENTS.get(found[1], found[1])
        if name in parameters:
            return f"{option(name)} {_plain(found[2])}".rstrip()
        return f"--set {found[0]}" if "assignments" in parameters and "--set" not in text else found[0]

    text = _ARGUMENT.sub(with_value, text)
    for name in parameters:
        if "_" in name:  # a word of no sentence
            text = re.sub(rf"(?<![\w-]){name}\b", option(name), text)
        elif text.startswith(f"{name} "):  # the subject, as in "weight must be above 0"
            text = option(name) + text.removeprefix(name)
    for assignment in parameters.get("assignments") or ():
        name = assignment.partition("=")[0].strip()
        if name and text.startswith(f"{name} "):
            text = f"--set {text}"
    return text


_shown: dict[str, str] = {}  # paths of temporary files, and what stands for them in messages


def forget_names() -> None:
    """End what :func:`show_as` began; called at the end of a command."""
    _shown.clear()


def show_as(path: Path, name: str) -> None:
    """Show a path by a name in all that the command says."""
    _shown[str(path)] = name


def say(text: str) -> None:
    """Print a text as one line on stderr."""
    for path, name in _shown.items():
        text = text.replace(path, name)
    line = " ".join(text.splitlines())
    # a file name may have bytes that are not UTF-8
    typer.echo(line.encode("utf-8", "backslashreplace").decode(), err=True)


@contextmanager
def warnings_as_lines(parameters: Mapping[str, Any], of: str = "") -> Iterator[None]:
    """Print warnings as lines, without a place in the source, as errors are; ``of`` comes first."""

    def show(message: object, *_: object) -> None:
        say(f"jumpset: {of}warning: {in_options(str(message), parameters)}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
