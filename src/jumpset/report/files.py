"""Text files of results (reports, records): checks before any work, and atomic writes."""

from __future__ import annotations

import os
from pathlib import Path

from jumpset._core.errors import FileError
from jumpset._core.files import as_path, atomic_write, check_target


def check_text_path(path: str | os.PathLike[str], what: str, suffixes: tuple[str, ...]) -> Path:
    """Raise ``FileError`` unless the path has one of the suffixes and can be written; nothing is created."""
    target = as_path(path)
    if target.suffix.lower() not in suffixes:
        raise FileError(f"the {what} must end in {' or '.join(suffixes)}", given=target, do="rename it")
    return check_target(target)


def write_text(path: Path, text: str, what: str) -> None:
    """Replace the file atomically, in UTF-8."""
    try:
        with atomic_write(path) as temporary:
            # a file name in the text may have bytes that are not UTF-8
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    except FileError as error:
        raise FileError(f"the {what} could not be written", given=error.given, do=error.do) from error
