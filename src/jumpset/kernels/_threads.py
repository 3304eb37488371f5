"""Threads for compiled loops: one small pool that may be used from several Python threads at once.

Numba's own parallel loops may not: its default layer ends the process when two threads enter a parallel region.
So the kernels here are plain loops that release the interpreter lock and run over a range of rows or planes,
and this file cuts the range into bands. A kernel must write only what belongs to its own band.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import torch


def _new_pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="jumpset")


_pool = _new_pool()  # its threads start with the first band that needs one


def in_bands(kernel: Callable[..., object], n: int, *arguments: object, least: int = 1) -> None:
    """Call ``kernel(start, stop, *arguments)`` on consecutive bands of ``range(n)``, one a thread.

    Uses at most ``torch.get_num_threads()`` threads, the calling one among them, and returns when all bands
    are done.

    Parameters
    ----------
    kernel
        A compiled function with ``nogil=True``.
    n
        Rows, planes, or whatever ``start`` and ``stop`` count.
    *arguments
        Passed on to every call.
    least
        Smallest band that is worth a thread: handing one over costs about 15 µs.
    """
    bands = max(1, min(torch.get_num_threads(), n // max(1, least)))
    edges = [n * k // bands for k in range(bands + 1)]
    others = [_pool.submit(kernel, edges[k], edges[k + 1], *arguments) for k in range(1, bands)]
    try:
        kernel(0, edges[1], *arguments)
    finally:  # no band may outlive the call, whatever became of the first
        wait(others)
    for other in others:
        other.result()


def _after_fork() -> None:
    """A forked child, such as a data loader's worker, inherits a pool without its threads."""
    global _pool
    _pool = _new_pool()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
