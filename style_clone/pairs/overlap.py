"""Whether a reply repeats one of many others: a shared run of 12 words, or half of its 5-word shingles. Linear cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import ceil

from style_clone.pairs.filters import COPIED_RUN_WORDS, MIN_COMPARED_WORDS
from style_clone.words import Run, runs, words

SHINGLE_WORDS = 5
ALIKE_JACCARD = 0.5
MAX_HOLDERS = 100

Shingles = frozenset[Run]


class RepliesSeen:
    """An index over replies. Replies under 5 words ("haha") are not compared: everybody repeats those."""

    def __init__(self, replies: Iterable[str]) -> None:
        self.long_runs: set[Run] = set()
        self.holders: defaultdict[Run, list[Shingles]] = defaultdict(list)
        known: dict[Shingles, None] = {}
        for reply in replies:
            sequence = words(reply)
            self.long_runs.update(runs(sequence, COPIED_RUN_WORDS))
            known[frozenset(runs(sequence, SHINGLE_WORDS))] = None
        for shingles in sorted(known, key=len):
            for shingle in shingles:
                self.holders[shingle].append(shingles)

    def resembles(self, reply: str) -> bool:
        """Whether one of the replies seen is nearly this one, or holds 12 words of it in a row."""
        sequence = words(reply)
        if len(sequence) < MIN_COMPARED_WORDS:
            return False
        if any(run in self.long_runs for run in runs(sequence, COPIED_RUN_WORDS)):
            return True
        shingles = frozenset(runs(sequence, SHINGLE_WORDS))
        return any(_jaccard(shingles, other) >= ALIKE_JACCARD for other in self._candidates(shingles))

    def _candidates(self, shingles: Shingles) -> set[Shingles]:
        """Every reply that could be alike enough.

        A Jaccard index of t needs t·n of these n shingles in common, so one of the n - ceil(t·n) + 1 rarest is among
        them (the prefix filter of Chaudhuri, Ganti and Kaushik 2006). Of the many that hold a stock phrase only the
        shortest are looked at: what shares no more than the phrase is the more alike, the less else it says.
        """
        rarest = sorted(shingles, key=lambda shingle: (len(self.holders.get(shingle, ())), shingle))
        prefix = rarest[: len(shingles) - ceil(ALIKE_JACCARD * len(shingles)) + 1]
        return {other for shingle in prefix for other in self.holders.get(shingle, [])[:MAX_HOLDERS]}


def _jaccard(first: Shingles, second: Shingles) -> float:
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared)
