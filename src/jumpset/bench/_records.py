"""The record of one output: scores, cost and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jumpset._core.errors import InputError
from jumpset.bench._candidates import Candidate
from jumpset.datasets import PairLike

Record = dict[str, Any]
INPUT = "input"
"""The label of the records of the inputs' scores."""
ENERGY_WEIGHT = 0.02
"""λ of the two energies in a record, the same for all methods for comparison."""
SCORES = (
    "psnr",
    "ssim",
    "ssim_volume",
    "ssim_luma",
    "edges",
    "energy_pix",
    "energy_edge",
    "zero_fraction",
    "isolated_fraction",
)
COSTS = ("seconds", "peak_mib", "n_steps")


def make_record(
    pair: PairLike,
    label: str,
    image: Any,
    picture: Any,
    truth: Any,
    *,
    settings: Mapping[str, Any],
    seconds: float = 0.0,
    peak_mib: float | None = None,
    n_steps: int = 0,
    status: str = "",
) -> Record:
    """Return the record of one output; ``picture`` is the input, to which the energies refer.

    Parameters
    ----------
    pair
        The image and its truth.
    label
        Name of the method in the table.
    image
        The output.
    picture
        The input, to which the energies refer.
    truth
        The ground truth.
    settings
        Hyper-parameters of the run.
    seconds
        Time of the run.
    peak_mib
        Increase of the memory at its peak, in MiB; None if unknown.
    n_steps
        Number of steps.
    status
        How the run ended.

    Returns
    -------
    Record
        A dictionary of scores and settings, as ``jumpset bench --json`` writes it.

    Examples
    --------
    >>> import jumpset as js
    >>> pair = js.datasets.synthetic_pairs(1)[0]
    >>> image, truth = pair.load()
    >>> record = js.bench.make_record(pair, "mine", image, image, truth, settings={})
    >>> record["method"], record["image"]
    ('mine', 'textured10')
    """
    from jumpset import metrics

    support = metrics.contiguity(image if image.ndim == 2 else np.abs(image).max(-1))
    return {
        "image": pair.name,
        "method": label,
        "psnr": metrics.psnr(image, truth),
        "ssim": metrics.ssim(image, truth),
        "ssim_volume": metrics.ssim_volume(image, truth),
        "seconds": seconds,
        "n_steps": n_steps,
        "status": status,
        "ssim_luma": metrics.ssim_luma(image, truth),
        "edges": metrics.edge_preservation(image, truth),
        "energy_pix": metrics.energy_pix(image, picture, ENERGY_WEIGHT),
        "energy_edge": metrics.energy_edge(image, picture, ENERGY_WEIGHT),
        "zero_fraction": support.zero_fraction,
        "isolated_fraction": support.isolated_fraction,
        "peak_mib": peak_mib,
        "settings": dict(settings),
    }


def failures(pair: PairLike, methods: Sequence[Candidate], why: str) -> list[Record]:
    """Return records without scores, whose status gives the reason."""
    nothing = dict.fromkeys(SCORES + COSTS)
    return [
        {
            "image": pair.name,
            "method": c.label,
            **nothing,
            "status": f"FAILED: {why}",
            "settings": c.settings(),
        }
        for c in methods
    ]


def failed(record: Record) -> bool:
    """Whether the run of the record failed.

    Parameters
    ----------
    record
        A record of a run.

    Returns
    -------
    bool
        True if the method raised an error.

    Examples
    --------
    >>> import jumpset as js
    >>> pair = js.datasets.synthetic_pairs(1)[0]
    >>> record = js.bench.run_one(pair, js.bench.candidates(["fgs"])[0], None, None)[0]
    >>> js.bench.failed(record)
    False
    """
    return record["status"].startswith("FAILED")


def one_line(error: Exception) -> str:
    r"""Return the message of an error as one line.

    Parameters
    ----------
    error
        Any error.

    Returns
    -------
    str
        Class and message.

    Examples
    --------
    >>> import jumpset as js
    >>> js.bench.one_line(ValueError("two\nlines"))
    'ValueError: two lines'
    """
    text = str(error).replace("\n", " ") or "no reason given"
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"
