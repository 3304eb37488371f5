"""Histories as small line charts in inline SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    first, last = points[0][0], points[-1][0]
    x = Axis(linear_ticks(first, last, whole=True), first, last, _LEFT, _WIDTH - _RIGHT)
    ticks = log_ticks(smallest, largest) if log else linear_ticks(smallest, largest, enclose=True)
    y = Axis(ticks, min(smallest, ticks[0]), max(largest, ticks[-1]), _HEIGHT - _BOTTOM, _TOP, log)
    parts = axes(x, y, _HEIGHT, "step")
    line = " ".join(f"{x.at(s):.1f},{y.at(v):.1f}" for s, v in points)
    parts.append(f'<polyline class="curve" points="{line}"/>')
    scale = " (logarithmic)" if log else ""
    description = f"{name}: from {points[0][1]:.6g} to {points[-1][1]:.6g} over {len(values)} readings"
    return (
        f'<figure class="chart"><figcaption>{escape(name)}{scale}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(description)}">'
        f"{''.join(parts)}</svg></figure>"
    )


@dataclass(frozen=True)
class Axis:
    """An axis: its ticks, and the map of values to positions in pixels."""

    ticks: list[float]
    low: float
    """The value at ``start``."""
    high: float
    """The value at ``end``."""
    start: int
    end: int
    log: bool = False

    def at(self, value: float) -> float:
        """Return the position of a value."""
        low, high, x = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (self.end - self.start) * ((x - low) / (high - low) if high > low else 0.5)

    def labels(self) -> Iterator[tuple[float, str]]:
        """Return the position and the text of each tick."""
        return zip(map(self.at, self.ticks), tick_labels(self.ticks, log=self.log), strict=True)


def axes(x_axis: Axis, y_axis: Axis, height: int, label: str) -> list[str]:
    """Return grid lines, ticks, the horizontal axis and its label as SVG, for a chart of that height."""
    left, right, floor = x_axis.start, x_axis.end, y_axis.start
    parts = []
    for y, text in y_axis.labels():
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for x, text in x_axis.labels():
        parts.append(f'<path class="tick" d="M{x:.1f} {floor}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{floor + 17}" text-anchor="middle">{text}</text>')
    parts.append(f'<path class="axis" d="M{left} {floor}H{right}"/>')
    parts.append(f'<text x="{(left + right) / 2}" y="{height - 6}" text-anchor="middle">{label}</text>')
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
    stride = max(1, math.ceil((last - first) / 6))
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
