"""``jumpset train``: exit codes, lines and files."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import jumpset as js
from jumpset.cli.app import app

TINY = ["--set", "widths=[4, 6]", "--set", "blocks=[1, 1]", "--set", "guess_widths=[4]", "--set", "guess_blocks=[1]",
        "--set", "batch_size=2", "--set", "crop=16"]  # fmt: skip


@pytest.fixture(autouse=True)
def small_validation(monkeypatch):
    monkeypatch.setattr(importlib.import_module("jumpset.training.train"), "_VALIDATION", (2, 32))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("input", "truth"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for k in range(2):
        truth = np.full((40, 36, 3), 90 + 60 * k, np.uint8)
        noisy = np.clip(truth + rng.normal(0, 12, truth.shape), 0, 255).astype(np.uint8)
        js.io.write_picture(tmp_path / "data" / "truth" / f"{k}.png", truth)
        js.io.write_picture(tmp_path / "data" / "input" / f"{k}.png", noisy)
    return tmp_path / "data"


def call(data, out, *arguments):
    words = ["train", "jumpset-net", "--out", out, "--data", data, "--validation", data, *TINY, *arguments]
    return CliRunner().invoke(app, [str(word) for word in words])


def test_train_equals_js_training_train(tmp_path, data):
    result = call(data, tmp_path / "a.safetensors", "--steps", "4", "--set", "precision=float32")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "a.safetensors: jumpset-net, 4 steps" in result.stderr.splitlines()[-1]
    sizes = {"widths": [4, 6], "blocks": [1, 1], "guess_widths": [4], "guess_blocks": [1]}
    js.training.train("jumpset-net", out=tmp_path / "b.safetensors", data=data, validation=data, sizes=sizes, steps=4,
             batch_size=2, crop=16, precision="float32")  # fmt: skip
    a, b = (js.learned.load_weights(tmp_path / f"{name}.safetensors") for name in "ab")
    assert all(torch.equal(a.tensors[key], value) for key, value in b.tensors.items())
    assert (tmp_path / "a.log.jsonl").exists()


def test_weights_smooth_and_contain_their_command(tmp_path, data):
    out = tmp_path / "a.safetensors"
    result = call(data, out, "--steps", "2", "--quiet", "--threads", "1", "--seed", "3")
    assert (result.exit_code, result.output) == (0, "")
    command = js.learned.load_weights(out).metadata["command"]
    assert command.startswith("jumpset train jumpset-net --preset small --out a.safetensors --data ")
    assert "--steps 2 --seed 3" in command
    assert "'widths=[4, 6]'" in command
    js.io.write_picture(tmp_path / "p.png", np.zeros((9, 8, 3), np.uint8))
    words = ["smooth", tmp_path / "p.png", tmp_path / "q.png", "-m", "jumpset-net", "--set", f"weights={out}"]
    assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0


def test_json_lines(tmp_path, data):
    result = call(data, tmp_path / "a.safetensors", "--steps", "3", "--json")
    assert result.exit_code == 0
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[0]["event"] == "step"
    assert events[-1] == events[-1] | {"event": "result", "status": "CONVERGED", "n_steps": 3}


def test_divergence_exits_with_1_and_writes_nothing(tmp_path, data, monkeypatch):
    from dataclasses import replace

    from jumpset.training.recipes import RECIPES

    recipe = RECIPES["jumpset-net"]["small"]
    bad = replace(recipe, loss=lambda *a: recipe.loss(*a) * float("nan"))
    monkeypatch.setitem(RECIPES["jumpset-net"], "small", bad)
    result = call(data, tmp_path / "a.safetensors", "--steps", "30", "--quiet")
    assert result.exit_code == 1
    assert result.stderr.startswith("jumpset: the gradient was not finite")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "a.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--steps", "0"], "steps must be at least 1"),
        (["--preset", "tiny"], "unknown preset"),
        (["--set", "width=3"], "did you mean 'widths'"),
        (["--set", "optimizer=sgd"], "unknown parameter of the training"),
        (["--device", "abacus"], "the device is not available"),
        (["--threads", "0"], "threads must be at least 1"),
        (["--seed", "-1"], "seed must be at least 0"),
        (["--max-seconds", "0"], "max-seconds must be above 0"),
        (["--data", "nowhere"], "the folder of data does not exist"),
        (["--out", "weights.pt"], "ends in .safetensors"),
    ],
)
def test_invalid_arguments_exit_with_2_and_one_line(arguments, words, tmp_path, data):
    result = call(data, tmp_path / "a.safetensors", *arguments)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("jumpset: ")
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == [data]


def test_unknown_network(tmp_path):
    result = CliRunner().invoke(app, ["train", "resnt", "--out", str(tmp_path / "a.safetensors")])
    assert result.exit_code == 2
    assert "did you mean 'resnet'" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupt_writes_the_current_weights(number, code, tmp_path, data):
    out, point = tmp_path / "a.safetensors", tmp_path / "point"
    words = ["train", "jumpset-net", "--out", out, "--data", data, "--validation", data, *TINY,
             "--steps", "100000000", "--checkpoint", point, "--set", "checkpoint_every=0.01"]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "jumpset", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    for _ in range(1200):  # until the training has started
        if point.exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == code, stderr
    assert "the weights so far are in" in stderr
    weights = js.learned.load_weights(out)
    assert weights.metadata["steps"] >= 1
    assert torch.load(point, weights_only=True)["n_steps"] == weights.metadata["steps"]
