"""The first step: what the files hold, who wrote it, and from there to pairs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from style_clone.errors import StyleCloneError, UsageError
from style_clone.persona import Persona
from style_clone.preparation import Prepared, prepare
from style_clone.ui.handlers.watching import watch
from style_clone.ui.markup import card, failure, progress_bar, table
from style_clone.workspace import PersonaFolder, Workspace

if TYPE_CHECKING:
    from style_clone.ingest.run import FileReport
    from style_clone.pairs.summary import PairsSummary
    from style_clone.progress import Report

CONSENT = "This is my own writing, or its author agreed"
FILE_TYPES = [".txt", ".md", ".jsonl", ".zip"]
MAX_FILE_SIZE = "200mb"
_HEADERS = ("File", "Format", "Messages", "From", "To", "Lines not understood")


@dataclass(frozen=True)
class Preview:
    """What the drop zone holds: `people` are names with how many messages each wrote, most first."""

    html: str
    people: tuple[tuple[str, int], ...]

    @property
    def choices(self) -> list[tuple[str, str]]:
        """What a list of people shows, and the name behind each line."""
        return [(f"{name} · {count:,} messages", name) for name, count in self.people]


@dataclass(frozen=True)
class Form:
    """What the user filled in."""

    paths: tuple[Path, ...]
    me: tuple[str, ...]
    slug: str
    consent: bool

    def check(self) -> None:
        """Raises UsageError for the first thing missing."""
        if not self.paths:
            raise UsageError("there is no file yet", mend="Drop one or more files of writing into the box above.")
        if not self.me:
            raise UsageError("nobody is chosen as you", mend="Choose your name in the list, or type it.")
        if not self.consent:
            raise UsageError("consent is missing", mend=f"Tick the box if it is true: {CONSENT}.")


@dataclass(frozen=True)
class Reading:
    """A step of reading: HTML to show, and at the end the persona that is ready."""

    html: str
    slug: str | None = None


def preview(paths: Sequence[Path]) -> Preview:
    """Every file's format, people and dates; a file that cannot be read says so and does not hide the others."""
    rows: list[tuple[str, ...]] = []
    problems: list[str] = []
    people: Counter[str] = Counter()
    for path in paths:
        try:
            reports = _inspect(path)
        except StyleCloneError as error:
            rows.append((path.name, "not understood", "", "", "", ""))
            problems.append(failure(without_folders(error, [path])))
        else:
            rows.extend(_row(report) for report in reports)
            people.update({name: count for report in reports for name, count in report.authors.items() if name})
    shown = table(_HEADERS, rows, numbers=(2, 5)) if rows else ""
    return Preview("".join([shown, *problems]), tuple(people.most_common()))


def read_writing(workspace: Workspace, form: Form, today: date) -> Iterator[Reading]:
    """Ingest and pairs, told as they go; the last step has the persona's name, and the uploads are gone by then.

    Raises any StyleCloneError; the uploads are then still there.
    """
    form.check()
    folder = workspace.folder(form.slug.strip())
    summary: PairsSummary | None = None
    try:
        for event in watch(lambda report: _read(folder, form, today, report)):
            if isinstance(event, Prepared):
                summary = event.summary
            else:
                share = event.done / event.total if event.total else None
                yield Reading(progress_bar(share, "Reading your writing", [event.text]))
    except StyleCloneError as error:
        raise without_folders(error, form.paths) from error
    assert summary is not None
    discard(form.paths)
    yield Reading(summary_card(folder.slug, summary), folder.slug)


def discard(uploads: Sequence[Path]) -> None:
    """Delete the page's own copies: what has been read is kept with the persona, and goes when the persona goes."""
    for path in uploads:
        path.unlink(missing_ok=True)


def without_folders(error: StyleCloneError, uploads: Sequence[Path]) -> StyleCloneError:
    """The same error about files by the names the user knows, not by where the page keeps them."""
    problem, mend = error.problem, error.mend
    for path in uploads:
        problem, mend = (text.replace(f"{path.parent}{os.sep}", "") for text in (problem, mend))
    return type(error)(problem, mend=mend)


def summary_card(slug: str, summary: PairsSummary) -> str:
    """What the writing has become, and what to do about it."""
    splits = summary.splits
    held_back = sum(part.pairs for name, part in splits.items() if name != "train")
    figures = [
        ("Pairs", f"{summary.pairs:,}"),
        ("To train on", f"{splits['train'].pairs:,}"),
        ("Held back to check", f"{held_back:,}"),
        ("Conversations", f"{summary.conversations:,}"),
        ("Your words", f"{sum(part.words for part in splits.values()):,}"),
    ]
    dropped = sum(summary.dropped.values())
    names = f"Counted as you: {', '.join(summary.aliases)}."
    used = f"{summary.used_messages:,} of {summary.author}'s {summary.author_messages:,} messages are used."
    reasons = "; ".join(f"{reason} ({count:,})" for reason, count in summary.dropped.items())
    left_out = f"Left out: {reasons}." if dropped else ""
    return card(
        f"{slug} is ready to train", figures, [names, f"{used} {left_out}".strip(), *map(_sentence, summary.notes)]
    )


def advice(pairs: int) -> str:
    """What that many pairs are good for; the steps are those of the scorecard's evidence."""
    if pairs < 50:
        return "Under 50 pairs a prompt with examples usually does as well as training."
    if pairs < 400:
        return "Enough to hear a difference; 400 pairs or more also let it be measured."
    if pairs < 1000:
        return "Enough for a first reliable comparison; 1,000 pairs are the target."
    return "Plenty: enough to train on and to measure."


def _read(folder: PersonaFolder, form: Form, today: date, report: Report) -> Prepared:
    from style_clone.ingest.run import ingest

    ingest(folder, list(form.paths), list(form.me), report=report)
    Persona.load(folder).with_consent(CONSENT, today).save(folder)
    return prepare(folder, report=report)


def _inspect(path: Path) -> list[FileReport]:
    from style_clone.ingest.run import inspect

    return inspect([path])


def _row(report: FileReport) -> tuple[str, ...]:
    if report.skipped:
        return (Path(report.path).name, f"skipped: {report.skipped}", "", "", "", "")
    dates = [f"{when:%d %b %Y}" if when else "" for when in (report.first_date, report.last_date)]
    return (Path(report.path).name, report.format, f"{report.messages:,}", *dates, f"{report.unparsed:,}")


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}"
