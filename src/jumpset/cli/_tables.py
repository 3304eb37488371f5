"""Tables on stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from jumpset.bench import Record


def console() -> Console:
    """Return a console on stdout, as wide as the terminal or, without one, 120 columns."""
    return Console(width=None if sys.stdout.isatty() else 120)


def show(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table; all columns but the first and last are numbers."""
    table = Table()
    for k, name in enumerate(head):
        # fold, since a truncated number is wrong
        table.add_column(name, justify="left" if k in (0, len(head) - 1) else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    console().print(table)


def show_means(records: Sequence[Record]) -> None:
    """Print means over the images, one row per method; failures are counted, not averaged."""
    from jumpset.bench import INPUT, summarize

    def text(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    rows = []
    for row in summarize(records):
        mean, is_input = row.means, row.label == INPUT
        rows.append(
            [
                row.label,
                row.n_images,
                text(mean["psnr"], ".3f"),
                "" if is_input else text(row.gain, "+.3f"),
                text(mean["ssim"], ".4f"),
                text(mean["ssim_volume"], ".4f"),
                "" if is_input else text(mean["seconds"], ".2f"),
                "" if is_input else text(mean["n_steps"], ".0f"),
                ", ".join(f"{count} {name}" for name, count in row.ended.items()),
            ]
        )
    show(["method", "images", "PSNR, dB", "gain", "SSIM", "volume SSIM", "seconds", "steps", "status"], rows)
