"""The one driver, with a method made for looking at it."""

import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import jumpset as js


@dataclass(frozen=True)
class Halving(js.running.Iteration):
    """Halves the picture in each step; can be told to misbehave."""

    max_steps: int = 10
    stop_below: float = 0.0
    interrupt_at: int = -1
    nan_at: int = -1
    seconds: float = 0.0
    name = "halving"
    paper = "none, 2026"

    def init(self, image):
        return 0, image

    def step(self, state):
        n, x = state
        time.sleep(self.seconds)
        if n + 1 == self.interrupt_at:
            raise KeyboardInterrupt
        return n + 1, x / 2 if n + 1 != self.nan_at else x * float("nan")

    def image(self, state):
        return state[1]

    def record(self, state):
        return {"size": state[1].abs().max().item()}

    def finished(self, state):
        return js.Status.CONVERGED if state[1].max() < self.stop_below else None


ONES = np.ones((2, 3))


def test_step_limit():
    result = js.run(ONES, Halving(max_steps=4))
    assert (result.status, result.n_steps) == (js.Status.MAX_STEPS, 4)
    assert result.image[0, 0] == 0.5**4
    assert result.history["step"] == [0, 1, 2, 3, 4]
    assert result.history["size"] == [1, 0.5, 0.25, 0.125, 0.0625]
    assert js.run(ONES, Halving(), max_steps=0).image[0, 0] == 1.0


def test_convergence_beats_the_step_limit():
    result = js.run(ONES, Halving(max_steps=4, stop_below=0.07))
    assert (result.status, result.n_steps) == (js.Status.CONVERGED, 4)
    assert js.run(ONES, Halving(stop_below=0.3)).n_steps == 2


def test_check_every_reads_rarely_but_always_last():
    result = js.run(ONES, Halving(max_steps=7), check_every=3)
    assert result.history["step"] == [0, 3, 6, 7]


def test_time_limit_does_not_count_callbacks():
    result = js.run(ONES, Halving(max_steps=10**6, seconds=0.01), max_seconds=0.1)
    assert result.status is js.Status.TIME_LIMIT
    assert 0 < result.n_steps < 50
    slow = js.run(ONES, Halving(max_steps=5), callback=lambda step: time.sleep(0.02), max_seconds=0.1)
    assert slow.status is js.Status.MAX_STEPS
    assert slow.elapsed < 0.1


def test_interrupt_keeps_the_picture():
    result = js.run(ONES, Halving(interrupt_at=3))
    assert (result.status, result.n_steps) == (js.Status.INTERRUPTED, 2)
    assert result.image[0, 0] == 0.25
    with pytest.raises(js.Interrupted) as stopped:
        js.smooth(ONES, Halving(interrupt_at=3))
    assert stopped.value.result.image[0, 0] == 0.25
    assert isinstance(stopped.value, KeyboardInterrupt)


def test_divergence_returns_the_last_sound_picture():
    result = js.run(ONES, Halving(nan_at=3))
    assert result.status is js.Status.DIVERGED
    assert result.image[0, 0] == 0.25


def test_stop_and_callback_see_the_steps():
    seen = []
    film = js.running.Snapshots(every=2)

    def callback(step):
        seen.append((step.n_steps, step.max_steps, dict(step.record), step.image[0, 0]))
        film(step)

    result = js.run(ONES, Halving(), callback=callback, stop=lambda step: step.record["size"] < 0.2)
    assert (result.status, result.n_steps) == (js.Status.STOPPED, 3)
    assert seen[1] == (1, 10, {"size": 0.5}, 0.5)
    assert film.steps == [0, 2]
    assert [f[0, 0] for f in film.images] == [1.0, 0.25]


@pytest.mark.parametrize(
    "option", [{"max_steps": -1}, {"max_steps": 1.5}, {"max_seconds": 0}, {"check_every": 0}]
)
def test_bad_options(option):
    with pytest.raises(js.InputError):
        js.run(ONES, Halving(), **option)


def test_every_status_is_advice():
    assert all(len(s.value) > 20 for s in js.Status)
    assert len({s.value for s in js.Status}) == len(js.Status)


@dataclass(frozen=True)
class Single(Halving):
    """Takes one picture at a time, and breaks down on those with negative values."""

    batched = False

    def init(self, image):
        assert len(image) == 1
        return super().init(image)

    def step(self, state):
        n, x = super().step(state)
        return n, x if x.min() >= 0 or n < 3 else x * float("nan")


def test_methods_for_one_picture_take_batches_in_one_run():
    batch = torch.tensor([0.5, 0.15, 2.0])[:, None, None, None].expand(3, 1, 2, 2)
    result = js.run(batch, Single(max_steps=50, stop_below=0.1))
    alone = [js.run(f[None], Single(max_steps=50, stop_below=0.1)) for f in batch]
    assert torch.equal(result.image, torch.cat([r.image for r in alone]))
    assert (result.status, result.n_steps) == (js.Status.CONVERGED, max(r.n_steps for r in alone))
    assert [r.n_steps for r in alone] == [3, 1, 5]
    assert result.history["size"][0] == pytest.approx((0.5 + 0.15 + 2) / 3)


@pytest.mark.parametrize("every", [1, 3, 7])
def test_pictures_of_a_batch_end_when_they_would_alone(every):
    batch = torch.tensor([0.5, 0.15, 2.0])[:, None, None, None].expand(3, 1, 2, 2)
    method = Single(max_steps=5, stop_below=0.1)
    together = js.run(batch, method, check_every=every).image
    alone = [js.run(f[None], method, check_every=every).image for f in batch]
    assert torch.equal(together, torch.cat(alone))


def test_one_diverged_picture_does_not_end_the_others():
    batch = torch.tensor([0.5, 0.5, 2.0])[:, None, None, None].repeat(1, 1, 2, 2)
    batch[1, 0, 0, 1] = -0.5
    result = js.run(batch, Single(max_steps=50, stop_below=0.01))
    assert result.status is js.Status.DIVERGED
    assert result.image[:, 0, 0, 0].tolist() == [0.5**7, 0.5**3, 0.5**7]


def test_names_of_methods_and_parameters():
    with pytest.raises(js.InputError, match="did you mean 'region-fusion'"):
        js.smooth(ONES, "region_fusion")
    with pytest.raises(js.InputError, match="did you mean 'weight'"):
        js.smooth(ONES, "l0", wieght=1)
    with pytest.raises(js.InputError, match="no preset"):
        js.smooth(ONES, "l0", preset="none")
    with pytest.raises(TypeError, match="has its own"):
        js.smooth(ONES, Halving(), weight=1)
    assert "region-fusion" in repr(js.methods())
