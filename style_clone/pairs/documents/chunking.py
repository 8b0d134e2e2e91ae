"""A document -> chunks of 20 to 120 words, cut at headings and paragraphs where that can be, else at sentences.

All cuts of a document are chosen together: the cheapest way through it, by dynamic programming over its sentences. Each
looks back at most 120 words, so the cost is linear in the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from style_clone.pairs.documents.layout import Block, blocks
from style_clone.pairs.documents.sentences import parts
from style_clone.words import words

MIN_CHUNK_WORDS = 20
GOOD_CHUNK_WORDS = 70
MAX_CHUNK_WORDS = 120
MIN_WHOLE_WORDS = 5
"""The least a chunk has that is all there is: of the text, or of an answer in an interview."""
MIN_QUESTION_WORDS = 4

_PARAGRAPH, _LINE = 0.0, 0.5
_LEVELS = (1.0, 3.0, 4.0, 8.0)
_BROKEN_LINE = 2.0
_QUESTION_BONUS = -0.5
_TOO_SHORT = 100.0
_HEADING_INSIDE = 50.0
_QUESTION_INSIDE = 1000.0
"""What a cut costs at a paragraph, a line, a sentence, a clause, a comma, a word; and what a chunk costs that is under 20
words or goes on over a heading. Chosen by reading chunks, in units of `_unevenness`."""

_ASKS = frozenset(words("what why how who whom whose when where which"))
_READER = frozenset(words("you your yours thou thee thy thine i me my mine we us our"))
_LEANS_ON = frozenset(
    words(
        "and but or nor so then yet for now well he she it they him her them his its their this that these those such "
        "one there here else too also"
    )
)
"""Words by which a question leans on what stood before it, which nobody sees who is asked it."""
_ENDS = re.compile(r"[.!?…:。！？][\"'”’»)\]*_]*\s*$")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A target and what it may be asked for by.

    `topic` is the heading or title it stands under; `asked` a question it answers, or the heading or title right above
    it. Neither is part of `text`.
    """

    text: str
    topic: str | None
    asked: str | None


@dataclass(slots=True)
class _Unit:
    """What is never cut. `joint` stood before it, `cost` is that of a cut there, `above` a heading or question there.

    `topic` is the last heading or question above it, however far; `asks` says that it is a question the rest may answer.
    """

    text: str
    joint: str
    size: int
    cost: float
    starts_paragraph: bool
    above: Block | None = None
    topic: str | None = None
    asks: bool = False


def chunks(text: str, title: str | None) -> list[Chunk]:
    """The chunks of a document in order.

    Those under 20 words are left out, unless they are an answer in an interview or all there is, and have five. So is
    what is nobody's voice (`clutter`), and so are headings: they are in `topic` and `asked`.
    """
    units = list(_units(blocks(text)))
    for unit, following in pairwise(units):
        unit.asks = _is_question(unit, following)
        unit.cost += _QUESTION_BONUS if unit.asks else 0
    spans = _cheapest(units)
    return [chunk for start, end in spans if (chunk := _chunk(units, start, end, title, is_all=len(spans) == 1))]


def _units(found: Iterable[Block]) -> Iterator[_Unit]:
    above: Block | None = None
    topic: str | None = None
    for block in found:
        if block.kind != "prose":
            above, topic = block, block.text
            continue
        for unit in _of_paragraph(block.text):
            unit.above, above, unit.topic = above, None, topic
            yield unit


def _of_paragraph(text: str) -> Iterator[_Unit]:
    before: str | None = None
    for line in text.splitlines():
        for number, part in enumerate(parts(line)):
            joint, cost = part.joint, _LEVELS[part.level]
            if number == 0:
                joint, cost = ("\n\n", _PARAGRAPH) if before is None else ("\n", _cost_of_line(before, line))
            yield _Unit(part.text, joint, part.size, cost, before is None and number == 0)
            before = before or ""
        before = line if before is not None else None


def _cost_of_line(before: str, line: str) -> float:
    """A cut between two lines of a paragraph: cheap after the end of a sentence or before an item of a list."""
    return _LINE if _ENDS.search(before) or _ITEM.match(line) else _BROKEN_LINE


def _cheapest(units: Sequence[_Unit]) -> list[tuple[int, int]]:
    """Where each chunk begins and ends, such that all together cost least."""
    best, begins = [0.0], [0]
    for end in range(1, len(units) + 1):
        ways = _ways(units, end, best)
        cost, start = min(ways)
        best.append(cost)
        begins.append(start)
    spans, end = list[tuple[int, int]](), len(units)
    while end:
        spans.append((begins[end], end))
        end = begins[end]
    return spans[::-1]


def _ways(units: Sequence[_Unit], end: int, best: Sequence[float]) -> Iterator[tuple[float, int]]:
    """What it costs to come to `end` by a last chunk from each place it may begin."""
    size, inside = 0, 0.0
    for start in range(end - 1, -1, -1):
        unit = units[start]
        size += unit.size
        if size > MAX_CHUNK_WORDS and start < end - 1:
            return
        yield best[start] + unit.cost + inside + _unevenness(size), start
        if unit.above is not None:
            inside += _QUESTION_INSIDE if unit.above.kind == "question" else _HEADING_INSIDE


def _unevenness(size: int) -> float:
    """0 at 70 words, 1 at 20 and at 120, and more than any cut below 20."""
    if size < MIN_CHUNK_WORDS:
        return _TOO_SHORT + MIN_CHUNK_WORDS - size
    return ((size - GOOD_CHUNK_WORDS) / (MAX_CHUNK_WORDS - GOOD_CHUNK_WORDS)) ** 2


def _chunk(units: Sequence[_Unit], start: int, end: int, title: str | None, *, is_all: bool) -> Chunk | None:
    """The chunk of these units, or None where it is too short. A question it opens with goes into `asked`."""
    above = units[start].above
    size = sum(unit.size for unit in units[start:end])
    is_answer = above is not None and above.kind == "question"
    if size < (MIN_WHOLE_WORDS if is_all or is_answer else MIN_CHUNK_WORDS):
        return None
    topic = units[start].topic or title
    asked = above.text if above else title if start == 0 else None
    if not is_answer and units[start].asks and size - units[start].size >= MIN_CHUNK_WORDS:
        asked, start = units[start].text, start + 1
    return Chunk(_joined(units[start:end]), topic, asked)


def _is_question(unit: _Unit, following: _Unit) -> bool:
    """Whether a unit is a question that may stand alone and is answered below: not one put to the reader of a letter.

    A paragraph of its own may ask anything, as headings do. At the beginning of a longer one only "what is politics?".
    """
    found = words(unit.text)
    if not (unit.starts_paragraph and unit.text.endswith("?")) or following.text.endswith("?"):
        return False
    if len(found) < MIN_QUESTION_WORDS or not unit.text[0].isalpha() or not _LEANS_ON.isdisjoint(found):
        return False
    return following.starts_paragraph or (found[0] in _ASKS and "," not in unit.text and _READER.isdisjoint(found))


def _joined(units: Sequence[_Unit]) -> str:
    first, *rest = units
    return first.text + "".join(f"{unit.joint}{unit.text}" for unit in rest)
