"""Ctrl-C, SIGTERM and full disks at any moment of a run: the answer so far is written."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset._core.signals import Hold, pending
from jumpset.running.run import Snapshots

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


@pytest.fixture(autouse=True)
def listens():
    """A job that a shell starts in the background ignores Ctrl-C, and so would every test here."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# Loads the package once, then runs the command line in forked processes, to each of which the parent sends a
# signal at a random moment after the first step. Most of the time is spent in checkpoints.
CHILDREN = """
import os, random, signal, sys, time
import numpy as np, torch
torch.set_num_threads(1)
from jumpset.cli.app import app
from jumpset.smoothers.region_fusion import RegionFusion
folder, count = sys.argv[1], int(sys.argv[2])
command = ["smooth", f"{folder}/in.png", "OUT", "--set", "levels=1000000000", "--checkpoint-every", "1", "--json"]
def started(out, *more):
    app([out if word == "OUT" else word for word in command] + ["--checkpoint", f"{out[:-4]}.pt", *more])
try:
    started(f"{folder}/once.png", "--max-steps", "1")  # loads all that the children need
except SystemExit:
    print(flush=True)
random.seed(0)
for k in range(count):
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        step = RegionFusion.step
        calls = []
        def counted(self, state):
            calls.append(1)
            if len(calls) == 2:
                os.write(told, b".")
            return step(self, state)
        RegionFusion.step = counted
        out, errors = (os.open(f"{folder}/{k}.{name}", os.O_WRONLY | os.O_CREAT) for name in ("stdout", "stderr"))
        os.dup2(out, 1), os.dup2(errors, 2)
        try:
            started(f"{folder}/{k}.png")
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code)  # the interpreter's own end takes seconds
    os.read(ready, 1)
    time.sleep(random.uniform(0.0, 0.05))
    os.kill(pid, (signal.SIGINT, signal.SIGTERM)[k % 2])
    for _ in range(3000):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            break
        time.sleep(0.01)
    else:
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
    os.close(ready), os.close(told)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


def test_twenty_processes_are_interrupted_at_random_moments(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (24, 31, 3), dtype=np.uint8)
    js.io.write_picture(tmp_path / "in.png", picture)
    command = [sys.executable, "-c", CHILDREN, str(tmp_path), "20"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert process.returncode == 0, process.stderr
    assert [int(code) for code in process.stdout.splitlines()[-20:]] == [130, 143] * 10
    for k in range(20):
        last = json.loads((tmp_path / f"{k}.stdout").read_text().splitlines()[-1])
        assert (last["event"], last["status"]) == ("result", "INTERRUPTED"), k
        assert (tmp_path / f"{k}.stderr").read_text() == ""
        written = js.io.read_picture(tmp_path / f"{k}.png").pixels
        np.testing.assert_array_equal(
            written,
            js.run(picture, js.method("region-fusion", levels=10**9), max_steps=last["n_steps"]).image,
        )
        if (tmp_path / f"{k}.pt").exists():  # not before the end of the first step
            assert torch.load(tmp_path / f"{k}.pt", weights_only=True)["n_steps"] in (
                last["n_steps"] - 1,
                last["n_steps"],
            )
    assert list(tmp_path.glob(".*")) == []


def test_a_signal_within_torch_save_costs_nothing(tmp_path, monkeypatch):
    save, picture = torch.save, np.random.default_rng(1).random((20, 21))

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        save(*arguments)

    monkeypatch.setattr(torch, "save", interrupted)
    result = js.run(
        picture, js.method("region-fusion", levels=20), checkpoint=tmp_path / "run", checkpoint_every=3
    )
    assert (result.status, result.n_steps) == (js.Status.INTERRUPTED, 3)
    monkeypatch.undo()
    resumed = js.run(picture, js.method("region-fusion", levels=20), checkpoint=tmp_path / "run")
    np.testing.assert_array_equal(resumed.image, js.smooth(picture, levels=20))


def test_an_interrupt_while_the_answer_is_computed(monkeypatch):
    picture, method = np.random.default_rng(1).random((20, 21)), js.method("region-fusion")
    image = type(method).image

    def interrupted(self, state):
        signal.raise_signal(signal.SIGINT)
        return image(self, state)

    monkeypatch.setattr(type(method), "image", interrupted)
    result = js.run(picture, method)
    assert result.status is js.Status.INTERRUPTED
    monkeypatch.undo()
    np.testing.assert_array_equal(result.image, js.smooth(picture))


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("PytorchStreamWriter failed")]
)
def test_a_full_disk_at_a_checkpoint_costs_the_checkpoint_only(tmp_path, monkeypatch, error):
    def full(_content, file):
        file.write(b"half")
        raise error

    monkeypatch.setattr(torch, "save", full)
    picture = np.random.default_rng(1).random((20, 21))
    with pytest.warns(UserWarning, match="the checkpoint could not be written.*the run goes on"):
        result = js.run(picture, js.method("region-fusion"), checkpoint=tmp_path / "run")
    np.testing.assert_array_equal(result.image, js.smooth(picture))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_at_a_checkpoint_of_a_training_costs_the_checkpoint_only(tmp_path, monkeypatch):
    def full(_content, file):
        raise OSError(28, "No space left on device")

    for part in ("input", "truth"):
        (tmp_path / part).mkdir()
        js.io.write_picture(tmp_path / part / "a.png", np.zeros((20, 21, 3), dtype=np.uint8))
    monkeypatch.setattr(torch, "save", full)
    tiny = {"sizes": {"widths": [4, 4], "blocks": [1, 1]}, "batch_size": 1, "crop": 16, "steps": 1}
    folders = {"data": tmp_path, "validation": tmp_path, "checkpoint": tmp_path / "point"}
    with pytest.warns(UserWarning, match="the training goes on"):
        trained = js.training.train("dejpeg", out=tmp_path / "w.safetensors", **tiny, **folders)
    assert js.learned.load_weights(trained.path).metadata["steps"] == 1
    assert not (tmp_path / "point").exists()


def test_blocks_hold_and_nest():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        with Hold():
            signal.raise_signal(signal.SIGTERM)
            assert pending()
            with Hold(raises=True) as inner:
                assert (seen, pending()) == ([signal.SIGTERM], False)  # delivered where it may interrupt
                inner.raises = False
                signal.raise_signal(signal.SIGTERM)
                assert not inner.take()  # this handler interrupts nothing
                assert len(seen) == 2
                signal.raise_signal(signal.SIGTERM)
            assert len(seen) == 2
        assert len(seen) == 3
        with pytest.raises(KeyboardInterrupt), Hold():  # noqa: PT012  (the block is tested)
            signal.raise_signal(signal.SIGINT)
            seen.append("the end")
        assert seen[-1] == "the end"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_on_entering_or_leaving_a_block_leaves_no_block():
    with pytest.raises(KeyboardInterrupt), Hold():  # noqa: PT012  (the block is tested)
        signal.raise_signal(signal.SIGINT)
        with Hold(raises=True):
            pytest.fail("not reached")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def interrupted(number, handler):
        old = restore(number, handler)
        if handler is raising:
            restore_once()
        return old

    def raising(*_):
        raise KeyboardInterrupt

    def restore_once():
        signal.signal = restore
        signal.raise_signal(signal.SIGTERM)

    before, restore = signal.signal(signal.SIGTERM, raising), signal.signal
    try:
        with pytest.raises(KeyboardInterrupt), Hold():
            signal.signal = interrupted
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt), Hold():
                signal.raise_signal(signal.SIGINT)
        assert not pending()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal = restore
        signal.signal(signal.SIGTERM, before)


def test_a_signal_twice_in_a_block_interrupts_once():
    with pytest.raises(KeyboardInterrupt), Hold():  # noqa: PT012  (the block is tested)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert not pending()


def interrupt_at(check):
    """Raise SIGINT at the n-th moment at which the interpreter looks for signals (a call's start or end)."""
    seen = 0

    def count(_frame, event, _argument):
        nonlocal seen
        if event in ("call", "c_return"):
            seen += 1
            if seen == check:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGINT)

    return count


@pytest.mark.parametrize("first", range(4))
def test_no_moment_of_the_loop_leaves_half_a_history(first):
    image = np.random.default_rng(1).random((6, 7))
    method = js.method("region-fusion", levels=9)
    js.run(image, method)
    stopped = 0
    for check in range(150 + first, 1000, 4):
        film = Snapshots()
        sys.setprofile(interrupt_at(check))
        try:
            result = js.run(image, method, callback=film, check_every=1)
        except KeyboardInterrupt:  # in the preparations, or after the answer
            continue
        finally:
            sys.setprofile(None)
        assert len({len(column) for column in result.history.values()}) == 1, check
        assert len(film.steps) == len(film.images)
        stopped += result.status is js.Status.INTERRUPTED
    assert stopped > 50


def test_other_threads_hold_nothing():
    def work():
        with Hold(raises=True) as hold:
            done.append(hold.take())

    done = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [False]


def test_progress_is_called_for_every_step():
    calls = []
    js.run(
        np.random.default_rng(1).random((20, 21)),
        js.method("dip", n_steps=4),
        progress=lambda *n: calls.append(n),
    )
    assert calls == [(k, 4) for k in range(5)]
