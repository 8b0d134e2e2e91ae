"""A line chart as inline SVG: nothing to load, redrawn without a flicker, coloured by the page's own style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]
WIDE, NARROW = (960, 280), (400, 240)
"""Pixels, width and height: the same picture drawn for a desk and for a phone, of which the page's style shows one."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 12, 34


@dataclass(frozen=True)
class _Frame:
    """From data to picture: both axes' ranges, and the picture's size in pixels."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int
    height: int

    def across(self, value: float) -> float:
        return _LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (self.width - _LEFT - _RIGHT)

    def down(self, value: float) -> float:
        return self.height - _BOTTOM - (value - self.y[0]) / (self.y[1] - self.y[0]) * (self.height - _TOP - _BOTTOM)


def line_chart(curves: Mapping[str, Sequence[Point]], *, x_name: str, y_name: str, x_end: float = 0) -> str:
    """The curves in order, the first as a plain line, later ones with their points marked. Empty without points.

    The x axis goes from 0 to `x_end` at least, so that curves grow into the picture.
    """
    points = [point for curve in curves.values() for point in curve if math.isfinite(point[1])]
    if not points:
        return ""
    ranges = (0.0, max(1.0, x_end, *(x for x, _ in points))), _span([y for _, y in points])
    pictures = [
        f'<svg class="{name}" viewBox="0 0 {size[0]} {size[1]}" role="img" aria-label="{escape(_spoken(curves, y_name))}">'
        f"{_picture(curves, _Frame(*ranges, *size), x_name)}</svg>"
        for name, size in (("sc-wide", WIDE), ("sc-narrow", NARROW))
    ]
    return f'<figure class="sc-chart"><figcaption>{_legend(curves)}</figcaption>{"".join(pictures)}</figure>'


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) between `low` and `high`, about `count` of them."""
    raw = (high - low) / count
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = max(0.08 * (high - low), 0.05)
    return (low - room, high + room)


def _picture(curves: Mapping[str, Sequence[Point]], frame: _Frame, x_name: str) -> str:
    drawn = "".join(_curve(number, curve, frame) for number, curve in enumerate(curves.values()))
    right, below = frame.width - _RIGHT, frame.height - 4
    return f'{_grid(frame)}{drawn}<text x="{right}" y="{below}" text-anchor="end">{escape(x_name)}</text>'


def _curve(number: int, curve: Sequence[Point], frame: _Frame) -> str:
    spots = [(frame.across(x), frame.down(y)) for x, y in curve if math.isfinite(y)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    marks = spots if number else spots[-1:]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{4 if number else 3}"/>' for x, y in marks)
    return f'<g class="sc-curve-{number}"><polyline points="{path}"/>{dots}</g>'


def _grid(frame: _Frame) -> str:
    right, below = frame.width - _RIGHT, frame.height - 4
    lines = []
    for value in ticks(*frame.y):
        y = frame.down(value)
        lines.append(f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    # The last tick would run into the axis' name, which stands there.
    for value in ticks(*frame.x, count=5):
        if (x := frame.across(value)) < right - 70:
            lines.append(f'<text x="{x:.1f}" y="{below}" text-anchor="middle">{value:,.0f}</text>')
    return f'<g class="sc-grid">{"".join(lines)}</g>'


def _legend(curves: Mapping[str, Sequence[Point]]) -> str:
    return "".join(
        f'<span class="sc-key-{number}">{escape(name)} <b>{curve[-1][1]:.2f}</b></span>'
        for number, (name, curve) in enumerate(curves.items())
        if curve
    )


def _spoken(curves: Mapping[str, Sequence[Point]], y_name: str) -> str:
    told = [f"{name} from {curve[0][1]:.2f} to {curve[-1][1]:.2f}" for name, curve in curves.items() if curve]
    return f"{y_name}: {', '.join(told)}"
