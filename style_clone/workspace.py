"""Where a persona's files live, and how they are written: all or nothing.

A write goes to a temporary file in the same folder, is synced, and is then renamed over the old one, so a crash, a full
disk or a `kill -9` leaves either the old content or the new, never half of one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from style_clone.conversation import Split
from style_clone.errors import PersonaNotFound, StorageError, UsageError

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class PersonaFolder:
    """The paths of one persona; nothing here reads or writes."""

    root: Path

    @property
    def slug(self) -> str:
        """The persona's name on the command line and at the endpoint."""
        return self.root.name

    @property
    def persona(self) -> Path:
        """persona.json: name, aliases, base model, prompts, sampling."""
        return self.root / "persona.json"

    @property
    def raw(self) -> Path:
        """What was ingested, as it was."""
        return self.root / "raw"

    @property
    def messages(self) -> Path:
        """messages.jsonl, everybody's messages."""
        return self.root / "messages.jsonl"

    @property
    def pairs(self) -> Path:
        """The folder of the four splits and their summary."""
        return self.root / "pairs"

    def split(self, name: Split) -> Path:
        """One split's file."""
        return self.pairs / f"{name}.jsonl"

    @property
    def edits(self) -> Path:
        """edits.json: pairs the user left out or rewrote, for every build to come."""
        return self.root / "edits.json"

    @property
    def redaction(self) -> Path:
        """redaction.json: what the user wants masked or kept."""
        return self.root / "redaction.json"

    @property
    def redactions(self) -> Path:
        """redactions.json: what was masked, by type, counts only."""
        return self.root / "redactions.json"

    @property
    def backtranslations(self) -> Path:
        """backtranslations.jsonl: prompts a model wrote for documents, by the chunk they ask for."""
        return self.root / "backtranslations.jsonl"

    @property
    def baseline(self) -> Path:
        """baseline.json: the prompted baseline's system prompt and exemplars."""
        return self.root / "baseline.json"

    @property
    def adapter(self) -> Path:
        """The trained adapter: PEFT safetensors and run.json."""
        return self.root / "adapter"

    @property
    def memory(self) -> Path:
        """The retrieval index."""
        return self.root / "memory"

    @property
    def scorecard(self) -> Path:
        """scorecard.json."""
        return self.root / "scorecard.json"

    @property
    def impostors(self) -> Path:
        """Other people's pairs, which the scorecard compares with: one file each, and what they were made from."""
        return self.root / "impostors"

    @property
    def scorecard_page(self) -> Path:
        """scorecard.html, the same for people."""
        return self.root / "scorecard.html"

    @property
    def replies(self) -> Path:
        """replies.jsonl: what the candidates answered to the test prompts, and the real replies."""
        return self.root / "replies.jsonl"

    @property
    def answers(self) -> Path:
        """answers.jsonl: what every candidate was asked and answered, so that an evaluation can go on or be repeated."""
        return self.root / "answers.jsonl"

    @property
    def runs(self) -> Path:
        """One folder a training run: events and checkpoints."""
        return self.root / "runs"


@dataclass(frozen=True)
class Workspace:
    """Everything style-clone keeps, under one home folder."""

    home: Path

    @property
    def models(self) -> Path:
        """Converted base models."""
        return self.home / "models"

    @property
    def logs(self) -> Path:
        """Logs of child processes; never content."""
        return self.home / "logs"

    @property
    def database_url(self) -> str:
        """The default store: SQLite in the home folder."""
        return f"sqlite:///{self.home / 'store.sqlite3'}"

    def folder(self, slug: str) -> PersonaFolder:
        """The folder of a persona that may not exist yet. Raises UsageError for a name that cannot be one."""
        if not SLUG.fullmatch(slug):
            raise UsageError(
                f"{slug!r} cannot be a persona's name",
                mend="Use lower-case letters, digits, - and _, beginning with a letter or digit; for example: me",
            )
        return PersonaFolder(self.home / "personas" / slug)

    def existing(self, slug: str) -> PersonaFolder:
        """The folder of a persona that has been ingested. Raises PersonaNotFound, naming those there are."""
        folder = self.folder(slug)
        if not folder.persona.exists():
            known = ", ".join(other.slug for other in self.personas()) or "none yet"
            raise PersonaNotFound(
                f"there is no persona {slug!r} (known: {known})",
                mend=f'Make one with: style-clone ingest {slug} PATH... --me "Your Name"',
            )
        return folder

    def personas(self) -> list[PersonaFolder]:
        """Every persona, by name."""
        root = self.home / "personas"
        folders = sorted(path.parent for path in root.glob("*/persona.json")) if root.exists() else []
        return [PersonaFolder(path) for path in folders]

    def delete(self, slug: str) -> None:
        """Purge a persona's folder; unknown names raise PersonaNotFound."""
        root = self.existing(slug).root
        doomed = root.with_name(f".{slug}.deleted")
        with storage_errors(root):
            shutil.rmtree(doomed, ignore_errors=True)
            root.rename(doomed)
            shutil.rmtree(doomed)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors while saving `path` into StorageError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            problem, mend = f"the disk is full: {path} was not saved, what was there is unchanged", "Free some space"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            problem, mend = f"{path} cannot be written: {error.strerror}", "Check the folder's permissions"
        else:
            raise
        raise StorageError(problem, mend=f"{mend} (or set STYLE_CLONE_HOME to another place) and run again.") from error


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[str]]:
    """A text file that replaces `path` when the block ends well, and never otherwise. Raises StorageError."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A folder that replaces `path` when the block ends well, and never otherwise. Raises StorageError."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    sync(file)
            _swap(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def own_prefix(parent: Path, purpose: str) -> str:
    """What the names of this process's passing folders in `parent` begin with; those of processes that were killed go."""
    import psutil  # not for commands that make no such folder

    for left in parent.glob(f".{purpose}-*"):
        owner = left.name.removeprefix(f".{purpose}-").partition("-")[0]
        if not (owner.isdigit() and psutil.pid_exists(int(owner))):
            shutil.rmtree(left, ignore_errors=True)
    return f".{purpose}-{os.getpid()}-"


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by readable JSON, all or nothing. Raises StorageError."""
    with atomic_file(path) as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def read_json(path: Path) -> Any:
    """A JSON file of ours. Raises StorageError where it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} is damaged: {error}", mend="Run the stage that writes this file again.") from error


def file_hash(*paths: Path) -> str:
    """SHA-256 over the files' bytes, in the order given; hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Have a file or folder on the disk before going on."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _swap(new: Path, path: Path) -> None:
    """Put `new` in the place of `path`; the old folder goes only once the new one is there."""
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)
