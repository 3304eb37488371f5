"""Methods over a folder of pictures with truths: scores, seconds, and nothing lost on an interrupt."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jumpset import _checks
from jumpset._errors import InputError

if TYPE_CHECKING:
    from jumpset._types import Iteration
    from jumpset.datasets import Pair

Record = dict[str, Any]
_WARM_STEPS = 30  # enough to reach every kernel of an ADMM whose inner problem is solved each 25 steps


@dataclass(frozen=True)
class Candidate:
    """A method with its settings, under the name that tables show."""

    label: str
    name: str
    preset: str | None = None
    hyper: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> Iteration:
        """The iteration; raises ``InputError`` for a wrong name or setting."""
        from jumpset.registry import method

        return method(self.name, preset=self.preset, **self.hyper)


def candidates(
    names: Sequence[str],
    *,
    preset: str | None = None,
    hyper: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> list[Candidate]:
    """Several methods with shared settings, each of which must fit at least one of them.

    Parameters
    ----------
    names
        Methods, each alone or with its preset: ``"tv"``, ``"dip-l0:paper"``.
    preset
        A preset for those that have it and name none themselves.
    hyper
        Hyper-parameters, each given to the methods that have it.
    seed
        For the methods that draw random numbers; the others need none.

    Raises
    ------
    InputError
        No method, one named twice, an unknown one; a setting that no method has, or a wrong value.
    """
    from jumpset.registry import methods

    table, hyper = methods(), hyper or {}
    if not names:
        raise InputError("there is no method to run", given="none", do=_checks.advise("", table))
    chosen: list[Candidate] = []
    for label in names:
        name, colon, own = label.partition(":")
        _checks.one_of("method", name, table)
        if any(c.label == label for c in chosen):
            raise InputError("a method is named twice", given=label, do="name each once")
        shared = preset if preset in table[name].presets else None
        settings = {key: value for key, value in hyper.items() if key in table[name].defaults}
        if seed is not None and "seed" in table[name].defaults:
            settings["seed"] = seed
        chosen.append(Candidate(label, name, own if colon else shared, settings))
    for key in hyper:
        if not any(key in c.hyper for c in chosen):
            known = sorted({key for c in chosen for key in table[c.name].defaults})
            raise InputError(
                "none of the methods has a parameter of that name",
                given=repr(key),
                do=_checks.advise(key, known),
            )
    if preset is not None and not any(preset == c.preset for c in chosen):
        known = sorted({key for c in chosen for key in table[c.name].presets})
        raise InputError(
            "none of the methods has a preset of that name",
            given=repr(preset),
            do=_checks.advise(preset, known),
        )
    for candidate in chosen:
        candidate.make()
    return chosen


def run_pairs(
    pairs: Sequence[Pair], methods: Sequence[Candidate], *, max_seconds: float | None = None, jobs: int = 1
) -> Generator[tuple[int, list[Record]], None, None]:
    """Run every method on every picture; yields a picture's index and its records as soon as it is done.

    The scores are those of the 8-bit output, rounded, against the truth. The seconds are those of the method
    alone (``Result.elapsed``), after a first run on a tiny picture that compiles what there is to compile.

    Parameters
    ----------
    pairs
        From :func:`jumpset.datasets.pairs`.
    methods
        From :func:`candidates`.
    max_seconds
        Time limit of each run.
    jobs
        Number of processes. With more than one, each computes in one thread, and pictures finish in any
        order.

    Yields
    ------
    index, records
        One record a method: ``image, method, psnr, ssim, ssim_volume, seconds, n_steps, status``. Where a
        picture or a method fails, the scores are None and the status is ``"FAILED: …"``. The method
        ``"input"`` comes first and holds the scores of the input itself.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C; the picture in work is dropped, its runs being cut short.
    """
    _checks.integer("jobs", jobs, at_least=1)
    if jobs == 1:
        for index, pair in enumerate(pairs):
            yield index, run_pair(pair, methods, max_seconds)
        return
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, max(1, len(pairs))), mp_context=context, initializer=_start_worker)
    try:
        futures = {pool.submit(run_pair, pair, methods, max_seconds): k for k, pair in enumerate(pairs)}
        for future in as_completed(futures):
            index = futures[future]
            try:
                yield index, future.result()
            except BrokenProcessPool:
                yield (
                    index,
                    _failures(pairs[index], methods, "a worker process died, perhaps for want of memory"),
                )
    except BaseException:  # do not wait for pictures that nobody will ask for
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def run_pair(pair: Pair, methods: Sequence[Candidate], max_seconds: float | None = None) -> list[Record]:
    """The records of one picture, the input's own first; see :func:`run_pairs`."""
    from jumpset._types import Status
    from jumpset.driver import run

    try:
        picture, truth = pair.load()
        records = [_record(pair, "input", picture, truth, 0.0, 0, "")]
    except Exception as error:  # whatever it is, the other pictures are still good
        return _failures(pair, methods, _one_line(error))
    for candidate in methods:
        try:
            method = candidate.make()
            _warm_up(candidate, picture.ndim)
            result = run(method, picture, max_seconds=max_seconds, alpha=False)
            if result.status is Status.INTERRUPTED:
                raise KeyboardInterrupt
            ended = (result.elapsed, result.n_steps, result.status.name)
            records.append(_record(pair, candidate.label, result.image, truth, *ended))
        except Exception as error:
            records += _failures(pair, [candidate], _one_line(error))
    return records


def failed(record: Record) -> bool:
    """Whether the record is that of a failure."""
    return record["status"].startswith("FAILED")


def _record(
    pair: Pair, label: str, image: Any, truth: Any, seconds: float, n_steps: int, status: str
) -> Record:
    from jumpset import metrics

    return {
        "image": pair.name,
        "method": label,
        "psnr": metrics.psnr(image, truth),
        "ssim": metrics.ssim(image, truth),
        "ssim_volume": metrics.ssim_volume(image, truth),
        "seconds": seconds,
        "n_steps": n_steps,
        "status": status,
    }


def _failures(pair: Pair, methods: Sequence[Candidate], why: str) -> list[Record]:
    nothing = dict.fromkeys(("psnr", "ssim", "ssim_volume", "seconds", "n_steps"))
    return [{"image": pair.name, "method": c.label, **nothing, "status": f"FAILED: {why}"} for c in methods]


def _one_line(error: Exception) -> str:
    text = str(error).replace("\n", " ") or "no reason given"
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"


_warm: set[tuple[str, int]] = set()  # what this process has compiled


def _warm_up(candidate: Candidate, ndim: int) -> None:
    import numpy as np

    from jumpset.driver import run

    if (candidate.label, ndim) in _warm:
        return
    method = candidate.make()
    tiny = np.random.default_rng(0).integers(0, 256, (24, 32, 3)[:ndim], dtype=np.uint8)
    run(method, tiny, max_steps=min(_WARM_STEPS, method.max_steps))
    _warm.add((candidate.label, ndim))


def _start_worker() -> None:
    # Several processes with several threads each would only get in each other's way.
    os.environ["NUMBA_NUM_THREADS"] = "1"  # before numba is imported
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent decides
    import torch

    torch.set_num_threads(1)
