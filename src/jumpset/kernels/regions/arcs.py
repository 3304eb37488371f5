"""Boundaries of a label image as arcs: each runs between two nodes and separates the same two parts.

Vertices are the corners of pixels, (0, 0) to (W, H). A *side* of a pixel is a boundary where the pixels on
both sides of it differ; outside the image lies part -1. A *node* is a vertex where three or four boundary
sides meet, or a corner of the image. An arc is a chain of sides from node to node, or a closed chain without
nodes. Directions are 0 right, 1 down, 2 left, 3 up; an arc has ``left`` and ``right`` parts, as seen on the
screen by a walker along it.

A half-arc is an arc in one of its directions: 2a is arc a forwards, 2a + 1 backwards. The boundary of a part
consists of rings of half-arcs that have the part on their left.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jumpset.kernels.jit import njit

_DX = np.array([1, 0, -1, 0])
_DY = np.array([0, 1, 0, -1])


class Arcs(NamedTuple):
    """The arcs of a label image whose parts are 4-connected."""

    points: np.ndarray  # (N, 2) int32: x, y of the vertices of all arcs, one arc after the other
    start: np.ndarray  # (A + 1,) int64: first point of each arc
    left: np.ndarray  # (A,) int32
    right: np.ndarray  # (A,) int32


class Rings(NamedTuple):
    """The rings of all parts."""

    half: np.ndarray  # (M,) int64: half-arcs of all rings, one ring after the other
    start: np.ndarray  # (R + 1,) int64: first half-arc of each ring
    part: np.ndarray  # (R,) int32: on the left of the ring
    area: np.ndarray  # (R,) float64: area inside; negative for a hole


def trace(part: np.ndarray) -> Arcs:
    """Return the arcs of an ``(H, W)`` int32 image of 4-connected parts 0, 1, …"""
    padded = np.pad(part, 1, constant_values=-1)
    sides = int((padded[1:] != padded[:-1]).sum() + (padded[:, 1:] != padded[:, :-1]).sum())
    points = np.empty((2 * sides + 4, 2), np.int32)  # an arc has one point more than sides
    start = np.zeros(sides + 5, np.int64)
    pair = np.empty((sides + 4, 2), np.int32)
    count = _trace(padded, points, start, pair)
    start = start[: count + 1].copy()
    pair = pair[:count]
    return Arcs(points[: start[-1]].copy(), start, pair[:, 0].copy(), pair[:, 1].copy())


@njit(cache=True, nogil=True, inline="always")
def _beside(padded, x, y, d):
    """The parts on the left and on the right of the side that leaves vertex (x, y) in direction d."""
    if d == 0:
        return padded[y, x + 1], padded[y + 1, x + 1]
    if d == 1:
        return padded[y + 1, x + 1], padded[y + 1, x]
    if d == 2:
        return padded[y + 1, x], padded[y, x]
    return padded[y, x], padded[y, x + 1]


@njit(cache=True, nogil=True)
def _is_node(padded, x, y):
    height, width = padded.shape[0] - 2, padded.shape[1] - 2
    if (x == 0 or x == width) and (y == 0 or y == height):
        return True
    degree = 0
    for d in range(4):
        left, right = _beside(padded, x, y, d)
        degree += left != right
    return degree > 2


@njit(cache=True, nogil=True)
def _trace(padded, points, start, pair):
    height, width = padded.shape[0] - 2, padded.shape[1] - 2
    seen = np.zeros((2, height + 1, width + 1), np.bool_)  # sides to the right of, and below each vertex
    arcs, filled = 0, 0
    for closed in range(2):  # first the arcs from nodes, then what remains
        for y in range(height + 1):
            for x in range(width + 1):
                if not closed and not _is_node(padded, x, y):
                    continue
                for d in range(4):
                    if _is_new(padded, seen, x, y, d):
                        filled = _follow(padded, seen, x, y, d, points, filled)
                        pair[arcs] = _beside(padded, x, y, d)
                        arcs += 1
                        start[arcs] = filled
    return arcs


@njit(cache=True, nogil=True)
def _is_new(padded, seen, x, y, d):
    left, right = _beside(padded, x, y, d)
    if left == right:
        return False
    return not seen[d & 1, y - (d == 3), x - (d == 2)]


@njit(cache=True, nogil=True)
def _follow(padded, seen, x, y, d, points, filled):
    first_x, first_y = x, y
    points[filled] = x, y
    filled += 1
    while True:
        seen[d & 1, y - (d == 3), x - (d == 2)] = True
        x, y = x + _DX[d], y + _DY[d]
        points[filled] = x, y
        filled += 1
        if (x == first_x and y == first_y) or _is_node(padded, x, y):
            return filled
        for turn in (3, 0, 1):
            left, right = _beside(padded, x, y, (d + turn) & 3)
            if left != right:
                d = (d + turn) & 3
                break


def link(arcs: Arcs) -> Rings:
    """Return the rings: one around the outside of each part, and one around each of its holes.

    Where a part touches itself at a corner, the ring goes on around the pixel of the other part, so that no
    ring touches itself.
    """
    count = len(arcs.left)
    half, start = np.empty(2 * count, np.int64), np.zeros(2 * count + 1, np.int64)
    part, area = np.empty(2 * count, np.int32), np.empty(2 * count)
    width = int(arcs.points[:, 0].max()) + 1
    first = arcs.points[arcs.start[:-1]]
    last = arcs.points[arcs.start[1:] - 1]
    places = np.concatenate([first, last]).astype(np.int64)
    _, node = np.unique(places[:, 1] * width + places[:, 0], return_inverse=True)
    rings = _link(arcs, node.astype(np.int64), half, start, part, area)
    used = start[rings]
    return Rings(half[:used].copy(), start[: rings + 1].copy(), part[:rings].copy(), area[:rings].copy())


@njit(cache=True, nogil=True, inline="always")
def _direction(points, a, b):
    """The direction from point a to point b, which is next to it."""
    if points[b, 0] != points[a, 0]:
        return 0 if points[b, 0] > points[a, 0] else 2
    return 1 if points[b, 1] > points[a, 1] else 3


@njit(cache=True, nogil=True)
def _link(arcs, node, half, start, part, area):
    points, count = arcs.points, len(arcs.left)
    leaving = np.full((node.max() + 1, 4), -1, np.int64)  # the half-arc that leaves a node in a direction
    for a in range(count):
        s, e = arcs.start[a], arcs.start[a + 1] - 1
        leaving[node[a], _direction(points, s, s + 1)] = 2 * a
        leaving[node[count + a], _direction(points, e, e - 1)] = 2 * a + 1
    done = np.zeros(2 * count, np.bool_)
    rings, filled = 0, 0
    for h in range(2 * count):
        owner = arcs.right[h // 2] if h & 1 else arcs.left[h // 2]
        if done[h] or owner < 0:
            continue
        part[rings], area[rings] = owner, 0.0
        now = h
        while not done[now]:
            done[now] = True
            half[filled] = now
            filled += 1
            a, backwards = now // 2, now & 1
            s, e = arcs.start[a], arcs.start[a + 1] - 1
            twice = 0.0
            for k in range(s, e):
                twice += points[k + 1, 0] * points[k, 1] - points[k, 0] * points[k + 1, 1]
            area[rings] += -0.5 * twice if backwards else 0.5 * twice
            if backwards:
                at, d = node[a], _direction(points, s + 1, s)
            else:
                at, d = node[count + a], _direction(points, e - 1, e)
            for turn in (1, 0, 3):  # right first
                next_half = leaving[at, (d + turn) & 3]
                if next_half >= 0:
                    a = next_half // 2
                    if (arcs.right[a] if next_half & 1 else arcs.left[a]) == owner:
                        now = next_half
                        break
        rings += 1
        start[rings] = filled
    return rings
