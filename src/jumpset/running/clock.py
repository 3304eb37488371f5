"""Seconds of work on a device, without the time that callbacks and files take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Clock:
    """Runs from its creation on.

    Parameters
    ----------
    device
        Where the work is done; :meth:`stop` waits for it.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._start = time.perf_counter()
        self._stopped: float | None = None
        self.before = 0.0
        """Seconds of the runs before the checkpoint."""

    @property
    def elapsed(self) -> float:
        """Seconds of work so far, those of earlier runs included."""
        return (time.perf_counter() if self._stopped is None else self._stopped) - self._start

    def resume(self, before: float) -> None:
        """Count the seconds of earlier runs too."""
        self.before = before
        self._start -= before

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The block takes no time: ``elapsed`` stands still in it."""
        self._stopped = time.perf_counter()
        try:
            yield
        finally:
            self._start += time.perf_counter() - self._stopped
            self._stopped = None

    def stop(self) -> None:
        """Wait for the device and hold the time."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._stopped = time.perf_counter()
