"""edits.json: pairs the user left out or rewrote, remembered for every build to come."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from style_clone.conversation import SPLITS, Pair, Split
from style_clone.errors import StorageError, UsageError
from style_clone.workspace import PersonaFolder, read_json, storage_errors, write_json

VERSION = 1
_MEND = "Mend it with a text editor, or delete it: every pair is then as the writing has it."


@dataclass(frozen=True)
class Was:
    """A pair as it was before its first edit, and the split it was in: what is left out can be shown and brought back."""

    split: Split
    pair: Pair

    def to_json(self) -> dict[str, Any]:
        """`{"split": ..., "pair": {"messages": [...], "meta": {...}}}`."""
        return {"split": self.split, "pair": self.pair.to_json()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Was:
        """The inverse of `to_json`. Raises KeyError, TypeError, ValueError for anything else."""
        turns = row["pair"]["messages"]
        if row["split"] not in SPLITS or not turns or not all(isinstance(turn["content"], str) for turn in turns):
            raise ValueError("no split of that name, or no turns")
        return cls(row["split"], Pair.from_json(row["pair"]))


@dataclass(frozen=True)
class Edits:
    """The user's wishes, by `Pair.key`: pairs to leave out, and replies to put in place of the author's.

    A key of `excluded` that is also in `replies` is left out. `was` keeps the pairs as they were before; a key that is
    only there has been undone, and the build after that makes nothing of it.
    """

    excluded: frozenset[str] = frozenset()
    replies: Mapping[str, str] = field(default_factory=dict)
    was: Mapping[str, Was] = field(default_factory=dict)

    @property
    def changed(self) -> frozenset[str]:
        """Keys of the pairs a build makes different, or leaves out."""
        return self.excluded | self.replies.keys()

    @property
    def digest(self) -> str:
        """SHA-256 of what a build makes of the edits, hexadecimal; `was` has no part in it. The same without a file."""
        said = [sorted(self.excluded), sorted(self.replies.items())]
        return sha256(json.dumps(said).encode()).hexdigest()

    @classmethod
    def load(cls, folder: PersonaFolder) -> Edits:
        """The edits on file; none where there is no file. Raises StorageError where it is damaged."""
        if not folder.edits.exists():
            return cls()
        try:
            rows = _rows(read_json(folder.edits))
        except StorageError as error:
            raise StorageError(error.problem, mend=_MEND) from error
        except ValueError as error:
            raise StorageError(f"{folder.edits} is damaged: {error}", mend=_MEND) from error
        return cls(
            frozenset(key for key, row in rows.items() if row.get("excluded")),
            {key: row["reply"] for key, row in rows.items() if "reply" in row},
            {key: row["was"] for key, row in rows.items() if "was" in row},
        )

    def save(self, folder: PersonaFolder) -> None:
        """Write edits.json, or remove it where there is nothing to remember. Raises StorageError."""
        rows = {key: self._row(key) for key in sorted(self.changed | self.was.keys())}
        if rows:
            write_json(folder.edits, {"version": VERSION, "pairs": rows})
            return
        with storage_errors(folder.edits):
            folder.edits.unlink(missing_ok=True)

    def exclude(self, key: str, was: Was | None = None) -> Edits:
        """With this pair left out."""
        return replace(self, excluded=self.excluded | {key}, was=self._keeping(key, was))

    def include(self, key: str) -> Edits:
        """With this pair taken back in; a rewritten reply stays rewritten."""
        return replace(self, excluded=self.excluded - {key})

    def rewrite(self, key: str, reply: str, was: Was | None = None) -> Edits:
        """With another reply in this pair. Raises UsageError for an empty one."""
        text = reply.replace("\r\n", "\n").strip()
        if not text:
            raise UsageError("a reply cannot be empty", mend="Write what it should say, or leave the pair out.")
        return replace(self, replies={**self.replies, key: text}, was=self._keeping(key, was))

    def undo(self, key: str) -> Edits:
        """With the author's own reply again."""
        return replace(self, replies={other: text for other, text in self.replies.items() if other != key})

    def forget(self, keys: Iterable[str]) -> Edits:
        """Without what these pairs were, unless one of them is still left out or rewritten."""
        gone = set(keys) - self.changed
        return replace(self, was={key: was for key, was in self.was.items() if key not in gone})

    def _keeping(self, key: str, was: Was | None) -> Mapping[str, Was]:
        # The first copy is the author's own: later ones may hold what the user wrote.
        return self.was if was is None or key in self.was else {**self.was, key: was}

    def _row(self, key: str) -> dict[str, Any]:
        row: dict[str, Any] = {"excluded": True} if key in self.excluded else {}
        if key in self.replies:
            row["reply"] = self.replies[key]
        if key in self.was:
            row["was"] = self.was[key].to_json()
        return row


def _rows(value: Any) -> dict[str, dict[str, Any]]:
    """The entries of an edits.json, checked. Raises ValueError, which says what was expected and where."""
    if not isinstance(value, dict) or not isinstance(value.get("pairs"), dict):
        raise ValueError('expected {"pairs": {...}}')
    if value.get("version", VERSION) != VERSION:
        raise ValueError(f"it is of version {value['version']}, this program knows {VERSION}")
    return {key: _checked(key, row) for key, row in value["pairs"].items()}


def _checked(key: str, row: Any) -> dict[str, Any]:
    expected = f'expected {{"excluded": true}} or {{"reply": "some text"}} for {key!r}'
    if not isinstance(row, dict) or not isinstance(row.get("excluded", False), bool):
        raise ValueError(expected)
    if "reply" in row and not (isinstance(row["reply"], str) and row["reply"].strip()):
        raise ValueError(expected)
    if "was" not in row:
        return row
    try:
        return {**row, "was": Was.from_json(row["was"])}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"what {key!r} was before is not a pair") from error
