"""Replies side by side, drawn by chance, good or bad: what the numbers are about."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from style_clone.evaluate.page.card import Card
from style_clone.evaluate.page.marks import cut, nothing, section

NAMES = {"clone": "The clone", "prompted": "The best prompt", "plain": "The plain model"}
"""Columns after the real reply, in this order."""
MOST = 1500
"""Characters shown of a reply: a model that loops would fill the page."""


def examples(card: Card) -> str:
    """The section."""
    lead = (
        "Drawn by chance from messages the model has never seen, with what was really written. Nothing is picked out."
    )
    rows = card.rows("examples")
    if not rows:
        return section(
            "examples", "Read for yourself", nothing("Nothing was generated, so there is nothing to show."), lead
        )
    shown = "".join(_example(card, number, row) for number, row in enumerate(rows, start=1))
    return section(
        "examples",
        "Read for yourself",
        f'<ol class="examples">{shown}</ol>',
        lead + (f" {EXPECT}" if card.is_bundled else ""),
    )


EXPECT = "From the bundled 135M model expect voice, not sense."
SMALL = (
    "The base is the bundled 135M model, which is small enough for any machine and too small for sense: it picks up "
    "<em>how</em> somebody writes, but often answers beside the question and makes things up. Expect voice, not sense. "
    "A bigger base model has more sense."
)
"""The honest line about the bundled base model."""


def _example(card: Card, number: int, row: Mapping[str, Any]) -> str:
    replies = row.get("replies") or {}
    columns = [_reply("author", f"{cut(card.author, 28)}, really", row.get("real"))]
    columns += [_reply(key, name, replies[key]) for key, name in NAMES.items() if key in replies]
    prompt = cut(str(row.get("prompt") or ""), MOST)
    asked = (
        f'<p class="asked" dir="auto">{escape(prompt)}</p>'
        if prompt
        else '<p class="asked said-nothing">no message</p>'
    )
    return f'<li><h3>Example {number}</h3>{asked}<div class="replies">{"".join(columns)}</div></li>'


def _reply(kind: str, name: str, text: Any) -> str:
    said = cut(str(text or "").strip(), MOST)
    shown = f'<p dir="auto">{escape(said)}</p>' if said else '<p class="said-nothing">said nothing</p>'
    return f'<div class="reply {kind}"><h4>{escape(name)}</h4>{shown}</div>'
