"""Paths of picture files: checked before any work, and written as a whole."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jumpset._core.errors import FileError, InputError

_FORMATS = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".npy": "npy",
}


def as_path(path: str | os.PathLike[str]) -> Path:
    """The path, if it is one at all."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise InputError(
            "a path must be a string or a path object", given=repr(path), do="pass a file's path"
        )
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise FileError("the path is empty or has a zero byte", given=repr(path), do="pass a file's path")
    return Path(path)


def format_of(path: Path) -> str:
    """The format that a suffix names."""
    name = _FORMATS.get(path.suffix.lower())
    if name is None:
        raise FileError(
            "no format that is written goes by this suffix",
            given=path,
            do="end the name in .png, .jpg, .jpeg, .webp, .tif, .tiff or .npy",
        )
    return name


def read_head(path: Path) -> bytes:
    """The first bytes of a file that can be read."""
    try:
        mode = path.stat().st_mode  # first of all: opening a pipe would wait for its other end
        if stat.S_ISDIR(mode):
            raise FileError("the path is a folder, not a picture", given=path, do="name a file in it")
        if not stat.S_ISREG(mode):
            raise FileError(
                "the path is not a regular file", given=path, do="save the picture as a file first"
            )
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        raise FileError("the file does not exist", given=path, do="check the path and its spelling") from None
    except PermissionError:
        raise FileError("the file may not be read", given=path, do="ask for the right to read it") from None
    except OSError as error:
        raise FileError(
            "the file cannot be opened", given=f"{path} ({error.strerror or error})", do="check the path"
        ) from error
    if not head:
        raise FileError("the file is empty (0 bytes)", given=path, do="copy or download it again")
    return head


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Replace a file as a whole: a context that yields a temporary path in the same folder.

    When the block ends, the temporary file takes the place of ``path``, with the permissions of the old file,
    or those of any new file. When it fails or is interrupted, the temporary file is removed and the old file
    stays as it was. If ``path`` is a symbolic link, the file that it points to is replaced.

    Parameters
    ----------
    path : path-like
        The file to replace or to make.

    Yields
    ------
    Path
        An empty file of the same suffix, to be written by the caller.

    Raises
    ------
    FileError
        If the temporary file cannot be made or put in place. What the block raises is passed on as it is.
    """
    path = as_path(path)
    target = _target(path)
    temporary = target.with_name(f".{secrets.token_hex(8)}{target.suffix}")
    try:
        try:
            # Not the tempfile module: a file made in this way has the permissions that the umask leaves.
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            raise _failed(error, path) from error
        yield temporary
        try:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())  # else a crash could keep the new name and lose what it names
            with suppress(FileNotFoundError):
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            os.replace(temporary, target)
        except OSError as error:
            raise _failed(error, path) from error
    finally:
        with suppress(OSError):  # it is gone already where all went well
            temporary.unlink()


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check, before any work, that a picture can be written to a path; nothing is created.

    Parameters
    ----------
    path : path-like
        The file to be written.

    Raises
    ------
    FileError
        If the suffix is not that of a supported format, the folder is missing or not writable, or the path
        is a folder, a device or a write-protected file.
    """
    path = as_path(path)
    format_of(path)
    target = _target(path)
    folder = target.parent
    try:
        mode = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except OSError as error:  # a name that is too long, a folder that may not be searched
        raise _failed(error, path) from error
    if mode is not None and stat.S_ISDIR(mode):
        raise FileError("the output path is a folder", given=path, do="name a file in it")
    if mode is not None and not stat.S_ISREG(mode):
        raise FileError("the output path is not a regular file", given=path, do="name another file")
    if not folder.is_dir():
        what = "the output folder is a file" if folder.exists() else "the output folder does not exist"
        raise FileError(what, given=folder, do="make the folder first, or name another one")
    if mode is not None and not os.access(target, os.W_OK):
        raise FileError(
            "the output file is write-protected", given=path, do="allow writing, or name another file"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FileError(
            "the output folder is not writable", given=folder, do="allow writing, or name another one"
        )


def _target(path: Path) -> Path:
    """The file that a path leads to, through any symbolic links."""
    target = Path(os.path.realpath(path))
    if os.path.islink(target):  # what is left unresolved is a loop
        raise FileError("the output path is a loop of symbolic links", given=path, do="name another file")
    return target


def _failed(error: OSError, path: Path) -> FileError:
    return FileError(
        "the file could not be written",
        given=f"{path} ({error.strerror or error})",
        do="look at the folder's permissions, the free space and the length of the name",
    )
