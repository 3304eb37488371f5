"""The training loop: steps, scores, checkpoints, stopping."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from jumpset._core.errors import FileError
from jumpset._core.files import atomic_write
from jumpset._core.signals import Hold
from jumpset._core.types import Status
from jumpset.running.checkpoints import StateFile
from jumpset.running.clock import Clock
from jumpset.training import _data
from jumpset.training._trainer import Trainer, learning_rate
from jumpset.training.recipes import Recipe

LOG_SUFFIX = ".log.jsonl"
"""Ends the name of the file of scores, beside that of the weights."""


@dataclass(frozen=True)
class TrainingStep:
    """The argument of a training's callback and stop function.

    Examples
    --------
    >>> import jumpset as js
    >>> step = js.training.TrainingStep(n_steps=10, share=0.5, elapsed=1.0, loss=0.1, psnr=30.0)
    >>> step.share
    0.5
    """

    n_steps: int
    """Steps done so far."""
    share: float
    """Share of the training that is done, 0 to 1: in steps or in time, whichever is larger."""
    elapsed: float
    """Seconds so far, including those before an interruption."""
    loss: float
    """Mean of the losses since the last score."""
    psnr: float
    """Last score of the averaged weights in decibels."""


@dataclass(frozen=True)
class Plan:
    """The schedule of a training: its end, its progress, its learning rate."""

    recipe: Recipe
    steps: int | None
    seconds: float | None

    def share(self, n_steps: int, elapsed: float) -> float:
        """Share of the training that is done, 0 to 1: in steps or in time, whichever is larger."""
        by_steps = 0.0 if self.steps is None else n_steps / self.steps
        return min(1.0, max(by_steps, 0.0 if self.seconds is None else elapsed / self.seconds))

    def rate(self, share: float) -> float:
        """The learning rate when ``share`` of the training is done."""
        _, share_of_stage = self.recipe.stage(share)
        return learning_rate(share_of_stage, self.recipe.learning_rate, self.recipe.warm_up)


class Run:
    """One training from its start, or from its checkpoint, to its end.

    Parameters
    ----------
    trainer
        The network and its optimiser.
    plan
        The schedule.
    validation
        Images and ground truths to score.
    target
        The file of weights, beside which the scores are written.
    checkpoint
        The file to save to, and to continue from where it exists; None: no file.
    """

    def __init__(
        self,
        trainer: Trainer,
        plan: Plan,
        validation: _data.Batch,
        target: Path,
        checkpoint: StateFile | None,
    ) -> None:
        self.history: list[dict[str, float]] = []
        self._trainer, self._plan, self._validation = trainer, plan, validation
        self._log, self._checkpoint = target.with_suffix(LOG_SUFFIX), checkpoint
        self.clock = Clock(trainer.device)
        self._loss = math.nan  # mean loss, kept after a score until the next step
        self._waited = 0.0  # seconds that the training waited for batches since the last score
        saved = None if checkpoint is None else checkpoint.load(trainer)
        if saved is not None:
            self.clock.resume(saved.seconds)
            self.history = saved.history

    def run(
        self,
        batches: Callable[..., Iterator[_data.Batch]],
        workers: int,
        validate_every: float,
        checkpoint_every: float,
        stop: Callable[[TrainingStep], bool] | None,
        callback: Callable[[TrainingStep], None] | None,
        after_loop: ExitStack,
    ) -> Status:
        """Train; the last score is that of the averaged weights that are then saved.

        From the end of the loop on, ``after_loop`` holds signals.
        """
        trainer, status = self._trainer, Status.CONVERGED
        in_step = False
        try:
            if not self.history:
                self._score()
            scored = saved = time.monotonic()
            with _data.prefetch(batches, trainer.n_steps, workers) as feed:
                while (share := self._share()) < 1.0:
                    began = time.monotonic()
                    batch = next(feed)
                    self._waited += time.monotonic() - began
                    in_step = True
                    trainer.step(batch, self._plan.rate(share), share)
                    in_step = False
                    if time.monotonic() - scored >= validate_every:
                        self._score()
                        scored = time.monotonic()
                    if time.monotonic() - saved >= checkpoint_every:
                        self._save()
                        saved = time.monotonic()
                    step = self._step()
                    if callback is not None:
                        callback(step)
                    if stop is not None and stop(step):
                        status = Status.STOPPED
                        break
            after_loop.enter_context(Hold())
        except KeyboardInterrupt:
            after_loop.enter_context(Hold())
            status = Status.INTERRUPTED
        if not in_step:  # an interrupted step leaves weights and optimizer out of sync; do not checkpoint
            self._save()
        self._score()
        return status

    def _share(self) -> float:
        return self._plan.share(self._trainer.n_steps, self.clock.elapsed)

    def _step(self) -> TrainingStep:
        n_steps, elapsed, psnr = self._trainer.n_steps, self.clock.elapsed, self.history[-1]["psnr"]
        return TrainingStep(n_steps, self._share(), elapsed, self._mean_loss(), psnr)

    def _mean_loss(self) -> float:
        if losses := self._trainer.losses:
            self._loss = math.fsum(losses) / len(losses)
        return self._loss

    def _score(self) -> None:
        share, (psnr, input_psnr) = self._share(), self._trainer.score(self._validation)
        entry = {
            "step": self._trainer.n_steps,
            "share": round(share, 6),
            "seconds": round(self.clock.elapsed, 2),
            "waited": round(self._waited, 2),
            "learning_rate": self._plan.rate(share),
            "psnr": psnr,
            "input_psnr": input_psnr,
        }
        if self._trainer.losses:
            entry["loss"] = self._mean_loss()
        self.history.append(entry)
        self._trainer.losses, self._waited = [], 0.0
        try:
            with Hold(), atomic_write(self._log) as temporary:
                temporary.write_text("".join(json.dumps(entry) + "\n" for entry in self.history))
        except FileError as error:
            warnings.warn(f"{error}; the training goes on", stacklevel=2)

    def _save(self) -> None:
        if self._checkpoint is not None:
            try:
                self._checkpoint.save(self._trainer, self._trainer.n_steps, self.clock.elapsed, self.history)
            except FileError as error:
                warnings.warn(f"{error}; the training goes on without it", stacklevel=2)
