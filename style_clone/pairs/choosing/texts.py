"""Texts as runs of word numbers: what a few hundred thousand replies cost when nothing but arrays is kept of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from style_clone.words import words

BATCH_WORDS = 1 << 18


@dataclass(frozen=True, eq=False)
class Texts:
    """N texts of W words in all, as word numbers.

    `word_ids` is (W,) int32, every text's words one after the other. `starts` is (N + 1,) int64: text i is
    `word_ids[starts[i]:starts[i + 1]]`. `num_known` is the size of the vocabulary; every word number is below it.
    """

    word_ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    num_known: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def lengths(self) -> NDArray[np.int64]:
        """Words in each text, (N,)."""
        return np.diff(self.starts)

    def take(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Texts:
        """The texts that `chosen` names, by number or by a mask (N,), in that order, with the same word numbers."""
        numbers = np.arange(len(self))[chosen]
        lengths = self.lengths()[numbers]
        starts = np.concatenate(([0], np.cumsum(lengths)))
        shift = np.repeat(self.starts[numbers] - starts[:-1], lengths)
        return Texts(self.word_ids[np.arange(starts[-1]) + shift], starts, self.num_known)

    def batches(self, size: int = BATCH_WORDS) -> Iterator[tuple[int, int]]:
        """Runs of texts, first and past the last, of at most `size` words each (a longer text is alone in its run)."""
        first = 0
        while first < len(self):
            last = int(np.searchsorted(self.starts, self.starts[first] + size, side="right")) - 1
            last = max(last, first + 1)
            yield first, last
            first = last


class TextsBuilder:
    """Takes texts one at a time and keeps only numbers: four bytes a word, eight a text, and each word once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._word_ids = array("i")
        self._starts = array("q", [0])

    def add(self, text: str) -> None:
        """Add a text's words, numbered in the order they first appear.

        A text without words is a word of its own, for "👍" is not "❤️"; an empty one has no words.
        """
        numbers = self._numbers
        found = words(text) or ([mark] if (mark := text.strip()) else [])
        self._word_ids.extend(numbers.setdefault(word, len(numbers)) for word in found)
        self._starts.append(len(self._word_ids))

    def build(self) -> Texts:
        """The texts added so far. The arrays are copied, so that more may be added."""
        return Texts(np.array(self._word_ids, np.int32), np.array(self._starts, np.int64), len(self._numbers))


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Numbers spread evenly over 64 bits, different ones apart: the last steps of SplitMix64 (Steele, Lea, Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
