"""Work on many files in processes: one that dies costs its own task, and no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")

DIED = "a worker process died, perhaps for lack of memory"


def map_tasks(
    function: Callable[[Task], Answer],
    tasks: Sequence[Task],
    jobs: int,
    *,
    threads: int,
    died: Callable[[Task], Answer],
) -> Generator[Answer, None, None]:
    """Yield ``function(task)`` for each task, as soon as it is there.

    Parameters
    ----------
    function
        A function of a module, which must not raise.
    tasks
        What can be pickled.
    jobs
        Number of processes; with 1 all is done in this process, and in order.
    threads
        Threads of each process.
    died
        The answer for a task whose process died. The tasks that ran beside it are done again, each alone,
        since it is not known which of them was the cause.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C; the processes are ended with what they were doing, and so they are if the generator is
        closed.
    """
    if jobs == 1:
        yield from map(function, tasks)
        return
    waiting, suspects = deque(tasks), deque[Any]()
    while waiting or suspects:
        is_alone = bool(suspects)
        queue, size = (suspects, 1) if is_alone else (waiting, min(jobs, len(waiting)))
        running: dict[Future[Answer], Task] = {}
        before = set(multiprocessing.active_children())
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(size, mp_context=context, initializer=_start, initargs=(threads,))
        try:
            while queue or running:
                while queue and len(running) < size:
                    running[pool.submit(function, queue[0])] = queue[0]
                    queue.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    answer = future.result()
                    del running[future]
                    yield answer
        except BrokenProcessPool:
            lost = [task for future, task in running.items() if not _is_done(future)]
            yield from (future.result() for future in running if _is_done(future))
            if is_alone:
                yield from map(died, lost)
            else:
                suspects.extend(lost)
        except BaseException:  # do not wait for what is running
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _is_done(future: Future[Any]) -> bool:
    return future.done() and future.exception() is None


def _start(threads: int) -> None:
    # Ctrl-C reaches all processes; the parent handles it. More threads than cores would only wait.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)  # before numba and torch are imported
