"""The nouns every stage shares: Message, Turn, Pair; and their JSON Lines form. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal, TypedDict

from style_clone.errors import StorageError

Kind = Literal["message", "document", "media", "system"]
Origin = Literal["reply", "opening", "document", "rewrite"]
AskedBy = Literal["person", "text", "model", "template"]
"""Where a pair's prompt comes from: somebody wrote it, a heading or question in the text itself, a model, or a template."""
Split = Literal["train", "dev", "judge", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "judge", "test")


@dataclass(frozen=True, slots=True)
class Message:
    """One thing somebody wrote.

    `thread` names the chat, mail thread or document it belongs to; a thread holds one or more conversations.
    `date` is local wall-clock time as the source gives it, or None. `kind` is "message" for chat and mail, "document"
    for prose, "media" for a placeholder of something that is not text, "system" for a line the software wrote. `quoted`
    is what of somebody else's message this one quotes, where the source keeps it apart from `text`.
    """

    id: str
    author: str
    text: str
    thread: str
    source: str
    channel: str
    date: datetime | None = None
    kind: Kind = "message"
    in_reply_to: str | None = None
    recipient: str | None = None
    title: str | None = None
    quoted: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields that say something, with the date in ISO 8601."""
        row = {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}
        if self.date is not None:
            row["date"] = self.date.isoformat()
        return row

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Message:
        """The inverse of `to_json`."""
        date = row.get("date")
        return cls(**row) if date is None else cls(**{**row, "date": datetime.fromisoformat(date)})


class Turn(TypedDict):
    """One turn of a chat prompt, in the form OpenAI's wire format and chat templates use."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A context and the author's reply to it: the last turn is the author's."""

    turns: tuple[Turn, ...]
    id: str
    conversation: str
    origin: Origin
    source: str
    channel: str
    date: str | None = None
    recipient: str | None = None
    asked_by: AskedBy = "person"

    @property
    def key(self) -> str:
        """What tells this pair from every other of the persona, in this build and the next."""
        return f"{self.conversation}#{self.id}"

    @property
    def context(self) -> tuple[Turn, ...]:
        """The turns before the reply."""
        return self.turns[:-1]

    @property
    def reply(self) -> str:
        """What the author wrote."""
        return self.turns[-1]["content"]

    def to_json(self) -> dict[str, Any]:
        """`{"messages": [...], "meta": {...}}`, the conversational format of OpenAI fine-tuning and TRL, plus meta."""
        names = (field.name for field in fields(self) if field.name != "turns")
        meta = {name: value for name in names if (value := getattr(self, name)) is not None}
        return {"messages": list(self.turns), "meta": meta}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Pair:
        """The inverse of `to_json`."""
        return cls(turns=tuple(row["messages"]), **row["meta"])


def write_lines(file: IO[str], rows: Iterable[dict[str, Any]]) -> int:
    """Write rows as JSON Lines; returns how many."""
    count = 0
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        count += 1
    return count


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSON Lines file of ours, one at a time.

    Raises StorageError, with the line, where the file is damaged.
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise StorageError(
                    f"{path}, line {number}: not JSON ({error.msg})", mend="Run the stage that writes this file again."
                ) from error


def read_messages(path: Path) -> Iterator[Message]:
    """Messages of a messages.jsonl, one at a time."""
    return (Message.from_json(row) for row in read_lines(path))


def iterate_pairs(path: Path) -> Iterator[Pair]:
    """Pairs of one split's file, one at a time."""
    return (Pair.from_json(row) for row in read_lines(path))


def read_pairs(path: Path) -> list[Pair]:
    """Pairs of one split's file, all of them."""
    return list(iterate_pairs(path))
