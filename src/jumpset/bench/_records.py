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
    """Return the record of one output; ``picture`` is the input, to which the energies refer."""
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
    """Whether the run of the record failed."""
    return record["status"].startswith("FAILED")


def one_line(error: Exception) -> str:
    """Return the message of an error as one line."""
    text = str(error).replace("\n", " ") or "no reason given"
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"
