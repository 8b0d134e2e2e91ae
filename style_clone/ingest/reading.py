"""Reads kept files into one stream of messages, and remembers what passed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from style_clone.conversation import Message
from style_clone.errors import IngestError
from style_clone.ingest import identity
from style_clone.ingest.forgetting import Forgotten
from style_clone.ingest.keeping import Kept
from style_clone.ingest.merging import Merging
from style_clone.ingest.report import Counting, FileReport, total_authors
from style_clone.ingest.summary import IngestSummary
from style_clone.persona import Persona
from style_clone.progress import Event, Report

REPORT_EVERY = 5000


class Reading:
    """Reads kept files, those with named authors first, and remembers what passed."""

    def __init__(self, files: Sequence[Kept], report: Report, forgotten: Forgotten, messages: Path) -> None:
        self.files = sorted(files, key=lambda kept: kept.importer.anonymous)
        self.report = report
        self.forgotten = forgotten
        self.messages = messages
        self.merging = Merging()
        self.reports: list[FileReport] = []
        self.unsigned = 0
        self.done = 0

    def people(self) -> Iterator[Message]:
        """The messages of files that say who wrote them."""
        yield from self._carried(signed=True)
        for kept in self.files:
            if not kept.importer.anonymous:
                yield from self._read(kept)

    def documents(self, author: str) -> Iterator[Message]:
        """The documents that do not, by `author`."""
        documents = (self._read(kept) for kept in self.files if kept.importer.anonymous)
        for message in chain(self._carried(signed=False), *documents):
            self.unsigned += 1
            yield replace(message, author=author)

    def texts_by(self, persona: Persona) -> int:
        """How many texts the author wrote. Raises IngestError where there is none."""
        authors = total_authors(self.reports)
        number = sum(authors.get(name, 0) for name in persona.aliases) + self.unsigned
        if number == 0:
            names = " or ".join(persona.aliases)
            raise IngestError(
                f"there is no message by {names}: media only, or nothing at all",
                mend=f"Give another --me, or other files. The names found:\n{identity.listed(authors)}",
            )
        return number

    def summary(
        self, persona: Persona, by_author: int, skipped: Iterable[FileReport], *, new_files: int, known_files: int
    ) -> IngestSummary:
        """Everything that passed, added up."""
        first = [report.first_date for report in self.reports if report.first_date is not None]
        last = [report.last_date for report in self.reports if report.last_date is not None]
        return IngestSummary(
            persona=persona.slug,
            author=persona.author,
            aliases=persona.aliases,
            files=(*self.reports, *skipped),
            new_files=new_files,
            known_files=known_files,
            messages=self.merging.kept,
            by_author=by_author,
            repeated=self.merging.repeated,
            authors=total_authors(self.reports),
            first_date=min(first, default=None),
            last_date=max(last, default=None),
        )

    def _carried(self, *, signed: bool) -> Iterator[Message]:
        """What is known only from an earlier ingestion, its files forgotten since."""
        counting = Counting()
        yield from counting.passing(self.merging.new(self.forgotten.messages(self.messages, signed=signed)))
        if counting.kinds:
            self.reports.append(counting.report("read before, file forgotten", "-"))

    def _read(self, kept: Kept) -> Iterator[Message]:
        counting = Counting()
        messages = kept.importer.extract(kept.source, counting.tally)
        for message in counting.passing(self.merging.new(messages)):
            if self.merging.kept % REPORT_EVERY == 0:
                self._tell()
            yield message
        self.reports.append(counting.report(kept.source.name, kept.importer.name))
        self.done += 1
        self._tell()

    def _tell(self) -> None:
        text = f"file {min(self.done + 1, len(self.files))} of {len(self.files)}"
        figures = {"messages": float(self.merging.kept)}
        self.report(Event("ingest", text, done=self.done, total=len(self.files), figures=figures))
