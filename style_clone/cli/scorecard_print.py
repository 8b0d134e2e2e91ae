"""A scorecard in the terminal, 80 columns wide: verdict, every candidate between other people and the author, numbers.

A comparison of two adapters is told the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import Any

import click

from style_clone.evaluate.page.candidates import edges, measured
from style_clone.evaluate.page.card import GUARDRAILS, Candidate, Card, headline
from style_clone.evaluate.page.figures import (
    Interval,
    decimal,
    interval,
    number,
    percent,
    signed,
    spelled,
    thirds,
)
from style_clone.evaluate.page.marks import WORDS
from style_clone.evaluate.page.strips import Scale
from style_clone.evaluate.page.top import CODES
from style_clone.evaluate.protocol import OVERSHOOT
from style_clone.units import counted

WIDTH = 80
STRIP = 36
"""Characters of a candidate's strip."""
_NAME = 20
_WORDS = {**WORDS, "unknown": "unmeasured"}
"""How a guardrail stands, in a word that leaves room between the columns."""
_MARKS = {"clone": "●", "prompted": "◆", "a": "●", "b": "◆", "": "○", "left": "◀", "right": "▶"}
TITLES = {"a_nearer": "A is nearer", "b_nearer": "B is nearer", "same": "Cannot be told apart", "mixed": "Mixed"}
"""Of a comparison's verdicts; the others are those of a scorecard."""


def print_scorecard(scorecard: Mapping[str, Any], page: Path | None = None) -> None:
    """The quick scorecard as a small table, a full one as a report that ends with where its page lies."""
    if scorecard.get("kind") == "full":
        click.echo("\n".join(["", *_report(Card(scorecard))]))
    else:
        _print_quick(scorecard)
    if page is not None and page.exists():
        click.echo(f"\nThe whole scorecard: {page}")


def print_comparison(comparison: Mapping[str, Any]) -> None:
    """Two adapters side by side."""
    click.echo("\n".join(["", *_compared(Card(comparison))]))


def _print_quick(scorecard: Mapping[str, Any]) -> None:
    """One line a candidate, the best marked, then the verdict."""
    bits: dict[str, float] = scorecard["bits_per_byte"]
    click.echo(f"\nHeld-out fit on {scorecard['pairs']} replies (bits per byte, lower is better)")
    for name, value in bits.items():
        mark = "  <- lowest" if value == min(bits.values()) else ""
        click.echo(f"  {name:<10}{value:6.3f}  {'█' * round(8 * value)}{mark}")
    real = scorecard["real_prompts"]
    if 0 < real["pairs"] < scorecard["pairs"]:
        values = ", ".join(f"{name} {value:.3f}" for name, value in real["bits_per_byte"].items())
        click.echo(f"  on the {real['pairs']} that answer a real message: {values}")
    difference = scorecard["clone_minus_prompted"]
    click.echo(
        f"  clone - prompted: {difference['difference']:+.3f} "
        f"(95% interval {difference['low']:+.3f} to {difference['high']:+.3f})\n{headline(scorecard)}"
    )


def _report(card: Card) -> list[str]:
    columns = {"clone": card.clone, "best prompt": card.prompted}
    after = wrap(f"Next: {card.next}", WIDTH) if card.next else []
    return [*_verdict(card), *after, *_voice(card, columns), *_numbers(card, columns)]


def _compared(card: Card) -> list[str]:
    """Two adapters: what is said of them, where they stand, and in what their recipes differ."""
    changes = [(name, str(values["a"]), str(values["b"]), "") for name, values in card.part("recipes").items()]
    recipe = ["", *_columns([("recipe", "A", "B", ""), *changes])] if changes else ["", "The recipes are the same."]
    columns = {"A": card.of("a"), "B": card.of("b")}
    size = f"On {counted(card.replies, 'reply', 'replies')} of {card.raw.get('on')}, in "
    size += f"{counted(card.conversations, 'conversation')}."
    return [*_verdict(card), size, *_voice(card, columns), *_numbers(card, columns), *recipe]


def _verdict(card: Card) -> list[str]:
    said = TITLES.get(card.code) or CODES.get(card.code, ("Scorecard", "", ""))[0]
    labels = f" ({', '.join(card.labels)})" if card.labels else ""
    reasons = [
        line for reason in card.reasons for line in wrap(reason, WIDTH, initial_indent="- ", subsequent_indent="  ")
    ]
    return [f"{said}{labels}".upper(), *wrap(card.headline, WIDTH), *reasons]


def _voice(card: Card, columns: Mapping[str, Candidate | None]) -> list[str]:
    """Every candidate on one line, its interval as a rule and its value as a mark."""
    found = measured(card, lambda each: each.voice)
    if not found:
        auc, failed = interval(card.part("gate").get("auc")), card.gate_failed
        why = f". The judge's AUC is {spelled(auc)}." if auc else f" ({failed})." if failed else "."
        return ["", *wrap(f"Voice: not measured{why}", WIDTH)]
    scale = Scale.over(edges(found), least=(-0.25, OVERSHOOT + 0.25), most=(-3.0, 3.5))
    rows = [_strip(each, value, scale) for each, value in found]
    key = "  ".join(f"{_MARKS[each.role]} {name}" for name, each in columns.items() if each is not None)
    return ["", f"Voice match, S, with 95% intervals: {key}", *_anchors(card, scale), *rows]


def _anchors(card: Card, scale: Scale) -> list[str]:
    """Two lines in words above the strips, each beginning or ending where its place is."""
    lines = []
    for place, words in ((0.0, "0 other people"), (1.0, f"1 {card.author[:24]}")):
        column = _column(place, scale)
        text = f"{words} ┐" if column >= len(words) + 1 else f"┌ {words}"
        begin = column - len(text) + 1 if text.endswith("┐") else column
        lines.append(" " * (_NAME + begin) + text)
    return lines


def _strip(each: Candidate, found: Interval, scale: Scale) -> str:
    cells = [" "] * STRIP
    for place in (0.0, 1.0):
        cells[_column(place, scale)] = "┊"
    for column in range(_column(found.low, scale), _column(found.high, scale) + 1):
        cells[column] = "─"
    cells[_column(found.value, scale)] = _MARKS[scale.shape(found.value, each.role)]
    name = each.name if len(each.name) < _NAME else f"{each.name[: _NAME - 2]}…"
    return f"{name:<{_NAME}}{''.join(cells)} {spelled(found)}".rstrip()


def _column(value: float, scale: Scale) -> int:
    return min(STRIP - 1, int(STRIP * scale.at(value) / 100))


def _numbers(card: Card, columns: Mapping[str, Candidate | None]) -> list[str]:
    """A line a measure: the two that are compared, by their headings, and what the author's own replies have."""
    human, both = card.part("human"), list(columns.values())
    rows = [
        ("habits", *_both(both, lambda each: decimal(each.habits.value) if each.habits else "–"), "1"),
        ("bits per byte", *_both(both, lambda each: thirds(each.bits.value) if each.bits else "–"), "–"),
        (
            "specificity",
            *_both(both, lambda each: signed(each.specificity.value, thirds) if each.specificity else "–"),
            "–",
        ),
        ("relevance", *_both(both, lambda each: percent(each.relevance.value) if each.relevance else "–"), _own(human)),
        ("copied", *_both(both, lambda each: _share(each.copied)), _share(number(human.get("copying")))),
        ("length", *_both(both, _length), "1"),
        *_guardrails(both),
    ]
    return ["", *_columns([("", *columns, "author"), *rows])]


def _both(both: Sequence[Candidate | None], cell: Any) -> tuple[str, str]:
    first, second = (cell(each) if each is not None else "–" for each in both)
    return first, second


def _own(human: Mapping[str, Any]) -> str:
    found = interval(human.get("relevance"))
    return percent(found.value) if found else "–"


def _share(value: float | None) -> str:
    return "–" if value is None else percent(value)


def _length(each: Candidate) -> str:
    ratio = number((each.shape or {}).get("length_ratio"))
    return "–" if ratio is None else decimal(ratio)


def _guardrails(both: Sequence[Candidate | None]) -> list[tuple[str, ...]]:
    """Rows with every guardrail that is not kept, or not measured; most often there is one row, of those that keep all."""
    sides = [_broken(each) if each is not None else ["–"] for each in both]
    lines = zip_longest(*sides, fillvalue="")
    return [("" if number else "guardrails", *line) for number, line in enumerate(lines)]


def _broken(each: Candidate) -> list[str]:
    states = {key: each.guardrail(key) for key in GUARDRAILS}
    return [f"{key} {_WORDS[state]}" for key, state in states.items() if state != "pass"] or ["pass"]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    named = max(len(row[0]) for row in rows) + 1
    cell = (WIDTH - named) // 3
    return ["".join((f"{row[0]:<{named}}", *(f"{each:>{cell}}" for each in row[1:]))).rstrip() for row in rows]
