"""The progress of a command: a bar for work that takes more than a second, or events as JSON."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from jumpset.running.run import Step


class Progress:
    """A context with a bar on stderr after one second, if stderr is a terminal and ``wanted`` is true."""

    def __init__(self, wanted: bool = True) -> None:
        self._bar = None
        self._lock = threading.Lock()
        self._over = False
        if not (wanted and sys.stderr.isatty()):
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)
        self._timer = threading.Timer(1.0, self._show)
        self._timer.daemon = True

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is None:
            return
        self._timer.cancel()
        with self._lock:
            self._over = True
            self._bar.stop()

    def begin(self, text: str, total: int | None = None) -> None:
        """Restart the bar with another text."""
        if self._bar is not None:
            self._bar.reset(self._task, description=text.replace("[", r"\["), total=total)

    @property
    def shown(self) -> bool:
        """Whether there is a bar, visible now or after a second."""
        return self._bar is not None

    def advance(self, done: int, total: int, text: str | None = None) -> None:
        """Set the progress, and the text if one is given."""
        if self._bar is not None:
            new: Any = {} if text is None else {"description": text.replace("[", r"\[")}
            self._bar.update(self._task, completed=done, total=total, **new)

    def __call__(self, step: Step) -> None:
        """Show the progress of a run, as its callback."""
        self.advance(step.n_steps, step.max_steps)

    def _show(self) -> None:
        with self._lock:
            if self._bar is not None and not self._over:
                self._bar.start()


class Events:
    """Events as JSON lines on stdout, or nothing; at least ``interval`` seconds lie between two steps."""

    def __init__(self, wanted: bool, interval: float) -> None:
        self.wanted, self._interval, self._last = wanted, interval, 0.0

    def print(self, event: str, **values: Any) -> None:
        """Print an event and its values."""
        from jumpset.report.numbers import finite

        if self.wanted:
            typer.echo(json.dumps({"event": event, **finite(values)}, default=str, allow_nan=False))

    def step(self, **values: Any) -> None:
        """Print the event "step", unless the last one was less than the interval ago."""
        now = time.monotonic()
        if now - self._last >= self._interval:
            self._last = now
            self.print("step", **values)
