"""What is left out of the author's writing, and why; and how a text is tidied before it becomes a target."""

from __future__ import annotations

import re
from itertools import pairwise

from style_clone.conversation import Message, Turn
from style_clone.words import count_words, share_run, words

MAX_REPLY_WORDS = 400
LONG_MESSAGE_WORDS = 200
COPIED_RUN_WORDS = 12
MIN_COMPARED_WORDS = 5

_INVISIBLE_ENDS = "\u200b\u200e\u200f\u2060\ufeff"
_URL = re.compile(r"<?(?:https?://|www\.)\S+", re.IGNORECASE)
_NEW_ITEM = re.compile(r"\s|[-*+>#|•]|\d+[.)]\s")
_WRAP_COLUMNS = range(55, 91)
_WRAP_SLACK = 6
_MIN_FULL_LINES = 2


def tidy(text: str) -> str:
    """`text` without blank ends, invisible marks and the line breaks a mail program put in at some 55 to 90 columns."""
    lines = [line.rstrip() for line in text.strip().strip(_INVISIBLE_ENDS).strip().splitlines()]
    full = sorted(len(line) for line in lines if len(line) in _WRAP_COLUMNS)
    if len(full) < _MIN_FULL_LINES:
        return "\n".join(lines)
    return _unwrap(lines, full[len(full) * 4 // 5] - _WRAP_SLACK)


def _unwrap(lines: list[str], width: int) -> str:
    """Join a line to the next where the next line's first word would not have fitted into `width` columns."""
    joined = lines[:1]
    for before, line in pairwise(lines):
        if before and line and not _NEW_ITEM.match(line) and len(before) + 1 + len(line.split()[0]) > width:
            joined[-1] += " " + line
        else:
            joined.append(line)
    return "\n".join(joined)


def reason_to_drop(message: Message) -> str | None:
    """Why a message with its text tidied cannot be a target, or None where it can."""
    if message.kind == "media":
        return "media placeholder"
    if message.kind == "system":
        return "written by the software"
    if not message.text:
        return "empty"
    return "only a link" if is_only_links(message.text) else None


def is_only_links(text: str) -> bool:
    """Whether nothing but URLs is in `text`."""
    return all(_URL.fullmatch(part) for part in text.split())


def is_long(text: str) -> bool:
    """Whether a message is so long that it is prose, to be cut like a document."""
    return count_words(text) > LONG_MESSAGE_WORDS


def gives_away(prompt: str, target: str) -> bool:
    """Whether `prompt` holds all of the target or 12 words of it. Under 5 words it never does: "yes?" gets a "yes"."""
    length = min(len(words(target)), COPIED_RUN_WORDS)
    return length >= MIN_COMPARED_WORDS and share_run(prompt, target, length)


def without_target(context: list[Turn], target: str) -> list[Turn] | None:
    """The turns after the last one that gives the target away; None where that is the prompt itself."""
    if count_words(target) < MIN_COMPARED_WORDS:
        return context
    guilty = [index for index, turn in enumerate(context) if gives_away(turn["content"], target)]
    if not guilty:
        return context
    rest = context[guilty[-1] + 1 :]
    while rest and rest[0]["role"] != "user":
        rest = rest[1:]
    return rest or None
