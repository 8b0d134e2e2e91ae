"""The page's smallest pieces: escaped text, sections that link to their definitions, tables, and what says why nothing is
there. Everything that comes from files or models is escaped here or where it is put in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from style_clone.evaluate.page.figures import Form, Interval, bounds, decimal

ICONS = {"pass": "✓", "fail": "✕", "unsettled": "?", "unknown": "–"}
"""With the word beside them, so that neither colour nor sign is alone."""
WORDS = {"pass": "passes", "fail": "fails", "unsettled": "unsettled", "unknown": "not measured"}
"""How a guardrail stands, in words."""


def not_kept(failed: Iterable[str], unsettled: Iterable[str]) -> str:
    """The guardrails that failed and those that are unsettled, in a cell; empty where there are none."""
    return ", ".join([*failed, *(f"{name} {WORDS['unsettled']}" for name in unsettled)])


def section(key: str, title: str, inside: str, lead: str = "") -> str:
    """A section under a heading that links to the definition of what it measures, `#def-key`."""
    told = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    link = f'<a class="how" href="#def-{key}">how this is measured<span class="aside"> (in the notes below)</span></a>'
    head = f'<div class="head"><h2 id="{key}-title">{escape(title)}</h2>{link}</div>'
    return f'<section id="{key}" aria-labelledby="{key}-title">{head}{told}{inside}</section>'


def term(text: str, key: str) -> str:
    """A number's name, linked to its definition."""
    return f'<a class="term" href="#def-{key}">{escape(text)}</a>'


def nothing(why: str) -> str:
    """In place of what was not measured."""
    return f'<p class="nothing">{escape(why)}</p>'


def badge(text: str, kind: str) -> str:
    """A short label."""
    return f'<span class="badge {kind}">{escape(text)}</span>'


def below(found: Interval | None, form: Form = decimal) -> str:
    """A number's 95% interval on a line below it; empty where there is none."""
    between = bounds(found, form)
    return f'<small class="interval">{between}</small>' if between else ""


def outcome(state: str, words: str) -> str:
    """A result with its sign: `state` is "pass", "fail", "unsettled" or "unknown"."""
    return f'<span class="outcome {state}"><b aria-hidden="true">{ICONS[state]}</b> {escape(words)}</span>'


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table of HTML cells, the first of each row its header; numbers flush right. It scrolls by itself where it must."""
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in headers)
    head = f"<thead><tr>{columns}</tr></thead>" if any(headers) else ""
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    told = f'<caption class="aside">{escape(caption)}</caption>'
    whole = f'<table class="plain">{told}{head}<tbody>{body}</tbody></table>'
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">{whole}</div>'


def definitions(rows: Sequence[tuple[str, str]], kind: str = "figures") -> str:
    """Named figures; both sides are HTML."""
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)
    return f'<dl class="{kind}">{cells}</dl>'


def folded(title: str, inside: str) -> str:
    """HTML under a title that opens it."""
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"


def cut(text: str, length: int) -> str:
    """`text` in at most that many characters."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"
