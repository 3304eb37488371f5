"""Threads for compiled loops: one small pool that may be used from several Python threads at once.

Numba's own parallel loops may not: its default layer ends the process when two threads enter a parallel
region. So the kernels here are plain loops that release the interpreter lock and run over a range of rows or
planes, and this file cuts the range into bands. A kernel must write only what belongs to its own band.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

_BANDS_PER_THREAD = 4


def _new_pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="jumpset")


_pool = _new_pool()  # its threads start with the first band that needs one


def parallel_rows(kernel: Callable[..., object], n: int, *arguments: object, least: int = 1) -> None:
    """Call ``kernel(start, stop, *arguments)`` on consecutive bands that make up ``range(n)``.

    Uses at most ``torch.get_num_threads()`` threads, the calling one among them, and returns when all bands
    are done. There are more bands than threads, and a thread takes the next one when it is free: so a core
    that is busy elsewhere costs its share of the speed, and is not waited for.

    Parameters
    ----------
    kernel
        A compiled function with ``nogil=True``.
    n
        Rows, planes, or whatever ``start`` and ``stop`` count.
    *arguments
        Passed on to every call.
    least
        Smallest band that is worth a thread: handing work over costs about 15 µs.
    """
    worth = n // max(1, least)
    threads = min(torch.get_num_threads(), worth)
    if threads <= 1:
        kernel(0, n, *arguments)
        return
    count = min(threads * _BANDS_PER_THREAD, worth)
    bands = deque((n * k // count, n * (k + 1) // count) for k in range(count))

    def work() -> None:
        while True:
            try:
                start, stop = bands.popleft()
            except IndexError:
                return
            kernel(start, stop, *arguments)

    helpers = [_pool.submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:  # no band may outlive the call, whatever became of this thread's own
        bands.clear()
        started = [helper for helper in helpers if not helper.cancel()]
        errors = [helper.exception() for helper in started]  # waits
        # A helper that is done lets go of ``work`` a moment later, but of the arrays at once: otherwise the
        # memory of a gradient could not be used again.
        arguments = ()
    for error in errors:
        if error is not None:
            raise error


def _after_fork() -> None:
    """A forked child, such as a data loader's worker, inherits a pool without its threads."""
    global _pool
    _pool = _new_pool()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
