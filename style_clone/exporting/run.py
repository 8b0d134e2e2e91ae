"""The story of an export: check where it goes, write each split as rows of the form asked for, name what was written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from style_clone import __version__
from style_clone.conversation import SPLITS, Split, Turn, iterate_pairs
from style_clone.errors import UsageError
from style_clone.exporting.forms import Alpaca, Form, OpenAi, Row, ShareGpt
from style_clone.exporting.hub import Hub
from style_clone.pairs.run import load_summary
from style_clone.persona import Persona
from style_clone.progress import Event, Report, silent
from style_clone.prompt import Prompt
from style_clone.workspace import PersonaFolder, atomic_folder, write_json

FORMATS: Mapping[str, Callable[[], Form]] = {"openai": OpenAi, "sharegpt": ShareGpt, "alpaca": Alpaca, "hub": Hub}

NOTE = "export.json"
"""Lies in every export and lists its files: what tells it from a folder that must not be replaced."""

ROWS_BETWEEN_EVENTS = 500


@dataclass(frozen=True)
class Exported:
    """What was written: the folder, its files by their paths in it, rows by split, what stayed at home, how to use it."""

    folder: Path
    files: tuple[str, ...]
    counts: dict[Split, int]
    held_out: tuple[Split, ...]
    use: str

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "folder": str(self.folder),
            "files": list(self.files),
            "rows": self.counts,
            "held_out": list(self.held_out),
        }


def export(folder: PersonaFolder, format: str, out: Path, *, report: Report = silent) -> Exported:
    """Write the persona's pairs to the folder `out` in one of FORMATS, all or nothing; an earlier export is replaced.

    Each row begins with the persona's system prompt, as in training. A split without pairs gets no file. Raises
    UsageError for an unknown format or a folder that holds anything else, MissingStage without pairs, StorageError.
    """
    if format not in FORMATS:
        raise UsageError(f"there is no export format {format!r}", mend=f"Choose one of: {', '.join(FORMATS)}")
    sizes = {name: part.pairs for name, part in load_summary(folder).splits.items()}
    form, prompt, out = FORMATS[format](), Persona.load(folder).prompt, out.expanduser().resolve()
    check_place(out)
    travelling = [name for name in form.files if sizes[name]]
    track = _Track(report, sum(sizes[name] for name in travelling))
    with atomic_folder(out) as new:
        counts = {
            name: form.write(new / form.files[name], track(_rows(form, prompt, folder.split(name))))
            for name in travelling
        }
        more = form.more(folder.slug, counts)
        for name, text in more.items():
            (new / name).write_text(text, encoding="utf-8")
        files = (*(form.files[name] for name in counts), *more, NOTE)
        held_out = tuple(name for name in SPLITS if name not in form.files)
        made = Exported(out, files, counts, held_out, form.use(folder.slug, out))
        write_json(new / NOTE, {"made_by": f"style-clone {__version__}", "format": format, **_portable(made)})
    report(Event("export", f"{sum(counts.values()):,} rows", 1, 1))
    return made


def check_place(out: Path) -> None:
    """Raises UsageError where `out` is no folder, cannot be one, or holds anything but an earlier export."""
    place = next(path for path in (out, *out.parents) if path.exists())
    if not place.is_dir():
        raise UsageError(f"{place} is a file, not a folder", mend="Give --out another folder.")
    if place != out:
        return
    ours = _of_export(out)
    names = (path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir())
    strange = next((name for name in names if name not in ours), None)  # a home folder is not read to its end
    if strange is not None:
        raise UsageError(
            f"{out} holds something that is no export of ours: {strange}",
            mend="Give --out a new or empty folder; only an earlier export is replaced.",
        )


def _of_export(out: Path) -> set[str]:
    """The files an export in `out` says are its own; none where there is no export."""
    try:
        note = json.loads((out / NOTE).read_text(encoding="utf-8"))
        ours = str(note["made_by"]).startswith("style-clone ")
        return {str(name) for name in note["files"]} if ours else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _portable(made: Exported) -> dict[str, Any]:
    """What was written, without where: the folder may be moved."""
    return {key: value for key, value in made.to_json().items() if key != "folder"}


def _rows(form: Form, prompt: Prompt, path: Path) -> Iterator[Row]:
    for pair in iterate_pairs(path):
        reply: Turn = {"role": "assistant", "content": pair.reply}
        yield form.row([*prompt.messages(pair.context), reply], pair)


class _Track:
    """Counts rows over all splits and reports on the way."""

    def __init__(self, report: Report, total: int) -> None:
        self.report = report
        self.total = total
        self.done = 0

    def __call__(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            if self.done % ROWS_BETWEEN_EVENTS == 0:
                self.report(Event("export", "writing rows", self.done, self.total))
            self.done += 1
            yield row
