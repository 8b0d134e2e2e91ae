"""How a vote looks: a conversation, two replies to choose from, and in the end a share with its interval.

All text is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from style_clone.conversation import Turn
from style_clone.ui.markup import progress_bar

LAST_TURNS = 6


def arena(number: int, total: int, prompt: Sequence[Turn], sides: tuple[str, str], author: str, question: str) -> str:
    """Trial `number` of `total`. Its buttons carry `data-choice`, the whole `data-number`, for the page's one listener."""
    turns = "".join(_turn(turn, author) for turn in prompt[-LAST_TURNS:])
    talk = '<div class="sc-talk" tabindex="0" role="region" aria-label="The conversation">'
    above = f'{talk}<div class="sc-turns">{turns}</div></div>' if turns else ""
    cards = "".join(_card(key, choice, text) for key, choice, text in zip("12", ("left", "right"), sides, strict=True))
    return (
        f'<section class="sc-arena" data-number="{number}">{progress_bar((number - 1) / total, f"{number} of {total}")}'
        f'{above}<h3 tabindex="-1">{escape(question)}</h3><div class="sc-cards">{cards}</div>'
        '<button type="button" class="sc-choice sc-tie" data-choice="tie"><kbd>0</kbd>Can’t tell</button></section>'
    )


def writing(author: str, texts: Sequence[str], *, is_open: bool) -> str:
    """Some of what the author really wrote, to unfold."""
    rows = "".join(f"<li>{'<br>'.join(map(escape, text.splitlines()))}</li>" for text in texts)
    opened = " open" if is_open else ""
    return (
        f'<details class="sc-writing"{opened}><summary>How {escape(author)} writes</summary><ul>{rows}</ul></details>'
    )


def outcome(title: str, said: Sequence[str], shares: Mapping[str, Mapping[str, Any]]) -> str:
    """What came of a ballot: sentences, and a drawn share for each name, "value", "low" and "high" from 0 to 1."""
    lines = "".join(f"<p>{escape(line)}</p>" for line in said)
    rows = "".join(_share(name, share) for name, share in shares.items())
    ends = (
        '<span class="sc-gap"></span><small class="sc-ends"><span>the best prompt</span><span>even</span>'
        '<span>the clone</span></small><span class="sc-gap"></span>'
    )
    return (
        f'<section class="sc-card"><h3>{escape(title)}</h3>{lines}<div class="sc-shares">{rows}{ends}</div></section>'
    )


def _turn(turn: Turn, author: str) -> str:
    mine = turn["role"] == "assistant"
    lines = "".join(f"<p>{escape(line)}</p>" for line in turn["content"].split("\n") if line.strip())
    return f'<div class="sc-turn{" sc-mine" if mine else ""}"><b>{escape(author if mine else "They")}</b>{lines}</div>'


def _card(key: str, choice: str, text: str) -> str:
    lines = "".join(f"<i>{escape(line)}</i>" for line in text.split("\n"))
    return (
        f'<button type="button" class="sc-choice" data-choice="{choice}"><kbd>{key}</kbd><span>{lines}</span></button>'
    )


def _share(name: str, share: Mapping[str, float]) -> str:
    value, low, high = (100 * share[end] for end in ("value", "low", "high"))
    told = f"{value:.0f}%, 95% interval {low:.0f}% to {high:.0f}%"
    return (
        f'<span>{escape(name)}</span><div class="sc-share" role="img" aria-label="{escape(name)}: {told}">'
        f'<i style="left:{low:.1f}%;width:{high - low:.1f}%"></i><u style="left:{value:.1f}%"></u></div>'
        f"<b>{value:.0f}% <small>({low:.0f} to {high:.0f})</small></b>"
    )
