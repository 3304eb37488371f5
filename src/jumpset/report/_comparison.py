"""The page of a comparison: the table, speed against quality, and outputs of the methods."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from jumpset.report._curves import Axis, axes, linear_ticks, log_ticks
from jumpset.report._labels import labelled_dots
from jumpset.report._page import document, figure, table

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

    Returns
    -------
    str
        The HTML document.

    Examples
    --------
    >>> import jumpset as js
    >>> rows = [["tv", "25.0"], ["l0", "24.0"]]
    >>> points = {"tv": (0.1, 25.0), "l0": (0.1, 24.0)}
    >>> page = js.report.comparison_page("Mine", ["method", "dB"], rows, {"tv": "dB"}, points, {})
    >>> page[:15]
    '<!DOCTYPE html>'
    """
    header = f"<h1>{escape(title)}</h1>{f'<pre>{escape(command)}</pre>' if command else ''}"
    body = [
        _table(head, rows, best),
        "".join(f'<p class="quiet">{escape(note)}</p>' for note in notes),
        _plot(points),
        *(_gallery(name, images) for name, images in pictures.items()),
    ]
    return document(title, header, body)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], best: Mapping[str, str]) -> str:
    lines = []
    for row in rows:
        cells = zip(head, map(escape, row), strict=True)
        lines.append([f"<b>{text}</b>" if best.get(name) == row[0] else text for name, text in cells])
    return table([*map(escape, head)], lines, escaped=True)


def _plot(points: Mapping[str, tuple[float, float]]) -> str:
    """Plot gain over the input against seconds (logarithmic), one labelled dot per method."""
    known = {name: p for name, p in points.items() if p[0] > 0 and all(map(math.isfinite, p))}
    if not known:
        return ""
    seconds, gains = zip(*known.values(), strict=True)
    ticks = log_ticks(min(seconds), max(seconds))
    x = Axis(ticks, ticks[0], ticks[-1], _LEFT, _WIDTH - _RIGHT, log=True)
    ticks = linear_ticks(min(gains), max(gains), enclose=True)
    y = Axis(ticks, ticks[0], ticks[-1], _HEIGHT - _BOTTOM, _TOP)
    parts = axes(x, y, _HEIGHT, "seconds per image")
    dots = {name: (x.at(seconds), y.at(gain)) for name, (seconds, gain) in known.items()}
    parts += labelled_dots(dots, _WIDTH, _HEIGHT - _BOTTOM)
    return (
        '<h2>Speed and quality</h2><figure class="chart wide">'
        "<figcaption>Gain over the input, dB: higher is better, further left is faster</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="gain against seconds">'
        f"{''.join(parts)}</svg></figure>"
    )


def _gallery(name: str, images: Mapping[str, np.ndarray]) -> str:
    figures = [figure(image, f"<b>{escape(label)}</b>", alt=label) for label, image in images.items()]
    return f'<h2>{escape(name)}</h2><div class="pictures">{"".join(figures)}</div>'
