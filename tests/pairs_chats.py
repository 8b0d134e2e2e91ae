"""Small chats for the tests of pairs, baseline and memory."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from style_clone.conversation import Message, Pair, Turn, write_lines
from style_clone.pairs.cleaning.cleaner import Cleaner, Learner
from style_clone.pairs.documents.written import Written
from style_clone.pairs.drafts import Draft, Unit
from style_clone.pairs.edits import Edits
from style_clone.pairs.ledger import Ledger
from style_clone.pairs.reading.corpus import opened
from style_clone.pairs.reading.stretches import Order
from style_clone.pairs.redact import Policy, Redactor
from style_clone.pairs.units import UnitReader, read_all
from style_clone.pairs.wishes import Wishes
from style_clone.persona import Persona
from style_clone.workspace import PersonaFolder, Workspace

MORNING = datetime(2024, 3, 1, 9, 0)
GAP_SECONDS = 3 * 3600.0
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


def units(
    messages: Iterable[Message], author: str = "Nell", gap_seconds: float = GAP_SECONDS
) -> tuple[list[Unit], Ledger]:
    """Every unit of `messages`, before they are split, and what became of each message."""

    def is_author(name: str) -> bool:
        return name == author

    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "messages.jsonl"
        with path.open("w", encoding="utf-8") as file:
            write_lines(file, (each.to_json() for each in messages))
        learner = Learner()
        with opened(path, is_author, learner) as corpus:
            learner.boilerplate.settle()
            ledger = Ledger(corpus.by_author)
            redactor = Redactor(Policy(off=("person", "url")), (), ())
            clean = Cleaner(corpus, learner.boilerplate, redactor, None, ledger)
            reader = UnitReader(corpus, is_author, clean, Wishes(Edits(), Policy(), Written()))
            found = [unit for _, unit in read_all(reader, Order.of(corpus), gap_seconds)]
            for unit in found:
                for draft in unit.drafts:
                    pair_of(draft, ledger)
            return found, ledger


def pair_of(draft: Draft, ledger: Ledger) -> Pair | None:
    """The draft's pair, with the ledger told, as the writer does."""
    pair = draft.pair()
    if pair is None:
        ledger.drop(draft.rows, "repeats its own prompt")
    else:
        ledger.use(draft.rows)
    return pair


def drafts(messages: Iterable[Message], author: str = "Nell") -> tuple[list[Draft], Ledger]:
    """Every draft made of `messages`."""
    found, ledger = units(messages, author)
    return [draft for unit in found for draft in unit.drafts], ledger


def pairs_of(messages: Iterable[Message], author: str = "Nell") -> list[Pair]:
    return [pair for draft in drafts(messages, author)[0] if (pair := draft.pair()) is not None]


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
