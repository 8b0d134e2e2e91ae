"""Text in common: what of a test split, or of a candidate's replies, stands in the training replies too."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from style_clone.conversation import Pair
from style_clone.pairs.choosing.nearness import SHINGLE_WORDS
from style_clone.pairs.cleaning.filters import COPIED_RUN_WORDS
from style_clone.words import Run, runs, words


@dataclass(frozen=True)
class Copies:
    """Every run of 12 words of some replies. Memory grows with their words."""

    known: frozenset[Run]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Copies:
        """The runs of `texts`."""
        return cls(frozenset(run for text in texts for run in runs(words(text), COPIED_RUN_WORDS)))

    def found(self, texts: Iterable[str]) -> NDArray[np.bool_]:
        """Which of N `texts` have a run in common with them, (N,)."""
        shared = [any(run in self.known for run in runs(words(text), COPIED_RUN_WORDS)) for text in texts]
        return np.array(shared, dtype=np.bool_)


def unseen(pairs: Sequence[Pair], seen: Iterable[Pair]) -> list[Pair]:
    """The `pairs` whose replies share no run of 12 words with a reply in `seen` and are alike none of them.

    Alike are those whose sets of 5-word shingles have a Jaccard index of .5 or more. Pairs are chosen by the same rule when
    they are split (pairs/choosing/nearness), so this drops something only where splits were not made together.
    """
    replies = [pair.reply for pair in pairs]
    leaked = repeated(replies, [pair.reply for pair in seen])
    return [pair for pair, drop in zip(pairs, leaked, strict=True) if not drop]


def apart(pairs: Sequence[Pair], others: Sequence[Pair]) -> list[Pair]:
    """The `pairs` whose conversations no pair of `others` is from, and that are `unseen` in them.

    For pairs that were not split together: conversations are known by name and, where they were cut at other pauses, by a
    reply in common.
    """
    names, ids = {pair.conversation for pair in others}, {pair.id for pair in others}
    met = names | {pair.conversation for pair in pairs if pair.id in ids}
    return unseen([pair for pair in pairs if pair.conversation not in met], others)


def repeated(texts: Sequence[str], seen: Sequence[str]) -> NDArray[np.bool_]:
    """Which of N `texts` share a run of 12 words with one in `seen`, or are alike one, (N,).

    Exact. Only the shingles of `texts` are kept, and `seen` is looked through once.
    """
    found = Copies.of(seen).found(texts)
    sizes = []
    holders: defaultdict[Run, list[int]] = defaultdict(list)
    for at, text in enumerate(texts):
        shingles = set(runs(words(text), SHINGLE_WORDS))
        sizes.append(len(shingles))
        for shingle in shingles:
            holders[shingle].append(at)
    for text in seen:
        shingles = set(runs(words(text), SHINGLE_WORDS))
        common = Counter(at for shingle in shingles for at in holders.get(shingle, ()))
        for at, count in common.items():
            found[at] |= 3 * count >= sizes[at] + len(shingles)  # of the union, half is common
    return found
