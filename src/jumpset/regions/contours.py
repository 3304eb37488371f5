"""The boundaries of a partition as lines and curves, which neighbouring regions share.

Each boundary is traced, moved and fitted once, as an arc between the places where three regions meet; the
outline of a region is a sequence of arcs. Regions therefore have neither gaps nor overlaps between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jumpset.kernels.regions import arcs, curves
from jumpset.kernels.regions.crossings import crossings
from jumpset.regions._arguments import region_sums
from jumpset.regions.labels import label

_MOST_MOVE = 0.75  # pixels that the middle of a side moves
_MOST_CORNER = 0.4  # pixels that a vertex moves along each axis; below ½, the sides cannot cross
_SLIGHT = 0.03  # difference of colours, in intensities, below which the sides hardly move
_CONTRAST = 0.3  # difference of colours, in intensities, at which ``tolerance`` is meant
_NEAR = 2  # sides to each side of a crossing that are fitted again
_MOST_ATTEMPTS = 12
_FLAT = 6  # segments of a cubic, where it is compared with other arcs


@dataclass(frozen=True)
class Contours:
    """Outlines of the connected parts of a label image."""

    part: np.ndarray  # (H, W) int32: 4-connected parts 0, 1, …
    arcs: arcs.Arcs
    rings: arcs.Rings
    pieces: curves.Pieces

    def rings_of_parts(self) -> list[list[int]]:
        """Return the numbers of the rings of each part, the outside first."""
        out: list[list[int]] = [[] for _ in range(int(self.part.max()) + 1)]
        for ring in np.argsort(-self.rings.area, kind="stable").tolist():
            out[self.rings.part[ring]].append(ring)
        return out

    def ring(self, number: int) -> np.ndarray:
        """Return ``(P + 1, 6)``: where a ring begins, as the end of row 0, and its pieces."""
        rings, pieces = self.rings, self.pieces
        rows = [np.empty((0, 6))]
        for half in rings.half[rings.start[number] : rings.start[number + 1]].tolist():
            arc = half // 2
            piece = pieces.piece[pieces.start[arc] : pieces.start[arc + 1]]
            begin = np.concatenate([np.full(4, np.nan), pieces.first[arc]])
            chain = np.concatenate([begin[None], piece])
            if half & 1:  # backwards, with control points exchanged
                back = chain[::-1].copy()
                back[1:, :4] = chain[:0:-1, [2, 3, 0, 1]]
                back[0, :4] = np.nan
                chain = back
            rows.append(chain[1:] if len(rows) > 1 else chain)
        return np.concatenate(rows)


def find_contours(
    labels: np.ndarray,
    pixels: np.ndarray | None,
    *,
    tolerance: float,
    curved: bool,
    decimals: int,
) -> Contours:
    """Trace and fit the boundaries of the 4-connected parts of a label image.

    Parameters
    ----------
    labels
        ``(H, W)`` integers.
    pixels
        ``(H, W, C)`` intensities, which move the boundaries by fractions of a pixel; None leaves them between
        the pixels.
    tolerance
        Pixels: a further corner must lower the sum of squared distances by 4 tolerance² between regions whose
        colours differ by 0.3, by less where they differ more.
    curved
        Whether to fit curves to the polygons.
    decimals
        Number of decimals to which coordinates are rounded.
    """
    part = label(labels) - 1
    traced = arcs.trace(part)
    horizontal, vertical = _moves(part, pixels)
    points, middles, turns = _moved(traced, part.shape, horizontal, vertical)
    on_border = (traced.left < 0) | (traced.right < 0)
    rings = arcs.link(traced)
    kappa = 4.0 * max(tolerance, 1e-4) ** 2 * _leniency(part, traced, pixels)
    strict = np.zeros(len(points), np.int64)
    for attempt in range(_MOST_ATTEMPTS):
        pieces = curves.fit(points, middles, turns, traced.start, strict, on_border, kappa, curved)
        pieces = pieces._replace(piece=pieces.piece.round(decimals), first=pieces.first.round(decimals))
        bad = _bad_sides(pieces, traced, rings)
        bad[strict > 1] = False
        if not bad.any():
            break
        strict[bad] += 1 if attempt < _MOST_ATTEMPTS // 2 else 2
    return Contours(part, traced, rings, pieces)


def _moves(part: np.ndarray, pixels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each horizontal side ``(H + 1, W)`` moves down, each vertical one ``(H, W + 1)`` right.

    The two pixels of a side, of regions with the mean colours a and b, are projected onto the line from b to
    a; the side moves so that the share of a in both is the sum of the projections, which is the place with
    the least squared error after antialiasing.
    """
    height, width = part.shape
    horizontal, vertical = np.zeros((height + 1, width)), np.zeros((height, width + 1))
    if pixels is None:
        return horizontal, vertical
    mean = _means(part, pixels)

    def move(i: np.ndarray, j: np.ndarray, f: np.ndarray, g: np.ndarray) -> np.ndarray:
        out, differ = np.zeros(i.shape), i != j
        a, b = mean[i[differ]], mean[j[differ]]
        square = ((a - b) ** 2).sum(1)
        away = np.maximum(square, 1e-12)
        share = sum((((v[differ] - b) * (a - b)).sum(1) / away).clip(0.0, 1.0) for v in (f, g))
        out[differ] = (share - 1.0) * square / (square + _SLIGHT**2)
        return out.clip(-_MOST_MOVE, _MOST_MOVE)

    horizontal[1:-1] = move(part[:-1], part[1:], pixels[:-1], pixels[1:])
    vertical[:, 1:-1] = move(part[:, :-1], part[:, 1:], pixels[:, :-1], pixels[:, 1:])
    return horizontal, vertical


def _leniency(part: np.ndarray, traced: arcs.Arcs, pixels: np.ndarray | None) -> np.ndarray:
    """Return ``(A,)`` factors of κ: the same distance costs more squared error where colours differ more."""
    if pixels is None:
        return np.ones(len(traced.left))
    mean = _means(part, pixels)
    square = ((mean[traced.left] - mean[traced.right]) ** 2).sum(1)
    return (_CONTRAST**2 / np.maximum(square, 1e-9)).clip(1.0 / 16.0, 4.0)


def _means(part: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    size, total = region_sums(part, pixels)
    return total / size[:, None]


def _moved(
    traced: arcs.Arcs, shape: tuple[int, int], horizontal: np.ndarray, vertical: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the moved vertices ``(N, 2)``, the middles of the sides after them, and where an arc turns."""
    height, width = shape
    x, y = traced.points[:, 0], traced.points[:, 1]
    step = np.diff(traced.points, axis=0, append=traced.points[-1:])
    last = np.zeros(len(x), bool)
    last[traced.start[1:] - 1] = True
    step[last] = 0
    along, down = step[:, 0] != 0, step[:, 1] != 0
    column, row = np.minimum(x, x + step[:, 0]), np.minimum(y, y + step[:, 1])
    slide = np.zeros((len(x), 2))
    slide[along, 1] = horizontal[y[along], column[along]]
    slide[down, 0] = vertical[row[down], x[down]]
    middles = traced.points + 0.5 * step + slide
    # a vertex moves by the mean move of its horizontal sides, and of its vertical ones
    total, number = np.zeros((2, height + 1, width + 1)), np.zeros((2, height + 1, width + 1))
    for axis, sides in ((1, along), (0, down)):
        for v, u in ((y[sides], x[sides]), ((y + step[:, 1])[sides], (x + step[:, 0])[sides])):
            np.add.at(total[axis], (v, u), slide[sides, axis])
            np.add.at(number[axis], (v, u), 1)
    shift = (total / np.maximum(number, 1)).clip(-_MOST_CORNER, _MOST_CORNER)
    points = traced.points + shift[:, y, x].T
    before = np.roll(step, 1, axis=0)
    turns = (along != (before[:, 0] != 0)) & ~last
    return points, middles, turns


def segments(pieces: curves.Pieces, steps: int = _FLAT) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the straight segments of all pieces, where a cubic has ``steps``.

    Returns
    -------
    Their ends ``(S, 4)``, the piece ``(S,)`` of each, and its place ``(S,)`` in the piece.
    """
    begin = np.concatenate([pieces.first[:1], pieces.piece[:-1, 4:]])
    begin[pieces.start[:-1]] = pieces.first
    is_line = np.isnan(pieces.piece[:, 0])
    each = np.where(is_line, 1, steps)
    owner = np.repeat(np.arange(len(each)), each)
    order = np.arange(len(owner)) - np.repeat(np.cumsum(each) - each, each)
    ends = np.empty((len(owner), 4))
    for k in (0, 1):
        s = ((order + k) / each[owner])[:, None]
        a, b = begin[owner], pieces.piece[owner, 4:]
        c, d = (np.where(is_line[owner, None], a, pieces.piece[owner, j : j + 2]) for j in (0, 2))
        curve = (1 - s) ** 3 * a + 3 * (1 - s) ** 2 * s * c + 3 * (1 - s) * s**2 * d + s**3 * b
        exact = np.where(s == 1.0, b, a)  # pieces share their ends
        ends[:, 2 * k : 2 * k + 2] = np.where((s == 0.0) | (s == 1.0), exact, curve)
    return ends, owner, order


def _bad_sides(pieces: curves.Pieces, traced: arcs.Arcs, rings: arcs.Rings) -> np.ndarray:
    """Return ``(N,)``: the sides near crossings, and those of regions whose area is halved or doubled."""
    ends, piece, order = segments(pieces)
    long = (ends[:, :2] != ends[:, 2:]).any(1)
    arc = np.repeat(np.arange(len(pieces.first)), np.diff(pieces.start))
    bad = np.zeros(len(traced.points), bool)
    number, share = crossings(ends[long])
    piece, order = piece[long], order[long]
    hit = piece[number]
    per_piece = np.where(np.isnan(pieces.piece[hit, 0]), 1, _FLAT)
    middle = pieces.sides[hit, 0] + (order[number] + share) / per_piece * pieces.sides[hit, 1]
    length = np.diff(traced.start)[arc[hit]] - 1
    for off in range(-_NEAR, _NEAR + 1):
        side = np.floor(middle).astype(np.int64) + off
        is_closed = (
            traced.points[traced.start[arc[hit]]] == traced.points[traced.start[arc[hit] + 1] - 1]
        ).all(1)
        side = np.where(is_closed, side % length, side.clip(0, length - 1))
        bad[traced.start[arc[hit]] + side] = True
    ends, piece, _ = segments(pieces)
    under = np.bincount(
        arc[piece], 0.5 * (ends[:, 2] * ends[:, 1] - ends[:, 0] * ends[:, 3]), len(pieces.first)
    )
    sign = np.where(rings.half & 1, -1.0, 1.0)
    ring = np.repeat(np.arange(len(rings.part)), np.diff(rings.start))
    ratio = np.bincount(ring, sign * under[rings.half // 2]) / rings.area
    lost = np.zeros(len(pieces.first), bool)
    lost[rings.half[((ratio < 0.5) | (ratio > 2.0))[ring]] // 2] = True
    return bad | np.repeat(lost, np.diff(traced.start))
