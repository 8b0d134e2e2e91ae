"""Every draft of a corpus as columns: enough to decide which become pairs, without their texts or prompts."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from style_clone.pairs.choosing.chance import rank
from style_clone.pairs.choosing.texts import Texts, TextsBuilder
from style_clone.pairs.drafts import Unit
from style_clone.pairs.reading.stretches import Stretch

NOBODY = -1


@dataclass(frozen=True, slots=True)
class Entry:
    """A unit in the table: its drafts are `first` to `first + size`. `date` is when it began, None where unknown."""

    id: str
    is_document: bool
    date: datetime | None
    stretch: Stretch
    first: int
    size: int

    @property
    def drafts(self) -> range:
        """Numbers of its drafts."""
        return range(self.first, self.first + self.size)


@dataclass(frozen=True)
class Table:
    """N drafts of the units in `entries`. `is_opening` and `is_rewritable` are bool (N,); `contact` is the number of the
    recipient, or NOBODY, int32 (N,); `rank` puts drafts in a seeded order that looks random, int64 (N,)."""

    entries: list[Entry]
    texts: Texts
    is_opening: NDArray[np.bool_]
    is_rewritable: NDArray[np.bool_]
    contact: NDArray[np.int32]
    rank: NDArray[np.int64]
    rows: NDArray[np.int64]
    row_starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rank)

    def rows_of(self, drafts: Iterable[int]) -> Iterable[int]:
        """The messages these drafts are made of, as rows of the corpus."""
        for draft in drafts:
            yield from self.rows[self.row_starts[draft] : self.row_starts[draft + 1]].tolist()


class TableBuilder:
    """A Table in the making, one unit at a time."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.entries: list[Entry] = []
        self.texts = TextsBuilder()
        self.opening, self.rewritable = array("b"), array("b")
        self.contact = array("i")
        self.contacts: dict[str, int] = {}
        self.rank = array("q")
        self.rows = array("q")
        self.row_starts = array("q", [0])

    def add(self, stretch: Stretch, unit: Unit, rewritable: Iterable[bool]) -> None:
        """Put down a unit; `rewritable` says of each draft whether a model has a paraphrase of it."""
        self.entries.append(Entry(unit.id, unit.is_document, unit.date, stretch, len(self.rank), len(unit.drafts)))
        for draft, has_paraphrase in zip(unit.drafts, rewritable, strict=True):
            self.texts.add(draft.reply)
            self.opening.append(draft.origin == "opening")
            self.rewritable.append(has_paraphrase)
            self.contact.append(self._number(draft.recipient))
            self.rank.append(rank(draft.key, self.seed))
            self.rows.extend(draft.rows)
            self.row_starts.append(len(self.rows))

    def build(self) -> Table:
        """The table."""

        def column(values: array[int], dtype: type[np.generic]) -> NDArray[Any]:
            return np.asarray(values, dtype)

        return Table(
            entries=self.entries,
            texts=self.texts.build(),
            is_opening=column(self.opening, np.bool_),
            is_rewritable=column(self.rewritable, np.bool_),
            contact=column(self.contact, np.int32),
            rank=column(self.rank, np.int64),
            rows=column(self.rows, np.int64),
            row_starts=column(self.row_starts, np.int64),
        )

    def _number(self, recipient: str | None) -> int:
        return NOBODY if recipient is None else self.contacts.setdefault(recipient, len(self.contacts))
