"""pairs/summary.json: what went in, what came out, and what became of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from style_clone.conversation import SPLITS, Pair, Split
from style_clone.words import count_words

LENGTH_BINS: tuple[tuple[int, int | None], ...] = ((0, 2), (3, 5), (6, 10), (11, 20), (21, 40), (41, 80), (81, None))
"""Fewest and most words of a reply in each bin. One without words, a lone emoji, counts with the shortest."""
LENGTH_NAMES = ("1-2", "3-5", "6-10", "11-20", "21-40", "41-80", "81+")
"""The bins as they are shown."""
MIN_PAIRS = 20
FEW_PAIRS = 50


@dataclass(frozen=True)
class SplitSummary:
    """One split. `words` are the author's; dates are ISO 8601, of the oldest and the newest pair that has one.

    `origins` says what the pairs were made from, `asked_by` who wrote their prompts; both count pairs.
    """

    pairs: int
    conversations: int
    words: int
    first_date: str | None
    last_date: str | None
    origins: dict[str, int]
    asked_by: dict[str, int]


class SplitCount:
    """A SplitSummary in the making: one pair at a time, those of a conversation together."""

    def __init__(self) -> None:
        self.pairs = self.conversations = self.words = 0
        self.dates: tuple[str, str] | None = None
        self.origins: Counter[str] = Counter()
        self.asked_by: Counter[str] = Counter()
        self._conversation: str | None = None

    def add(self, pair: Pair) -> None:
        """Count one more."""
        self.pairs += 1
        self.conversations += pair.conversation != self._conversation
        self._conversation = pair.conversation
        self.words += count_words(pair.reply)
        self.origins[pair.origin] += 1
        self.asked_by[pair.asked_by] += 1
        if pair.date:
            oldest, newest = self.dates or (pair.date, pair.date)
            self.dates = min(oldest, pair.date), max(newest, pair.date)

    def summary(self) -> SplitSummary:
        """What was added."""
        first, last = self.dates or (None, None)
        return SplitSummary(
            self.pairs, self.conversations, self.words, first, last, dict(self.origins), dict(self.asked_by)
        )


@dataclass(frozen=True)
class PairsSummary:
    """Counts of messages unless named otherwise: `author_messages` = `used_messages` + the sum of `dropped`.

    `ignored` counts what was left out of other people's writing; `mended` counts pairs kept but changed; `redacted` counts
    maskings by type in the pairs as they are. `options` and `inputs` are what the pairs were made with and from.
    A conversation ends at `gap_seconds` of silence; `gap_histogram` counts the pauses: upper edge in seconds, count.
    `lengths` counts replies by words (LENGTH_BINS) before and after the selection.
    """

    author: str
    aliases: tuple[str, ...]
    options: dict[str, Any]
    inputs: dict[str, Any]
    messages: int
    author_messages: int
    used_messages: int
    dropped: dict[str, int]
    ignored: dict[str, int]
    mended: dict[str, int]
    redacted: dict[str, int]
    conversations: int
    gap_seconds: float
    gap_learned: bool
    gap_histogram: tuple[tuple[float, int], ...]
    lengths: dict[str, tuple[int, ...]]
    splits: dict[Split, SplitSummary]
    notes: tuple[str, ...]

    @property
    def pairs(self) -> int:
        """Usable pairs in all splits."""
        return sum(part.pairs for part in self.splits.values())

    def to_json(self) -> dict[str, Any]:
        """Everything, with the total of pairs."""
        return {"pairs": self.pairs, **asdict(self)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> PairsSummary:
        """The inverse of `to_json`."""
        fields = {key: value for key, value in row.items() if key != "pairs"}
        fields["splits"] = {name: SplitSummary(**row["splits"][name]) for name in SPLITS}
        fields["lengths"] = {when: tuple(counts) for when, counts in row["lengths"].items()}
        fields["gap_histogram"] = tuple((edge, count) for edge, count in row["gap_histogram"])
        return cls(**{**fields, "aliases": tuple(row["aliases"]), "notes": tuple(row["notes"])})


def notes_on(splits: Mapping[Split, SplitSummary]) -> tuple[str, ...]:
    """What the author of a small or lopsided corpus should know."""
    total = sum(part.pairs for part in splits.values())
    notes = []
    if total < FEW_PAIRS:
        notes.append(
            f"{total} pairs are few: under {FEW_PAIRS}, a prompt with examples (the prompted baseline) may do as well "
            "as training. Add more of the author's writing to train on."
        )
    empty = [name for name, part in splits.items() if not part.pairs]
    if empty:
        notes.append(
            f"nothing is held back for {', '.join(empty)}: a conversation or document is never cut in two, and there "
            "are too few of them."
        )
    return tuple(notes)
