"""From the paths a user gives to the files that may be read: folders are walked, archives looked into."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from style_clone.errors import IngestError, UnsafeArchive, UsageError
from style_clone.ingest.archive import archive_sources
from style_clone.ingest.source import Source, from_file

IPHONE_CHAT = "_chat.txt"


@dataclass(frozen=True)
class Skipped:
    """A file that was found and will not be read, and why."""

    name: str
    reason: str


def find(paths: Sequence[Path]) -> Iterator[Source | Skipped]:
    """Every file under `paths`, in order: files as given, folders recursively by name, archives by entry.

    Hidden files are passed over. Raises UsageError for a path that is not there, UnsafeArchive for an archive given by
    name that cannot be trusted; one that lies in a folder is skipped.
    """
    for path in paths:
        if path.is_dir():
            yield from _in_folder(path)
        elif path.is_file():
            yield from _file(path, _name(path), explicit=True)
        elif path.exists():
            raise IngestError(f"{path} is neither a file nor a folder", mend="Give a file, a folder or a zip archive.")
        else:
            raise UsageError(f"there is no file or folder {path}", mend="Check the path; quote it if it holds spaces.")


def _in_folder(root: Path) -> Iterator[Source | Skipped]:
    for parent, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(name for name in files if not name.startswith(".")):
            path = Path(parent) / file
            name = PurePosixPath(root.resolve().name, path.relative_to(root).as_posix()).as_posix()
            if path.is_symlink() or not path.is_file():
                yield Skipped(name, "a link or a special file")
            else:
                yield from _file(path, name, explicit=False)


def _name(path: Path) -> str:
    """The file's name; with its folder's where all phones give the same, as iPhones do."""
    return f"{path.absolute().parent.name}/{path.name}" if path.name == IPHONE_CHAT else path.name


def _file(path: Path, name: str, *, explicit: bool) -> Iterator[Source | Skipped]:
    if path.suffix.lower() != ".zip":
        yield from_file(path, name=name, explicit=explicit)
        return
    try:
        sources, others = archive_sources(path)
    except UnsafeArchive as error:
        if explicit:
            raise
        yield Skipped(name, error.problem.removeprefix(f"{path} "))
        return
    yield from sources
    if others:
        yield Skipped(f"{name} ({others:,} other entries)", "media and the like are not read")
