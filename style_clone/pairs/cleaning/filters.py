"""What is left out of the author's writing, and why; and how a text is tidied before it becomes a target."""

from __future__ import annotations

import re

from style_clone.conversation import Message, Turn
from style_clone.pairs.cleaning.program_text import is_mostly_program_text, is_program_line
from style_clone.words import Run, count_words, runs, words

ONLY_LINKS = "only a link"
MOSTLY_CODE = "mostly code or program output"
MAX_REPLY_WORDS = 400
LONG_MESSAGE_WORDS = 200
COPIED_RUN_WORDS = 12
MIN_COMPARED_WORDS = 5

_INVISIBLE_ENDS = "\u200b\u200e\u200f\u2060\ufeff"
_URL = re.compile(r"<?(?:https?://|www\.)\S+", re.IGNORECASE)
_LINK_FIRST = re.compile(r"\s*<?(?:https?://|www\.)", re.IGNORECASE)
_NEW_ITEM = re.compile(r"[-*+>#|•]|\d+[.)]\s")
_ITEM_TEXT = re.compile(r"\s*(?:[-*+•]\s+|\d+[.)]\s+)?")
_CLOSING_WORDS = 3
_WRAP_COLUMNS = range(55, 91)
_WRAP_SLACK = 6
_MIN_FULL_LINES = 2


def tidy(text: str) -> str:
    """`text` without blank ends, invisible marks and the line breaks a mail program put in at some 55 to 90 columns.

    Lists, poems, tables, code and what programs print keep their lines.
    """
    text = text.strip().strip(_INVISIBLE_ENDS).strip()
    if text.isprintable():  # one line: line breaks of every kind are not printable
        return text
    lines = [line.rstrip() for line in text.splitlines()]
    full = sorted(len(line) for line in lines if len(line) in _WRAP_COLUMNS)
    if len(full) < _MIN_FULL_LINES:
        return "\n".join(lines)
    return _unwrap(lines, full[len(full) * 4 // 5] - _WRAP_SLACK)


def _unwrap(lines: list[str], width: int) -> str:
    """Join a line to the next where the next line's first word would not have fitted into `width` columns."""
    parts = lines[:1]
    for index in range(1, len(lines)):
        before, line = lines[index - 1], lines[index]
        if before and line and len(before) + 1 + len(line.split(None, 1)[0]) > width and _goes_on(lines, index):
            parts += (" ", line.lstrip())
        else:
            parts += ("\n", line)
    return "".join(parts)


def _goes_on(lines: list[str], index: int) -> bool:
    """Whether the line at `index` may go on with the sentence of the one above: prose below prose, set as far in."""
    before, line = lines[index - 1], lines[index]
    written = line.lstrip()
    set_in = len(line) - len(written)
    if _NEW_ITEM.match(written) or (set_in and set_in != _text_column(before)):
        return False
    ends = index + 1 == len(lines) or not lines[index + 1]
    if ends and before.endswith((".", "!", "?")) and len(line.split()) <= _CLOSING_WORDS:
        return False
    return not (is_program_line(before) or is_program_line(line))


def _text_column(line: str) -> int:
    """Where the text of a line begins, after what sets it in and the mark of a list."""
    match = _ITEM_TEXT.match(line)
    return match.end() if match else 0


def reason_to_drop(message: Message) -> str | None:
    """Why a message with its text tidied cannot be a target, or None where it can."""
    if message.kind == "media":
        return "media placeholder"
    if message.kind == "system":
        return "written by the software"
    if not message.text:
        return "empty"
    if is_only_links(message.text):
        return ONLY_LINKS
    return MOSTLY_CODE if "\n" in message.text and is_mostly_program_text(message.text) else None


def is_only_links(text: str) -> bool:
    """Whether nothing but URLs is in `text`."""
    return not text or (bool(_LINK_FIRST.match(text)) and all(_URL.fullmatch(part) for part in text.split()))


def is_long(text: str) -> bool:
    """Whether a message is so long that it is prose, to be cut like a document."""
    return len(text) > LONG_MESSAGE_WORDS and count_words(text) > LONG_MESSAGE_WORDS


def gives_away(prompt: str, target: str) -> bool:
    """Whether `prompt` holds all of the target or 12 words of it. Under 5 words it never does: "yes?" gets a "yes"."""
    return _holds(prompt, _telling_runs(target))


def _telling_runs(target: str) -> set[Run]:
    """The runs of words that give a target away; none where it is too short to."""
    sequence = words(target)
    length = min(len(sequence), COPIED_RUN_WORDS)
    return set(runs(sequence, length)) if length >= MIN_COMPARED_WORDS else set()


def _holds(prompt: str, telling: set[Run]) -> bool:
    length = len(next(iter(telling), ()))
    return bool(telling) and not telling.isdisjoint(runs(words(prompt), length))


def without_target(context: list[Turn], target: str) -> list[Turn] | None:
    """The turns after the last one that gives the target away; None where that is the prompt itself."""
    telling = _telling_runs(target)
    guilty = [index for index, turn in enumerate(context) if _holds(turn["content"], telling)] if telling else []
    if not guilty:
        return context
    rest = context[guilty[-1] + 1 :]
    while rest and rest[0]["role"] != "user":
        rest = rest[1:]
    return rest or None
