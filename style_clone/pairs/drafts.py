"""A draft: a pair on its way into a split, with the messages it was made of, so that every message is accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from style_clone.conversation import Message, Pair

MessageKey = tuple[str, str]
"""Thread and id: what tells one message from another."""


def key_of(message: Message) -> MessageKey:
    """What tells this message from every other one."""
    return message.thread, message.id


@dataclass(frozen=True, slots=True)
class Draft:
    """A pair and the author's messages its target was made of."""

    pair: Pair
    messages: tuple[MessageKey, ...]


@dataclass
class Ledger:
    """What became of each of the author's messages: used in a pair, or dropped for the reason first given."""

    messages: int = 0
    """Everybody's, before anything was left out."""
    author: set[MessageKey] = field(default_factory=set)
    reasons: dict[MessageKey, str] = field(default_factory=dict)
    mended: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    """What was left out of other people's writing."""

    def drop(self, messages: Iterable[MessageKey], reason: str) -> None:
        """Put down why these messages are in no pair. It only counts where no other pair uses them."""
        for key in messages:
            self.reasons.setdefault(key, reason)

    def mend(self, what: str) -> None:
        """Put down that a pair was kept, but changed."""
        self.mended[what] += 1

    def close(self, kept: Iterable[Draft]) -> tuple[int, dict[str, int]]:
        """How many of the author's messages `kept` uses, and how many were dropped by reason, most first."""
        used = {key for draft in kept for key in draft.messages}
        dropped = Counter(self.reasons[key] for key in self.author - used)
        return len(used), dict(sorted(dropped.items(), key=lambda item: (-item[1], item[0])))
