"""A run that is interrupted and taken up again is the run that was not interrupted."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset.running.checkpoints import Checkpoint, _digest, _fill, _plain

QUICK = {
    "tv": {"weight": 1.0, "tol": 1e-9},
    "dip": {"n_steps": 24, "patience": 30},
    "dip-tv": {"n_steps": 24},
    "dip-l0": {"outer_steps": 12, "patience": 9},
    "region-fusion": {"levels": 24},
    "l0": {"kappa": 1.5},
    "potts": {"growth": 1.2},
}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def picture():
    return np.random.default_rng(3).random((19, 23, 3), dtype=np.float32)


@dataclass(frozen=True)
class Stubborn(js.running.Iteration):
    """A method whose state cannot be saved."""

    max_steps: int = 3
    name = "stubborn"
    paper = "none, 2026"

    def init(self, image):
        return image, object()

    def step(self, state):
        return state

    def image(self, state):
        return state[0]

    def record(self, state):
        return {"size": 1.0}

    def finished(self, state):
        return None


def without_seconds(history):
    return {key: values for key, values in history.items() if key != "seconds"}


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("cut", [7, 10])
def test_resumed_equals_uninterrupted(name, cut, picture, tmp_path):
    method = js.method(name, **QUICK[name])
    whole = js.run(picture, method, check_every=5)
    assert whole.n_steps > cut + 3
    file = tmp_path / "run"
    first = js.run(picture, method, check_every=5, max_steps=cut, checkpoint=file)
    assert first.n_steps == cut
    second = js.run(picture, method, check_every=5, checkpoint=file)
    np.testing.assert_array_equal(second.image, whole.image)
    assert (second.status, second.n_steps) == (whole.status, whole.n_steps)
    assert without_seconds(second.history) == without_seconds(whole.history)
    again = js.run(picture, method, check_every=5, checkpoint=file)  # nothing is left to do
    np.testing.assert_array_equal(again.image, whole.image)
    assert again.n_steps == whole.n_steps


def test_tiled_networks_resume(tmp_path):
    picture = np.random.default_rng(0).random((70, 90), dtype=np.float32)
    method = js.dip.DIPTV(n_steps=6, tile=64)
    file = tmp_path / "run"
    js.run(picture, method, max_steps=3, checkpoint=file)
    resumed = js.run(picture, method, checkpoint=file).image
    np.testing.assert_array_equal(resumed, js.run(picture, method).image)


def test_other_tiles_are_an_error(tmp_path, monkeypatch):
    picture = np.random.default_rng(0).random((70, 90), dtype=np.float32)
    method = js.dip.DIP(n_steps=4)
    js.run(picture, method, max_steps=2, checkpoint=tmp_path / "run")
    monkeypatch.setattr("jumpset.dip.memory.choose_tile", lambda *_, **__: 64)  # as if memory were short
    with pytest.raises(js.InputError, match="other tiles"):
        js.run(picture, method, checkpoint=tmp_path / "run")


def test_saved_every_so_often(picture, tmp_path, monkeypatch):
    steps = []
    save = Checkpoint.save

    def counted(self, state, n_steps, *rest):
        steps.append(n_steps)
        save(self, state, n_steps, *rest)

    monkeypatch.setattr(Checkpoint, "save", counted)
    method = js.smoothers.RegionFusion(levels=10)
    js.run(picture, method, checkpoint=tmp_path / "run", checkpoint_every=4)
    assert steps == [4, 8, 11]


def test_an_interrupt_leaves_the_last_whole_checkpoint(picture, tmp_path):
    method = js.method("dip", n_steps=20)

    def interrupt(step):
        if step.n_steps == 9:
            raise KeyboardInterrupt

    file = tmp_path / "run"
    cut = js.run(picture, method, checkpoint=file, checkpoint_every=4, check_every=1, callback=interrupt)
    assert cut.status is js.Status.INTERRUPTED
    resumed = js.run(picture, method, checkpoint=file, check_every=1)
    np.testing.assert_array_equal(resumed.image, js.run(picture, method, check_every=1).image)


def test_a_failed_write_keeps_the_old_file(picture, tmp_path, monkeypatch):
    method = js.method("dip", n_steps=6)
    file = tmp_path / "run"
    js.run(picture, method, max_steps=2, checkpoint=file)
    kept = file.read_bytes()

    def half(_content, opened):
        opened.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.warns(UserWarning, match="checkpoint could not be written.*disk full"):
        result = js.run(picture, method, checkpoint=file)
    np.testing.assert_array_equal(result.image, js.run(picture, method).image)  # nothing else is lost
    assert file.read_bytes() == kept
    assert list(tmp_path.iterdir()) == [file]


def test_time_before_the_checkpoint_does_not_count(picture, tmp_path):
    method = js.method("dip", n_steps=6)
    file = tmp_path / "run"
    first = js.run(picture, method, max_steps=2, checkpoint=file, callback=None)
    second = js.run(picture, method, checkpoint=file, max_seconds=3600)
    assert second.n_steps == 6
    assert second.elapsed > first.elapsed


@pytest.mark.parametrize(
    ("change", "named"), [({"seed": 1}, "seed"), ({"weight": 0.1}, "weight"), ({"operator": None}, None)]
)
def test_another_run_is_an_error(change, named, picture, tmp_path):
    method = js.method("dip-tv", n_steps=4)
    js.run(picture, method, max_steps=2, checkpoint=tmp_path / "run")
    if named is None:
        js.run(picture, replace(method, **change), checkpoint=tmp_path / "run")
    else:
        with pytest.raises(js.InputError, match=f"another {named}"):
            js.run(picture, replace(method, **change), checkpoint=tmp_path / "run")


def test_another_picture_or_method_is_an_error(picture, tmp_path):
    file = tmp_path / "run"
    js.run(picture, js.method("dip", n_steps=2), checkpoint=file)
    with pytest.raises(js.InputError, match="another picture"):
        js.run(picture + 0.01, js.method("dip", n_steps=2), checkpoint=file)
    with pytest.raises(js.InputError, match="another method"):
        js.run(picture, js.method("region-fusion"), checkpoint=file)


def test_a_file_of_another_kind_is_an_error(picture, tmp_path):
    file = tmp_path / "run"
    for content in (b"", b"no checkpoint", b"PK\x03\x04 nor a whole archive"):
        file.write_bytes(content)
        with pytest.raises(js.FileError, match="not a checkpoint"):
            js.run(picture, js.method("tv"), checkpoint=file)
        assert file.read_bytes() == content
    with pytest.raises(js.FileError, match="folder does not exist"):
        js.run(picture, js.method("tv"), checkpoint=tmp_path / "none" / "run")
    with pytest.raises(js.InputError, match="checkpoint_every"):
        js.run(picture, js.method("tv"), checkpoint=tmp_path / "other", checkpoint_every=0)


def test_a_cut_file_is_an_error(picture, tmp_path):
    file = tmp_path / "run"
    js.run(picture, js.method("dip", n_steps=2), checkpoint=file)
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(js.FileError, match="damaged"):
        js.run(picture, js.method("dip", n_steps=2), checkpoint=file)


def test_a_state_that_cannot_be_saved_is_an_error(picture, tmp_path):
    with pytest.raises(js.InputError, match="cannot be saved"):
        js.run(picture, Stubborn(), checkpoint=tmp_path / "run")


@pytest.mark.parametrize("name", ["dip", "dip-l0", "l0-projection"])
def test_a_batch_goes_on_as_one_run(name, tmp_path):
    batch = torch.from_numpy(np.random.default_rng(5).random((3, 2, 17, 14), dtype=np.float32))
    method, file = js.method(name, **QUICK.get(name, {})), tmp_path / "run"
    whole = js.run(batch, method)
    js.run(batch, method, max_steps=5, checkpoint=file)
    resumed = js.run(batch, method, checkpoint=file)
    assert torch.equal(resumed.image, whole.image)
    assert without_seconds(resumed.history) == without_seconds(whole.history)
    with pytest.raises(js.InputError, match="another picture"):
        js.run(batch[:2], method, checkpoint=file)


def test_states_of_any_build_come_back():
    @dataclass(frozen=True)
    class Inner:
        a: torch.Tensor
        b: tuple

    value = Inner(torch.arange(3.0), (1, 2.5, None, "x", [np.arange(4, dtype=np.int32)], np.float64(0.1)))
    template = Inner(torch.zeros(3), (0, 0.0, None, "", [np.zeros(4, dtype=np.int32)], 0.0))
    back = _fill(template, _plain(value))
    assert torch.equal(back.a, value.a)
    assert back.b[:4] == value.b[:4]
    np.testing.assert_array_equal(back.b[4][0], value.b[4][0])
    assert back.b[5] == 0.1


def test_digests_differ_where_values_differ():
    class Operator:
        def __init__(self, kernel):
            self.kernel = kernel

    a = Operator(torch.ones(3))
    assert _digest(a) == _digest(Operator(torch.ones(3)))
    assert _digest(a) != _digest(Operator(torch.zeros(3)))
    assert _digest(0.1) != _digest(0.2)
    assert _digest(np.zeros(3)) != _digest(np.zeros((3, 1)))
    assert _digest(torch.zeros(2, dtype=torch.bfloat16)) != _digest(torch.ones(2, dtype=torch.bfloat16))
