"""Where many segments touch or cross one another."""

from __future__ import annotations

import numpy as np

from jumpset.kernels.jit import njit

_CELL = 2.0  # pixels; no segment is longer
_TINY = 1e-9


def crossings(ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where segments meet others elsewhere than at common ends.

    Parameters
    ----------
    ends
        ``(S, 4)``: x and y of both ends of each segment, at least 0 and not equal.

    Returns
    -------
    The numbers of the segments, and the share of the segment, from 0 to 1, at which each meets another one,
    up to a pixel; a segment appears several times if it meets others in several places.
    """
    length = np.hypot(ends[:, 2] - ends[:, 0], ends[:, 3] - ends[:, 1])
    parts = np.maximum(1, np.ceil(length / _CELL)).astype(np.int64)
    owner = np.repeat(np.arange(len(ends)), parts)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(parts) - parts, parts)
    out = np.zeros(len(owner), np.bool_)
    lines = np.empty((len(owner), 4))
    for k, at in enumerate((step, step + 1)):
        share = (at / parts[owner])[:, None]
        # both ends are exact, so that neighbours share them
        lines[:, 2 * k : 2 * k + 2] = np.where(
            share == 1.0, ends[owner, 2:], ends[owner, :2] + share * (ends[owner, 2:] - ends[owner, :2])
        )
    lines = np.maximum(lines, 0.0)
    _cross(lines, out)
    return owner[out], ((step + 0.5) / parts[owner])[out]


@njit(cache=True, nogil=True)
def _cross(lines, out):
    columns, rows = 1, 1
    for s in range(len(lines)):
        columns = max(columns, 1 + int(max(lines[s, 0], lines[s, 2]) / _CELL))
        rows = max(rows, 1 + int(max(lines[s, 1], lines[s, 3]) / _CELL))
    head = np.full((rows, columns), -1, np.int64)
    most = 4 * len(lines)  # a segment lies in four cells at most
    item, after, filled = np.empty(most, np.int64), np.empty(most, np.int64), 0
    for s in range(len(lines)):
        a, b, c, d = lines[s]
        for row in range(int(min(b, d) / _CELL), int(max(b, d) / _CELL) + 1):
            for column in range(int(min(a, c) / _CELL), int(max(a, c) / _CELL) + 1):
                e = head[row, column]
                while e >= 0:
                    if not (out[s] and out[item[e]]) and _meet(lines[s], lines[item[e]]):
                        out[s] = out[item[e]] = True
                    e = after[e]
                item[filled], after[filled] = s, head[row, column]
                head[row, column] = filled
                filled += 1


@njit(cache=True, nogil=True, inline="always")
def _side(a, b, p, q, x, y):
    value = (p - a) * (y - b) - (q - b) * (x - a)
    return 0.0 if abs(value) < _TINY else value


@njit(cache=True, nogil=True)
def _meet(s, t):
    """Whether two segments have more than a common end."""
    if max(s[0], s[2]) < min(t[0], t[2]) - _TINY or max(t[0], t[2]) < min(s[0], s[2]) - _TINY:
        return False
    if max(s[1], s[3]) < min(t[1], t[3]) - _TINY or max(t[1], t[3]) < min(s[1], s[3]) - _TINY:
        return False
    for i in (0, 2):
        for j in (0, 2):
            if abs(s[i] - t[j]) < _TINY and abs(s[i + 1] - t[j + 1]) < _TINY:  # a common end: one direction?
                p, q = s[2 - i] - s[i], s[3 - i] - s[i + 1]
                x, y = t[2 - j] - t[j], t[3 - j] - t[j + 1]
                return abs(p * y - q * x) < _TINY and p * x + q * y > 0.0
    one = _side(s[0], s[1], s[2], s[3], t[0], t[1]) * _side(s[0], s[1], s[2], s[3], t[2], t[3])
    two = _side(t[0], t[1], t[2], t[3], s[0], s[1]) * _side(t[0], t[1], t[2], t[3], s[2], s[3])
    return one <= 0.0 and two <= 0.0
