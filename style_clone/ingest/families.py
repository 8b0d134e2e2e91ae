"""Helpers a family of formats shares: logs of stamped lines, JSON with one object a line, documents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from style_clone.conversation import Message
from style_clone.errors import IngestError
from style_clone.ingest.importer import Tally
from style_clone.ingest.numbering import Numbering
from style_clone.ingest.source import Source
from style_clone.ingest.stamps import StampReader, looks_stamped, match_stamp


@dataclass(frozen=True, slots=True)
class Entry:
    """One stamped line of a log with the lines below it that bear no stamp.

    `stamp` is the stamp as written, `text` what follows it, `marked` whether the line begins with a mark of text
    direction.
    """

    stamp: str
    date: datetime
    text: str
    below: list[str]
    marked: bool


def entries(lines: Iterable[str], reader: StampReader, tally: Tally) -> Iterator[Entry]:
    """The stamped lines of a log, each with the lines below it.

    Lines above the first stamp are counted in `tally` and left out; lines below that nearly look like a stamp are
    counted and kept.
    """
    entry: Entry | None = None
    for number, line in enumerate(lines, start=1):
        found = reader.read(line)
        if found is not None:
            if entry is not None:
                yield entry
            entry = Entry(found[1], found[0], found[2], [], line[0] in "\u200e\u200f")
            continue
        if (entry is None and line.strip()) or looks_stamped(line):
            tally.miss(number)
        if entry is not None:
            entry.below.append(line)
    if entry is not None:
        yield entry


def is_stamped_log(source: Source) -> bool:
    """Whether one of the first three lines, and in a longer file more than one line, begins with a stamp."""
    lines = source.first_lines[:60]
    early = any(match_stamp(line) for line in lines[:3])
    return early and (len(lines) < 4 or sum(match_stamp(line) is not None for line in lines) >= 2)


def first_object(source: Source) -> dict[str, Any] | None:
    """The JSON object on the first line that is not blank, if that is one."""
    lines = source.first_lines
    if not lines or not lines[0].lstrip("\ufeff ").startswith("{"):
        return None
    try:
        row = json.loads(lines[0].lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def document(source: Source, text: str, channel: str, *, date: datetime | None, title: str | None = None) -> Message:
    """The one message of a file that is a document; the file's name is its title where it gives none.

    Raises IngestError where there is nothing to read.
    """
    if not text:
        raise IngestError(f"{source.origin} holds no words", mend="Leave it out, or give a file with writing in it.")
    thread = source.path.with_suffix("").as_posix()
    return Message(
        id=Numbering(thread).next(text),
        author="",
        text=text,
        thread=thread,
        source=source.name,
        channel=channel,
        date=date,
        kind="document",
        title=title or source.path.stem,
    )
