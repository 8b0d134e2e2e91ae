"""Blind votes: which of two replies people took for the author's, each kind of voter apart."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from style_clone.evaluate import protocol
from style_clone.evaluate.page.card import Card
from style_clone.evaluate.page.figures import bounds, interval, number, percent
from style_clone.evaluate.page.marks import below, nothing, section, term
from style_clone.evaluate.page.strips import Row, Scale, lines, picture, plot, pointers, whisker
from style_clone.units import counted

VOTERS = {"author": "The author", "acquaintance": "People who know them", "stranger": "Strangers"}
_AXIS = 44


def votes(card: Card) -> str:
    """The section."""
    lead = "Clone and best prompt side by side, without names: which did they write? Ties count half to each."
    found = {who: row for who in VOTERS if isinstance(row := card.part("votes").get(who), Mapping)}
    if not found:
        why = f"Nobody has voted yet. Until {protocol.VOTES} votes are in, “worth it” is provisional."
        return section("votes", "What do people say?", nothing(why), lead)
    scale = Scale(0, 1)
    rows = [_row(scale, who, row) for who, row in found.items()]
    # In a narrow window both names would meet on one line.
    labels = pointers(scale, [(0.5, "half and half")], _AXIS) + (
        f'<text x="{scale.at(0):.2f}%" y="{_AXIS - 8}">the prompt</text>'
        f'<text x="{scale.at(1):.2f}%" y="{_AXIS - 8}" text-anchor="end">the clone</text>'
    )
    head = picture("An axis from always the prompt to always the clone", labels, height=_AXIS, kind="axis")
    shown = plot(("", head, term("Took the clone", "votes")), rows, "Blind votes, by who voted")
    return section("votes", "What do people say?", shown, lead)


def _row(scale: Scale, who: str, row: Mapping[str, Any]) -> Row:
    middle, fixed = lines(scale, (0.5,)), number(row.get("fixed"))
    preferred, caught = interval({**row, "value": row.get("preferred")}), number(row.get("caught"))
    if not row.get("complete"):
        told = f"hidden until {counted(fixed, 'vote')} are in"
        return Row(f"<span>{VOTERS[who]}</span>", picture(told, middle), f"<small>{escape(told)}</small>", "other")
    cast = counted(number(row.get("votes")), "vote")
    notes = f"<small>{cast}</small>"
    if caught is not None:
        notes += f"<small>{counted(caught, 'trap')} seen through</small>"
    name = f"<span>{VOTERS[who]}</span>{notes}"
    if preferred is None:
        told = "not counted: too few traps were seen through"
        return Row(name, picture(told, middle), f"<small>{told}</small>", "other")
    share = percent(preferred.value)
    told = f"{VOTERS[who]} took the clone in {share} of {cast}, 95% interval {bounds(preferred, percent) or 'unknown'}"
    value = f"<b>{share}</b>{below(preferred, percent)}"
    return Row(name, picture(told, middle + whisker(scale, preferred, "clone")), value, "clone")
