"""Ingestion: find the files, recognise each, keep a copy, read everything kept into messages.jsonl, say who "me" is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from style_clone.conversation import write_lines
from style_clone.errors import IngestError, UsageError
from style_clone.ingest import identity, keeping, registry
from style_clone.ingest.finding import Skipped, find
from style_clone.ingest.forgetting import Forgotten
from style_clone.ingest.importer import Importer
from style_clone.ingest.keeping import Kept
from style_clone.ingest.reading import Reading
from style_clone.ingest.report import Counting, FileReport, total_authors
from style_clone.ingest.source import Source
from style_clone.ingest.summary import IngestSummary
from style_clone.persona import Persona
from style_clone.progress import Report, silent
from style_clone.workspace import PersonaFolder, atomic_file

__all__ = ["FileReport", "IngestSummary", "ingest", "inspect"]


def inspect(paths: Sequence[Path | str], *, format_name: str | None = None) -> list[FileReport]:
    """Read the files without keeping anything, one report a file.

    Raises IngestError (or one of its kinds) for a file that cannot be read, UsageError for a path that is not there.
    """
    reports = []
    for found in _claimed(paths, format_name):
        if isinstance(found, Skipped):
            reports.append(FileReport(path=found.name, skipped=found.reason))
            continue
        source, importer = found
        counting = Counting()
        for _ in counting.passing(importer.extract(source, counting.tally)):
            pass
        reports.append(counting.report(source.name, importer.name))
    return reports


def ingest(
    folder: PersonaFolder,
    paths: Sequence[Path | str],
    me: Sequence[str],
    *,
    format_name: str | None = None,
    report: Report = silent,
) -> IngestSummary:
    """Add files to a persona: copies to raw/, everything in raw/ to messages.jsonl, the author's names to persona.json.

    What was read from files that were forgotten since comes from the messages.jsonl there is.

    `me` are the author's names in the corpus; it may be empty for a persona that has some. Files that are there already
    change nothing. Raises IngestError for what cannot be read, AuthorNotFound for a name nobody has, UsageError where
    no name is given; the persona is then exactly as it was.
    """
    persona = Persona.load(folder) if folder.persona.exists() else None
    with keeping.staging(folder) as scratch:
        known = keeping.kept_files(folder.raw)
        fresh, repeats, skipped = _keep_all(_claimed(paths, format_name), known, scratch.raw)
        everything = [*known, *fresh]
        with atomic_file(scratch.messages) as file:
            reading = Reading(everything, report, Forgotten.load(folder), folder.messages)
            write_lines(file, (message.to_json() for message in reading.people()))
            updated = _persona(folder.slug, persona, me, reading)
            write_lines(file, (message.to_json() for message in reading.documents(updated.author)))
        by_author = reading.texts_by(updated)
        updated.save(scratch)
        keeping.commit(scratch, folder)
    return reading.summary(updated, by_author, skipped, new_files=len(fresh), known_files=repeats)


def _claimed(paths: Sequence[Path | str], format_name: str | None) -> Iterator[tuple[Source, Importer] | Skipped]:
    """Every file with its importer; one the user did not name himself and nobody can read is skipped."""
    if format_name is not None:
        registry.by_name(format_name)
    reasons: Counter[str] = Counter()
    count = 0
    for found in find([Path(path) for path in paths]):
        claimed = found if isinstance(found, Skipped) else _claim(found, format_name)
        if isinstance(claimed, Skipped):
            reasons[claimed.reason] += 1
        else:
            count += 1
        yield claimed
    if count == 0:
        why = "; ".join(f"{number:,} skipped: {reason}" for reason, number in reasons.most_common(3))
        raise IngestError(
            f"nothing to read in {', '.join(str(path) for path in paths)} ({why or 'no files there'})",
            mend=f"Formats read: {', '.join(registry.NAMES)}.",
        )


def _claim(source: Source, format_name: str | None) -> tuple[Source, Importer] | Skipped:
    try:
        return source, registry.claim(source, format_name)
    except IngestError as error:
        if source.explicit:
            raise
        return Skipped(source.name, error.problem.removeprefix(f"{source.origin} "))


def _keep_all(
    claimed: Iterable[tuple[Source, Importer] | Skipped], known: list[Kept], raw: Path
) -> tuple[list[Kept], int, list[FileReport]]:
    """Copies of the new files, how many were there already, and reports of those skipped."""
    fresh: list[Kept] = []
    skipped: list[FileReport] = []
    repeats = 0
    number = max((kept.number for kept in known), default=0)
    for found in claimed:
        if isinstance(found, Skipped):
            skipped.append(FileReport(path=found.name, skipped=found.reason))
            continue
        kept = keeping.keep(*found, number + 1, raw)
        if keeping.same_content(kept, [*known, *fresh]):
            keeping.drop(kept, raw)
            repeats += 1
        else:
            fresh.append(kept)
            number += 1
    return fresh, repeats, skipped


def _persona(slug: str, old: Persona | None, me: Sequence[str], reading: Reading) -> Persona:
    """The persona with the names `me` means among those found; where nobody is named (documents only), as given."""
    authors = total_authors(reading.reports)
    if not me and old is None:
        raise UsageError(
            "which of the names is yours?",
            mend=f'Give it with --me "Your Name". The names found, with their messages:\n{identity.listed(authors)}',
        )
    names = identity.spellings(me, authors) if authors else tuple(map(identity.clean_name, me))
    if not all(names):
        raise UsageError("--me is empty", mend='Give your name as the export has it: --me "Your Name"')
    if old is not None:
        return replace(old, aliases=tuple(dict.fromkeys([*old.aliases, *names])))
    return Persona(slug=slug, author=names[0], aliases=names)
