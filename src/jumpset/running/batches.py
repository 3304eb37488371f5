"""Batches through methods that take one picture: all in one run, each as if it were alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from jumpset._core.types import Iteration, Status


@dataclass(frozen=True)
class State:
    """A state for each picture; those that have ended stay as they were."""

    each: tuple[Any, ...]
    running: tuple[bool, ...]
    diverged: bool  # any of them; it stays at its last sound state
    n_steps: int


class SequentialBatch:
    """An iteration that takes a step with every picture of the batch in turn.

    Nothing waits between two pictures, so a GPU has the steps of all of them before it. Of memory they share
    what a step needs; what a state holds is needed for each.

    Parameters
    ----------
    method
        One that takes one picture at a time.
    every
        Steps between two readings, at which a picture may end, as it would alone.
    """

    def __init__(self, method: Iteration[Any], every: int) -> None:
        self._method, self.check_every = method, every
        self._sound: dict[int, Any] = {}  # the last state of each picture whose record was finite
        # what was read, and the reading
        self._last: tuple[State, State, list[dict[str, float]]] | None = None

    def init(self, image: Tensor) -> State:
        """The method's own, of every picture."""
        each = tuple(self._method.init(f) for f in image.split(1))
        return State(each, (True,) * len(each), diverged=False, n_steps=0)

    def step(self, state: State) -> State:
        """One step of those that have not ended."""
        if state.n_steps % self.check_every == 0:
            state = self._read(state)[0]
        pairs = zip(state.each, state.running, strict=True)
        each = tuple(self._method.step(s) if runs else s for s, runs in pairs)
        return replace(state, each=each, n_steps=state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The answers so far."""
        return torch.cat([self._method.image(s) for s in self._read(state)[0].each])

    def record(self, state: State) -> dict[str, float]:
        """The means of the method's numbers over the pictures."""
        rows = self._read(state)[1]
        return {key: math.fsum(row[key] for row in rows) / len(rows) for key in rows[0]}

    def finished(self, state: State) -> Status | None:
        """When all have ended."""
        state = self._read(state)[0]
        if any(state.running):
            return None
        return Status.DIVERGED if state.diverged else Status.CONVERGED

    def _read(self, state: State) -> tuple[State, list[dict[str, float]]]:
        """Which pictures have ended, and the record of each where it last was finite; once for each state."""
        if self._last is None or self._last[0] is not state:
            self._last = state, *self._reading(state)
        return self._last[1:]

    def _reading(self, state: State) -> tuple[State, list[dict[str, float]]]:
        each, running, rows, diverged = list(state.each), list(state.running), [], state.diverged
        for k, s in enumerate(state.each):
            row = self._method.record(s)
            if not all(math.isfinite(value) for value in row.values()):
                diverged, running[k] = True, False
                if k in self._sound:
                    each[k] = self._sound[k]
                    row = self._method.record(each[k])
            elif running[k]:
                running[k] = self._method.finished(s) is None
            self._sound[k] = each[k]
            rows.append(row)
        return State(tuple(each), tuple(running), diverged, state.n_steps), rows
