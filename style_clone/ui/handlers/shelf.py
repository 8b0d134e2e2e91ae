"""A persona's pairs as a page turns through them: found by byte offset, with the user's edits laid over the files."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from style_clone.conversation import SPLITS, Origin, Pair, Split, Turn
from style_clone.errors import MissingStage, StorageError
from style_clone.pairs.edits import Edits, Was
from style_clone.workspace import PersonaFolder

Made = TypeVar("Made")
_KEPT_RESULTS = 12
_SPLIT_BITS = 2
_SPLIT_MASK = 2**_SPLIT_BITS - 1


@dataclass(frozen=True)
class Wanted:
    """What to list: one split or all, one origin or all, those with `query` in them, only those the user has changed."""

    split: Split | None = None
    origin: Origin | None = None
    query: str = ""
    changed: bool = False

    def takes(self, entry: Entry) -> bool:
        """Whether a pair is to be listed. Capitals make no difference, for any script."""
        pair = entry.pair
        if self.origin not in (None, pair.origin) or (self.changed and not (entry.edited or entry.left_out)):
            return False
        query = self.query.strip().casefold()
        return not query or any(query in text.casefold() for text in (said(pair), pair.reply, pair.recipient or ""))

    @property
    def looks_inside(self) -> bool:
        """Whether the pairs themselves must be read to tell."""
        return bool(self.origin or self.query.strip() or self.changed)


@dataclass(frozen=True)
class Entry:
    """A pair as the next build will have it. `original` is the author's own reply."""

    split: Split
    pair: Pair
    original: str
    edited: bool = False
    left_out: bool = False

    @property
    def was(self) -> Was:
        """The pair before the user's edit, to be kept with it."""
        return Was(self.split, _replying(self.pair, self.original))


class Shelf:
    """Pairs of the personas a page looks at. Files are read again when they change.

    Memory: a key and a number for each pair of the last few personas; never the pairs themselves.
    """

    def __init__(self) -> None:
        self.editing = threading.Lock()
        """Held from reading edits.json to writing it, so that two windows do not undo each other's edits."""
        self._results: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def keys(self, folder: PersonaFolder, edits: Edits, wanted: Wanted) -> Sequence[str]:
        """Keys of the pairs that are wanted: those of the files in their order, then those a build has left out.

        Raises MissingStage where there are no pairs, StorageError where a file is damaged.
        """
        depends = (edits.digest, len(edits.was)) if wanted.looks_inside else tuple(_gone(edits, self._index(folder)))
        return self._once(
            ("keys", folder, _state(folder), wanted, depends), lambda: self._listed(folder, edits, wanted)
        )

    def entry(self, folder: PersonaFolder, edits: Edits, key: str) -> Entry:
        """One pair. Raises MissingStage where a build has dropped it meanwhile."""
        place = self._index(folder).get(key)
        if place is not None:
            return laid_over(edits, *self._read(folder, place))
        if key in edits.was:
            return laid_over(edits, edits.was[key].split, edits.was[key].pair)
        raise MissingStage("this pair is no longer there", mend="The pairs were made anew: choose another one.")

    def reply_on_file(self, folder: PersonaFolder, key: str) -> str | None:
        """The reply that training would see now; None where the files have no such pair."""
        place = self._index(folder).get(key)
        return None if place is None else self._read(folder, place)[1].reply

    def _listed(self, folder: PersonaFolder, edits: Edits, wanted: Wanted) -> Sequence[str]:
        index = self._index(folder)
        gone = [(edits.was[key].split, edits.was[key].pair) for key in _gone(edits, index)]
        if not wanted.looks_inside:
            number = None if wanted.split is None else SPLITS.index(wanted.split)
            filed = [key for key, place in index.items() if number in (None, place & _SPLIT_MASK)]
            return filed + [pair.key for split, pair in gone if wanted.split in (None, split)]
        names = SPLITS if wanted.split is None else (wanted.split,)
        pairs = ((name, Pair.from_json(row)) for name in names for _, row in _rows(folder, name))
        return [
            pair.key
            for split, pair in (*pairs, *(each for each in gone if each[0] in names))
            if wanted.takes(laid_over(edits, split, pair))
        ]

    def _index(self, folder: PersonaFolder) -> Mapping[str, int]:
        """Each pair's place by its key, in the files' order: the byte its line begins at, and its split."""
        return self._once(("index", folder, _state(folder)), lambda: _scan(folder))

    def _read(self, folder: PersonaFolder, place: int) -> tuple[Split, Pair]:
        split = SPLITS[place & _SPLIT_MASK]
        with folder.split(split).open("rb") as file:
            file.seek(place >> _SPLIT_BITS)
            return split, Pair.from_json(_parsed(folder, split, file.readline()))

    def _once(self, name: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` gives, kept for the next time. Files that change change their name here."""
        with self._lock:
            if name in self._results:
                self._results.move_to_end(name)
                found: Made = self._results[name]
                return found
        made = make()
        with self._lock:
            self._results[name] = made
            while len(self._results) > _KEPT_RESULTS:
                self._results.popitem(last=False)
        return made


def said(pair: Pair) -> str:
    """What the author answered to: the last turn of the context."""
    return pair.context[-1]["content"] if pair.context else ""


def laid_over(edits: Edits, split: Split, pair: Pair) -> Entry:
    """A pair from a file with the user's edits in it."""
    was = edits.was.get(pair.key)
    original = was.pair.reply if was else pair.reply
    reply = edits.replies.get(pair.key, original)
    return Entry(split, _replying(pair, reply), original, pair.key in edits.replies, pair.key in edits.excluded)


def _replying(pair: Pair, reply: str) -> Pair:
    turn: Turn = {"role": pair.turns[-1]["role"], "content": reply}
    return replace(pair, turns=(*pair.context, turn))


def _gone(edits: Edits, index: Mapping[str, int]) -> list[str]:
    """Pairs the user has changed that are not in the files: a build has left them out."""
    return [key for key in sorted(edits.was) if key not in index]


def _scan(folder: PersonaFolder) -> dict[str, int]:
    return {
        Pair.from_json(row).key: begin << _SPLIT_BITS | number
        for number, name in enumerate(SPLITS)
        for begin, row in _rows(folder, name)
    }


def _rows(folder: PersonaFolder, split: Split) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every line of a split's file with the byte it begins at."""
    begin = 0
    with folder.split(split).open("rb") as file:
        for line in file:
            yield begin, _parsed(folder, split, line)
            begin += len(line)


def _parsed(folder: PersonaFolder, split: Split, line: bytes) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise StorageError(
            f"{folder.split(split)} is damaged", mend=f"Make the pairs anew: style-clone pairs {folder.slug}"
        ) from error
    return row


def _state(folder: PersonaFolder) -> Hashable:
    """What changes when a build writes the files anew. Raises MissingStage where there are none."""
    try:
        stats = [folder.split(name).stat() for name in SPLITS]
    except FileNotFoundError as error:
        raise MissingStage(f"{folder.slug} has no pairs yet", mend="Read your writing in step 1.") from error
    return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)
