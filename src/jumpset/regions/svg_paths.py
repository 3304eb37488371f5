"""Path data of SVG, in few bytes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def path_data(rings: Iterable[np.ndarray], decimals: int) -> str:
    """Return the ``d`` attribute of closed rings.

    Parameters
    ----------
    rings
        Each ``(P + 1, 6)``: control points and end of each piece, those of a line NaN; the first row has only
        the end, where the ring begins.
    decimals
        Number of decimals of the coordinates, which are already rounded.
    """
    return "".join(_ring(ring, decimals) for ring in rings)


def _ring(ring: np.ndarray, decimals: int) -> str:
    scaled = np.rint(np.nan_to_num(ring, nan=0.0) * 10**decimals).astype(np.int64)
    x, y = x0, y0 = scaled[0, 4:].tolist()
    parts, letter = ["M" + _joined([x, y], decimals)], "M"
    lines = np.isnan(ring[:, 0]).tolist()
    rows = scaled.tolist()
    last = len(rows) - 1
    for k in range(1, last + 1):
        a, b, c, d, p, q = rows[k]
        if not lines[k]:
            now, values = "c", [a - x, b - y, c - x, d - y, p - x, q - y]
        elif (p, q) == (x, y) or (k == last and (p, q) == (x0, y0)):
            continue
        elif q == y:
            now, values = "h", [p - x]
        elif p == x:
            now, values = "v", [q - y]
        else:
            now, values = "l", [p - x, q - y]
        text = _joined(values, decimals)
        parts += [now if now != letter else _separator(parts[-1], text), text]
        letter, x, y = now, p, q
    return "".join(parts) + "z"


def _joined(values: list[int], decimals: int) -> str:
    """Numbers in units of 10^-decimals, without the separators and zeros that the grammar does not need."""
    out = ""
    for value in values:
        text = _number(value, decimals)
        out += _separator(out, text) + text
    return out


def _separator(before: str, text: str) -> str:
    """A blank, unless a sign, or a second point, already begins a new number."""
    is_new = text[0] == "-" or (text[0] == "." and "." in before.rpartition("-")[2].rpartition(" ")[2])
    return " " if before and not is_new else ""


def _number(value: int, decimals: int) -> str:
    if decimals == 0:
        return str(value)
    whole, rest = divmod(abs(value), 10**decimals)
    tail = f"{rest:0{decimals}d}".rstrip("0")
    text = (str(whole) if whole or not tail else "") + (f".{tail}" if tail else "")
    return f"-{text}" if value < 0 else text
