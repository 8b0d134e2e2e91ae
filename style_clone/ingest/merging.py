"""One stream out of many files: what two files both hold comes once, and ids are unique over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from style_clone.conversation import Message


class Merging:
    """Remembers the messages that have passed, as hashes, so that a million of them fit in memory."""

    def __init__(self) -> None:
        self.kept = 0
        self.repeated = 0
        self._seen: dict[int, int] = {}

    def new(self, messages: Iterable[Message]) -> Iterator[Message]:
        """One file's messages without those that have passed before.

        An id that means another message in an earlier file (rows numbered from 1 in each) gets a number behind it, and
        the file's later answers to it follow.
        """
        renamed: dict[str, str] = {}
        for message in messages:
            said = hash((message.author, message.text))
            own = self._free_id(message.id, said)
            if own != message.id:
                renamed[message.id] = own
            if hash(own) in self._seen:
                self.repeated += 1
                continue
            self._seen[hash(own)] = said
            self.kept += 1
            parent = renamed.get(message.in_reply_to or "", message.in_reply_to)
            same = own == message.id and parent == message.in_reply_to
            yield message if same else replace(message, id=own, in_reply_to=parent)

    def _free_id(self, wanted: str, said: int) -> str:
        """`wanted`, or `wanted~2` and so on: the first that is free or means the same message already."""
        own, number = wanted, 1
        while self._seen.get(hash(own), said) != said:
            number += 1
            own = f"{wanted}~{number}"
        return own
