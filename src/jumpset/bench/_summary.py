"""Means over the images, one row per method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from jumpset.bench._records import COSTS, INPUT, SCORES, Record


@dataclass(frozen=True)
class Row:
    """The row of one method in a table. Failures are counted, not averaged.

    Examples
    --------
    >>> import jumpset as js
    >>> pair = js.datasets.synthetic_pairs(1)[0]
    >>> rows = js.bench.summarize(js.bench.run_one(pair, js.bench.candidates(["fgs"])[0], None, None))
    >>> rows[0].label, rows[0].n_images
    ('fgs', 1)
    """

    label: str
    """The text that tables show."""
    n_images: int
    """Number of images with scores."""
    means: dict[str, float | None]
    """Mean of each score and cost of a record; None if no image has it."""
    gain: float | None
    """Mean of the method's PSNR minus the PSNR of the same images' inputs, in dB."""
    ended: dict[str, int]
    """Number of runs by status."""


def summarize(records: Sequence[Record], labels: Sequence[str] | None = None) -> list[Row]:
    """Return the rows of ``labels``, by default of all methods in the order of their first records.

    Parameters
    ----------
    records
        Records of any methods and images.
    labels
        Methods of the rows, in their order.

    Returns
    -------
    list of Row
        Means over the images of each method.

    Examples
    --------
    >>> import jumpset as js
    >>> pair = js.datasets.synthetic_pairs(1)[0]
    >>> records = js.bench.run_one(pair, js.bench.candidates(["fgs"])[0], None, None)
    >>> [row.label for row in js.bench.summarize(records)]
    ['fgs']
    """
    inputs = {r["image"]: r["psnr"] for r in records if r["method"] == INPUT}
    if labels is None:
        labels = list(dict.fromkeys(r["method"] for r in records))
    rows = []
    for label in labels:
        mine = [r for r in records if r["method"] == label]
        good = [r for r in mine if r["psnr"] is not None]
        means = {key: _mean([r.get(key) for r in good]) for key in SCORES + COSTS}
        gains = [r["psnr"] - inputs[r["image"]] for r in good if r["image"] in inputs]
        ended = Counter(r["status"].partition(":")[0] for r in mine if r["status"])
        rows.append(Row(label, len(good), means, _mean(gains), dict(ended)))
    return rows


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return fmean(known) if known else None
