"""Histories as small line charts in inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT = 460, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 14, 12, 40
_MOST_POINTS = 400


def chart(name: str, steps: Sequence[float], values: Sequence[float]) -> str:
    """Plot one series over the steps; empty if fewer than two points are finite.

    The vertical axis is logarithmic if all values are positive and the largest is over 50 times the
    smallest.
    """
    points = [(s, v) for s, v in zip(steps, values, strict=True) if math.isfinite(v)]
    if len(points) < 2:
        return ""
    points = _thin(points)
    smallest, largest = min(v for _, v in points), max(v for _, v in points)
    log = smallest > 0 and largest > 50 * smallest
    x_ticks = linear_ticks(points[0][0], points[-1][0], whole=True)
    y_ticks = log_ticks(smallest, largest) if log else linear_ticks(smallest, largest, enclose=True)
    height = math.log10 if log else float
    floor, ceiling = height(min(smallest, y_ticks[0])), height(max(largest, y_ticks[-1]))

    def x_of(step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (step - points[0][0]) / (points[-1][0] - points[0][0])

    def y_of(value: float) -> float:
        share = (height(value) - floor) / (ceiling - floor) if ceiling > floor else 0.5
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    parts = axes(
        (_WIDTH, _HEIGHT),
        (_LEFT, _RIGHT, _BOTTOM),
        [(x_of(t), text) for t, text in zip(x_ticks, tick_labels(x_ticks, log=False), strict=True)],
        [(y_of(t), text) for t, text in zip(y_ticks, tick_labels(y_ticks, log=log), strict=True)],
        "step",
    )
    line = " ".join(f"{x_of(s):.1f},{y_of(v):.1f}" for s, v in points)
    parts.append(f'<polyline class="curve" points="{line}"/>')
    scale = " (logarithmic)" if log else ""
    description = f"{name}: from {points[0][1]:.6g} to {points[-1][1]:.6g} over {len(values)} readings"
    return (
        f'<figure class="chart"><figcaption>{escape(name)}{scale}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(description)}">'
        f"{''.join(parts)}</svg></figure>"
    )


def axes(
    size: tuple[int, int],
    margins: tuple[int, int, int],
    across: Sequence[tuple[float, str]],
    upward: Sequence[tuple[float, str]],
    label: str,
) -> list[str]:
    """Return grid lines, ticks, the horizontal axis and its label as SVG.

    Parameters
    ----------
    size
        Width and height of the chart.
    margins
        Left, right and bottom margin.
    across, upward
        Position and text of each tick.
    label
        Label of the horizontal axis.
    """
    (width, height), (left, right, bottom) = size, margins
    floor = height - bottom
    parts = []
    for y, text in upward:
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{width - right}"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for x, text in across:
        parts.append(f'<path class="tick" d="M{x:.1f} {floor}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{floor + 17}" text-anchor="middle">{text}</text>')
    middle = (left + width - right) / 2
    parts.append(f'<path class="axis" d="M{left} {floor}H{width - right}"/>')
    parts.append(f'<text x="{middle}" y="{height - 6}" text-anchor="middle">{label}</text>')
    return parts


def linear_ticks(low: float, high: float, *, whole: bool = False, enclose: bool = False) -> list[float]:
    """Return three to nine ticks, 1, 2 or 5 times a power of ten apart, within or enclosing the range."""
    if high <= low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(step * m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= 7)
    if whole:
        step = max(1.0, step)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if enclose:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten that enclose the range; every second, third … one if there are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = math.ceil((last - first) / 6)
    return [10.0**k for k in range(first, last + stride, stride)]


def tick_labels(ticks: Sequence[float], *, log: bool) -> list[str]:
    """Format ticks with as many digits as distinguish them."""
    if log:
        return [f"{t:g}" if 1e-3 <= t < 1e5 else f"1e{round(math.log10(t))}" for t in ticks]
    apart = ticks[1] - ticks[0] if len(ticks) > 1 else abs(ticks[0]) or 1.0
    largest = max(abs(t) for t in ticks)
    if largest >= 1e6 or 0 < largest < 1e-3:
        digits = max(0, math.floor(math.log10(largest)) - math.floor(math.log10(apart) + 1e-9))
        return [
            "0" if t == 0 else f"{t:.{digits}e}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
            for t in ticks
        ]
    digits = max(0, -math.floor(math.log10(apart) + 1e-9))
    return [f"{t:.{digits}f}" for t in ticks]


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep about ``_MOST_POINTS`` points: the smallest and largest value of each interval, and both ends."""
    if len(points) <= _MOST_POINTS:
        return points
    stretch = math.ceil(len(points) / (_MOST_POINTS / 2))
    kept = [points[0]]
    for k in range(1, len(points) - 1, stretch):
        piece = points[k : min(k + stretch, len(points) - 1)]
        kept += sorted({min(piece, key=lambda p: p[1]), max(piece, key=lambda p: p[1])})
    return [*kept, points[-1]]
