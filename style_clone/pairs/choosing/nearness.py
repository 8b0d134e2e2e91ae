"""Which of many texts nearly repeat an earlier one. Exact, not sampled, at a cost linear in the words.

Two texts are alike where the Jaccard index of their sets of 5-word shingles (Broder 1997) is at least one half. Pairs
that may be are found by the prefix filter (Chaudhuri, Ganti and Kaushik 2006) with the positional filter of Xiao, Wang,
Lin and Yu (2008). In chat it does less work than bands of MinHash: most shingles are found in one text only, and are put
aside before anything is sorted. Bands (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4) would take 80
permutations of every shingle to miss an index of one half with probability (1 - (1/2)^2)^40 = 1e-5; this misses none.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from style_clone.pairs.choosing.texts import Texts, mixed
from style_clone.pairs.cleaning.filters import COPIED_RUN_WORDS

SHINGLE_WORDS = 5
MAX_HOLDERS = 300
"""Kept texts that a shingle lists, the shortest. More than that share it only where it is of a stock phrase; and of what
has no more than the phrase in common, the shortest is the most alike."""

_SLOTS_PER_WINDOW = 8
_MOST_SLOTS = 1 << 26

Holder = tuple[int, int, int]
"""A kept text where a shingle lists it: how many shingles it has, how many one alike may have (`_Kept._prefix`), itself."""


def repeats(texts: Texts, group: NDArray[np.int8], order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which texts repeat an earlier kept one, (N,). `order` lists texts by number, first come first kept; `group` is (N,).

    A text repeats where it is alike a kept one of any group, or shares a run of 12 words with a kept one of another
    group. One of under 5 words never repeats, nor is anything compared with it. Exact but for 64-bit hashes that collide
    and for texts alike only by phrases which more than MAX_HOLDERS kept texts share.
    """
    shingles, runs = _shared_shingles(texts), _crossing_runs(texts, group)
    seen = _Kept(shingles, runs)
    found = np.zeros(len(texts), np.bool_)
    in_play = shingles.compared() | (runs.sizes() > 0)
    for text in order[in_play[order]].tolist():
        found[text] = seen.resembles(text, int(group[text]))
        if not found[text]:
            seen.keep(text, int(group[text]))
    return found


@dataclass(frozen=True, eq=False)
class _Windows:
    """Windows of words that several texts hold: text i has `ids[starts[i]:starts[i + 1]]`, ascending."""

    ids: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, ids: NDArray[np.int64], owners: NDArray[np.int64], texts: int) -> _Windows:
        """Windows by text, from each one's number (under 2^32) and owner, in any order."""
        paired = np.sort(owners << 32 | ids)
        return cls(paired & 0xFFFFFFFF, np.searchsorted(paired >> 32, np.arange(texts + 1)))

    def sizes(self) -> NDArray[np.int64]:
        """How many each text has, (N,)."""
        return np.diff(self.starts)

    def __getitem__(self, text: int) -> list[int]:
        found: list[int] = self.ids[self.starts[text] : self.starts[text + 1]].tolist()
        return found


@dataclass(frozen=True, eq=False)
class _Shingles(_Windows):
    """Shingles that several texts hold, each text's rarest first. `counts` is (N,): its shingles, the unshared included."""

    counts: NDArray[np.int64]

    def own(self) -> NDArray[np.int64]:
        """How many shingles each text shares with none, (N,). They would come first, being the rarest."""
        return self.counts - self.sizes()

    def prefixes(self) -> NDArray[np.int64]:
        """How many of its shared shingles each text must be looked up by, (N,): those among its n // 2 + 1 rarest."""
        return np.clip(self.counts // 2 + 1 - self.own(), 0, self.sizes())

    def compared(self) -> NDArray[np.bool_]:
        """Which texts have a shingle in their prefix that another has in its own, (N,)."""
        owners = np.repeat(np.arange(len(self.counts)), self.sizes())
        inside = np.arange(len(self.ids)) - self.starts[owners] < self.prefixes()[owners]
        met = np.bincount(self.ids[inside])
        compared = np.zeros(len(self.counts), np.bool_)
        compared[owners[inside][met[self.ids[inside]] > 1]] = True
        return compared


def _shared_shingles(texts: Texts) -> _Shingles:
    """Every shingle that two texts or more hold, numbered from the rarest to the most common."""
    hashes, owners = _repeated_windows(texts, SHINGLE_WORDS)
    counts = np.maximum(texts.lengths() - SHINGLE_WORDS + 1, 0) - np.bincount(owners, minlength=len(texts))
    hashes, owners = _distinct(hashes, owners)
    counts += np.bincount(owners, minlength=len(texts))
    kinds, holders = _runs_of(hashes)
    ranks = np.empty_like(holders)
    ranks[np.argsort(holders, kind="stable")] = np.arange(len(holders))
    shared = holders[kinds] > 1
    windows = _Windows.of(ranks[kinds[shared]], owners[shared], len(texts))
    return _Shingles(windows.ids, windows.starts, counts)


def _crossing_runs(texts: Texts, group: NDArray[np.int8]) -> _Windows:
    """Every run of 12 words that texts of two groups or more hold."""
    hashes, owners = _distinct(*_repeated_windows(texts, COPIED_RUN_WORDS))
    kinds, holders = _runs_of(hashes)
    begins = np.cumsum(holders) - holders
    groups = group[owners]
    crosses = np.zeros(len(holders), np.bool_)
    if len(holders):
        crosses = np.minimum.reduceat(groups, begins) != np.maximum.reduceat(groups, begins)
    return _Windows.of(kinds[crosses[kinds]], owners[crosses[kinds]], len(texts))


def _distinct(hashes: NDArray[np.uint64], owners: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Windows sorted by hash, then owner, each owner's once. `owners` ascend."""
    order = np.argsort(hashes, kind="stable")
    hashes, owners = hashes[order], owners[order]
    new = np.ones(len(hashes), np.bool_)
    new[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
    return hashes[new], owners[new]


def _runs_of(values: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For sorted values: the number of the kind each is of, and how many there are of each kind."""
    new = np.ones(len(values), np.bool_)
    new[1:] = values[1:] != values[:-1]
    kinds = np.cumsum(new) - 1
    return kinds, np.bincount(kinds)


def _repeated_windows(texts: Texts, width: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Hash and owner of every window of `width` words that is found twice, and of a few that are not; owners ascend.

    Windows are counted in slots by the beginning of their hash, so that the many found once are never kept: one byte a
    slot, about 8 slots a window, whatever the length of the corpus at most 64 MiB.
    """
    size = min(max(len(texts.word_ids), 1 << 13) * _SLOTS_PER_WINDOW, _MOST_SLOTS)
    shift = np.uint64(64 - size.bit_length() + 1)
    seen = np.zeros(1 << (size.bit_length() - 1), np.uint8)
    for hashes, _ in _windows(texts, width):
        slots = np.sort((hashes >> shift).astype(np.uint32))
        twice = np.concatenate((slots[1:][slots[1:] == slots[:-1]], slots[seen[slots] > 0]))
        seen[slots] = 1
        seen[twice] = 2
    found = [(np.empty(0, np.uint64), np.empty(0, np.int64))]
    for hashes, owners in _windows(texts, width):
        again = seen[hashes >> shift] > 1
        found.append((hashes[again], owners[again]))
    return np.concatenate([hashes for hashes, _ in found]), np.concatenate([owners for _, owners in found])


def _windows(texts: Texts, width: int) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
    """Hash and owner of every window of `width` words within a text, some texts at a time."""
    lengths = texts.lengths()
    for first, last in texts.batches():
        begin, end = texts.starts[first], texts.starts[last]
        owners = np.repeat(np.arange(first, last), lengths[first:last])[: max(end - begin - width + 1, 0)]
        inside = np.arange(begin, begin + len(owners)) + width <= texts.starts[owners + 1]
        yield _hashes(texts.word_ids[begin:end], width)[inside], owners[inside]


def _hashes(word_ids: NDArray[np.int32], width: int) -> NDArray[np.uint64]:
    """A hash of each window of `width` words: a polynomial in the mixed word numbers, mixed again."""
    words = mixed(word_ids.astype(np.uint64))
    size = max(len(words) - width + 1, 0)
    hashes = np.zeros(size, np.uint64)
    for offset in range(width):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + words[offset : offset + size]
    return mixed(hashes)


class _Kept:
    """The texts kept so far, by the shingles in their prefixes and by their runs of 12 words."""

    def __init__(self, shingles: _Shingles, runs: _Windows) -> None:
        self.shingles, self.runs = shingles, runs
        self.own, self.prefixes = shingles.own(), shingles.prefixes()
        self.holders: defaultdict[int, list[Holder]] = defaultdict(list)
        self.group_of_run: dict[int, int] = {}

    def resembles(self, text: int, group: int) -> bool:
        """Whether a text shares a run with a kept one of another group, or is alike any kept one."""
        if any(self.group_of_run.get(run, group) != group for run in self.runs[text]):
            return True
        count, shingles = int(self.shingles.counts[text]), frozenset(self.shingles[text])
        return any(
            3 * len(shingles.intersection(self.shingles[other])) >= count + int(self.shingles.counts[other])
            for other in self._candidates(text)
        )

    def keep(self, text: int, group: int) -> None:
        """Remember a text. Its runs are of no other group's kept text, else it would have been a repeat."""
        for run in self.runs[text]:
            self.group_of_run[run] = group
        count = int(self.shingles.counts[text])
        for shingle, reach in self._prefix(text):
            insort(self.holders[shingle], (count, reach, text))
            del self.holders[shingle][MAX_HOLDERS:]

    def _candidates(self, text: int) -> Iterator[int]:
        """Every kept text that may be alike, once."""
        count = int(self.shingles.counts[text])
        looked_at = set()
        for shingle, reach in self._prefix(text):
            for other_count, other_reach, other in self.holders.get(shingle, ()):
                if other_count > reach:
                    break
                if other_reach >= count and other not in looked_at:
                    looked_at.add(other)
                    yield other

    def _prefix(self, text: int) -> list[tuple[int, int]]:
        """The shingles to look a text up by, each with the most shingles an alike text may have that first shares it.

        Of n and m shingles at least (n + m) / 3 must be common for an index of one half. Where the first common one is
        followed by no more than `rest` - 1 others, that is possible for m up to 3 · rest - n.
        """
        prefix, count, own = int(self.prefixes[text]), int(self.shingles.counts[text]), int(self.own[text])
        return [
            (shingle, 3 * (count - own - place) - count) for place, shingle in enumerate(self.shingles[text][:prefix])
        ]
