"""Runs of methods on images with truths: scores, seconds and memory."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from jumpset._core import checks
from jumpset._core.processes import DIED, map_tasks
from jumpset.bench._candidates import Candidate
from jumpset.bench._memory import watch_memory
from jumpset.bench._records import INPUT, Record, failures, make_record, one_line
from jumpset.datasets import PairLike

_WARM_STEPS = 30  # reaches every kernel of an ADMM that solves its inner problem every 25 steps


def run_pairs(
    pairs: Sequence[PairLike],
    methods: Sequence[Candidate],
    *,
    max_seconds: float | None = None,
    jobs: int = 1,
    done: Collection[tuple[str, str]] = (),
    outputs: Path | None = None,
) -> Generator[Record, None, None]:
    """Run every method on every image; yields each record as soon as it is available.

    The scores compare the rounded 8-bit output with the truth. The seconds are of the method alone
    (``Result.elapsed``), after a first run on a tiny image that compiles its kernels.

    Parameters
    ----------
    pairs
        From :func:`jumpset.datasets.pairs` or :func:`jumpset.datasets.synthetic_pairs`.
    methods
        From :func:`candidates`.
    max_seconds
        Time limit of each run.
    jobs
        Number of processes. If above 1, each has one thread, and records come in any order.
    done
        ``(image, method)`` to skip.
    outputs
        A folder for the outputs, as ``METHOD/IMAGE.png``; default: outputs are not kept.

    Yields
    ------
    record
        The record of an input (method ``"input"``) or of an output; see :func:`make_record`. If an image or a
        method fails, the scores are None and the status is ``"FAILED: …"``; an input that cannot be read has
        no record under ``"input"``.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C; unfinished runs are discarded.

    Examples
    --------
    >>> import jumpset as js
    >>> pair = js.datasets.synthetic_pairs(1)[0]
    >>> records = list(js.bench.run_pairs([pair], js.bench.candidates(["fgs", "guided"])))
    >>> [record["method"] for record in records if record["method"] in ("fgs", "guided")]
    ['fgs', 'guided']
    """
    checks.integer("jobs", jobs, at_least=1)
    tasks = [
        (pair, candidate)
        for pair in pairs
        for candidate in (None, *methods)
        if candidate is None or (pair.name, candidate.label) not in done
    ]
    work = partial(_run_task, max_seconds=max_seconds, outputs=outputs)
    for records in map_tasks(work, tasks, jobs, threads=1, died=_died):
        yield from records


def _run_task(
    task: tuple[PairLike, Candidate | None], max_seconds: float | None, outputs: Path | None
) -> list[Record]:
    return run_one(*task, max_seconds, outputs)


def _died(task: tuple[PairLike, Candidate | None]) -> list[Record]:
    pair, candidate = task
    return failures(pair, [candidate] if candidate else [], DIED)


def run_one(
    pair: PairLike, candidate: Candidate | None, max_seconds: float | None, outputs: Path | None
) -> list[Record]:
    """Return the record of one method on one image, or of the input; none if the input is unreadable.

    Parameters
    ----------
    pair
        The image and its truth.
    candidate
        The method; None scores the input.
    max_seconds
        Time limit.
    outputs
        Folder for the outputs; None keeps none.

    Returns
    -------
    list of Record
        One record, or none.

    Examples
    --------
    >>> import jumpset as js
    >>> pair = js.datasets.synthetic_pairs(1)[0]
    >>> records = js.bench.run_one(pair, js.bench.candidates(["fgs"])[0], None, None)
    >>> records[0]["psnr"] > 20
    True
    """
    from jumpset._core.types import Status
    from jumpset.running.registry import for_file
    from jumpset.running.run import run

    try:
        picture, truth = pair.load()
        if candidate is None:
            return [make_record(pair, INPUT, picture, picture, truth, settings={})]
        method = for_file(candidate.make(), getattr(pair, "input", None))
        _warm_up(candidate, picture.ndim)
        increase = watch_memory()
        result = run(picture, method, max_seconds=max_seconds, alpha=False)
        peak_mib = increase()
        if result.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        if outputs is not None:
            _keep(result.image, output_path(outputs, candidate.label, pair.name))
        return [
            make_record(
                pair,
                candidate.label,
                result.image,
                picture,
                truth,
                settings=candidate.settings(),
                seconds=result.elapsed,
                peak_mib=peak_mib,
                n_steps=result.n_steps,
                status=result.status.name,
            )
        ]
    except Exception as error:  # the other runs continue
        return failures(pair, [candidate] if candidate else [], one_line(error))


def output_path(outputs: Path, label: str, image: str) -> Path:
    """Return the path of the output of a method on an image.

    Parameters
    ----------
    outputs
        Folder of all outputs.
    label
        Name of the method.
    image
        Name of the image.

    Returns
    -------
    Path
        ``outputs / label / image.png``.

    Examples
    --------
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> js.bench.output_path(Path("out"), "tv", "photo").name
    'photo.png'
    """
    return outputs / label.replace(":", "-").replace("/", "-") / f"{image}.png"


def _keep(image: np.ndarray, path: Path) -> None:
    from jumpset.io import write_picture

    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, image)


_warm: set[tuple[str, int]] = set()  # the methods that this process has compiled


def _warm_up(candidate: Candidate, ndim: int) -> None:
    from jumpset.running.run import run

    if (candidate.label, ndim) in _warm:
        return
    method = candidate.make()
    tiny = np.random.default_rng(0).integers(0, 256, (24, 32, 3)[:ndim], dtype=np.uint8)
    run(tiny, method, max_steps=min(_WARM_STEPS, method.max_steps))
    _warm.add((candidate.label, ndim))
