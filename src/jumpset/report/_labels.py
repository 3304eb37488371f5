"""Labels next to the dots of a plot, without overlaps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

Box = tuple[float, float, float, float]  # left, top, right, bottom

_DOT = 5.0  # half the side of the square that a dot occupies
_LETTER = 7.0  # width of a letter at 12 pixels, an upper estimate
_UP, _DOWN = 11.0, 3.0  # extent of a letter from its base line
_LINE = 13.0


def place(
    dots: Mapping[str, tuple[float, float]], width: float, height: float
) -> dict[str, tuple[float, float]]:
    """Place each name as near to its dot as possible: the left end of its base line, for 12-pixel letters.

    Candidates are the positions to the right and left of the dot, then above and below it at increasing
    distance; if all are occupied, the name is at the right and overlaps.

    Parameters
    ----------
    dots
        Name to the dot's ``(x, y)`` in pixels, y down.
    width, height
        Size of the area that contains the names, from 0.
    """
    taken: list[Box] = [(x - _DOT, y - _DOT, x + _DOT, y + _DOT) for x, y in dots.values()]
    ends = {}
    for name, (x, y) in sorted(dots.items(), key=lambda item: item[1][1]):  # from the top down
        size = _LETTER * len(name)
        right, left, middle = x + _DOT + 3, x - _DOT - 3 - size, x - size / 2
        places = [(right, y + 4), (left, y + 4)]
        for line in range(1, 7):
            for dy in (-_LINE * line + 4, _LINE * line + 4):
                places += [(u, y + dy) for u in (middle, right, left, right + size / 2, left - size / 2)]
        boxes = [(u, v - _UP, u + size, v + _DOWN) for u, v in places]
        inside = [b for b in boxes if b[0] >= 0 and b[1] >= 0 and b[2] <= width and b[3] <= height]
        free = [b for b in inside if not any(overlap(b, other) for other in taken)]
        box = (free or inside or boxes)[0]
        taken.append(box)
        ends[name] = (box[0], box[3] - _DOWN)
    return ends


def labelled_dots(dots: Mapping[str, tuple[float, float]], width: float, height: float) -> list[str]:
    """Return dots, names at the positions of :func:`place`, and lines to distant names, as SVG."""
    parts = []
    for name, (u, v) in place(dots, width, height).items():
        x, y = dots[name]
        near_x = min(max(x, u), u + _LETTER * len(name))
        near_y = min(max(y, v - _UP + 2), v + _DOWN)
        if math.hypot(near_x - x, near_y - y) > 2 * _DOT:
            parts.append(f'<path class="grid" d="M{x:.1f} {y:.1f}L{near_x:.1f} {near_y:.1f}"/>')
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        parts.append(f'<text x="{u:.1f}" y="{v:.1f}">{escape(name)}</text>')
    return parts


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes overlap by more than an edge."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
