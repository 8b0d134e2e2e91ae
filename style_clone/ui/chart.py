"""Line and bar charts as inline SVG: nothing to load, redrawn without a flicker, coloured by the page's own style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]
WIDE, NARROW = (960, 280), (400, 240)
"""Pixels, width and height: the same picture drawn for a desk and for a phone, of which the page's style shows one."""
SHORT = (960, 220)
"""The same for bars, which need less height."""
_LABEL_PIXELS = 62
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


def line_chart(
    curves: Mapping[str, Sequence[Point]], *, x_name: str, y_name: str, x_end: float = 0, best: str = ""
) -> str:
    """The curves in order, the first as a plain line, later ones with their points marked. Empty without points.

    The x axis goes from 0 to `x_end` at least, so that curves grow into the picture. Of the curve named `best` the lowest
    point is ringed and told.
    """
    points = [point for curve in curves.values() for point in curve if math.isfinite(point[1])]
    if not points:
        return ""
    lowest = min(
        (spot for spot in curves.get(best, ()) if math.isfinite(spot[1])), key=lambda spot: spot[1], default=None
    )
    told = (
        f'<span class="sc-key-best">Best <b>{lowest[1]:.2f}</b> after {lowest[0]:,.0f} {escape(x_name)}</span>'
        if lowest
        else ""
    )
    ranges = (0.0, max(1.0, x_end, *(x for x, _ in points))), _span([y for _, y in points])
    pictures = [
        f'<svg class="{name}" viewBox="0 0 {size[0]} {size[1]}" role="img" aria-label="{escape(_spoken(curves, y_name))}">'
        f"{_picture(curves, _Frame(*ranges, *size), x_name)}{_ring(lowest, _Frame(*ranges, *size))}</svg>"
        for name, size in (("sc-wide", WIDE), ("sc-narrow", NARROW))
    ]
    return f'<figure class="sc-chart"><figcaption>{_legend(curves)}{told}</figcaption>{"".join(pictures)}</figure>'


def bar_chart(groups: Mapping[str, Sequence[float]], labels: Sequence[str], *, x_name: str, y_name: str) -> str:
    """Bars side by side, one for each group at each label, all from nothing up. Empty where every bar is.

    Each group has as many values as there are labels; where labels would touch, only some are written.
    """
    highest = max((value for values in groups.values() for value in values), default=0)
    if highest <= 0:
        return ""
    told = escape(_told(groups, labels, y_name))
    pictures = [
        f'<svg class="{name}" viewBox="0 0 {size[0]} {size[1]}" role="img" aria-label="{told}">'
        f"{_bars(groups, labels, _Frame((0, len(labels)), (0, 1.08 * highest), *size), x_name)}</svg>"
        for name, size in (("sc-wide", SHORT), ("sc-narrow", NARROW))
    ]
    legend = "".join(
        f'<span class="sc-key-{number}">{escape(name)} <b>{sum(values):,.0f}</b></span>'
        for number, (name, values) in enumerate(groups.items())
    )
    return f'<figure class="sc-chart"><figcaption>{legend}</figcaption>{"".join(pictures)}</figure>'


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


def _ring(point: Point | None, frame: _Frame) -> str:
    if point is None:
        return ""
    return f'<circle class="sc-best" cx="{frame.across(point[0]):.1f}" cy="{frame.down(point[1]):.1f}" r="8"/>'


def _bars(groups: Mapping[str, Sequence[float]], labels: Sequence[str], frame: _Frame, x_name: str) -> str:
    drawn = "".join(
        f'<g class="sc-curve-{number}">{_bar_row(values, frame, number, len(groups))}</g>'
        for number, values in enumerate(groups.values())
    )
    named = []
    every = math.ceil(len(labels) * _LABEL_PIXELS / (frame.width - _LEFT - _RIGHT))
    for place in range(0, len(labels), every):
        x = frame.across(place + 0.5)
        named.append(f'<text x="{x:.1f}" y="{frame.height - 18}" text-anchor="middle">{escape(labels[place])}</text>')
    end = f'<text x="{frame.width - _RIGHT}" y="{frame.height - 2}" text-anchor="end">{escape(x_name)}</text>'
    return f'<g class="sc-grid">{"".join([*_levels(frame, "{:,.0f}"), *named])}</g>{drawn}{end}'


def _bar_row(values: Sequence[float], frame: _Frame, number: int, groups: int) -> str:
    width = (frame.across(0.8) - frame.across(0)) / groups
    bars = []
    for place, value in enumerate(values):
        left, top = frame.across(place + 0.1) + number * width, frame.down(value)
        size = f'width="{width:.1f}" height="{frame.down(0) - top:.1f}"'
        bars.append(f'<rect x="{left:.1f}" y="{top:.1f}" {size}/>')
    return "".join(bars)


def _levels(frame: _Frame, form: str = "{:.3g}") -> list[str]:
    """Level lines, each with its value."""
    lines = []
    for value in ticks(*frame.y):
        y = frame.down(value)
        lines.append(f'<line x1="{_LEFT}" x2="{frame.width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{form.format(value)}</text>')
    return lines


def _grid(frame: _Frame) -> str:
    right, below = frame.width - _RIGHT, frame.height - 4
    lines = _levels(frame)
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


def _told(groups: Mapping[str, Sequence[float]], labels: Sequence[str], y_name: str) -> str:
    told = [
        f"{name}: {', '.join(f'{label} {value:,.0f}' for label, value in zip(labels, values, strict=True))}"
        for name, values in groups.items()
    ]
    return f"{y_name}. {'; '.join(told)}"
