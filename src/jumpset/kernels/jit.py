"""Numba's compiler with a cache that never fails: in numba's folder, else in a temporary one, else none."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba
import numba.core.config

_config: Any = numba.core.config  # numba sets its attributes at run time


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """As ``numba.njit``; ``cache=True`` is a wish.

    Numba raises where neither the package nor the user's cache folder can be written, as in a container
    without a home. The cache is then a folder of the user in the system's temporary folder; if there is none,
    each process compiles its kernels again.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        before = _config.CACHE_DIR
        try:
            return _compiler(function, options)
        except RuntimeError:  # no folder can be written
            _config.CACHE_DIR = _temporary_folder() or before
            with suppress(RuntimeError):
                return _compiler(function, options)
            return _compiler(function, {**options, "cache": False})
        finally:
            _config.CACHE_DIR = before  # that of other packages is theirs

    return decorate


def _compiler(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    compiler: Any = numba.njit(**options)(function)
    save = compiler._cache.save_overload

    def save_if_possible(*arguments: Any) -> None:
        with suppress(OSError):  # e.g. a full disk: the compiled function is in memory
            save(*arguments)

    compiler._cache.save_overload = save_if_possible
    return compiler


def _temporary_folder() -> str | None:
    """Return a folder that belongs to this user alone, since numba runs the code that it finds there."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    try:
        path = os.path.join(tempfile.gettempdir(), f"jumpset-numba-{user}")
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
        found = os.lstat(path)
    except OSError:
        return None
    is_own = not hasattr(os, "getuid") or (found.st_uid == user and not found.st_mode & 0o022)
    return path if stat.S_ISDIR(found.st_mode) and is_own else None
