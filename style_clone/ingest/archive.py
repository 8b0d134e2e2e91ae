"""Zip archives, hostile until proven otherwise: every name and size is checked before a byte is unpacked.

Nothing is ever extracted to disk from here; text entries are read as streams, everything else is left alone.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from style_clone.errors import UnsafeArchive
from style_clone.ingest.source import Source

TEXT_SUFFIXES = frozenset({".txt", ".text", ".md", ".markdown", ".jsonl", ".ndjson"})
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


@dataclass(frozen=True)
class Limits:
    """What an archive may hold. Sizes are unpacked bytes; `ratio` is unpacked to packed, for entries above 1 MiB."""

    entries: int = 50_000
    entry_bytes: int = 512 << 20
    total_bytes: int = 1 << 30
    ratio: int = 150


LIMITS = Limits()


def archive_sources(path: Path, limits: Limits = LIMITS) -> tuple[list[Source], int]:
    """The text entries of a zip archive as sources, and how many other entries (media, mostly) it holds.

    Raises UnsafeArchive where the archive is broken, too large, encrypted, or has a name that points outside it.
    """
    with _opened(path, str(path)) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    _check(path, entries, limits)
    texts = [entry for entry in entries if _is_text(_name(entry))]
    _check_sizes(path, texts, limits)
    return [_source(path, entry) for entry in texts], len(entries) - len(texts)


def _source(path: Path, entry: zipfile.ZipInfo) -> Source:
    origin = f"{path}, entry {_name(entry)}"

    @contextmanager
    def open_entry() -> Iterator[IO[bytes]]:
        with _opened(path, origin) as archive, archive.open(entry) as file:
            yield file

    return Source(name=f"{path.name}/{_name(entry)}", origin=origin, open=open_entry, explicit=False)


@contextmanager
def _opened(path: Path, origin: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except UnicodeError:
        raise
    except BROKEN as error:
        raise UnsafeArchive(
            f"{origin} cannot be unpacked: {_reason(error)}",
            mend="Export it again, or unpack it yourself and give the text file.",
        ) from error


def _reason(error: Exception) -> str:
    if "password" in str(error):
        return "it is encrypted"
    return "the archive is broken or cut short" if isinstance(error, zipfile.BadZipFile | EOFError) else str(error)


def _check(path: Path, entries: list[zipfile.ZipInfo], limits: Limits) -> None:
    if len(entries) > limits.entries:
        raise _unsafe(path, f"it holds {len(entries):,} entries, more than {limits.entries:,}")
    names: set[str] = set()
    for entry in entries:
        name = _name(entry)
        if _escapes(name):
            raise _unsafe(path, f"the entry {name!r} points outside it")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _unsafe(path, f"the entry {name!r} is a link")
        if name in names:
            raise _unsafe(path, f"it holds {name!r} twice")
        names.add(name)


def _check_sizes(path: Path, entries: list[zipfile.ZipInfo], limits: Limits) -> None:
    for entry in entries:
        size, packed = entry.file_size, max(1, entry.compress_size)
        if size > limits.entry_bytes:
            raise _unsafe(path, f"the entry {_name(entry)!r} unpacks to {size >> 20:,} MiB")
        if size > 1 << 20 and size / packed > limits.ratio:
            raise _unsafe(path, f"the entry {_name(entry)!r} unpacks to {size // packed:,} times its size")
    if sum(entry.file_size for entry in entries) > limits.total_bytes:
        raise _unsafe(path, f"its text unpacks to more than {limits.total_bytes >> 20:,} MiB")


def _escapes(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or (len(name) > 1 and name[1] == ":") or "\0" in name


def _is_text(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not hidden and path.suffix.lower() in TEXT_SUFFIXES


def _name(entry: zipfile.ZipInfo) -> str:
    """The entry's name; UTF-8 that the archive does not declare is read as such."""
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def _unsafe(path: Path, why: str) -> UnsafeArchive:
    return UnsafeArchive(
        f"{path} is not safe to unpack: {why}", mend="If you trust it, unpack it yourself and give the text files."
    )
