"""Forgetting raw files: their copies go, their messages stay, and every later ingestion carries those over.

What is in raw/ is read again at each ingestion. What is not there any more can only be had from messages.jsonl, so
raw/forgotten.json names the files whose messages are to be taken from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from style_clone.conversation import Message, read_messages
from style_clone.errors import MissingStage, StorageError
from style_clone.ingest import keeping
from style_clone.workspace import PersonaFolder, read_json, storage_errors, write_json

FORGOTTEN = "forgotten.json"


@dataclass(frozen=True)
class Forgotten:
    """Names of the files whose copies are gone: those that say who wrote them, and those that do not."""

    signed: tuple[str, ...] = ()
    unsigned: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: PersonaFolder) -> Forgotten:
        """What `forget` noted. Raises StorageError where that is damaged."""
        path = folder.raw / FORGOTTEN
        if not path.exists():
            return cls()
        row = read_json(path)
        try:
            return cls(signed=tuple(row["signed"]), unsigned=tuple(row["unsigned"]))
        except (KeyError, TypeError) as error:
            raise StorageError(
                f"{path} is damaged: {error}",
                mend="It names the files whose messages are kept without them; restore it from a backup.",
            ) from error

    def messages(self, path: Path, *, signed: bool) -> Iterator[Message]:
        """Their messages out of messages.jsonl at `path`; the unsigned without author, as their importer gives them."""
        names = {*self.signed, *self.unsigned}
        for message in read_messages(path) if names else ():
            unsigned = message.kind == "document" and message.source in self.unsigned
            if message.source in names and unsigned is not signed:
                yield message if signed else replace(message, author="")


def forget(folder: PersonaFolder) -> int:
    """Delete the copies in raw/, noting their names first; returns how many there were.

    Raises MissingStage where there are no messages to go on with, StorageError where a file cannot be deleted: nothing is
    lost then, and it can be run again.
    """
    if not folder.messages.exists():
        raise MissingStage(
            f"{folder.slug} has no messages yet, and its files are needed to read them",
            mend=f"Read them with: style-clone ingest {folder.slug} PATH...",
        )
    kept = keeping.kept_files(folder.raw)
    old = Forgotten.load(folder)
    signed = {*old.signed, *(each.source.name for each in kept if not each.importer.anonymous)}
    unsigned = {*old.unsigned, *(each.source.name for each in kept if each.importer.anonymous)}
    if kept:
        write_json(folder.raw / FORGOTTEN, {"signed": sorted(signed), "unsigned": sorted(unsigned)})
    with storage_errors(folder.raw):
        for each in kept:
            keeping.drop(each, folder.raw)
    return len(kept)
