"""Text files of results (reports, records): checks before any work, and atomic writes."""

from __future__ import annotations

import os
from pathlib import Path

from jumpset._core.errors import FileError
from jumpset._core.files import as_path, atomic_write


def check_text_path(path: str | os.PathLike[str], what: str, suffixes: tuple[str, ...]) -> Path:
    """Raise ``FileError`` unless the path has one of the suffixes and can be written; nothing is created."""
    target = as_path(path)
    if target.suffix.lower() not in suffixes:
        raise FileError(f"the {what} must end in {' or '.join(suffixes)}", given=target, do="rename it")
    real = Path(os.path.realpath(target))
    try:
        folder_is_there, taken = real.parent.is_dir(), real.exists() and not real.is_file()
        writable = os.access(real.parent, os.W_OK | os.X_OK) and (
            not real.exists() or os.access(real, os.W_OK)
        )
    except OSError as error:  # e.g. a name that is too long, or a loop of links
        raise _failed(what, target, error) from error
    if not folder_is_there:
        raise FileError(f"the folder for the {what} does not exist", given=real.parent, do="create it first")
    if taken:
        raise FileError(f"the path of the {what} is not a file", given=target, do="name a file")
    if not writable:
        raise FileError(
            f"the {what} cannot be written there", given=target, do="allow writing, or name another file"
        )
    return target


def write_text(path: Path, text: str, what: str) -> None:
    """Replace the file atomically, in UTF-8."""
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except FileError:
        raise
    except OSError as error:
        raise _failed(what, path, error) from error


def _failed(what: str, path: Path, error: OSError) -> FileError:
    return FileError(
        f"the {what} could not be written",
        given=f"{path} ({error.strerror or error})",
        do="check the free space and the length of the name",
    )
