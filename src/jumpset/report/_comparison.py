"""The page of a comparison: the table, speed against quality, and outputs of the methods."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from jumpset.report._curves import axes, linear_ticks, log_ticks, tick_labels
from jumpset.report._labels import labelled_dots
from jumpset.report._page import document
from jumpset.report._pictures import png_uri

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 16, 48


def comparison_page(
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    best: Mapping[str, str],
    points: Mapping[str, tuple[float, float]],
    pictures: Mapping[str, Mapping[str, np.ndarray]],
    *,
    command: str = "",
    notes: Sequence[str] = (),
) -> str:
    """Return the whole document.

    Parameters
    ----------
    title
        The heading.
    head, rows
        The table as text; the first column names the method.
    best
        Column to the method that is best in it.
    points
        Method to (seconds, gain in dB).
    pictures
        Image name to its input, truth and outputs, by name.
    command
        The command that wrote the page.
    notes
        Sentences below the table.
    """
    body = [
        f"<header><h1>{escape(title)}</h1>{f'<pre>{escape(command)}</pre>' if command else ''}</header>",
        _table(head, rows, best),
        "".join(f'<p class="quiet">{escape(note)}</p>' for note in notes),
        _plot(points),
        *(_gallery(name, images) for name, images in pictures.items()),
    ]
    return document(title, body)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], best: Mapping[str, str]) -> str:
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = []
    for row in rows:
        cells = (
            f"<td><b>{escape(text)}</b></td>" if best.get(name) == row[0] else f"<td>{escape(text)}</td>"
            for name, text in zip(head, row, strict=True)
        )
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return (
        '<div class="scroll" tabindex="0"><table><thead><tr>'
        f"{names}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _plot(points: Mapping[str, tuple[float, float]]) -> str:
    """Plot gain over the input against seconds (logarithmic), one labelled dot per method."""
    known = {name: p for name, p in points.items() if p[0] > 0 and all(map(math.isfinite, p))}
    if not known:
        return ""
    x_ticks = log_ticks(min(p[0] for p in known.values()), max(p[0] for p in known.values()))
    y_ticks = linear_ticks(min(p[1] for p in known.values()), max(p[1] for p in known.values()), enclose=True)
    left, right = math.log10(x_ticks[0]), math.log10(x_ticks[-1])

    def x_of(seconds: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (math.log10(seconds) - left) / ((right - left) or 1.0)

    def y_of(gain: float) -> float:
        span = y_ticks[-1] - y_ticks[0]
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (gain - y_ticks[0]) / (span or 1.0)

    parts = axes(
        (_WIDTH, _HEIGHT),
        (_LEFT, _RIGHT, _BOTTOM),
        [(x_of(t), text) for t, text in zip(x_ticks, tick_labels(x_ticks, log=True), strict=True)],
        [(y_of(t), text) for t, text in zip(y_ticks, tick_labels(y_ticks, log=False), strict=True)],
        "seconds per image",
    )
    dots = {name: (x_of(seconds), y_of(gain)) for name, (seconds, gain) in known.items()}
    parts += labelled_dots(dots, _WIDTH, _HEIGHT - _BOTTOM)
    return (
        '<h2>Speed and quality</h2><figure class="chart wide">'
        "<figcaption>Gain over the input, dB: higher is better, further left is faster</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="gain against seconds">'
        f"{''.join(parts)}</svg></figure>"
    )


def _gallery(name: str, images: Mapping[str, np.ndarray]) -> str:
    figures = []
    for label, image in images.items():
        uri, width, height = png_uri(image)
        figures.append(
            f'<figure><img src="{uri}" width="{width}" height="{height}" alt="{escape(label)}">'
            f"<figcaption><b>{escape(label)}</b></figcaption></figure>"
        )
    return f'<h2>{escape(name)}</h2><div class="pictures">{"".join(figures)}</div>'
