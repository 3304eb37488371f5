"""A Dask cluster of processes of its own: a scheduler and two workers, one of which is killed at work."""

import contextlib
import subprocess
import sys
import time

import numpy as np
import pytest

import jumpset as js

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")


@contextlib.contextmanager
def program(folder, *arguments):
    command = [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:], "--no-dashboard"]
    with (folder / f"{arguments[0]}.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=30)


@pytest.mark.slow
def test_the_answer_is_whole_after_a_worker_was_killed(tmp_path):
    image = js.datasets.coffee()[:256, :384]
    lazy = js.apply_tiled(da.from_array(image, chunks=(48, 48, 3)), "bilateral", radius=2.0)
    file = ["--scheduler-file", str(tmp_path / "scheduler.json")]
    work = ["dask_worker", *file, "--no-nanny", "--nthreads", "1", "--death-timeout", "60"]
    with (
        program(tmp_path, "dask_scheduler", *file, "--port", "0", "--host", "127.0.0.1"),
        program(tmp_path, *work) as first,
        program(tmp_path, *work),
    ):
        limit = time.monotonic() + 60
        while not (tmp_path / "scheduler.json").exists() and time.monotonic() < limit:
            time.sleep(0.1)
        with distributed.Client(scheduler_file=str(tmp_path / "scheduler.json"), timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
            future = client.compute(lazy)
            while sum(map(len, client.has_what().values())) < 4 and time.monotonic() < limit + 60:
                time.sleep(0.02)
            first.kill()
            first.wait(timeout=30)
            out = future.result(timeout=120)
            assert len(client.scheduler_info()["workers"]) == 1
    np.testing.assert_array_equal(out, js.smooth(image, "bilateral", radius=2.0))
