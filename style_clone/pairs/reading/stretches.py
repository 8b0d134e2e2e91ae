"""The index of a corpus -> stretches: which messages, in which order, make one conversation or one document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from style_clone.pairs.reading.corpus import DOCUMENT, SYSTEM, UNDATED, Corpus

MOST_UNDATED = 200
"""Messages of a chat without dates are cut here, since nothing else says where a conversation ends."""
MOST_MESSAGES = 2000
"""A channel that is never silent is cut here, so that no conversation fills the memory, or one split alone."""
_SECOND = 1_000_000

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of one document or one conversation, in time order. `number` counts the undated parts of a thread, from 0."""

    rows: Rows
    is_document: bool
    number: int


@dataclass(frozen=True)
class Order:
    """All rows but the software's, threads together: `rows` int64 (M,), documents after talk, by time where all have one."""

    corpus: Corpus
    rows: Rows

    @classmethod
    def of(cls, corpus: Corpus) -> Order:
        """The order of a corpus."""
        rows = np.flatnonzero(corpus.kind != SYSTEM)
        thread, is_document, moment = corpus.thread[rows], corpus.kind[rows] == DOCUMENT, corpus.moment[rows]
        has_undated = np.zeros(len(corpus.threads), np.bool_)
        has_undated[thread[moment == UNDATED]] = True
        # Where a date is missing the source's order is all there is; equal times keep it too.
        when = np.where(has_undated[thread], 0, moment)
        return cls(corpus, rows[np.lexsort((rows, when, is_document, thread))])

    @property
    def left_out(self) -> Rows:
        """Rows the software wrote."""
        return np.flatnonzero(self.corpus.kind == SYSTEM)

    def pauses(self) -> NDArray[np.float64]:
        """Seconds between neighbours of one thread of chat, where both have a date. Mail is slow and not counted."""
        silence = self._silence()
        titled = self.corpus.titled[self.rows]
        return silence[~np.isnan(silence) & ~self._breaks() & ~titled]

    def stretches(self, gap_seconds: float) -> Iterator[Stretch]:
        """Every conversation and document. A mail thread has a subject, and no silence ends it."""
        titled, undated = self.corpus.titled[self.rows], self.corpus.moment[self.rows] == UNDATED
        silent = np.nan_to_num(self._silence(), nan=0.0) >= gap_seconds
        is_document = self.corpus.kind[self.rows] == DOCUMENT
        ends = self._breaks() | is_document | (silent & ~titled)
        starts = np.flatnonzero(ends)
        stops = np.append(starts, len(self.rows))[1:]
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            if is_document[start]:
                yield Stretch(self.rows[start:stop], True, 0)
            else:
                most = MOST_UNDATED if undated[start:stop].any() else MOST_MESSAGES
                for number, first in enumerate(range(start, stop, most)):
                    yield Stretch(self.rows[first : min(first + most, stop)], False, number)

    def _breaks(self) -> NDArray[np.bool_]:
        """Which rows begin another thread, or a thread's documents; bool (M,)."""
        thread, kind = self.corpus.thread[self.rows], self.corpus.kind[self.rows] == DOCUMENT
        changes = (thread[1:] != thread[:-1]) | (kind[1:] != kind[:-1])
        return np.concatenate([np.ones(min(1, len(thread)), np.bool_), changes])

    def _silence(self) -> NDArray[np.float64]:
        """Seconds since the row before, NaN where one of both has no date; (M,)."""
        moment = self.corpus.moment[self.rows]
        dated = moment != UNDATED
        both = np.concatenate([np.zeros(min(1, len(moment)), np.bool_), dated[1:] & dated[:-1]])
        seconds = np.full(len(moment), np.nan)
        seconds[both] = (moment[both] - moment[np.flatnonzero(both) - 1]) / _SECOND
        return seconds
