"""What was found in one file: counted while its messages pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from style_clone.conversation import Message
from style_clone.ingest.importer import Tally


@dataclass(frozen=True)
class FileReport:
    """One file as it was read, or why it was skipped.

    `messages` counts what people wrote, documents included; `other` media placeholders and the software's own lines.
    `authors` has every name with its messages, a name with media only at 0; documents have no author here. `unparsed`
    counts lines that fit no message, `undated` dates that could not be read.
    """

    path: str
    format: str = ""
    messages: int = 0
    authors: dict[str, int] = field(default_factory=dict)
    first_date: datetime | None = None
    last_date: datetime | None = None
    unparsed: int = 0
    first_unparsed: int | None = None
    undated: int = 0
    documents: int = 0
    other: int = 0
    skipped: str = ""

    def to_json(self) -> dict[str, Any]:
        """The report as JSON holds it, dates in ISO 8601."""
        dates = {name: getattr(self, name) for name in ("first_date", "last_date")}
        return {**asdict(self), **{name: date.isoformat() if date else None for name, date in dates.items()}}


class Counting:
    """Counts messages on their way from an importer to wherever they go."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.authors: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.first: datetime | None = None
        self.last: datetime | None = None

    def passing(self, messages: Iterable[Message]) -> Iterator[Message]:
        """The same messages, counted."""
        for message in messages:
            self.kinds[message.kind] += 1
            if message.author:
                self.authors[message.author] += message.kind in ("message", "document")
            if message.date is not None:
                self._see(message.date)
            yield message

    def report(self, path: str, format_name: str) -> FileReport:
        """What passed so far, as a report."""
        return FileReport(
            path=path,
            format=format_name,
            messages=self.kinds["message"] + self.kinds["document"],
            authors=dict(self.authors.most_common()),
            first_date=self.first,
            last_date=self.last,
            unparsed=self.tally.unparsed,
            first_unparsed=self.tally.first_unparsed,
            undated=self.tally.undated,
            documents=self.kinds["document"],
            other=self.kinds["media"] + self.kinds["system"],
        )

    def _see(self, date: datetime) -> None:
        if self.first is None or date < self.first:
            self.first = date
        if self.last is None or date > self.last:
            self.last = date


def total_authors(reports: Iterable[FileReport]) -> dict[str, int]:
    """Everybody's messages over all files, most first."""
    total: Counter[str] = Counter()
    for report in reports:
        total.update(report.authors)
    return dict(total.most_common())
