"""Guardrails: what would spoil a good voice. Each says in words whether the clone passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from style_clone.evaluate import protocol
from style_clone.evaluate.guardrails import LEAST_VARIETY, MOST_BROKEN, is_in_shape
from style_clone.evaluate.page.candidates import named
from style_clone.evaluate.page.card import Candidate, Card
from style_clone.evaluate.page.figures import (
    NONE,
    Form,
    Interval,
    decimal,
    interval,
    number,
    percent,
    signed,
    thirds,
)
from style_clone.evaluate.page.marks import WORDS, below, folded, not_kept, nothing, outcome, section, table, term
from style_clone.units import counted

Cell = Callable[[Candidate], str]
SHAPE: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("length_ratio", "Median length, of the author's", decimal),
    ("distinct2_ratio", "Different word pairs, of the author's", decimal),
    ("gzip_ratio", "Size compressed, of the author's", decimal),
    ("empty", "Empty replies", percent),
    ("looping", "Replies that loop", percent),
    ("unterminated", "Replies without an end", percent),
)
"""Figures of the third guardrail, with their names and how they are written."""


def guardrails(card: Card) -> str:
    """The section."""
    lead = "A clone that fails one of these is rejected, however good its voice is."
    measured = [each for each in card.rivals if each.relevance or each.shape]
    if not measured:
        why = "Nothing was generated, so there was nothing to check."
        return section("guardrails", "Is anything wrong with it?", nothing(why), lead)
    inside = (
        _relevance(card) + _copying(card) + _shape(card) + folded("Every candidate, every number", _everything(card))
    )
    return section("guardrails", "Is anything wrong with it?", inside, lead)


def _relevance(card: Card) -> str:
    name = term("Nearer their own prompt than 19 others", "relevance")
    own = _ranged(interval(card.part("human").get("relevance")), percent)
    row = [name, *_cells(card, lambda each: _ranged(each.relevance, percent)), own]
    return _guardrail(
        card, "relevance", "It answers what it was asked", "It answers beside the question", _allowed(card.clone), [row]
    )


def _allowed(clone: Candidate | None) -> str:
    """The rule of relevance, and what it was measured on; or why it was not."""
    if clone is not None and clone.relevance is None:
        return (
            "Too few different messages ask for something, and a general request (“Write something.”) any reply fits."
        )
    told = (
        f"It may lose at most {100 * protocol.RELEVANCE_SLACK:.0f} points to the best prompt. It fails where the whole 95% "
        "interval of the difference is below that, and is unsettled where part of it is."
    )
    replies = clone.relevance_replies if clone else None
    return told if replies is None else f"{told} Measured on {counted(replies, 'reply', 'replies')}."


def _copying(card: Card) -> str:
    own = percent(number(card.part("human").get("copying")))
    copied, recited = (
        term("12 words in a row from training", "copying"),
        term("Word for word, given the text before", "extraction"),
    )
    rows = [
        [copied, *_cells(card, lambda each: percent(each.copied)), own],
        ["More than the author's own", *_cells(card, lambda each: signed(each.excess, percent)), "–"],
        [recited, *_cells(card, _extracted), "–"],
    ]
    told = (
        f"At most {percent(protocol.MOST_COPIED)} of replies more than the author's own may copy from training. What comes "
        "out word for word decides nothing."
    )
    return _guardrail(card, "copying", "It writes, and does not recite", "It recites its training", told, rows)


def _shape(card: Card) -> str:
    human = card.part("human").get("shape") or {}
    rows = []
    for key, name, form in SHAPE:
        own = form(number(human[key])) if key in human else "1" if key.endswith("ratio") else "–"
        cells = [_shaped(each, key, form, number(human.get(key)) or 0) for each in card.rivals]
        rows.append([term(name, "shape") if key == "length_ratio" else escape(name), *cells, own])
    low, high = protocol.LENGTHS
    words = number(human.get("median_words"))
    median = f" Theirs is {words:,.0f} words." if words is not None else ""
    told = (
        f"The median length must be between {low:.2f} and {high:.2f} times the author's.{median} Different word pairs and "
        f"the size compressed must be {LEAST_VARIETY} of the author's or more. Replies that are empty, loop or have no end "
        f"may each be {100 * MOST_BROKEN:.0f} points more than of the author's own."
    )
    return _guardrail(card, "shape", "Its replies are whole, and as long as theirs", "It is out of shape", told, rows)


def _guardrail(card: Card, key: str, good: str, bad: str, told: str, rows: list[list[str]]) -> str:
    state = card.clone.guardrail(key) if card.clone else "unknown"
    # What is not known is not claimed.
    title, result = {"pass": good, "fail": bad}.get(state, key.capitalize()), outcome(state, WORDS[state])
    headers = (
        '<span class="aside">Measure</span>',
        *(("Clone" if each.role == "clone" else "Best prompt") for each in card.rivals),
        "Real replies",
    )
    shown = table(headers, rows, f"{key.capitalize()} of clone, best prompt and the author's own replies")
    return f'<div class="guardrail"><h3>{escape(title)} {result}</h3><p class="hint">{escape(told)}</p>{shown}</div>'


def _cells(card: Card, cell: Cell) -> list[str]:
    return [cell(each) for each in card.rivals]


def _ranged(found: Interval | None, form: Form = decimal) -> str:
    return NONE if found is None else f"{form(found.value)}{below(found, form)}"


def _extracted(each: Candidate) -> str:
    if each.extraction is None:
        return NONE
    told, unseen = "{} of {}".format(*each.extraction), each.extraction_unseen
    return f"{told}<small>never trained on: {unseen[0]} of {unseen[1]}</small>" if unseen else told


def _shaped(each: Candidate, key: str, form: Callable[[float | None], str], human: float) -> str:
    """One figure of a candidate's shape, marked where it is what failed; `human` is the author's own, where it is a share."""
    shape: Mapping[str, Any] = each.shape or {}
    value = number(shape.get(key))
    if value is None or each.guardrail("shape") != "fail" or is_in_shape(key, value, human):
        return form(value)
    return f"{outcome('fail', form(value))}<small>fails</small>"


def _everything(card: Card) -> str:
    headers = (
        "Candidate",
        "S",
        "V",
        "Attributed",
        "Habits",
        "Bits per byte",
        "Specificity",
        "Relevance",
        "Copied",
        "Does not keep",
    )
    rows = [
        [
            named(card, each),
            _ranged(each.voice),
            _ranged(each.capped),
            percent(each.attribution),
            _ranged(each.habits),
            _ranged(each.bits, thirds),
            _ranged(each.specificity, thirds),
            _ranged(each.relevance, percent),
            percent(each.copied),
            escape(not_kept(each.failed, each.unsettled)) or "nothing",
        ]
        for each in card.candidates
    ]
    return table(headers, rows, "Every candidate, every number")
