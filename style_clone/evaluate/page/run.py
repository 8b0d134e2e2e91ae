"""The story of the page: a scorecard in, one HTML file out that loads nothing, runs nothing and can be sent to anybody."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from style_clone.evaluate.page.card import Card
from style_clone.evaluate.page.cost import cost
from style_clone.evaluate.page.examples import examples
from style_clone.evaluate.page.fit import fit
from style_clone.evaluate.page.guardrails import guardrails
from style_clone.evaluate.page.habits import habits
from style_clone.evaluate.page.methods import methods
from style_clone.evaluate.page.style import CSS
from style_clone.evaluate.page.top import top
from style_clone.evaluate.page.voice import voice
from style_clone.evaluate.page.votes import votes
from style_clone.workspace import PersonaFolder, atomic_file

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The browser itself keeps the page from loading or running anything."""
SECTIONS = (voice, habits, fit, guardrails, examples, votes, cost, methods)
"""What follows the verdict, in this order."""
QUICK_SECTIONS = (fit, cost, methods)
"""The same of a quick scorecard, which has held-out fit alone."""


def render(scorecard: Mapping[str, Any]) -> str:
    """The scorecard as HTML5, full or quick. What was not measured says why in a line."""
    card = Card(scorecard)
    title = escape(f"Scorecard: {card.author}")
    sections = QUICK_SECTIONS if card.is_quick else SECTIONS
    body = "".join(section(card) for section in sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><meta name="robots" content="noindex">'
        f"<title>{title}</title><style>{CSS}</style></head>\n"
        f'<body><a class="skip" href="#{sections[0].__name__}">Skip to the numbers</a><main>{top(card)}{body}</main>'
        f"<footer><p>Made by style-clone. {escape(_origin(card))}</p></footer></body></html>\n"
    )


def _origin(card: Card) -> str:
    """Where the page was made, and what left that machine for it."""
    here = "Everything on this page was measured on the machine that made it"
    asked = [card.raw["sent_to"]] if card.raw.get("sent_to") else []
    if rival := card.part("rival"):
        asked.append(f"the server of {rival.get('model') or 'the rival'}")
    if sent_to := " and to ".join(asked):
        return f"{here}, but the held-out messages and the prompts, which quote the writing, were sent to {sent_to}."
    return f"{here}; nothing was sent anywhere."


def write_page(folder: PersonaFolder, scorecard: Mapping[str, Any]) -> Path:
    """Render the scorecard into the persona's folder, all or nothing; returns the file. Raises StorageError."""
    with atomic_file(folder.scorecard_page) as file:
        file.write(render(scorecard))
    return folder.scorecard_page
