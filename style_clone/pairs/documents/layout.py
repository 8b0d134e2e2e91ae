"""The layout of a document: paragraphs of prose, headings, and the questions of an interview, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from style_clone.pairs.documents.clutter import is_clutter, outside_fences, without_marks
from style_clone.pairs.documents.headings import MAX_HEADING_WORDS, bare, looks_like_heading
from style_clone.words import count_words

BlockKind = Literal["prose", "heading", "question", "likely heading"]

MAX_HEADINGS_IN_A_ROW = 2
LONG_LINE_WORDS = 20

_ATX = re.compile(r"\s{0,3}#{1,6}\s+(.+?)\s*#*\s*$")
_BOLD = re.compile(r"\s*(?:\*\*|__)([^*_]+)(?:\*\*|__):?\s*$")
_UNDERLINE = re.compile(r"\s{0,3}(?:={3,}|-{3,})\s*$")
_ASKED = re.compile(r"\s*(?:\*\*|__)?(?:Q|Question|QUESTION)\s?\d{0,3}\s*[:.)](?:\*\*|__)?\s*(?=\S)")
_ANSWERED = re.compile(r"\s*(?:\*\*|__)?(?:A|Answer|ANSWER)\s?\d{0,3}\s*[:.)](?:\*\*|__)?\s*(?=\S)")
_POSTSCRIPT = re.compile(r"P\.?\s?S\b")


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph of prose, a heading, or a question of an interview; without the marks that say which it is."""

    kind: BlockKind
    text: str


def blocks(text: str) -> Iterator[Block]:
    """Prose, headings and questions in order; what is nobody's voice is left out.

    What looks like a heading is one where prose follows it. Three in a row are a list, and a last one is a signature.
    """
    held: list[Block] = []
    for block in _found(without_marks(text)):
        if block.kind == "likely heading":
            held.append(block)
            continue
        follows = block.kind == "prose" and not _POSTSCRIPT.match(block.text)
        yield from _decided(held, follows and len(held) <= MAX_HEADINGS_IN_A_ROW)
        yield block
        held = []
    yield from _decided(held, are_headings=False)


def _decided(likely: list[Block], are_headings: bool) -> Iterator[Block]:
    for block in likely:
        yield Block("heading", bare(block.text)) if are_headings else Block("prose", block.text)


def _found(text: str) -> Iterator[Block]:
    """Blocks as their lines have them; a line that may be a heading is told as such, but not below a comma."""
    below_comma = False
    interview = _is_interview(text)
    for lines in _paragraphs(text, interview):
        block = _marked(lines, interview)
        if block is None and not is_clutter(lines):
            likely = len(lines) == 1 and not below_comma and looks_like_heading(lines[0])
            block = Block("likely heading" if likely else "prose", "\n".join(lines))
        if block is not None:
            below_comma = block.text.endswith(",")
            yield block


def _marked(lines: list[str], interview: bool) -> Block | None:
    """The block that a mark in the text makes of these lines; None without one."""
    if heading := _ATX.match(lines[0]) or (_BOLD.match(lines[0]) if len(lines) == 1 else None):
        return Block("heading", bare(heading[1]))
    if len(lines) == 2 and _UNDERLINE.match(lines[1]):
        return Block("heading", bare(lines[0]))
    text = "\n".join(lines)
    if interview and (asked := _ASKED.match(text)):
        return Block("question", text[asked.end() :].replace("**", "").strip())
    if interview and (answered := _ANSWERED.match(text)):
        return Block("prose", text[answered.end() :])
    return None


def _paragraphs(text: str, interview: bool) -> Iterator[list[str]]:
    """Lines between blank lines; headings and the turns of an interview begin anew without one."""
    held: list[str] = []
    for line in outside_fences(text):
        underline = _UNDERLINE.match(line)
        if underline and len(held) == 1 and count_words(held[0]) <= MAX_HEADING_WORDS:
            held.append(line)
        is_turn = interview and (_ASKED.match(line) or _ANSWERED.match(line))
        if held and (underline or not line.strip() or is_turn or _ATX.match(line) or _is_above(held, line)):
            yield held
            held = []
        if line.strip() and not underline:
            held.append(line)
        if held and _ATX.match(line):
            yield held
            held = []
    if held:
        yield held


def _is_above(held: list[str], line: str) -> bool:
    """Whether the one line held is a heading in capitals or bold, with no blank line between it and a long line."""
    if len(held) != 1 or count_words(line) < LONG_LINE_WORDS:
        return False
    return bool(_BOLD.match(held[0])) or (held[0].isupper() and looks_like_heading(held[0]))


def _is_interview(text: str) -> bool:
    lines = text.splitlines()
    return any(map(_ASKED.match, lines)) and any(map(_ANSWERED.match, lines))
