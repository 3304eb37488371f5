"""Sums along straight lines through an image, and their transpose (Joseph's interpolation).

A line that is nearer to the vertical takes one sample a row, interpolated between two columns, times the
length of the line in a row; any other line one sample a column. Samples outside count as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

_FAST: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
_BAND = 32  # lines or columns that are worth a thread


def project(image: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Return the sums of ``(N, H, W)`` along lines, ``(N, L)``.

    Parameters
    ----------
    image
        Contiguous float32 or float64.
    lines
        ``(L, 4)`` float64: y and x of a point of each line, dy and dx of its direction, in pixels; the centre
        of pixel (i, j) is at y = i, x = j.
    """
    out = np.zeros((len(image), len(lines)), image.dtype)
    for steep, across in _by_slope(lines):
        parallel_rows(_project, len(lines), across(image), *steep, out, least=_BAND)
    return out


def back_project(sums: np.ndarray, lines: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the transpose of :func:`project`, ``(N, height, width)``, of ``(N, L)``."""
    out = np.zeros((len(sums), height, width), sums.dtype)
    for steep, across in _by_slope(lines):
        planes = across(out)
        parallel_rows(_back_project, planes.shape[1], sums, *steep, planes, least=_BAND)
    return out


def _by_slope(lines: np.ndarray) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], Callable]]:
    """Yield the steep lines, and the others with rows and columns exchanged: a function does so for images.

    Each time ``(L, 4)`` lines, and which of them count.
    """
    steep = np.abs(lines[:, 2]) >= np.abs(lines[:, 3])
    yield (lines, steep), lambda image: image
    yield (lines[:, [1, 0, 3, 2]], ~steep), lambda image: image.transpose(0, 2, 1)


@njit(**_FAST)
def _project(
    start: int, stop: int, image: np.ndarray, lines: np.ndarray, counts: np.ndarray, out: np.ndarray
) -> None:
    planes, height, width = image.shape
    for k in range(start, stop):
        if not counts[k]:
            continue
        y, x, dy, dx = lines[k]
        slope = dx / dy
        length = np.sqrt(1.0 + slope * slope)
        for i in range(height):
            at = x + (i - y) * slope
            left = int(np.floor(at))
            if left < -1 or left >= width:
                continue
            share = at - left
            for n in range(planes):
                total = 0.0
                if left >= 0:
                    total += (1.0 - share) * image[n, i, left]
                if left + 1 < width:
                    total += share * image[n, i, left + 1]
                out[n, k] += length * total


@njit(**_FAST)
def _back_project(
    start: int, stop: int, sums: np.ndarray, lines: np.ndarray, counts: np.ndarray, out: np.ndarray
) -> None:
    planes, _, width = out.shape
    for k in range(len(lines)):
        if not counts[k]:
            continue
        y, x, dy, dx = lines[k]
        slope = dx / dy
        length = np.sqrt(1.0 + slope * slope)
        for i in range(start, stop):
            at = x + (i - y) * slope
            left = int(np.floor(at))
            if left < -1 or left >= width:
                continue
            share = at - left
            for n in range(planes):
                value = length * sums[n, k]
                if left >= 0:
                    out[n, i, left] += (1.0 - share) * value
                if left + 1 < width:
                    out[n, i, left + 1] += share * value
