"""The one loop, and each wrapper around it alone."""

import math
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch

import jumpset as js
from jumpset._core.catalog import CLASSES
from jumpset._core.iterate import Moment, final_state, iterate, solve
from jumpset._core.types import component
from jumpset.running import wrappers
from jumpset.running.clock import Clock


@dataclass(frozen=True)
class Counting(js.running.Iteration):
    """Adds 1 to the image in each step, and converges at ``enough``."""

    enough: int = 100
    max_steps: int = 5

    name = "counting"
    paper = "none, 2026"

    def init(self, image):
        return image

    def step(self, state):
        return state + 1

    def image(self, state):
        return state

    def record(self, state):
        return {"value": float(state.max())}

    def finished(self, state):
        return js.Status.CONVERGED if state.max() >= self.enough else None


ZERO = torch.zeros(1, 1, 2, 2)


def moments(n, *, readings=None, records=()):
    for k in range(n):
        record = {"value": records[k]} if records else {}
        yield Moment(k, f"state {k}", is_reading=readings is None or k in readings, record=record)


def still(seconds=0.0):
    """A clock that always shows the same time."""
    clock = Clock(torch.device("cpu"))
    clock.resume(seconds)
    clock.stop()
    return clock


def test_iterate_yields_every_state_and_reads_some():
    seen = list(iterate(Counting(), ZERO, check_every=2))
    assert [m.n_steps for m in seen] == [0, 1, 2, 3, 4, 5]
    assert [m.is_reading for m in seen] == [True, False, True, False, True, True]
    assert [float(m.state.max()) for m in seen] == [0, 1, 2, 3, 4, 5]
    assert [m.status for m in seen] == [None] * 5 + [js.Status.MAX_STEPS]


def test_iterate_ends_where_the_method_or_the_reader_says_so():
    assert [m.status for m in iterate(Counting(enough=2), ZERO)][-1] is js.Status.CONVERGED
    assert len(list(iterate(Counting(enough=2), ZERO))) == 3
    seen = []
    for moment in iterate(Counting(), ZERO):
        seen.append(moment.n_steps)
        if moment.n_steps == 3:
            moment.status = js.Status.STOPPED
    assert seen == [0, 1, 2, 3]


def test_iterate_from_a_moment():
    seen = list(iterate(Counting(), ZERO, start=Moment(3, ZERO + 10)))
    assert [(m.n_steps, float(m.state.max())) for m in seen] == [(3, 10.0), (4, 11.0), (5, 12.0)]


def test_a_method_inside_another():
    assert float(final_state(Counting(), ZERO).max()) == 5
    assert torch.equal(solve(Counting(enough=2), ZERO), ZERO + 2)


def test_history_is_read_at_readings():
    history = {}
    method = SimpleNamespace(record=lambda state: {"length": len(state)})
    list(wrappers.with_history(moments(4, readings={0, 3}), method, history, still(2.0)))
    assert history.keys() == {"step", "seconds", "length"}
    assert history["step"] == [0, 3]
    assert history["length"] == [7, 7]
    assert history["seconds"] == pytest.approx([2.0, 2.0], abs=0.5)


def test_rollback_to_the_last_finite_record():
    seen = list(wrappers.with_rollback(moments(3, records=[1.0, 2.0, math.nan])))
    assert seen[1].status is None
    assert (seen[2].status, seen[2].state) == (js.Status.DIVERGED, "state 1")


def test_callback_and_stop():
    called = []
    options = {"max_steps": 9, "clock": still(), "restore": str.upper}
    method = SimpleNamespace(image=lambda state: state, in_place=False)
    stop = lambda step: step.n_steps == 2  # noqa: E731
    seen = list(wrappers.with_callback(moments(3), method, called.append, stop, **options))
    assert [s.image for s in called] == ["STATE 0", "STATE 1", "STATE 2"]
    assert [m.status for m in seen] == [None, None, js.Status.STOPPED]


def test_the_image_of_a_method_that_works_in_place_is_kept():
    called, state = [], ["a"]
    method = SimpleNamespace(image=lambda state: state[0], in_place=True)
    options = {"max_steps": 9, "clock": still(), "restore": lambda image: image}
    for _ in wrappers.with_callback(iter([Moment(0, state, True)]), method, called.append, None, **options):
        state[0] = "b"
    assert called[0].image == "a"


def test_time_limit_counts_from_the_checkpoint():
    clock = still(50.0)
    assert [m.status for m in wrappers.with_time_limit(moments(2), clock, 60.0)] == [None, None]
    late = SimpleNamespace(elapsed=61.0, before=0.0)
    assert next(wrappers.with_time_limit(moments(1), late, 60.0)).status is js.Status.TIME_LIMIT


@pytest.mark.parametrize(
    ("status", "saved"), [(js.Status.CONVERGED, [2, 4, 5]), (js.Status.DIVERGED, [2, 4]), (None, [2, 4])]
)
def test_checkpoints_every_few_steps_and_at_the_end(status, saved):
    written = []
    file = SimpleNamespace(every=2, save=lambda state, n_steps, *_: written.append(n_steps))

    def ending():
        for moment in moments(6):
            moment.status = status if moment.n_steps == 5 else None
            yield moment

    list(wrappers.with_checkpoints(ending(), file, {}, still()))
    assert written == saved


def test_the_first_argument_is_the_image():
    with pytest.raises(js.InputError, match="an image, then a method"):
        js.run(Counting(), ZERO)
    with pytest.raises(js.InputError, match=r"js\.smooth also takes"):
        js.run(ZERO, "tv")


def test_components_by_name(monkeypatch):
    @dataclass(frozen=True)
    class Outer(Counting):
        solver: Counting = component(Counting())
        size: int = component(3, by_name={"small": 1}.__getitem__)
        label: str = field(default="plain")

    monkeypatch.setitem(CLASSES, "outer", "jumpset.smoothers.tv:Outer")
    monkeypatch.setattr("jumpset.smoothers.tv.Outer", Outer, raising=False)
    made = js.method("outer", solver="tv", size="small", label="tv")
    assert made.solver == js.method("tv")
    assert (made.size, made.label) == (1, "tv")
    assert js.method("outer", solver=Counting(7)).solver == Counting(7)
    with pytest.raises(js.InputError, match="unknown method"):
        js.method("outer", solver="tvv")
