"""Tables on stdout."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from jumpset.bench import Record


def console() -> Console:
    """Stdout; as wide as its terminal, or wide enough for every table of ours."""
    return Console(width=None if sys.stdout.isatty() else 120)


def show(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table; all columns but the first and the last are numbers."""
    table = Table()
    for k, name in enumerate(head):
        # overflow folds: a cut-off number would be a wrong one
        table.add_column(name, justify="left" if k in (0, len(head) - 1) else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    console().print(table)


def show_means(records: Sequence[Record], labels: Sequence[str]) -> None:
    """Means over the pictures, one row a method; failures are counted, never averaged."""
    rows = []
    for label in labels:
        mine = [r for r in records if r["method"] == label]
        good = [r for r in mine if r["psnr"] is not None]
        ended = Counter(r["status"].partition(":")[0] for r in mine if r["status"])
        status = ", ".join(f"{count} {name}" for name, count in ended.items())
        if not good:
            rows.append([label, len(good), *("",) * 5, status])
            continue
        mean = {
            key: fmean(r[key] for r in good) for key in ("psnr", "ssim", "ssim_volume", "seconds", "n_steps")
        }
        scores = [f"{mean['psnr']:.3f}", f"{mean['ssim']:.4f}", f"{mean['ssim_volume']:.4f}"]
        cost = ["", ""] if label == "input" else [f"{mean['seconds']:.2f}", f"{mean['n_steps']:.0f}"]
        rows.append([label, len(good), *scores, *cost, status])
    show(["method", "pictures", "PSNR, dB", "SSIM", "volume SSIM", "seconds", "steps", "status"], rows)
