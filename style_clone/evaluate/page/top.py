"""The head of the page: the verdict in one sentence, what limits it, the four numbers behind it, and the reasons."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from style_clone.evaluate.page.candidates import BEYOND
from style_clone.evaluate.page.card import GUARDRAILS, Candidate, Card
from style_clone.evaluate.page.examples import SMALL
from style_clone.evaluate.page.figures import Interval, decimal, thirds
from style_clone.evaluate.page.marks import WORDS, badge, outcome, term
from style_clone.evaluate.protocol import OVERSHOOT
from style_clone.units import counted

CODES: dict[str, tuple[str, str, str]] = {
    "worth_it": ("Fine-tuning is worth it", "good", "✓"),
    "prompt_is_enough": ("A prompt is enough", "prompt", "≈"),
    "rejected": ("Adapter rejected", "bad", "✕"),
    "inconclusive": ("Inconclusive", "open", "?"),
    "cannot_measure": ("Cannot measure", "none", "–"),
}
"""A verdict's code in words, the class it is shown in, and its sign."""
QUICK = ("A quick look", "none", "→")
"""In place of a code: held-out fit alone decides nothing."""
LABELS = {
    "quick": "Held-out fit only: nothing was generated, nobody judged. The full scorecard adds voice, habits, guardrails, "
    "examples, blind votes and what replies cost: style-clone evaluate {persona}",
    "exploratory": "Few replies or conversations: another sample might say something else.",
    "provisional": "Without enough blind votes, or where relevance could not be measured.",
}
"""What each label of the verdict means. `{persona}` is whose scorecard it is."""


def top(card: Card) -> str:
    """The head."""
    said, kind, sign = QUICK if card.is_quick else CODES.get(card.code, ("Scorecard", "none", "–"))
    labels = "".join(badge(label, "label") for label in card.labels)
    notes = "".join(_note(label, LABELS[label].format(persona=card.persona)) for label in card.labels)
    meaning = "fit" if card.is_quick else "verdict"
    code = f'<a class="code" href="#def-{meaning}"><b aria-hidden="true">{sign}</b> {escape(said)}</a>'
    after = f'<p class="next"><b>Next:</b> {escape(card.next)}</p>' if card.next else ""
    return (
        f'<header class="verdict {kind}"><p class="kicker">{_kicker(card)}</p><p class="badges">{code}{labels}</p>'
        f"<h1>{escape(card.headline or 'There is no verdict.')}</h1>{after}"
        f'<ul class="limits">{notes}</ul></header>{"" if card.is_quick else _tiles(card)}{_reasons(card)}'
    )


def _note(label: str, meaning: str) -> str:
    return f"<li><b>{escape(label.capitalize())}.</b> {escape(meaning)}</li>"


def _kicker(card: Card) -> str:
    size = f"{counted(card.replies, 'unseen reply', 'unseen replies')} in {counted(card.conversations, 'conversation')}"
    parts = ["Scorecard", card.author, f"on {card.base}" if card.base else "", size]
    return " · ".join(f"<span>{escape(part)}</span>" for part in parts if part)


def _tiles(card: Card) -> str:
    tiles = [
        _tile("Voice match, S", "voice", card, lambda each: each.voice, decimal, _voice_unit(card.clone)),
        _tile("Habits", "habits", card, lambda each: each.habits, decimal, "1 is the author"),
        _tile("Held-out fit", "fit", card, lambda each: each.bits, thirds, "bits per byte, less is better"),
        _guards(card),
    ]
    return f'<ul class="tiles" aria-label="At a glance">{"".join(tiles)}</ul>'


def _tile(
    name: str, key: str, card: Card, of: Callable[[Candidate], Interval | None], form: Callable[[float], str], unit: str
) -> str:
    """The clone's number large, the best prompt's beside it."""

    def told(each: Candidate | None) -> str:
        found = of(each) if each else None
        return form(found.value) if found else "–"

    if all(of(each) is None for each in card.rivals):
        inside = '<p class="big none">–</p><p class="unit">not measured</p>'
    else:
        inside = (
            f'<p class="big">{told(card.clone)} <span class="who">clone</span></p>'
            f'<p class="against">best prompt {told(card.prompted)}</p><p class="unit">{escape(unit)}</p>'
        )
    return f"<li><h2>{term(name, key)}</h2>{inside}</li>"


def _voice_unit(clone: Candidate | None) -> str:
    beyond = clone is not None and clone.voice is not None and clone.voice.value > OVERSHOOT
    return f"1 is the author; over {OVERSHOOT} is “{BEYOND}”" if beyond else "1 is the author"


def _guards(card: Card) -> str:
    name = f"<h2>{term('Guardrails', 'guardrails')}</h2>"
    states = {key: card.clone.guardrail(key) if card.clone else "unknown" for key in GUARDRAILS}
    if set(states.values()) == {"unknown"}:
        return f'<li>{name}<p class="big none">–</p><p class="unit">not measured</p></li>'
    # The sign alone says that one is kept: the tile is small.
    words = {key: key if state == "pass" else f"{key} {WORDS[state]}" for key, state in states.items()}
    lines = "".join(f"<li>{outcome(state, words[key])}</li>" for key, state in states.items())
    return f'<li>{name}<ul class="checks">{lines}</ul></li>'


def _reasons(card: Card) -> str:
    shown = "".join(f"<li>{escape(reason)}</li>" for reason in card.reasons)
    small = f'<p class="note">{SMALL}</p>' if card.is_bundled else ""
    why = f'<h2 id="why-title">Why</h2><ul>{shown}</ul>' if shown else ""
    return f'<section id="why" aria-label="Why">{why}{small}</section>' if why or small else ""
