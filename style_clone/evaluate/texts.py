"""Texts as the verifier reads them: without what names people, places and numbers, and all of the same lengths.

Who is mentioned, and how much was said, tell authors apart better than how they write, and are no style.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from style_clone.evaluate.function_words import FUNCTION_WORDS
from style_clone.pairs.masking.contacts import TOKEN, words_of
from style_clone.pairs.redact import PLACEHOLDER

NAME, LINK, EMAIL, NUMBER, OTHER = "\ue000\ue001\ue002\ue003\ue004"
"""What stands for a name, an address of a page, one of a mailbox, a number, and anything else redaction has masked.

One character each, of those that no text has (Unicode's private use area): that something stands there stays visible to
n-grams of characters, but it has no letters of its own and is no word.
"""

BUNDLE = 10
"""Replies judged together: one alone cannot be attributed (Eder 2015)."""

_URL = re.compile(r"(?:\b[a-z][a-z\d+.-]{1,20}://|\bwww\.)[^\s<>\"”]+", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}")
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_NAMES = re.compile(rf"{NAME}(?:[\s_.'’-]{{1,2}}{NAME})+")
_SHORTEST_NAME = 3
_OF_TYPE = {"person": NAME, "url": LINK, "email": EMAIL, **dict.fromkeys(("phone", "card", "iban"), NUMBER)}


class Masker:
    """Masks one text after the other: addresses, numbers, the words of people's `names`, and the marks of redaction.

    Words of under 3 letters are no names, and a name that is a function word ("Will") is one only where it has a capital.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {word for name in names for word in words_of(name) if len(word) >= _SHORTEST_NAME}

    def __call__(self, text: str) -> str:
        """`text` with a character in the place of each; what is masked already comes back as it is."""
        text = PLACEHOLDER.sub(lambda match: _OF_TYPE.get(match["type"], OTHER), text)
        text = _EMAIL.sub(EMAIL, _URL.sub(LINK, text))
        if self._names:
            text = _NAMES.sub(NAME, TOKEN.sub(self._named, text))
        return _NUMBER.sub(NUMBER, text)

    def _named(self, match: re.Match[str]) -> str:
        word = match[0].lower()
        is_name = word in self._names and not (match[0] == word and word in FUNCTION_WORDS)
        return NAME if is_name else match[0]


def mask(texts: Iterable[str], names: Iterable[str]) -> list[str]:
    """`texts` with NAME, LINK, EMAIL, NUMBER and OTHER in the places of what they stand for."""
    return list(map(Masker(names), texts))


@dataclass(frozen=True, eq=False)
class LengthRule:
    """One distribution of lengths in characters: at each rank the shortest that any human group has there.

    `lengths` are those groups' lengths, ascending. Groups are such as the author's JUDGE replies and all fitted impostors'
    together; with each of many impostors as a group of their own the tersest would cut everybody to a word or two.
    """

    lengths: tuple[NDArray[np.int64], ...]

    @classmethod
    def of(cls, groups: Iterable[Sequence[str]]) -> LengthRule:
        """From human groups of texts; empty groups say nothing. Raises ValueError where all are."""
        lengths = tuple(np.sort(np.array([len(text) for text in group])) for group in groups if group)
        if not lengths:
            raise ValueError("there are no texts to take lengths from")
        return cls(lengths)

    def limits(self, ranks: NDArray[np.float64]) -> NDArray[np.int64]:
        """The most characters at each of `ranks` (N,), between 0 for the shortest and 1 for the longest text; (N,)."""
        quantiles = [np.quantile(held, ranks, method="inverted_cdf") for held in self.lengths]
        limits: NDArray[np.int64] = np.min(quantiles, axis=0).astype(np.int64)
        return limits

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """A group's texts, each cut to the limit at its rank by length, of equals the earlier first.

        All human groups then have the rule's lengths, but for words that a cut falls into; a candidate has at most those.
        """
        order = np.argsort([len(text) for text in texts], kind="stable")
        limits = np.empty(len(texts), np.int64)
        limits[order] = self.limits((np.arange(len(texts)) + 0.5) / max(1, len(texts)))
        return [cut(text, int(limit)) for text, limit in zip(texts, limits, strict=True)]


def cut(text: str, limit: int) -> str:
    """At most `limit` characters of `text`: whole words of its beginning and of its end, without what stood between.

    How people begin and end is kept for all alike. Were ends cut off, they would be missing just in those who write long, and
    tell them apart.
    """
    if len(text) <= limit:
        return text
    begun = text[: limit // 2 + 1]
    head = text[: max(begun.rfind(" "), begun.rfind("\n"), 0)].rstrip()
    ended = text[len(text) - max(0, limit - len(head) - bool(head)) - 1 :]
    starts = [place for place in (ended.find(" "), ended.find("\n")) if place >= 0]
    tail = ended[min(starts) :].lstrip() if starts else ""
    return " ".join(filter(None, (head, tail))) or text[:limit]


def bundles(conversations: Sequence[str], size: int = BUNDLE) -> NDArray[np.int64]:
    """Bundles of one group's replies, by their places: (B, size), B = N // size; what is left over is in none.

    `conversations` are those the replies are from. Replies of one stay neighbours, in the order given; conversations in the
    order they first appear.
    """
    first = {name: place for place, name in enumerate(dict.fromkeys(conversations))}
    order = np.argsort([first[name] for name in conversations], kind="stable").astype(np.int64)
    return order[: len(order) // size * size].reshape(-1, size)
