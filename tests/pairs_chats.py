"""Small chats for the tests of pairs, baseline and memory."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from style_clone.conversation import Message, Pair, Turn, write_lines
from style_clone.pairs.drafts import Draft, Ledger
from style_clone.pairs.threads import gather
from style_clone.pairs.units import units_of
from style_clone.persona import Persona
from style_clone.progress import silent
from style_clone.workspace import PersonaFolder, Workspace

MORNING = datetime(2024, 3, 1, 9, 0)
_numbers = count()


def message(author: str, text: str, date: datetime | None = MORNING, thread: str = "t", **more: Any) -> Message:
    more = {"id": f"m{next(_numbers)}", "source": "chat.txt", "channel": "chat", **more}
    return Message(author=author, text=text, thread=thread, date=date, **more)


def chat(*lines: str, start: datetime | None = MORNING, seconds: float = 60, thread: str = "t") -> list[Message]:
    """Messages from "Name: text", `seconds` apart."""
    parts = [line.split(": ", 1) for line in lines]
    dates = [start + timedelta(seconds=number * seconds) if start else None for number in range(len(parts))]
    return [message(author, text, date, thread) for (author, text), date in zip(parts, dates, strict=True)]


def many_chats(conversations: int, replies: int = 3, author: str = "Nell") -> list[Message]:
    """Dated conversations of two, one a day, in one thread; every text is different."""
    made = []
    for day in range(conversations):
        lines = [
            line
            for number in range(replies)
            for line in (
                f"Ann: what about thing{day}x{number} today",
                f"{author}: no idea{day}x{number} about alpha{day}x{number} or beta{day}x{number} really",
            )
        ]
        made += chat(*lines, start=MORNING + timedelta(days=day))
    return made


def drafts(messages: Iterable[Message], author: str = "Nell") -> tuple[list[Draft], Ledger]:
    """Every draft made of `messages`, before they are split."""
    ledger = Ledger()

    def is_author(name: str) -> bool:
        return name == author

    threads = gather(messages, is_author, ledger)
    return [draft for unit in units_of(threads, is_author, ledger, silent) for draft in unit.drafts], ledger


def pairs_of(messages: Iterable[Message], author: str = "Nell") -> list[Pair]:
    return [draft.pair for draft in drafts(messages, author)[0]]


def shown(turns: Iterable[Turn]) -> list[str]:
    """Turns as short strings: "user: hi"."""
    return [f"{turn['role']}: {turn['content']}" for turn in turns]


def persona(workspace: Workspace, messages: Iterable[Message], *aliases: str) -> PersonaFolder:
    """A persona that has been ingested."""
    folder = workspace.folder("nell")
    folder.root.mkdir(parents=True, exist_ok=True)
    names = aliases or ("Nell",)
    Persona(slug="nell", author=names[0], aliases=names).save(folder)
    with folder.messages.open("w", encoding="utf-8") as file:
        write_lines(file, (each.to_json() for each in messages))
    return folder
