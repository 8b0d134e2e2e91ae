"""What an ingestion did, as it is printed and handed on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from style_clone.ingest.report import FileReport


@dataclass(frozen=True)
class IngestSummary:
    """What an ingestion did.

    `files` reports every file the persona is made of and those skipped now; `new_files` and `known_files` count those
    given now. `messages` is the length of messages.jsonl, `by_author` how many texts in it are the author's, `repeated`
    how many messages two files both held.
    """

    persona: str
    author: str
    aliases: tuple[str, ...]
    files: tuple[FileReport, ...]
    new_files: int
    known_files: int
    messages: int
    by_author: int
    repeated: int
    authors: dict[str, int] = field(default_factory=dict)
    first_date: datetime | None = None
    last_date: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON holds it."""
        dates = {name: getattr(self, name) for name in ("first_date", "last_date")}
        files = [report.to_json() for report in self.files]
        iso = {name: date.isoformat() if date else None for name, date in dates.items()}
        return {**asdict(self), "files": files, **iso}
