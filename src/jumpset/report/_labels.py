"""Names beside the dots of a plot, where they cover neither a dot nor another name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

Box = tuple[float, float, float, float]  # left, top, right, bottom

_DOT = 5.0  # half the side of what a dot keeps free
_LETTER = 7.0  # width of one at 12 pixels, rather too much than too little
_UP, _DOWN = 11.0, 3.0  # of a letter, from its base line
_LINE = 13.0


def placed(
    dots: Mapping[str, tuple[float, float]], width: float, height: float
) -> dict[str, tuple[float, float]]:
    """Name to the left end of its base line, for 12-pixel letters: as near to its dot as there is room.

    Tried are the places to the right and to the left of the dot, then those above and below it, further and
    further away; where all are taken the name stands at the right, over something else.

    Parameters
    ----------
    dots
        Name to the dot's ``(x, y)`` in pixels, y down.
    width, height
        Of the area that names have to stay in, from 0 on.
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


def named_dots(dots: Mapping[str, tuple[float, float]], width: float, height: float) -> list[str]:
    """Dots, names as :func:`placed` has them, and lines to the names that stand further away, as SVG."""
    parts = []
    for name, (u, v) in placed(dots, width, height).items():
        x, y = dots[name]
        near_x = min(max(x, u), u + _LETTER * len(name))
        near_y = min(max(y, v - _UP + 2), v + _DOWN)
        if math.hypot(near_x - x, near_y - y) > 2 * _DOT:
            parts.append(f'<path class="grid" d="M{x:.1f} {y:.1f}L{near_x:.1f} {near_y:.1f}"/>')
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        parts.append(f'<text x="{u:.1f}" y="{v:.1f}">{escape(name)}</text>')
    return parts


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes share more than an edge."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
