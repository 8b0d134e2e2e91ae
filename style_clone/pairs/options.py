"""What the user may decide about pairs."""

from __future__ import annotations

from dataclasses import dataclass

MOST_PAIRS = 20_000
"""More than this teach a small model nothing new for the time they cost, so a subset is chosen by default."""


@dataclass(frozen=True)
class Options:
    """`gap_seconds` of silence end a conversation (None: learnt); `keep` at most so many pairs (None: all).

    `language` is an ISO 639-1 code: replies that are surely in another are left out. `seed` decides what is left to chance.
    """

    seed: int = 0
    gap_seconds: float | None = None
    keep: int | None = MOST_PAIRS
    language: str | None = None


DEFAULTS = Options()
