"""Habits: in which the clone is about right and in which it is off, each with a picture and an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from style_clone.evaluate.page.candidates import NAME_LENGTH, between_anchors, measured
from style_clone.evaluate.page.card import Card
from style_clone.evaluate.page.figures import decimal, number, percent
from style_clone.evaluate.page.marks import cut, nothing, section, term
from style_clone.evaluate.page.strips import Row, Scale, legend, mark, picture, plot

SHOWN = 6
"""Habits of each kind that are shown."""
_KINDS = {"impostors": "other", "author": "author", "prompted": "prompted", "clone": "clone"}
"""Whose number is drawn as which mark, those on top last."""


def habits(card: Card) -> str:
    """The section."""
    lead = (
        f"Small things {card.author} does more, or less, than other people: how often they do, the clone does, and the best "
        "prompt does."
    )
    rows = card.rows("habits")
    told = _lists(card, rows) if rows else nothing("No habits were compared.")
    return section("habits", "Does it have their habits?", told + _overall(card), lead)


def _lists(card: Card, rows: Sequence[Mapping[str, Any]]) -> str:
    author = cut(card.author, NAME_LENGTH)
    keys = legend(
        [("author", author), ("clone", "the clone"), ("prompted", "the best prompt"), ("other", "other people")]
    )
    kept = [row for row in rows if row.get("match")][:SHOWN]
    missed = [row for row in rows if not row.get("match")][:SHOWN]
    return (
        f"{keys}<h3>It is about right in these</h3>{_list(card, kept, 'None of the habits that were compared.')}"
        f"<h3>It is off in these</h3>{_list(card, missed, 'None: every habit that was compared is about right.')}"
    )


def _list(card: Card, rows: Sequence[Mapping[str, Any]], none: str) -> str:
    if not rows:
        return nothing(none)
    # Each row has an axis of its own, since habits differ a hundredfold in how often they show.
    ends = '<span class="ends"><span>never</span><span>most often of the four</span></span>'
    return plot(("", ends, ""), [_row(card, row) for row in rows], "Habits of author, clone, best prompt, other people")


def _row(card: Card, row: Mapping[str, Any]) -> Row:
    found = {name: value for name in _KINDS if (value := number(row.get(name))) is not None}
    scale = Scale(0, max(found.values(), default=0) or 1)
    words, said = str(row.get("words") or row.get("id") or ""), _sentence(card, found, str(row.get("unit") or ""))
    off = "" if row.get("match") else _off(found)
    drawn = "".join(mark(scale, found[name], kind) for name, kind in _KINDS.items() if name in found)
    level = '<line class="level" x1="3%" x2="97%" y1="50%" y2="50%"/>'
    example = str(row.get("example") or "")
    quoted = f'<q dir="auto">{escape(cut(example, 140))}</q>' if example else ""
    return Row(
        f"<span>{escape(words[:1].upper() + words[1:])}</span>{quoted}",
        picture(f"{words}: {off and off + '. '}{said}", level + drawn),
        f'<span class="said">{off and f"<b>{off}</b>"}{escape(said)}</span>',
    )


def _off(found: Mapping[str, float]) -> str:
    """On which side of the author the clone is."""
    if not {"author", "clone"} <= set(found):
        return ""
    return "too much" if found["clone"] > found["author"] else "too little"


def _sentence(card: Card, found: Mapping[str, float], unit: str) -> str:
    """Such as "Nell 31% of replies; clone 29%, prompt 2%, others 8%"."""
    form = percent if unit == "share" else _rate
    author = f"{cut(card.author, NAME_LENGTH)} {form(found.get('author'))} {'of replies' if unit == 'share' else unit}"
    names = {"clone": "clone", "prompted": "prompt", "impostors": "others"}
    rest = [f"{name} {form(found[key])}" for key, name in names.items() if key in found]
    return "; ".join(filter(None, [author.strip(), ", ".join(rest)]))


def _rate(value: float | None) -> str:
    """A count per 100 words; rare ones with one digit more."""
    return decimal(value, 1 if value is not None and value >= 1 else 2)


def _overall(card: Card) -> str:
    """All habits in one number, candidate by candidate."""
    found = measured(card, lambda each: each.habits)
    if not found:
        return ""
    head, caption = term("All habits", "habits"), "All habits together, candidate by candidate"
    return f"<h3>All habits together</h3>{between_anchors(card, found, head, caption)}"
