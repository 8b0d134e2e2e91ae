"""Plots as tables: a row for each thing measured, with its name, its picture and its number.

The pictures are SVG whose places along the axis are percentages, so one drawing fits every width, its text never shrinks, and
whoever cannot see it reads the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from style_clone.evaluate.page.figures import Interval

HEIGHT = 46
"""Pixels of a row's picture at least; it fills its row, so that lines run on from one to the next."""
LINE = 19
"""Pixels of a line of words above an axis."""
_MARGIN = 3.0
"""Percent kept free at both ends, for marks that stand on them."""
SHAPES = {
    "clone": '<circle r="7.5"/>',
    "prompted": '<path d="M0-8.5 8.5 0 0 8.5-8.5 0Z"/>',
    "other": '<circle r="5"/>',
    "author": '<path d="M-2-14H2V14H-2Z"/>',
    "left": '<path d="M-9 0 3-8V8Z"/>',
    "right": '<path d="M9 0-3-8V8Z"/>',
}
"""Each kind of mark has a shape of its own, so that colour is not alone. The arrows say that the value is off the picture."""


@dataclass(frozen=True)
class Scale:
    """An axis: from data to percent of the picture's width. What lies outside is drawn at the end."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Iterable[float], *, least: tuple[float, float], most: tuple[float, float]) -> Scale:
        """Room for all `values` and for `least`, though not beyond `most`."""
        found = list(values)
        return cls(max(most[0], min([least[0], *found])), min(most[1], max([least[1], *found])))

    def at(self, value: float) -> float:
        """Percent from the left."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return _MARGIN + share * (100 - 2 * _MARGIN)

    def shape(self, value: float, kind: str) -> str:
        """The kind of mark `value` is drawn as."""
        return "left" if value < self.low else "right" if value > self.high else kind


@dataclass(frozen=True)
class Row:
    """A row of a plot: three pieces of HTML, and the class that says how it stands out."""

    name: str
    picture: str
    value: str
    kind: str = ""


def plot(headers: tuple[str, str, str], rows: Sequence[Row], caption: str) -> str:
    """The table of a plot. `headers` are HTML, the middle one usually an axis."""
    head = "".join(
        f'<th scope="col" class="{name}">{cell}</th>'
        for name, cell in zip(("name", "picture", "value"), headers, strict=True)
    )
    body = "".join(
        f'<tr class="{row.kind}"><th scope="row" class="name">{row.name}</th>'
        f'<td class="picture">{row.picture}</td><td class="value">{row.value}</td></tr>'
        for row in rows
    )
    told = f'<caption class="aside">{escape(caption)}</caption>'
    return f'<table class="strips">{told}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def picture(title: str, inside: str, *, height: float = HEIGHT, description: str = "", kind: str = "strip") -> str:
    """An SVG as wide as its place and `height` pixels high; `title` and `description` are what it shows, in words."""
    told = f"<title>{escape(title)}</title>" + (f"<desc>{escape(description)}</desc>" if description else "")
    return f'<svg class="{kind}" role="img" width="100%" height="{height:g}">{told}{inside}</svg>'


def lines(scale: Scale, places: Iterable[float], kind: str = "level") -> str:
    """Lines from top to bottom."""
    return "".join(
        f'<line class="{kind}" x1="{scale.at(place):.2f}%" x2="{scale.at(place):.2f}%" y1="0" y2="100%"/>'
        for place in places
    )


def band(scale: Scale, begin: float, end: float, kind: str) -> str:
    """A stretch of the axis, shaded; nothing where it is off the picture."""
    left, right = scale.at(begin), scale.at(end)
    if right <= left:
        return ""
    return f'<rect class="{kind}" x="{left:.2f}%" width="{right - left:.2f}%" y="0" height="100%"/>'


def mark(scale: Scale, value: float, kind: str) -> str:
    """One value."""
    shape = SHAPES[scale.shape(value, kind)]
    return f'<svg class="mark {kind}" x="{scale.at(value):.2f}%" y="50%" overflow="visible">{shape}</svg>'


def whisker(scale: Scale, found: Interval, kind: str) -> str:
    """A value and its 95% interval."""
    left, right = scale.at(found.low), scale.at(found.high)
    line = (
        f'<line class="whisker {kind}" x1="{left:.2f}%" x2="{right:.2f}%" y1="50%" y2="50%"/>' if right > left else ""
    )
    return line + mark(scale, found.value, kind)


def bar(scale: Scale, found: Interval, kind: str) -> str:
    """A bar from nothing to the value, its interval as a line across its end."""
    begin, end = scale.at(0), scale.at(found.value)
    left, right = scale.at(found.low), scale.at(found.high)
    drawn = f'<rect class="bar {kind}" x="{begin:.2f}%" width="{end - begin:.2f}%" y="-9" height="18" rx="2"/>'
    if right > left:
        # The halo keeps the interval apart from its own bar, in the light and in the dark.
        drawn += "".join(
            f'<line class="{kind}" x1="{begin:.2f}%" x2="{end:.2f}%" y1="{-half}" y2="{half}"/>'
            for kind in ("halo", "range")
            for begin, end, half in ((left, right, 0), (left, left, 5), (right, right, 5))
        )
    return f'<svg class="along" y="50%" width="100%">{drawn}</svg>'


def pointers(scale: Scale, places: Sequence[tuple[float, str]], height: float, *, first: int = 0) -> str:
    """Places on the axis in words, each on a line of its own so that long words never meet, from line `first` on.

    They lead down to the plot, behind all words.
    """
    rules, words = [], []
    for line, (place, text) in enumerate(places, start=first):
        x, y = scale.at(place), LINE * line + 13
        rules.append(f'<line class="level" x1="{x:.2f}%" x2="{x:.2f}%" y1="{y - 10:g}" y2="{height:g}"/>')
        words.append(f'<text {_beside(x)} y="{y:g}">{escape(text)}</text>')
    return "".join([*rules, *words])


def _beside(x: float) -> str:
    """Where words about the place `x` percent from the left stand: on the side where there is more room."""
    return f'x="{x:.2f}%" dx="-6" text-anchor="end"' if x > 50 else f'x="{x:.2f}%" dx="6"'


def legend(kinds: Sequence[tuple[str, str]]) -> str:
    """What each kind of mark stands for."""
    return "".join(
        [
            '<p class="legend">',
            *(
                f'<span><svg class="mark {kind}" width="18" height="18" viewBox="-10 -10 20 20" aria-hidden="true">'
                f"{SHAPES[kind]}</svg>{escape(name)}</span>"
                for kind, name in kinds
            ),
            "</p>",
        ]
    )
