"""What became of every message: used in a pair, or left out for a reason, so that all counts add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class Ledger:
    """One byte and one bit a message. Filling it twice with the same says the same, as each text may be read twice."""

    def __init__(self, by_author: NDArray[np.bool_]) -> None:
        """`by_author` says which messages are the author's, bool (N,)."""
        self.by_author = by_author
        self.mended: Counter[str] = Counter()
        self._reason = np.zeros(len(by_author), np.uint8)
        self._used = np.zeros(len(by_author), np.bool_)
        self._names = [""]

    def drop(self, rows: Iterable[int], reason: str) -> None:
        """Put down why these messages are in no pair; the first reason stays. It only counts where no pair uses them."""
        if reason not in self._names:
            self._names.append(reason)
        code = self._names.index(reason)
        for row in rows:
            if not self._reason[row]:
                self._reason[row] = code

    def use(self, rows: Iterable[int]) -> None:
        """Put down that a pair was made of these messages."""
        for row in rows:
            self._used[row] = True

    def mend(self, what: str) -> None:
        """Put down that a pair was kept, but changed."""
        self.mended[what] += 1

    @property
    def used(self) -> int:
        """How many of the author's messages are in a pair."""
        return int((self._used & self.by_author).sum())

    def dropped(self) -> dict[str, int]:
        """How many of the author's messages are in no pair, by reason, most first."""
        return self._by_reason(self.by_author & ~self._used)

    def ignored(self) -> dict[str, int]:
        """What was left out of other people's writing, by reason, most first."""
        return self._by_reason(~self.by_author & (self._reason > 0))

    def _by_reason(self, which: NDArray[np.bool_]) -> dict[str, int]:
        counts = np.bincount(self._reason[which], minlength=len(self._names)).tolist()
        named = {name: count for name, count in zip(self._names, counts, strict=True) if count}
        return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))
