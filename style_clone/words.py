"""Words and runs of words, as every comparison of texts counts them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_IDEOGRAPH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_IDEOGRAPH}]|[^\W_{_IDEOGRAPH}]+(?:'[^\W_{_IDEOGRAPH}]+)*")

Run = tuple[str, ...]


def words(text: str) -> list[str]:
    """The words of `text`, case folded, without punctuation; where a script puts no spaces, each character is one."""
    return _WORD.findall(text.casefold().replace("’", "'"))


def count_words(text: str) -> int:
    """How many words `text` has."""
    return len(_WORD.findall(text.replace("’", "'")))


def runs(sequence: Sequence[str], length: int) -> Iterator[Run]:
    """Every run of `length` words in order; none where the sequence is shorter."""
    return (tuple(sequence[start : start + length]) for start in range(len(sequence) - length + 1))


def share_run(first: str, second: str, length: int) -> bool:
    """Whether two texts have a run of `length` words in common."""
    known = set(runs(words(first), length))
    return bool(known) and not known.isdisjoint(runs(words(second), length))
