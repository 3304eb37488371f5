"""Numba's compiler with a cache that never fails: in numba's folder, else in a temporary one, else none."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba
import numba.core.config
import numba.core.event

_NOTICE = (
    "jumpset: compiling for this machine, which is done once and takes up to a minute; "
    "`jumpset warmup` does it beforehand"
)
_SOON = 1.0  # seconds of compilation that need no explanation

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


class _Notice(numba.core.event.Listener):
    """Says once a process that kernels of this package compile, if that takes more than a second in all.

    Numba has no such event for a kernel that it finds in its cache. The line goes to the logger ``jumpset``,
    which anybody can silence; a warning would become an error where warnings are errors.
    """

    def __init__(self) -> None:
        self._seconds, self._began, self._depth, self._is_said = 0.0, 0.0, 0, False
        self._timer = threading.Timer(0.0, self._say)

    def on_start(self, event: Any) -> None:
        if self._is_said or not _is_ours(event):
            return
        self._depth += 1
        if self._depth == 1:  # a kernel compiles those that it calls
            self._began = time.monotonic()
            self._timer = threading.Timer(max(0.0, _SOON - self._seconds), self._say)
            self._timer.daemon = True
            self._timer.start()

    def on_end(self, event: Any) -> None:
        if self._depth and _is_ours(event):
            self._depth -= 1
            if not self._depth:
                self._timer.cancel()
                self._seconds += time.monotonic() - self._began

    def _say(self) -> None:
        if not self._is_said:
            self._is_said = True
            logging.getLogger("jumpset").warning(_NOTICE)


def _is_ours(event: Any) -> bool:
    return event.data["dispatcher"].py_func.__module__.startswith("jumpset.")


numba.core.event.register("numba:compile", _Notice())
