"""pairs/summary.json: what went in, what came out, and what became of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from style_clone.conversation import SPLITS, Pair, Split
from style_clone.words import count_words

MIN_PAIRS = 20
FEW_PAIRS = 50


@dataclass(frozen=True)
class SplitSummary:
    """One split. `words` are the author's; dates are ISO 8601, of the oldest and the newest pair that has one."""

    pairs: int
    conversations: int
    words: int
    first_date: str | None
    last_date: str | None
    origins: dict[str, int]

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> SplitSummary:
        """What is in these pairs."""
        dates = [pair.date for pair in pairs if pair.date]
        return cls(
            pairs=len(pairs),
            conversations=len({pair.conversation for pair in pairs}),
            words=sum(count_words(pair.reply) for pair in pairs),
            first_date=min(dates, default=None),
            last_date=max(dates, default=None),
            origins=dict(Counter(pair.origin for pair in pairs)),
        )


@dataclass(frozen=True)
class PairsSummary:
    """Counts of messages unless named otherwise: `author_messages` = `used_messages` + the sum of `dropped`.

    `ignored` counts what was left out of other people's writing; `mended` counts pairs kept but changed.
    """

    author: str
    aliases: tuple[str, ...]
    messages_sha256: str
    seed: int
    rules: int
    messages: int
    author_messages: int
    used_messages: int
    dropped: dict[str, int]
    ignored: dict[str, int]
    mended: dict[str, int]
    conversations: int
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
        splits = {name: SplitSummary(**row["splits"][name]) for name in SPLITS}
        return cls(**{**fields, "aliases": tuple(row["aliases"]), "notes": tuple(row["notes"]), "splits": splits})


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
