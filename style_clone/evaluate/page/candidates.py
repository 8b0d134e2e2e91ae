"""Candidates as rows of a plot: each with its name, its part, a mark with its interval, and the number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from style_clone.evaluate.page.card import Candidate, Card
from style_clone.evaluate.page.figures import Form, Interval, bounds, decimal
from style_clone.evaluate.page.marks import badge, below, cut
from style_clone.evaluate.page.strips import (
    LINE,
    Row,
    Scale,
    band,
    legend,
    lines,
    picture,
    plot,
    pointers,
    whisker,
)

Measured = Sequence[tuple[Candidate, Interval]]
NAME_LENGTH = 20
"""Characters of the author's name on an axis."""
BEYOND = "more like them than they are"


def measured(card: Card, of: Callable[[Candidate], Interval | None]) -> Measured:
    """The candidates that have this number."""
    return [(each, found) for each in card.candidates if (found := of(each)) is not None]


def edges(found: Measured) -> list[float]:
    """Every bound of every interval."""
    return [edge for _, each in found for edge in (each.low, each.high)]


def keys() -> str:
    """What the marks of candidates stand for."""
    return legend(
        [
            ("clone", "the clone"),
            ("prompted", "the best prompt, chosen on other messages"),
            ("other", "others, for comparison"),
        ]
    )


def named(card: Card, each: Candidate) -> str:
    """A candidate's name, what part it plays (a quick scorecard has chosen no best prompt), and its setting."""
    badges = {"clone": badge("clone", "clone"), "prompted": badge("best prompt", "prompted")}
    role = "" if card.is_quick else badges.get(each.role, "")
    setting = f"<small>{escape(cut(each.setting, 90))}</small>" if each.setting else ""
    return f"<span>{escape(cut(each.title, 60))}</span>{role}{setting}"


def valued(found: Interval, form: Form = decimal, note: str = "") -> str:
    """A number with its interval below it."""
    return f"<b>{form(found.value)}</b>{below(found, form)}{note}"


def between_anchors(card: Card, found: Measured, head: str, caption: str, *, over: float | None = None) -> str:
    """Candidates between other people at 0 and the author at 1. `head` is HTML; above `over`, the picture is shaded."""
    scale = Scale.over(edges(found), least=(-0.25, 1.2 if over is None else over + 0.2), most=(-3.0, 3.5))
    rows = []
    for each, value in found:
        kind, beyond = each.role or "other", over is not None and value.value > over
        behind = (band(scale, over, scale.high, "beyond") if over is not None else "") + lines(scale, (0, 1))
        spoken = f"{each.title}: {decimal(value.value)}, 95% interval {bounds(value) or 'unknown'}"
        drawn = picture(f"{spoken}, {BEYOND}" if beyond else spoken, behind + whisker(scale, value, kind))
        note = f'<small class="over">{BEYOND}</small>' if beyond else ""
        rows.append(Row(named(card, each), drawn, valued(value, note=note), kind))
    told = "; ".join(f"{each.name} at {decimal(value.value)}" for each, value in found)
    return plot(("", _axis(card, scale, told, over), head), rows, caption)


def _axis(card: Card, scale: Scale, told: str, over: float | None) -> str:
    author, first = cut(card.author, NAME_LENGTH), 0 if over is None else 1
    height = LINE * (first + 2) + 4
    places = pointers(scale, [(0, "0 · other people"), (1, f"1 · {author}")], height, first=first)
    beyond = "" if over is None else _beyond(scale, over)
    title = f"An axis from other people, at 0, to {author}, at 1"
    return picture(title, beyond + places, height=height, description=f"{told}.", kind="axis")


def _beyond(scale: Scale, over: float) -> str:
    """The head of the shaded stretch, its words from the right end on, where there is always room for them."""
    words = f'<text class="beyond" x="{scale.at(scale.high):.2f}%" y="13" text-anchor="end">{BEYOND}</text>'
    return band(scale, over, scale.high, "beyond") + words
