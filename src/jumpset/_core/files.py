"""Paths of image files: checks before any work, and atomic writes."""

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


WRITABLE = tuple(_FORMATS)
"""Suffixes of formats that can be written."""
_PROBE = 2**16  # bytes
_ZARR_RECORDS = ("zarr.json", ".zarray", ".zgroup")  # one of them is in the folder of a Zarr store


def as_path(path: str | os.PathLike[str]) -> Path:
    """Return the argument as a path; raise unless it is one."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise InputError(
            "a path must be a string or a path object", given=repr(path), do="pass a file's path"
        )
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise FileError("the path is empty or has a zero byte", given=repr(path), do="pass a file's path")
    return Path(path)


def is_zarr_store(path: Path) -> bool:
    """Whether a folder is a Zarr store: one image, not a folder of images."""
    return any((path / record).exists() for record in _ZARR_RECORDS)


def can_be_written(path: Path) -> bool:
    """Whether the suffix names a format that can be written, not only read."""
    return path.suffix.lower() in _FORMATS


def format_of(path: Path) -> str:
    """Return the format that the suffix of a path names."""
    name = _FORMATS.get(path.suffix.lower())
    if name is None:
        raise FileError(
            "no format that can be written has this suffix",
            given=path,
            do="end the name in .png, .jpg, .jpeg, .webp, .tif, .tiff or .npy",
        )
    return name


def read_head(path: Path) -> bytes:
    """Return the first 16 bytes of a file; raise unless it is a readable regular file."""
    try:
        mode = path.stat().st_mode  # before opening, which would block on a pipe
        if stat.S_ISDIR(mode):
            raise FileError("the path is a folder, not an image", given=path, do="name a file in it")
        if not stat.S_ISREG(mode):
            raise FileError("the path is not a regular file", given=path, do="save the image as a file first")
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        raise FileError("the file does not exist", given=path, do="check the path and its spelling") from None
    except PermissionError:
        raise FileError(
            "the file may not be read", given=path, do="allow reading, or name another file"
        ) from None
    except OSError as error:
        raise FileError(
            "the file cannot be opened", given=f"{path} ({error.strerror or error})", do="check the path"
        ) from error
    if not head:
        raise FileError("the file is empty (0 bytes)", given=path, do="copy or download it again")
    return head


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Replace a file atomically: a context that yields a temporary path in the same folder.

    When the block ends, the temporary file replaces ``path``, with the permissions of the old file, or those
    of a new file. When the block fails or is interrupted, the temporary file is removed and the old file is
    kept. If ``path`` is a symbolic link, the file that it points to is replaced.

    Parameters
    ----------
    path : path-like
        The file to replace or create.

    Yields
    ------
    Path
        An empty file of the same suffix, for the caller to write.

    Raises
    ------
    FileError
        If the temporary file cannot be created, be written (an ``OSError`` of the block) or replace ``path``;
        other exceptions of the block propagate.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with js.io.atomic_write(path) as file:  # a file beside it, which replaces it at the end
    ...     _ = file.write_text("whole")
    >>> path.read_text()
    'whole'
    """
    path = as_path(path)
    target = _target(path)
    temporary = target.with_name(f".{secrets.token_hex(8)}{target.suffix}")
    try:
        try:
            # not by tempfile, which ignores the umask: the file must have the permissions of a new file
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            raise _failed(error, path) from error
        try:
            yield temporary
        except OSError as error:  # e.g. a full disk; one of another file is of the caller
            if error.filename not in (None, str(temporary)):
                raise
            raise _failed(error, path) from error
        try:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())  # else a crash could keep the new name and lose its content
            with suppress(FileNotFoundError):
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            os.replace(temporary, target)
        except OSError as error:
            raise _failed(error, path) from error
    finally:
        with suppress(OSError):  # after success it is gone already
            temporary.unlink()


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check, before any work, that an image can be written to a path; nothing stays.

    Parameters
    ----------
    path : path-like
        The file to be written.

    Raises
    ------
    FileError
        If the suffix is of no supported format, the folder is missing or not writable, the disk is full, or
        the path is a folder, a device or a write-protected file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "image.png"
    >>> js.io.check_writable(path)  # raises where the file could not be written
    """
    format_of(as_path(path))
    check_target(path)


def check_target(path: str | os.PathLike[str], *, probe: bool = True) -> Path:
    """As :func:`check_writable`, for a file of any suffix; return the path.

    With ``probe`` a small file is written to the folder and removed; not where the writing itself follows.
    """
    path = as_path(path)
    target = _target(path)
    folder = target.parent
    try:
        mode = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except OSError as error:  # e.g. a name that is too long, or a folder without search permission
        raise _failed(error, path) from error
    if mode is not None and stat.S_ISDIR(mode):
        raise FileError("the output path is a folder", given=path, do="name a file in it")
    if mode is not None and not stat.S_ISREG(mode):
        raise FileError("the output path is not a regular file", given=path, do="name another file")
    if not folder.is_dir():
        what = "the output folder is a file" if folder.exists() else "the output folder does not exist"
        raise FileError(what, given=folder, do="create the folder first, or name another one")
    if mode is not None and not os.access(target, os.W_OK):
        raise FileError(
            "the output file is write-protected", given=path, do="allow writing, or name another file"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FileError(
            "the output folder is not writable", given=folder, do="allow writing, or name another one"
        )
    if probe:
        _probe(folder)
    return path


def check_folder(folder: Path) -> None:
    """Check, before any work, that files can be written to a folder, which may have to be created."""
    place = Path(os.path.realpath(folder))
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise FileError("the output folder is a file", given=place, do="name another folder")
    check_target(place / f"{secrets.token_hex(8)}.tmp")


def _probe(folder: Path) -> None:
    """Write a small file and remove it: full disks, quotas and network drives show in no other way."""
    path = folder / f".{secrets.token_hex(8)}"
    try:
        try:
            path.write_bytes(bytes(_PROBE))
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(
            "no file can be written to the output folder",
            given=f"{folder} ({error.strerror or error})",
            do="check the free space and the permissions, or name another folder",
        ) from error


def _target(path: Path) -> Path:
    """Return the file that a path points to, through any symbolic links."""
    target = Path(os.path.realpath(path))
    if os.path.islink(target):  # realpath leaves a loop unresolved
        raise FileError("the output path is a loop of symbolic links", given=path, do="name another file")
    return target


def _failed(error: OSError, path: Path) -> FileError:
    return FileError(
        "the file could not be written",
        given=f"{path} ({error.strerror or error})",
        do="check the folder's permissions, the free space and the length of the name",
    )
