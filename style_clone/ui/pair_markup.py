"""How a pair looks: a row of the list, and the whole conversation with what carries loss. All text is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from style_clone.conversation import Pair, Turn

ORIGINS: Mapping[str, str] = {"reply": "reply", "opening": "opening", "document": "document", "rewrite": "rewrite"}
"""How the list spells an origin."""
ASKERS: Mapping[str, str] = {
    "person": "a person",
    "text": "the text",
    "model": "a model",
    "template": "a template",
}
"""How the list spells who wrote a prompt."""
USES: Mapping[str, str] = {
    "learned": "carries loss: the model learns to write it. The rest it only reads.",
    "checked": "is what is checked: this pair is held back, and the model learns nothing from it.",
    "left out": "is the reply, but the pair is left out: nothing is made of it.",
}
"""What becomes of a pair's reply, in a word and in a sentence about it."""
HEADERS = ("What was said", "The reply", "To", "Date", "Made from", "Prompt by", "")
SHORT = 140
"""Characters of a text in the list."""
_BUBBLES = 3
_RECENT_TURNS = 6


@dataclass(frozen=True)
class Row:
    """One line of the list, spelled out. `state` is empty, "edited" or "left out"."""

    key: str
    said: str
    reply: str
    cells: tuple[str, ...]
    state: str = ""
    is_current: bool = False


def pair_list(rows: Sequence[Row]) -> str:
    """The list as a table that a narrow window shows as cards; each row opens its pair, and leaves it out or takes it back.

    Buttons carry `data-act` and `data-key` for the page's one listener.
    """
    head = "".join(f'<th role="columnheader" scope="col">{escape(name)}</th>' for name in HEADERS[:-1])
    head += '<th role="columnheader" scope="col"><span class="sc-unseen">Leave out</span></th>'
    body = "".join(map(_row, rows))
    # The roles are spelled out, since a table shown as blocks is a table no more to some screen readers.
    return (
        f'<table class="sc-table sc-pairs" role="table"><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )


def conversation(title: str, facts: Sequence[tuple[str, str]], pair: Pair, original: str, use: str) -> str:
    """A pair as training sees it: the turns before, dimmed, then the reply, which alone carries loss. `use` is of USES."""
    told = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts if value)
    other = pair.recipient or "They"
    early, late = pair.context[:-_RECENT_TURNS], pair.context[-_RECENT_TURNS:]
    before = "".join(_turn(turn, other) for turn in late)
    if early:
        inner = "".join(_turn(turn, other) for turn in early)
        before = _folded(f"{len(early)} earlier turns", f'<div class="sc-turns">{inner}</div>') + before
    return (
        f'<article class="sc-pair"><h3 tabindex="-1">{escape(title)}</h3><dl>{told}</dl>'
        f'<p class="sc-legend"><mark>Green</mark> {USES[use]}</p>'
        f'<div class="sc-turns">{before}{_reply(pair.reply, use)}</div>{_as_it_was(pair.reply, original)}</article>'
    )


def shorten(text: str, length: int = SHORT) -> str:
    """At most `length` characters, cut between words where there are any."""
    if len(text) <= length:
        return text
    cut = text[:length]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut[length // 2 :] else cut}…"


def _row(row: Row) -> str:
    key, gone = escape(row.key), row.state == "left out"
    name = "Take back" if gone else "Leave out"
    act = "include" if gone else "exclude"
    said = escape(shorten(row.said)) or "<i>nothing: it opens the conversation</i>"
    current = ' aria-current="true"' if row.is_current else ""
    badge = f'<span class="sc-state">{escape(row.state)}</span>' if row.state else ""
    cells = [
        f'<button type="button" class="sc-open" data-act="open" data-key="{key}"{current}>{said}</button>',
        f'<div class="sc-bubbles">{_bubbles(row.reply)}</div>{badge}',
        *map(escape, row.cells),
        f'<button type="button" class="sc-act" data-act="{act}" data-key="{key}" '
        f'aria-label="{name}: {escape(shorten(row.reply, 60))}">{name}</button>',
    ]
    spelled = "".join(
        f'<td role="cell" data-name="{escape(column)}">{cell}</td>' for column, cell in zip(HEADERS, cells, strict=True)
    )
    return f'<tr role="row"{_class("sc-gone" if gone else "")}>{spelled}</tr>'


def _bubbles(reply: str) -> str:
    """The first messages of a reply, each apart, as they were sent."""
    lines = [line for line in reply.split("\n") if line.strip()]
    shown = "".join(f"<span>{escape(shorten(line))}</span>" for line in lines[:_BUBBLES])
    return shown + (f"<small>and {len(lines) - _BUBBLES} more</small>" if len(lines) > _BUBBLES else "")


def _turn(turn: Turn, other: str) -> str:
    mine = turn["role"] == "assistant"
    name, role = ("You", "assistant, read only") if mine else (other, turn["role"])
    lines = "".join(f"<p>{escape(line)}</p>" for line in turn["content"].split("\n") if line.strip())
    return f'<div class="sc-turn{" sc-mine" if mine else ""}"><b>{escape(name)}</b><small>{role}</small>{lines}</div>'


def _reply(reply: str, use: str) -> str:
    lines = "".join(f"<p>{escape(line)}</p>" for line in reply.split("\n") if line.strip())
    return f'<div class="sc-turn sc-mine sc-loss"><b>You</b><small>assistant, {use}</small>{lines}</div>'


def _as_it_was(reply: str, original: str) -> str:
    if reply == original:
        return ""
    return _folded("As you wrote it", f'<p class="sc-original">{escape(original)}</p>')


def _folded(title: str, inside: str) -> str:
    return f'<details class="sc-more"><summary>{escape(title)}</summary>{inside}</details>'


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""
