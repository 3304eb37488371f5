"""Training: the schedule, the averaged weights, checkpoints, data, and invalid arguments."""

from __future__ import annotations

import json
import math
import signal
import sys
import tempfile
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset._core.errors import FileError, InputError, TrainingDiverged
from jumpset._core.types import Status
from jumpset.running.checkpoints import StateFile
from jumpset.training import _data, _loop
from jumpset.training._trainer import Trainer, learning_rate
from jumpset.training.recipes import RECIPES

train_module = sys.modules["jumpset.training.train"]
TINY = {"widths": [4, 6], "blocks": [1, 1], "guess_widths": [4, 6], "guess_blocks": [1, 1]}
NETWORKS = {
    "resnet": {"width": 4, "depth": 1, "head": 4},
    "vdcnn": {"width": 4, "depth": 2},
    "jess-net": {"width": 4, "depth": 1, "edge": 1, "smooth": 1, "refine": 1},
    "deep-wls": {"width": 4},
    "jumpset-net": TINY,
    "dejpeg": {"widths": [4, 6], "blocks": [1, 1]},
}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def small_validation(monkeypatch):
    monkeypatch.setattr(train_module, "_VALIDATION", (2, 32))


def write_pairs(root, sizes, seed=0):
    """Write noisy flat images in the layout of a folder of pairs."""
    rng = np.random.default_rng(seed)
    for name in ("input", "truth"):
        (root / name).mkdir(parents=True)
    for k, (height, width, *channels) in enumerate(sizes):
        truth = np.full((height, width, *channels), 60, np.uint8)
        truth[height // 3 :, : width // 2] = 180
        noisy = np.clip(truth + rng.normal(0, 12, truth.shape), 0, 255).astype(np.uint8)
        js.io.write_picture(root / "truth" / f"{k}.png", truth)
        js.io.write_picture(root / "input" / f"{k}.png", noisy)
    return root


@pytest.fixture
def data(tmp_path):
    return write_pairs(tmp_path / "data", [(40, 36, 3), (33, 50, 3), (20, 24), (1, 1, 3)])


def short(tmp_path, folder, name="jumpset-net", **changes):
    settings = {
        "out": tmp_path / f"{name}.safetensors", "data": folder, "validation": folder, "sizes": NETWORKS[name],
        "steps": 6, "batch_size": 2, "crop": 16, "precision": "float32",
    }  # fmt: skip
    return js.training.train(name, **settings | changes)


def tensors(path):
    return js.learned.load_weights(path).tensors


# --- complete trainings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_trains_and_smooths(name, tmp_path, data):
    seen = []
    trained = short(tmp_path, data, name, callback=seen.append, licence="CC0-1.0")
    assert (trained.status, trained.n_steps) == (Status.CONVERGED, 6)
    assert [s.n_steps for s in seen] == [1, 2, 3, 4, 5, 6]
    assert seen[-1].share == 1
    assert math.isfinite(seen[-1].loss)
    saved = js.learned.load_weights(trained.path)
    assert (saved.network, saved.sizes) == (name, NETWORKS[name])
    assert (saved.metadata["steps"], saved.metadata["licence"]) == (6, "CC0-1.0")
    assert saved.metadata["command"].startswith(f"jumpset train {name} --preset small")
    log = [json.loads(line) for line in trained.path.with_suffix(".log.jsonl").read_text().splitlines()]
    assert log == trained.history
    assert [entry["step"] for entry in log] == [0, 6]
    assert trained.psnr == log[-1]["psnr"]
    image = np.random.default_rng(0).random((19, 22, 3))
    out = js.smooth(image, method=name, weights=str(trained.path))
    assert out.shape == image.shape
    assert np.isfinite(out).all()


@pytest.mark.parametrize("name", ["resnet", "jumpset-net"])
def test_training_improves_the_score(name, tmp_path, data):
    first = short(tmp_path, data, name, steps=3, learning_rate=3e-3, batch_size=4)
    last = short(tmp_path, data, name, steps=100, learning_rate=3e-3, batch_size=4, ema=0.5)
    assert last.psnr > first.psnr + 1
    assert last.psnr > last.history[-1]["input_psnr"] + 0.5


def changed(before, after):
    """First components of the names of the weights that differ."""
    return {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}


def test_guess_is_trained_first_and_then_fixed(tmp_path, data):
    settings = {"steps": 8, "ema": 0.0}
    weights = []
    for n in (1, 4, 6, 8):
        cut = short(tmp_path, data, **settings, stop=lambda step, n=n: step.n_steps == n)
        weights.append(tensors(cut.path))
    assert changed(weights[0], weights[1]) == {"first"}
    # step 5 belongs to the first stage, step 6 to the second
    assert changed(weights[1], weights[2]) == {"first", "second", "trust"}
    assert changed(weights[2], weights[3]) == {"second", "trust"}


def test_each_stage_has_a_schedule():
    recipe = replace(RECIPES["jumpset-net"]["small"], first_share=0.25)
    plan = _loop.Plan(recipe, 1000, None)
    assert plan.rate(0.2499) < 1e-6 < plan.rate(0.26)
    assert plan.rate(0.125) == pytest.approx(plan.rate(0.625))
    assert plan.rate(1.0) == 0
    assert recipe.stage(0.1)[0] is recipe.first
    assert recipe.stage(0.25) == (recipe.loss, 0)
    assert replace(recipe, first=None).stage(0.1) == (recipe.loss, 0.1)


def test_start_from_weights(tmp_path, data):
    before = short(tmp_path, data).path
    (tmp_path / "more").mkdir()
    more = short(tmp_path / "more", data, start=before, steps=2)
    assert changed(tensors(before), tensors(more.path)) == {"second", "trust"}
    assert more.history[0]["psnr"] == pytest.approx(short(tmp_path, data).psnr, abs=0.01)  # stored in float16
    saved = js.learned.load_weights(more.path).metadata
    assert saved["start"] == str(before)
    assert f"--start {before} " in saved["command"]
    point = tmp_path / "point"
    short(tmp_path / "more", data, start=before, checkpoint=point)
    with pytest.raises(InputError, match="another start"):
        short(tmp_path / "more", data, checkpoint=point)


def test_start_keeps_batch_norm_statistics(tmp_path, data):
    before = short(tmp_path, data, "jess-net").path
    (tmp_path / "more").mkdir()
    more = short(tmp_path / "more", data, "jess-net", start=before, steps=2, learning_rate=0.1)
    moved = {key for key, x in tensors(before).items() if not torch.equal(x, tensors(more.path)[key])}
    assert moved
    assert not any("running" in key for key in moved)


def test_seeds(tmp_path, data):
    a = tensors(short(tmp_path, data).path)
    b = tensors(short(tmp_path, data).path)
    c = tensors(short(tmp_path, data, seed=1).path)
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not all(torch.equal(a[k], c[k]) for k in a)


def test_global_generator_is_not_used(tmp_path, data):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    short(tmp_path, data, steps=1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", ["jess-net", "jumpset-net"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_resumed_equals_uninterrupted_bit_for_bit(name, precision, tmp_path, data):
    through = short(tmp_path, data, name, precision=precision)
    expected = tensors(through.path)
    point = tmp_path / "point"
    settings = {"checkpoint": point, "precision": precision}
    cut = short(tmp_path, data, name, **settings, stop=lambda step: step.n_steps == 4)
    assert (cut.status, cut.n_steps) == (Status.STOPPED, 4)
    assert not all(torch.equal(expected[k], v) for k, v in tensors(cut.path).items())
    whole = short(tmp_path, data, name, **settings)
    assert (whole.status, whole.n_steps) == (Status.CONVERGED, 6)
    assert all(torch.equal(expected[k], v) for k, v in tensors(whole.path).items())
    assert whole.psnr == through.psnr
    assert [entry["step"] for entry in whole.history] == [0, 6]
    assert whole.history[-1]["loss"] == through.history[-1]["loss"]
    again = short(tmp_path, data, name, **settings)  # the training is complete
    assert again.n_steps == 6
    assert again.history[-1]["loss"] == whole.history[-1]["loss"]
    assert all(torch.equal(expected[k], v) for k, v in tensors(again.path).items())


def test_interrupt_saves_the_current_weights(tmp_path, data):
    def strike(step):
        if step.n_steps == 3:
            raise KeyboardInterrupt

    trained = short(tmp_path, data, callback=strike, checkpoint=tmp_path / "point")
    assert (trained.status, trained.n_steps) == (Status.INTERRUPTED, 3)
    assert trained.path.exists()
    expected = tensors(short(tmp_path, data).path)
    whole = tensors(short(tmp_path, data, checkpoint=tmp_path / "point").path)
    assert all(torch.equal(expected[k], whole[k]) for k in expected)


def test_interrupt_within_a_step_keeps_the_last_checkpoint(tmp_path, data, monkeypatch):
    point = tmp_path / "point"
    short(tmp_path, data, checkpoint=point, stop=lambda step: step.n_steps == 2)
    kept = point.read_bytes()
    update = Trainer._update_average
    monkeypatch.setattr(Trainer, "_update_average", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    trained = short(tmp_path, data, checkpoint=point)
    assert trained.status is Status.INTERRUPTED
    assert point.read_bytes() == kept
    monkeypatch.setattr(Trainer, "_update_average", update)
    expected = tensors(short(tmp_path, data).path)
    whole = tensors(short(tmp_path, data, checkpoint=point).path)
    assert all(torch.equal(expected[k], whole[k]) for k in expected)


def test_an_interrupt_after_the_loop_loses_nothing(tmp_path, data, monkeypatch):
    score = _loop.Run._score

    def struck(self):
        if self._trainer.n_steps == 6:
            signal.raise_signal(signal.SIGINT)
        score(self)

    expected = tensors(short(tmp_path, data).path)
    monkeypatch.setattr(_loop.Run, "_score", struck)
    (tmp_path / "jumpset-net.safetensors").unlink()
    with pytest.raises(KeyboardInterrupt):
        short(tmp_path, data)
    written = tensors(tmp_path / "jumpset-net.safetensors")
    assert all(torch.equal(expected[k], v) for k, v in written.items())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_weights_that_cannot_be_written_are_kept_elsewhere(tmp_path, data, monkeypatch):
    save, target = train_module.save_weights, []

    def full(path, *weights):
        if not target:
            target.append(path)
            raise FileError("the disk is full", given=path, do="free some space")
        save(path, *weights)

    expected = tensors(short(tmp_path, data).path)
    monkeypatch.setattr(train_module, "save_weights", full)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with pytest.warns(UserWarning, match=r"the disk is full.*the weights are in"):
        trained = short(tmp_path, data)
    assert trained.path != target[0]
    assert all(torch.equal(expected[k], v) for k, v in tensors(trained.path).items())


def test_time_limit(tmp_path, data):
    trained = short(tmp_path, data, steps=None, max_seconds=0.5, checkpoint=tmp_path / "point")
    assert trained.status is Status.CONVERGED
    assert trained.n_steps > 0
    assert trained.elapsed > 0.5
    assert trained.history[-1]["learning_rate"] == 0
    both = short(tmp_path, data, steps=2, max_seconds=1000.0)
    assert both.n_steps == 2
    again = short(tmp_path, data, steps=None, max_seconds=0.5, checkpoint=tmp_path / "point")
    assert again.n_steps == trained.n_steps  # no time is left


def test_scores_during_the_training(tmp_path, data):
    trained = short(tmp_path, data, validate_every=1e-9)
    assert [entry["step"] for entry in trained.history] == [0, 1, 2, 3, 4, 5, 6, 6]
    assert all(entry["input_psnr"] == trained.history[0]["input_psnr"] for entry in trained.history)


def test_checkpoints_during_the_training(tmp_path, data, monkeypatch):
    saved = []
    save = StateFile.save
    monkeypatch.setattr(StateFile, "save", lambda *a: (saved.append(a[2]), save(*a)))
    short(tmp_path, data, checkpoint=tmp_path / "point", checkpoint_every=1e-9)
    assert saved == [1, 2, 3, 4, 5, 6, 6]


@pytest.mark.slow
def test_training_on_drawn_pairs(tmp_path):
    trained = js.training.train(
        "jumpset-net", out=tmp_path / "w.safetensors", sizes=TINY, steps=30, batch_size=4, crop=32, ema=0.9
    )
    assert trained.psnr > trained.history[0]["psnr"] - 0.5
    # initially the identity, except for region fusions with nearly no texture
    assert trained.history[0]["psnr"] == pytest.approx(trained.history[0]["input_psnr"], abs=0.01)


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "jumpset"}, "did you mean 'jumpset-net'"),
        ({"preset": "tiny"}, "unknown preset"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"steps": 2.5}, "steps must be a whole number"),
        ({"max_seconds": 0.0}, "max_seconds must be above 0"),
        ({"batch_size": 0}, "batch_size"),
        ({"crop": 20}, "multiple of 16"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"ema": 1.0}, "ema"),
        ({"sizes": {"width": 3}}, "no size of that name"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**31}, "seed"),
        ({"precision": "half"}, "unknown precision"),
        ({"validate_every": 0.0}, "validate_every"),
        ({"checkpoint_every": -1.0}, "checkpoint_every"),
        ({"out": "weights.pt"}, ".safetensors"),
        ({"out": "no such folder/w.safetensors"}, "folder does not exist"),
        ({"data": "syntetic"}, "the folder of data does not exist; given syntetic; pass synthetic, or"),
        ({"data": None}, "data must be a folder or synthetic"),
        ({"validation": "no such folder"}, "the folder of validation does not exist"),
        ({"validation": [1]}, "validation must be a folder or synthetic"),
        ({"stop": 3}, "stop must be a function"),
        ({"callback": True}, "callback must be a function"),
        ({"checkpoint": "no such folder/c"}, "folder does not exist"),
        ({"device": "abacus"}, "device"),
        ({"start": "no such file.safetensors"}, "there is no file of weights"),
        ({"start": "shipped"}, "another size"),
    ],
)
def test_invalid_arguments_raise_before_any_work(changes, words, tmp_path, data, monkeypatch):
    monkeypatch.setattr(Trainer, "step", lambda *a: pytest.fail("a step was taken"))
    changes = dict(changes)
    name = changes.pop("name", "jumpset-net")
    with pytest.raises(InputError, match=words):
        short(tmp_path, data, "jumpset-net", **changes) if name == "jumpset-net" else js.training.train(
            name, out=tmp_path / "w.safetensors"
        )
    assert not list(tmp_path.glob("*.safetensors"))


def test_checkpoint_must_differ_from_the_output(tmp_path, data):
    with pytest.raises(InputError, match="would replace the weights"):
        short(tmp_path, data, checkpoint=tmp_path / "jumpset-net.safetensors")


def test_checkpoint_of_another_training_raises(tmp_path, data):
    point = tmp_path / "point"
    short(tmp_path, data, checkpoint=point)
    for changes in ({"seed": 1}, {"crop": 32}, {"steps": 7}, {"learning_rate": 1e-4}):
        with pytest.raises(InputError, match=f"another {next(iter(changes))}"):
            short(tmp_path, data, checkpoint=point, **changes)
    with pytest.raises(InputError, match="another network"):
        short(tmp_path, data, "resnet", checkpoint=point)
    point.write_bytes(point.read_bytes()[:1000])
    with pytest.raises(FileError, match="damaged"):
        short(tmp_path, data, checkpoint=point)


def test_old_file_is_kept_if_the_training_diverges(tmp_path, data, monkeypatch):
    path = short(tmp_path, data).path
    before = path.read_bytes()
    loss = RECIPES["jumpset-net"]["small"].loss
    bad = replace(RECIPES["jumpset-net"]["small"], first=None, loss=lambda *a: loss(*a) * math.nan)
    monkeypatch.setitem(RECIPES["jumpset-net"], "small", bad)
    with pytest.raises(TrainingDiverged, match="10 steps in a row"):
        short(tmp_path, data, steps=20)
    assert path.read_bytes() == before


def test_steps_without_finite_gradient_are_skipped(tmp_path, data, monkeypatch):
    recipe = RECIPES["jumpset-net"]["small"]
    calls = []

    def loss(*inputs):
        calls.append(1)
        return recipe.loss(*inputs) * (math.inf if len(calls) % 10 else 1.0)  # one finite loss in ten

    monkeypatch.setitem(RECIPES["jumpset-net"], "small", replace(recipe, loss=loss, first=None))
    trained = short(tmp_path, data, steps=25)
    assert all(torch.isfinite(v).all() for v in tensors(trained.path).values())
    assert math.isfinite(trained.history[-1]["loss"])


def test_errors_of_the_data_thread_propagate(tmp_path, data, monkeypatch):
    def broken(*_args, **_keywords):
        yield from ()
        raise FileError("gone", given="x", do="y")

    monkeypatch.setattr(_data, "folder", broken)
    with pytest.raises(FileError, match="gone"):
        short(tmp_path, data)


# --- schedule, averaged weights, batches --------------------------------------------------------------------


def test_learning_rate_rises_and_falls():
    rates = [learning_rate(k / 1000, 2e-3, 0.02) for k in range(1001)]
    assert 0 < rates[0] < 2e-4
    top = int(np.argmax(rates))
    assert 15 <= top <= 25
    assert rates[top] == pytest.approx(2e-3, rel=0.01)
    assert all(b > a for a, b in pairwise(rates[: top + 1]))
    assert all(b < a for a, b in pairwise(rates[top:]))
    assert rates[500] == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(0, abs=1e-12)
    assert learning_rate(0.0, 1e-3, 0.0) == 1e-3


def test_running_average_of_the_weights():
    recipe = replace(RECIPES["resnet"]["small"], ema=0.6)
    trainer = Trainer("resnet", NETWORKS["resnet"], recipe, seed=0, device=torch.device("cpu"), half=False)
    rng = np.random.default_rng(0)
    key = (
        "0.weight" if "0.weight" in trainer.network.state_dict() else next(iter(trainer.network.state_dict()))
    )
    mean = trainer.network.state_dict()[key].clone()
    for n in range(8):
        trainer.step([rng.random((2, 3, 16, 16), dtype=np.float32) for _ in range(2)], 1e-3)
        keep = min(0.6, (1 + n) / (10 + n))
        mean = keep * mean + (1 - keep) * trainer.network.state_dict()[key]
    torch.testing.assert_close(trainer.average.state_dict()[key], mean)
    assert not torch.equal(mean, trainer.network.state_dict()[key])


def test_batch_norm_is_frozen():
    recipe = replace(RECIPES["resnet"]["small"], freeze_batchnorm_at=0.5)
    trainer = Trainer("resnet", NETWORKS["resnet"], recipe, seed=0, device=torch.device("cpu"), half=False)
    batch = [np.random.default_rng(k).random((2, 3, 16, 16), dtype=np.float32) for k in range(2)]
    seen = []
    for share in (0.0, 0.49, 0.5, 1.0):
        trainer.step(batch, 1e-3, share)
        norms = (m for m in trainer.network.modules() if isinstance(m, torch.nn.BatchNorm2d))
        seen.append(next(norms).running_mean.clone())
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], torch.zeros_like(seen[0]))
    assert torch.equal(seen[1], seen[2])
    assert torch.equal(seen[1], seen[3])


def test_gradient_is_clipped():
    steep = replace(RECIPES["vdcnn"]["small"], clip=1e-12, weight_decay=0.0)
    trainer = Trainer("vdcnn", NETWORKS["vdcnn"], steep, seed=0, device=torch.device("cpu"), half=False)
    before = [p.clone() for p in trainer.network.parameters()]
    trainer.step([np.random.default_rng(k).random((1, 3, 16, 16), dtype=np.float32) for k in range(2)], 1e-3)
    after = trainer.network.parameters()
    moved = max(float((a - b).detach().abs().max()) for a, b in zip(before, after, strict=True))
    assert moved < 1e-4  # Adam divides by the gradient's size, but not below its epsilon


def test_folder_batches_depend_on_their_number_only(data):
    pairs = js.datasets.pairs(data)
    whole = _data.folder(pairs, 3, 32, seed=4)
    first = [next(whole) for _ in range(5)]
    late = next(_data.folder(pairs, 3, 32, seed=4, start=3))
    stride = _data.folder(pairs, 3, 32, seed=4, start=1, step=2)
    next(stride)
    for a, b in [*zip(first[3], late, strict=True), *zip(first[3], next(stride), strict=True)]:
        assert a.shape == (3, 3, 32, 32)
        assert a.dtype == np.float32
        np.testing.assert_array_equal(a, b)


def test_folder_crops_are_aligned_and_some_are_gray(tmp_path):
    root = tmp_path / "same"
    for name in ("input", "truth"):
        (root / name).mkdir(parents=True)
        pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
        js.io.write_picture(root / name / "a.png", pixels)
    batches = _data.folder(js.datasets.pairs(root), 8, 32, seed=0)
    n_gray = 0
    for _ in range(20):
        image, truth = next(batches)
        np.testing.assert_array_equal(image, truth)
        n_gray += int(np.sum(np.ptp(image, axis=1).max((1, 2)) == 0))
    assert 5 <= n_gray <= 40  # one in eight of 160


def test_batches_do_not_depend_on_the_cache(data, monkeypatch):
    pairs = js.datasets.pairs(data)
    expected = next(_data.folder(pairs, 4, 32, seed=1))
    monkeypatch.setattr(_data, "_CACHE_BYTES", 0)
    again = next(_data.folder(pairs, 4, 32, seed=1))
    np.testing.assert_array_equal(expected, again)


def test_prefetch_keeps_the_order_and_ends():
    def make(start, step):
        assert step == 1
        return iter([(k, k) for k in range(start, 19)])

    with _data.prefetch(make, 2, 0) as feed:
        assert [next(feed) for _ in range(5)] == [(k, k) for k in range(2, 7)]


@pytest.mark.slow
def test_workers_make_the_same_batches(data):
    pairs = js.datasets.pairs(data)
    make = partial(_data.folder, pairs, 2, 16, seed=3)
    expected = make(start=4)
    with _data.prefetch(make, 4, 2) as feed:
        for _ in range(5):
            for a, b in zip(next(feed), next(expected), strict=True):
                np.testing.assert_array_equal(np.asarray(a), b)


@pytest.mark.slow
def test_workers_give_the_same_weights(tmp_path, data):
    a = tensors(short(tmp_path, data).path)
    b = tensors(short(tmp_path, data, workers=2).path)
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_recipes_cover_the_networks():
    assert {name: set(presets) for name, presets in RECIPES.items()} == {
        name: set(presets) for name, presets in js.learned.SIZES.items()
    }
