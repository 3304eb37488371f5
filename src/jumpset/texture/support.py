"""Where an image varies: its pixels outside of large constant areas, such as bars and blank margins."""

from __future__ import annotations

import numpy as np

# Rectangles of 64 pixels: noise, even of one 8-bit level, is equal in all pixels of one by chance nowhere.
_RECTANGLES = ((8, 8), (2, 32), (32, 2))
_SIDE = 16  # of the least square that varies: the edges of a drawing are narrower
_LEAST = 1 / 64  # share of the pixels: less is no image beside its margins
_COLOURS = 2  # of bars and margins: black and white
_MOST = 0.95  # share of the constant area in these colours; less is a drawing's
_EQUAL = 1 / 8  # share of equal 2×2 cells outside the constant area, above which that is a drawing too
_PILE = 1e-3  # share of the pixels above which an extreme value may be a limit of the sensor


def varying(image: np.ndarray) -> np.ndarray:
    """Mark the pixels of ``(C, H, W)`` from which noise can be estimated, ``(C, H, W)`` bool.

    A pixel in a rectangle of 8×8, 2×32 or 32×2 equal pixels of a channel belongs to a constant area; marked
    are all squares of 16×16 pixels without such a pixel. Equal neighbours elsewhere stay: in weak quantized
    noise they are part of it. All pixels are marked where a channel looks like that of a drawing without
    noise: its constant areas have more than two values, or the rest is small, or contains many equal pixels.
    """
    marked = np.ones(image.shape, bool)
    height, width = image.shape[1:]
    for x, out in zip(image, marked, strict=True):
        same = (x[1:, 1:] == x[1:, :-1]) & (x[1:, 1:] == x[:-1, 1:]) & (x[1:, 1:] == x[:-1, :-1])
        constant = np.zeros(x.shape, bool)
        for tall, wide in _RECTANGLES:
            if tall <= height and wide <= width and same.any():
                found = _opened(same, tall - 1, wide - 1)
                for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):  # the four pixels of each cell
                    constant[dy : height - 1 + dy, dx : width - 1 + dx] |= found
        if not constant.any():
            continue
        counts = np.sort(np.unique(x[constant], return_counts=True)[1])
        if len(counts) == 1 and counts[0] == x.size:  # an empty channel says nothing
            continue
        rest = _opened(~constant, min(_SIDE, height), min(_SIDE, width))
        is_drawn = counts[-_COLOURS:].sum() < _MOST * counts.sum() or rest.mean() < _LEAST
        if is_drawn or same[rest[1:, 1:]].mean() > _EQUAL:
            return np.ones(image.shape, bool)
        out[:] = rest
    return marked


def clipped(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Mark the pixels of ``(C, H, W)`` whose value was cut off at an extreme of their channel.

    An extreme is a limit if, of the pixels in ``where``, it holds more than a thousandth and more than twice
    those of the next value, since a histogram that is not cut off falls towards its ends; and less than half,
    since an image with more of them is empty there.
    """
    marked = np.zeros(image.shape, bool)
    for band, use, out in zip(image, where, marked, strict=True):
        x = band[use]
        for extreme in (np.min, np.max):
            at = x == extreme(x) if len(x) else np.zeros(0, bool)
            count = np.count_nonzero(at)
            if _PILE * len(x) < count < 0.5 * len(x) and count > 2 * np.count_nonzero(x == extreme(x[~at])):
                out |= band == extreme(x)
    return marked


def _opened(x: np.ndarray, tall: int, wide: int) -> np.ndarray:
    """The union of all rectangles that lie within the marked pixels."""
    corners = _inside(x, tall, wide)
    if not corners.any():
        return np.zeros(x.shape, bool)
    return ~_inside(~np.pad(corners, ((tall - 1, tall - 1), (wide - 1, wide - 1))), tall, wide)


def _inside(x: np.ndarray, tall: int, wide: int) -> np.ndarray:
    """Which rectangles lie within the marked pixels, by their first pixel."""
    for size in (tall, wide):
        done = 1
        while done < size:  # of twice the rows, by two that overlap or touch
            more = min(done, size - done)
            x = x[:-more] & x[more:]
            done += more
        x = x.T
    return x
