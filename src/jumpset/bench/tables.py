"""The summary as text: Markdown for a README, LaTeX for a paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jumpset.bench._published import PUBLISHED, PUBLISHED_INPUT_PSNR
from jumpset.bench._records import INPUT
from jumpset.bench._summary import Row

# column head, key of the means, format, whether larger is better (None: neither)
_COLUMNS: tuple[tuple[str, str, str, bool | None], ...] = (
    ("PSNR, dB", "psnr", ".2f", True),
    ("SSIM", "ssim", ".4f", True),
    ("volume SSIM", "ssim_volume", ".4f", True),
    ("luma SSIM", "ssim_luma", ".4f", True),
    ("edges", "edges", ".3f", True),
    ("E_pix", "energy_pix", ".0f", None),
    ("E_edge", "energy_edge", ".0f", None),
    ("zeros", "zero_fraction", ".3f", None),
    ("isolated", "isolated_fraction", ".4f", None),
    ("seconds", "seconds", ".2f", False),
    ("MiB", "peak_mib", ".0f", False),
)
HEAD = ("method", "images", "gain, dB", *(column[0] for column in _COLUMNS))
PUBLISHED_HEAD = ("published gain, dB", "published volume SSIM")


def cells(row: Row, *, published: bool = False) -> list[str]:
    """Format a row for the columns :data:`HEAD` and, if ``published``, :data:`PUBLISHED_HEAD`."""
    texts = [row.label, str(row.n_images)]
    texts.append("" if row.gain is None or row.label == INPUT else f"{row.gain:+.2f}")
    for _, key, form, _ in _COLUMNS:
        value = row.means[key]
        cost_of_input = row.label == INPUT and key in ("seconds", "peak_mib")
        texts.append("" if value is None or cost_of_input else format(value, form))
    if published:
        psnr, ssim = PUBLISHED.get(row.label, (None, None))
        texts.append("" if psnr is None else f"{psnr - PUBLISHED_INPUT_PSNR:+.2f}")
        texts.append("" if ssim is None else f"{ssim:.4f}")
    return texts


def best(rows: Sequence[Row]) -> dict[str, str]:
    """Return the best method of each column in which larger or smaller is better."""
    found = {}
    for head, key, _, larger in _COLUMNS:
        known = [(row.means[key], row.label) for row in rows if row.label != INPUT]
        values = [(value, label) for value, label in known if value is not None]
        if larger is not None and values:
            found[head] = (max if larger else min)(values)[1]
    return found


def markdown(rows: Sequence[Row], notes: Sequence[str], *, published: bool = False) -> str:
    """Return a Markdown table; the best of each column in bold."""
    return _table(
        rows,
        published,
        begin=lambda head: f"| {' | '.join(head)} |\n|---|{'--:|' * (len(head) - 1)}\n",
        line=lambda texts: f"| {' | '.join(texts)} |\n",
        bold=lambda text: f"**{text}**",
        end="".join(f"\n{note}\n" for note in notes),
    )


def latex(rows: Sequence[Row], notes: Sequence[str], *, published: bool = False) -> str:
    """Return a LaTeX tabular for the package booktabs; the best of each column in bold."""
    return _table(
        rows,
        published,
        begin=lambda head: (
            f"\\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}\n\\toprule\n"
            f"{' & '.join(map(_escaped, head))} \\\\\n\\midrule\n"
        ),
        line=lambda texts: f"{' & '.join(texts)} \\\\\n",
        bold=lambda text: f"\\textbf{{{text}}}",
        end="\\bottomrule\n\\end{tabular}\n" + "".join(f"% {note}\n" for note in notes),
        escape=_escaped,
    )


def _table(
    rows: Sequence[Row],
    published: bool,
    *,
    begin: Callable[[Sequence[str]], str],
    line: Callable[[Sequence[str]], str],
    bold: Callable[[str], str],
    end: str,
    escape: Callable[[str], str] = str,
) -> str:
    head = [*HEAD, *(PUBLISHED_HEAD if published else ())]
    winners = best(rows)
    text = begin(head)
    for row in rows:
        pairs = zip(head, map(escape, cells(row, published=published)), strict=True)
        text += line([bold(cell) if winners.get(name) == row.label else cell for name, cell in pairs])
    return text + end


def _escaped(text: str) -> str:
    return text.replace("_", "\\_").replace("%", "\\%").replace("&", "\\&")
