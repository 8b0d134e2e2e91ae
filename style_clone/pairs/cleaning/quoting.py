"""What of a message its author wrote, and what of somebody else's it quotes or forwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from style_clone.pairs.cleaning.boilerplate import without_signature
from style_clone.pairs.cleaning.mail_marks import (
    attribution_at,
    block_start,
    body_after_mark,
    header_block_end,
    is_dated,
    is_end_of_forward,
    is_forward,
    is_named,
    is_original,
    is_stamp,
    starts_header,
)

_FIRST_OF_FORWARDED = frozenset("F[\u200e↪")
_FORWARDED_BY_CHAT = re.compile(
    r"\u200e?\[?(?:↪️?\s*)?Forwarded (?:from [^\n]{1,80}(?:\]|:|$)|many times\s*$)", re.MULTILINE
)
_QUOTED = re.compile(r"[ \t]{0,8}(?:[A-Z][A-Za-z]{1,14})?>(?!From )")
_UNMARKED = re.compile(r"[ \t]{0,8}(?:[A-Z][A-Za-z]{1,14})?> ?")
_BARE_QUOTE = re.compile(r"(?:[ \t]{0,8}|[ \t]{2,8}[A-Z][A-Za-z]{1,14})>[>\s]*[^\W\d].*\w\s+\S")
_MARKED_WORD = re.compile(r"[ \t]{0,8}(?:[A-Z][A-Za-z]{1,14})?>[>\s]*[^\W\d]")
_CONSOLE = re.compile(
    r"[ \t]{0,8}(?:>|>>>)\s*(?:[\w.$\[\]\"]+\s*(?:<-|=)\s?|[\w.:]+\(|\(|\?\w|#|\d+\s*[-+*/]|"
    r"(?:import|from|print|for|if|sudo|apt|apt-get|dpkg|R CMD|cd|ls|make|deb|git|pip|install|select)\s[-\w.:/~*]+)"
)
_GREETING_WORDS = 4
_LEVELS = 3
"""A quote, what the person quoted passed on, and one layer of marks around either; what lies deeper is left out."""
_CUT_OFF = re.compile(r".{60,}[^.?!:\s]\s*$")
_LEFT_OVER = re.compile(r"[^\W\d_].{0,79}$")


@dataclass(frozen=True, slots=True)
class Own:
    """A message taken apart.

    `text` is what its author wrote, paragraphs in order. `quoted` is what it answers of somebody else's: with answers
    between quotes, every quote that has an answer below it; with the answer on top, what stands below; in both cases
    without quote marks, headers, signature, and quotes inside the quote. None where nothing is quoted. `forwarded` says
    whether what was left out was passed on rather than answered.
    """

    text: str
    quoted: str | None
    forwarded: bool


@dataclass(slots=True)
class _Piece:
    """Neighbouring lines that are all the author's, or all somebody else's."""

    quoted: bool
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip("\n")


@dataclass(frozen=True, slots=True)
class _Tail:
    """Lines of somebody else's without quote marks, from `start` up to `end`; their words begin at `body`. The line at
    `end`, if there is one, only says that this is the end."""

    start: int
    body: int
    end: int
    forwarded: bool


def own_part(text: str) -> Own:
    """Take a message apart. One line is always the author's, unless a chat program marked it as forwarded.

    A ">" is a quote mark only at the beginning of a whole quoted line in a text of several: "> 3 people came" and ">:("
    are the author's, and so are lines pasted from the prompt of R or Python.
    """
    if text[:1] in _FIRST_OF_FORWARDED and _FORWARDED_BY_CHAT.match(text):
        return Own("", text.partition("\n")[2].strip() or None, True)
    if "\n" not in text or (">" not in text and ":" not in text and "--" not in text):
        return Own(text, None, False)
    return _taken_apart(text, _LEVELS)


def quoted_words(quoted: str) -> str | None:
    """What the other person wrote of a quote kept apart from its message: without headers, marks, signature, and what
    that person quotes in turn. What they passed on belongs to it. None where nothing is left."""
    return _words_of(quoted, _LEVELS)


def _taken_apart(text: str, levels: int) -> Own:
    lines = text.splitlines()
    tail = _find_tail(lines)
    if tail is None and not any(_QUOTED.match(line) for line in lines) and not _has_attribution(lines):
        return Own(text, None, False)
    kept = lines if tail is None else lines[: tail.start]
    pieces = list(_pieces(kept))
    if tail is not None:
        pieces.append(_Piece(False, lines[tail.end + 1 :]))
    own = "\n\n".join(part for piece in pieces if not piece.quoted and (part := piece.text.strip()))
    quoted = _answered(pieces)
    if quoted is None and tail is not None:
        quoted = "\n".join(lines[tail.body : tail.end])
    forwarded = tail is not None and (tail.forwarded or not own)
    return Own(own, _words_of(quoted, levels - 1) if quoted and levels else None, forwarded)


def _has_attribution(lines: list[str]) -> bool:
    return any(":" in line and attribution_at(lines, index) for index, line in enumerate(lines))


def _answered(pieces: list[_Piece]) -> str | None:
    """The quotes with something of the author's below them, else all of them; None where there is none."""
    last_own = max((index for index, piece in enumerate(pieces) if not piece.quoted and piece.text.strip()), default=-1)
    quotes = [(index, piece.text) for index, piece in enumerate(pieces) if piece.quoted]
    answered = [text for index, text in quotes if index < last_own] or [text for _, text in quotes]
    return "\n\n".join(answered) if answered else None


def _words_of(quoted: str, levels: int) -> str | None:
    """What the person quoted wrote. Where they passed something on, that is part of what is answered."""
    part = _taken_apart(quoted, levels)
    text = without_signature(part.text).strip()
    if not text:
        return part.quoted
    return f"{text}\n\n{part.quoted}" if part.forwarded and part.quoted else text


def _find_tail(lines: list[str]) -> _Tail | None:
    """Where somebody else's words begin that bear no quote marks, if they do. Only looks; linear in the lines."""
    own_words = 0
    for index, line in enumerate(lines):
        if _QUOTED.match(line):
            continue
        found = _tail_at(lines, index, own_words)
        if found is not None:
            return found
        own_words += len(line.split()) if own_words <= _GREETING_WORDS else 0
    return None


def _tail_at(lines: list[str], index: int, own_words: int) -> _Tail | None:
    """The tail that begins at a line. Where quote marks follow, or nothing of the author's came before an attribution,
    what follows is no tail: `_pieces` leaves out the mark alone."""
    line = lines[index]
    if "--" in line or ":" in line or "==" in line or "__" in line:
        if is_forward(line):
            return _tail(lines, index, body_after_mark(lines, index), forwarded=True)
        if is_original(line):
            body = body_after_mark(lines, index)
            return _tail(lines, index, body, forwarded=False) if own_words or body > index + 1 else None
    if ":" in line and starts_header(line) and (end := header_block_end(lines, index)):
        return _tail(lines, block_start(lines, index), end, forwarded=False)
    if is_stamp(line) and not any(rest.strip() for rest in lines[index + 1 :]):
        return _tail(lines, block_start(lines, index + 1), index + 1, forwarded=False)
    length = attribution_at(lines, index) if own_words > _GREETING_WORDS else 0
    if length and is_dated(" ".join(part.strip() for part in lines[index : index + length])):
        return _tail(lines, index, index + length, forwarded=False)
    return None


def _tail(lines: list[str], start: int, body: int, *, forwarded: bool) -> _Tail | None:
    """The tail with words from `body` on; None where these bear quote marks, or are the author's own signature."""
    first = next((line for line in lines[body:] if line.strip()), "")
    if (_QUOTED.match(first) and not forwarded) or (
        first.startswith("--") and not is_forward(first) and not is_original(first)
    ):
        return None
    end = next((index for index in range(body, len(lines)) if is_end_of_forward(lines[index])), len(lines))
    return _Tail(start, min(body, end), end, forwarded)


def _pieces(lines: list[str]) -> Iterator[_Piece]:
    """Lines as own and quoted pieces by turns; attributions and marks are left out."""
    own: list[str] = []
    index = 0
    announced = False
    while index < len(lines):
        start = index + _mark_length(lines, index)
        end = _quote_end(lines, start, announced=announced or start > index)
        if end > start:
            announced = True
            yield _Piece(False, own)
            yield _Piece(True, [_UNMARKED.sub("", line, count=1) for line in lines[start:end]])
            own = []
        elif start > index:
            yield _Piece(False, own)
            own = []
        else:
            own.append(lines[index])
        index = max(end, start, index + 1)
    yield _Piece(False, own)


def _mark_length(lines: list[str], index: int) -> int:
    """How many lines from `index` on only announce a quote: an attribution, "Original Message", headers."""
    line = lines[index]
    if "--" in line and (is_original(line) or is_forward(line)):
        return body_after_mark(lines, index) - index
    if ":" in line and starts_header(line) and (end := header_block_end(lines, index)):
        return end - index
    length = attribution_at(lines, index)
    if not length:
        return 0
    said = " ".join(part.strip() for part in lines[index : index + length])
    after = index + length
    while after < len(lines) and not lines[after].strip():
        after += 1
    quoted = after < len(lines) and bool(_QUOTED.match(lines[after]))
    return after - index if quoted else length if is_dated(said) or is_named(said, first=index == 0) else 0


def _quote_end(lines: list[str], start: int, announced: bool) -> int:
    """The line after the quote that begins at `start`; `start` itself where none does.

    Once a quote was announced or found, whatever bears its mark is one.
    """
    end = start
    index = start
    while index < len(lines):
        if _QUOTED.match(lines[index]):
            end = index + 1
        elif lines[index].strip() and not _left_over(lines, index):
            break
        index += 1
    if end == start or announced:
        return end
    return end if _is_quote([line for line in lines[start:end] if line.strip(" \t>")]) else start


def _left_over(lines: list[str], index: int) -> bool:
    """Whether a line is the end of the quoted one above, which a mail program broke without a new quote mark."""
    return (
        0 < index < len(lines) - 1
        and lines[index][0].islower()
        and bool(_CUT_OFF.match(lines[index - 1]) and _LEFT_OVER.match(lines[index]))
        and bool(_QUOTED.match(lines[index - 1]))
        and bool(_QUOTED.match(lines[index + 1]))
    )


def _is_quote(block: list[str]) -> bool:
    """Whether lines with ">" that nobody announced are a quote: a whole line of words, and no pasted console."""
    worded = [line for line in block if _MARKED_WORD.match(line)]
    if 2 * sum(_CONSOLE.match(line) is not None for line in block) >= len(block):
        return False
    return len(worded) > 1 or any(_BARE_QUOTE.match(line) for line in worded)
