"""pairs/remembered.npz: what was once in train and once in test, and the gap that was learnt, from build to build."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from style_clone.conversation import Split
from style_clone.errors import StorageError
from style_clone.pairs.reading.corpus import Corpus
from style_clone.pairs.reading.stretches import Stretch

if TYPE_CHECKING:
    from style_clone.pairs.choosing.table import Entry

Keys = NDArray[np.uint64]
_OPPOSITE: Mapping[Split, Split] = {"train": "test", "test": "train"}


@dataclass(frozen=True)
class Remembered:
    """Hashes of messages (`Corpus.key`) by the split they were in once; `gap_seconds` as it was learnt, if it was.

    Messages, not conversations, so that it holds however conversations are cut.
    """

    corpus: Corpus
    was: Mapping[Split, Keys] = field(default_factory=dict)
    gap_seconds: float | None = None

    @classmethod
    def load(cls, path: Path, corpus: Corpus, seed: int) -> Remembered:
        """What `save` kept; nothing where it kept none, or for another seed, which shares everything out anew.

        Raises StorageError where the file is damaged.
        """
        if not path.exists():
            return cls(corpus)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                if int(kept["seed"]) != seed:
                    return cls(corpus)
                gap = float(kept["gap_seconds"])
                return cls(corpus, {"train": kept["train"], "test": kept["test"]}, None if np.isnan(gap) else gap)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise StorageError(
                f"{path} is damaged: {error}",
                mend="Delete it. The splits are then made anew, so train and evaluate again before you trust a scorecard.",
            ) from error

    def allowed(self, stretch: Stretch, name: Split) -> Split:
        """`name`, or judge where that would bring what was in train to test, or the other way round."""
        other = _OPPOSITE.get(name)
        if other is None or other not in self._rows:
            return name
        return "judge" if self._rows[other][stretch.rows].any() else name

    @cached_property
    def _rows(self) -> dict[Split, NDArray[np.bool_]]:
        """Which rows of the corpus were in a split once, bool (N,)."""
        return {name: np.isin(self.corpus.key, keys) for name, keys in self.was.items()}

    def save(self, path: Path, parts: Mapping[Split, Iterable[Entry]], seed: int, gap_seconds: float | None) -> None:
        """Keep this build's train and test beside those before; at most 8 bytes a message."""
        kept = {name: self._once(name, parts[name]) for name in _OPPOSITE}
        np.savez(
            path,
            train=kept["train"],
            test=kept["test"],
            seed=np.int64(seed),
            gap_seconds=np.float64(np.nan if gap_seconds is None else gap_seconds),
        )

    def _once(self, name: Split, entries: Iterable[Entry]) -> Keys:
        now = [self.corpus.key[entry.stretch.rows] for entry in entries]
        return np.unique(np.concatenate([*now, self.was.get(name, np.empty(0, np.uint64))]))
