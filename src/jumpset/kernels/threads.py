"""Threads for compiled loops: one small pool that several Python threads may use at the same time.

Numba's default threading layer does not allow that: it ends the process when two threads enter a parallel
region. Kernels are therefore plain loops over a range of rows or planes that release the interpreter lock,
and this module divides the range into bands. A kernel must write only into its own band.
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


_pool = _new_pool()  # starts a thread when a band needs one


def parallel_rows(kernel: Callable[..., object], n: int, *arguments: object, least: int = 1) -> None:
    """Call ``kernel(start, stop, *arguments)`` on consecutive bands that make up ``range(n)``.

    At most ``torch.get_num_threads()`` threads are used, including the calling one, and the call returns when
    all bands are done. There are more bands than threads, and a free thread takes the next band: a core that
    is busy with other work takes fewer bands, and the others do not wait for it.

    Parameters
    ----------
    kernel
        A compiled function with ``nogil=True``.
    n
        Number of rows, planes, or other units that ``start`` and ``stop`` count.
    *arguments
        Further arguments of every call.
    least
        Smallest band that is worth a thread: passing a band to a thread takes about 15 µs.
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
    finally:  # no band may run after the call, also if this thread's band raised
        bands.clear()
        started = [helper for helper in helpers if not helper.cancel()]
        errors = [helper.exception() for helper in started]  # waits
        # A finished helper releases ``work`` a moment later. The arrays must be released at once, since the
        # memory of a gradient could not be reused otherwise.
        arguments = ()
    for error in errors:
        if error is not None:
            raise error


def _after_fork() -> None:
    """Replace the pool in a forked child, such as a data loader's worker, which inherits no threads."""
    global _pool
    _pool = _new_pool()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
