"""raw/: what was ingested, kept as it was, so that everything can be read again; and the swap that keeps it whole.

A kept file lies in raw/<number>-<format>-<hash>/<its name>. Numbers say the order of ingestion, the hash recognises a
file that comes again.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from style_clone.errors import UsageError
from style_clone.ingest.identity import clean_name
from style_clone.ingest.importer import Importer
from style_clone.ingest.registry import by_name
from style_clone.ingest.source import Source, from_file
from style_clone.workspace import PersonaFolder, storage_errors

BLOCK_BYTES = 1 << 20
LONGEST_PART_BYTES = 200
_FOLDER = re.compile(r"(?P<number>\d{5})-(?P<format>[a-z]+)-(?P<digest>[0-9a-f]{16})")


@dataclass(frozen=True)
class Kept:
    """One file of raw/: its format, its content's hash, and where its bytes are."""

    number: int
    importer: Importer
    digest: str
    source: Source


def kept_files(raw: Path) -> list[Kept]:
    """The files of raw/ in the order they were ingested."""
    folders = sorted(raw.iterdir()) if raw.is_dir() else []
    return [kept for folder in folders if (kept := _kept(folder)) is not None]


def keep(source: Source, importer: Importer, number: int, raw: Path) -> Kept:
    """Copy a file into `raw` under that number."""
    temporary = raw / f".{number:05}"
    path = temporary.joinpath(*_safe_parts(source.name))
    path.parent.mkdir(parents=True)
    digest = sha256()
    with source.open() as incoming, path.open("wb") as copy:
        while block := incoming.read(BLOCK_BYTES):
            digest.update(block)
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
    short = digest.hexdigest()[:16]
    folder = raw / f"{number:05}-{importer.name}-{short}"
    temporary.rename(folder)
    copied = from_file(folder.joinpath(*_safe_parts(source.name)), name=_safe_name(source.name), origin=source.origin)
    return Kept(number, importer, short, copied)


def drop(kept: Kept, raw: Path) -> None:
    """Take back what `keep` copied."""
    shutil.rmtree(raw / f"{kept.number:05}-{kept.importer.name}-{kept.digest}")


def same_content(kept: Kept, others: list[Kept]) -> bool:
    """Whether one of `others` has the same bytes. Raises UsageError where that was read as another format."""
    twins = [other for other in others if other.digest == kept.digest]
    if twins and all(other.importer.name != kept.importer.name for other in twins):
        raise UsageError(
            f"{kept.source.origin} was ingested before, as {twins[0].importer.name}",
            mend="To read it as another format, delete the persona and ingest its files again.",
        )
    return bool(twins)


@contextmanager
def staging(folder: PersonaFolder) -> Iterator[PersonaFolder]:
    """A scratch persona inside `folder` to write the next state into; nothing of it outlives the block.

    Raises StorageError where the disk is full or may not be written.
    """
    with storage_errors(folder.root):
        folder.root.mkdir(parents=True, exist_ok=True)
        scratch = PersonaFolder(Path(tempfile.mkdtemp(dir=folder.root, prefix=".ingest.")))
        try:
            scratch.raw.mkdir()
            yield scratch
        finally:
            shutil.rmtree(scratch.root, ignore_errors=True)
            if not any(folder.root.iterdir()):
                folder.root.rmdir()


def commit(scratch: PersonaFolder, folder: PersonaFolder) -> None:
    """Move raw/, messages.jsonl and persona.json of `scratch` into `folder`: all of them or, where that fails, none.

    Everything has been written and synced by now, so that only renames are left to go wrong.
    """
    old = scratch.root / "messages.old"
    if folder.messages.exists():
        shutil.copyfile(folder.messages, old)
    folder.raw.mkdir(exist_ok=True)
    added: list[Path] = []
    try:
        for kept in sorted(scratch.raw.iterdir()):
            added.append(kept.rename(folder.raw / kept.name))
        scratch.messages.replace(folder.messages)
        scratch.persona.replace(folder.persona)
    except BaseException:
        for kept in added:
            shutil.rmtree(kept)
        if old.exists():
            old.replace(folder.messages)
        else:
            folder.messages.unlink(missing_ok=True)
        if not any(folder.raw.iterdir()):
            folder.raw.rmdir()
        raise


def _kept(folder: Path) -> Kept | None:
    match = _FOLDER.fullmatch(folder.name)
    files = [path for path in folder.rglob("*") if path.is_file()]
    if match is None or not files:
        return None
    source = from_file(files[0], name=files[0].relative_to(folder).as_posix())
    return Kept(int(match["number"]), by_name(match["format"]), match["digest"], source)


def _safe_name(name: str) -> str:
    return "/".join(_safe_parts(name))


def _safe_parts(name: str) -> list[str]:
    """The parts of a source's name as names of files here: no control characters, none too long, none hidden."""
    parts = [clean_name(part.encode("utf-8", "replace").decode()) for part in name.replace("\\", "/").split("/")]
    return [_short(part) for part in parts if part.strip(".")] or ["file"]


def _short(part: str) -> str:
    if len(part.encode()) <= LONGEST_PART_BYTES:
        return part
    stem, dot, suffix = part.rpartition(".")
    kept = (stem if dot else part).encode()[: LONGEST_PART_BYTES - 20].decode("utf-8", "ignore")
    return f"{kept}{dot}{suffix[:10]}"
