"""Where a text may be cut: after sentences, inside those that are long after clauses, else between words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from style_clone.words import count_words

MAX_PART_WORDS = 60
"""A longer sentence is cut inside."""
RUN_WORDS = 20
"""What has neither sentences nor clauses is cut in runs of so many words."""

_IDEOGRAPH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_SENTENCE = re.compile(r"[.!?…]+[\"'”’»)\]*_]*(?=\s)|[。！？]+[”」』]*")
_CLAUSE = re.compile(r"[;:](?=\s)|(?:--+|—)[\"'”’)]*(?=\S)|\s[–—](?=\s)|[；：]")
_COMMA = re.compile(r",(?=\s)|[，、]")
_WORD = re.compile(rf"(?:[{_IDEOGRAPH}]|[^\W_{_IDEOGRAPH}]+(?:['’][^\W_{_IDEOGRAPH}]+)*)[^\w\s]*")
_LETTER = re.compile(r"[^\W_]")
_PLACES = (_SENTENCE, _CLAUSE, _COMMA, _WORD)
_ABBREVIATED = re.compile(
    r"(?:\b(?:Mrs?|Ms|Messrs|Mme|Mlle|Drs?|Prof|Rev|Hon|St|Gen|Col|Capt|Lt|Sgt|Gov|Sen|vs|cf|viz|Nos?|vol|pp?|ch|fig"
    r"|approx)|\b[A-HJ-Z]|\b[ei]\.\s?[ge])\.$"
)
_LONGEST_ABBREVIATION = 8
_GOES_ON = re.compile(r"[\"'”’»)]\s+[a-z]|\.\s[eg]\.")
"""`?" said he`, and the first half of "i. e."."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text as it stands, and the blanks before it.

    `level` says where it begins: at a sentence (0), a clause (1), after a comma (2) or between two words (3).
    """

    text: str
    joint: str
    level: int
    size: int


def sentences(text: str) -> Iterator[str]:
    """The sentences of `text`. "Dr. Croft" is not cut, nor is `"Why?" said he`."""
    return (piece for _, piece in _cut(text, 0))


def parts(text: str) -> Iterator[Part]:
    """The sentences of `text`; those over 60 words in clauses, those of the clauses still over that at commas or words."""
    return _parts("", text, begins=0, depth=0)


def _parts(joint: str, text: str, begins: int, depth: int) -> Iterator[Part]:
    size = count_words(text)
    if depth == len(_PLACES) or (depth > 0 and size <= MAX_PART_WORDS):
        yield Part(text, joint, begins, size)
        return
    for number, (before, piece) in enumerate(_cut(text, depth)):
        if number == 0:
            yield from _parts(joint, piece, begins, depth + 1)
        else:
            yield from _parts(before, piece, depth, depth + 1)


def _cut(text: str, depth: int) -> Iterator[tuple[str, str]]:
    """The pieces of `text` between its places of one kind, each with the blanks before it and a word in it."""
    start = 0
    for place in [*_ends(text, depth), len(text)]:
        end = place if _LETTER.search(text, place) else len(text)
        raw = text[start:end]
        if _LETTER.search(raw):
            yield raw[: len(raw) - len(raw.lstrip())], raw.strip()
            start = end


def _ends(text: str, depth: int) -> Iterator[int]:
    """Where pieces end; between words, every twentieth."""
    matches = _PLACES[depth].finditer(text)
    if _PLACES[depth] is _SENTENCE:
        return (match.end() for match in matches if _ends_sentence(text, match.end()))
    if _PLACES[depth] is _WORD:
        return (match.end() for number, match in enumerate(matches, start=1) if number % RUN_WORDS == 0)
    return (match.end() for match in matches)


def _ends_sentence(text: str, end: int) -> bool:
    if _ABBREVIATED.search(text[max(0, end - _LONGEST_ABBREVIATION) : end]):
        return False
    return not _GOES_ON.match(text, end - 1)
