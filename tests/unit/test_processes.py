"""Tasks in processes: one that dies costs its own task."""

import os
import time

import pytest

from jumpset._core.processes import map_tasks


def work(task):
    if task == "die":
        os._exit(1)
    if task == "sleep":
        time.sleep(600)
    return task, os.environ.get("NUMBA_NUM_THREADS")


def died(task):
    return task, "died"


def test_in_this_process():
    assert [task for task, _ in map_tasks(work, [3, 1, 2], 1, threads=1, died=died)] == [3, 1, 2]


@pytest.mark.slow
def test_a_process_that_dies():
    answers = dict(map_tasks(work, ["a", "die", "b", "c"], 2, threads=1, died=died))
    assert answers == {"a": "1", "die": "died", "b": "1", "c": "1"}


@pytest.mark.slow
def test_closing_ends_the_processes():
    started = time.monotonic()
    answers = map_tasks(work, ["a", "sleep"], 2, threads=1, died=died)
    assert next(answers) == ("a", "1")
    answers.close()
    assert time.monotonic() - started < 60
