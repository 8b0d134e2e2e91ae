"""Replies and documents -> facts: statements of at most 200 characters that say something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bm25s.stopwords import STOPWORDS_EN_PLUS

from style_clone.words import words

MAX_FACT_CHARACTERS = 200
MIN_CONTENT_WORDS = 2
MIN_WORDS = 4

_STATEMENT = re.compile(r"[^\n.!?…]+(?:[.!?…]+(?=\S)[^\n.!?…]+)*[.!?…]*")
_STOP = frozenset(STOPWORDS_EN_PLUS)


def facts_of(texts: Iterable[str]) -> list[str]:
    """Every statement of the texts once, in order; neighbours of one text together while they fit into a fact."""
    found: dict[tuple[str, ...], str] = {}
    for text in texts:
        for fact in _packed(_statements(text)):
            if _says_something(fact):
                found.setdefault(tuple(words(fact)), fact)
    return list(found.values())


def content_words(text: str) -> list[str]:
    """The words of `text` that are not mere grammar, case folded, a plural's s dropped."""
    return [_stem(word) for word in words(text) if word not in _STOP]


def _stem(word: str) -> str:
    plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss")
    return word[:-1] if plural else word


def _says_something(fact: str) -> bool:
    return len(words(fact)) >= MIN_WORDS and len(set(content_words(fact))) >= MIN_CONTENT_WORDS


def _statements(text: str) -> Iterator[str]:
    """Sentences and bubbles, without questions."""
    for match in _STATEMENT.finditer(text):
        statement = " ".join(match[0].split())
        if statement and not statement.endswith("?"):
            yield _cut(statement)


def _cut(statement: str) -> str:
    """At most a fact's length, ending with a whole word."""
    if len(statement) <= MAX_FACT_CHARACTERS:
        return statement
    return statement[: MAX_FACT_CHARACTERS - 1].rpartition(" ")[0][: MAX_FACT_CHARACTERS - 1].rstrip(",;:") + "…"


def _packed(statements: Iterable[str]) -> Iterator[str]:
    held = ""
    for statement in statements:
        joined = f"{held}{_joint(held)}{statement}" if held else statement
        if len(joined) > MAX_FACT_CHARACTERS:
            yield held
            joined = statement
        held = joined
    if held:
        yield held


def _joint(before: str) -> str:
    """What stands between two bubbles: a comma where the first has no punctuation of its own at its end."""
    return ", " if before[-1].isalnum() else " "
