"""Which words and phrases somebody uses more than the people they write with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from math import log, sqrt

from bm25s.stopwords import STOPWORDS_EN_PLUS

from style_clone.words import words

MIN_COUNT = 3
MIN_Z = 2.0

_STOP = frozenset(STOPWORDS_EN_PLUS)


def distinctive(own: Counter[str], other: Counter[str]) -> list[str]:
    """Terms of `own` by z-score of their log-odds against `other`, highest first; those over 2 only.

    With nothing to compare with: the most frequent words that are not mere grammar.
    Log-odds ratio with an informative Dirichlet prior, the two corpora together, scaled to the size of the smaller
    (Monroe, Colaresi and Quinn 2008, "Fightin' Words", equations 15, 19 and 22).
    """
    own_size, other_size = own.total(), other.total()
    if not own_size or not other_size:
        return [term for term, count in own.most_common() if count >= MIN_COUNT and _is_content(term)]
    scale = min(own_size, other_size) / (own_size + other_size)

    def z_score(term: str) -> float:
        prior = (own[term] + other[term]) * scale
        total = (own_size + other_size) * scale
        mine, theirs = own[term] + prior, other[term] + prior
        delta = log(mine / (own_size + total - mine)) - log(theirs / (other_size + total - theirs))
        return delta / sqrt(1 / mine + 1 / theirs)

    scores = {term: z_score(term) for term, count in own.items() if count >= MIN_COUNT}
    return sorted((term for term in scores if scores[term] > MIN_Z), key=lambda term: (-scores[term], term))


def _is_content(term: str) -> bool:
    return " " not in term and term not in _STOP


def terms(texts: Iterable[str], length: int) -> Counter[str]:
    """Counts of the runs of `length` words within lines, as strings."""
    return Counter(term for text in texts for line in text.splitlines() for term in _line_terms(words(line), length))


def _line_terms(sequence: list[str], length: int) -> Iterator[str]:
    return (" ".join(sequence[at : at + length]) for at in range(len(sequence) - length + 1))
