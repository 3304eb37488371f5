"""Batches through methods that take one image: all in one run, each as if it were alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from jumpset._core.types import Iteration, Status


@dataclass(frozen=True)
class State:
    """A state for each image; an image that has ended keeps its state."""

    each: tuple[Any, ...]
    finite: tuple[Any, ...]  # the last state of each image whose record was finite
    running: tuple[bool, ...]
    diverged: bool  # any of them
    n_steps: int


class SequentialBatch(Iteration[State]):
    """A method for one image as a method for a batch: one step with every image in turn.

    Nothing waits between two images, so a GPU has the steps of all of them queued. The memory of a step is
    shared; the memory of a state is needed for each image.

    Parameters
    ----------
    method
        A method that takes one image at a time.
    every
        Steps between two readings, at which an image may end, as it would alone; default: the method's own.
    """

    def __init__(self, method: Iteration[Any], every: int | None) -> None:
        self._method, self.check_every = method, every or method.check_every  # type: ignore[misc]
        self.name, self.in_place = method.name, method.in_place  # type: ignore[misc]
        self._last: tuple[State, State, list[dict[str, float]]] | None = None  # a state and its reading

    @property
    def max_steps(self) -> int:
        """The method's own."""
        return self._method.max_steps

    def init(self, image: Tensor) -> State:
        """The method's own, of every image."""
        each = tuple(self._method.init(f) for f in image.split(1))
        return State(each, each, (True,) * len(each), diverged=False, n_steps=0)

    def step(self, state: State) -> State:
        """One step of the images that have not ended."""
        if state.n_steps % self.check_every == 0:
            state = self._read(state)[0]
        pairs = zip(state.each, state.running, strict=True)
        each = tuple(self._method.step(s) if runs else s for s, runs in pairs)
        return replace(state, each=each, n_steps=state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The answers so far."""
        return torch.cat([self._method.image(s) for s in self._read(state)[0].each])

    def record(self, state: State) -> dict[str, float]:
        """The means of the method's numbers over the images."""
        rows = self._read(state)[1]
        return {key: math.fsum(row[key] for row in rows) / len(rows) for key in rows[0]}

    def finished(self, state: State) -> Status | None:
        """When all have ended."""
        state = self._read(state)[0]
        if any(state.running):
            return None
        return Status.DIVERGED if state.diverged else Status.CONVERGED

    def _read(self, state: State) -> tuple[State, list[dict[str, float]]]:
        """Find which images have ended, and the last finite record of each; once for each state."""
        if self._last is None or self._last[0] is not state:
            self._last = state, *self._reading(state)
        return self._last[1:]

    def _reading(self, state: State) -> tuple[State, list[dict[str, float]]]:
        each, running, rows, diverged = list(state.each), list(state.running), [], state.diverged
        for k, s in enumerate(state.each):
            row = self._method.record(s)
            if not all(math.isfinite(value) for value in row.values()):
                diverged, running[k] = True, False
                each[k] = state.finite[k]
                row = self._method.record(each[k])
            elif running[k]:
                running[k] = self._method.finished(s) is None
            rows.append(row)
        return State(tuple(each), tuple(each), tuple(running), diverged, state.n_steps), rows
