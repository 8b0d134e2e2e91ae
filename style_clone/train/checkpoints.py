"""Checkpoints of a run: complete or ignored, so that a process may die at any moment.

A checkpoint counts from the moment a mark file stands in its folder, which is written once everything else has reached the
disk. Older ones go after that, and lose their mark first. So there is always a whole one to go on from, once there was one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from style_clone.errors import TrainingError
from style_clone.workspace import PersonaFolder, read_json, sync, write_json

MARK = "complete"
KEY = "identity.json"
STORY = "story.json"


@dataclass(frozen=True)
class Story:
    """What of a run outlives its process: how often it was resumed, and what it was predicted to take."""

    resumed: int = 0
    predicted: dict[str, float] | None = None


@dataclass(frozen=True)
class Checkpoints:
    """The folder runs/checkpoints, with a checkpoint-N for step N."""

    path: Path

    @classmethod
    def of(cls, folder: PersonaFolder) -> Checkpoints:
        """Those of a persona."""
        return cls(folder.runs / "checkpoints")

    def whole(self) -> list[Path]:
        """The complete checkpoints, oldest first."""
        found = (mark.parent for mark in self.path.glob(f"checkpoint-*/{MARK}"))
        return sorted(found, key=lambda checkpoint: int(checkpoint.name.rpartition("-")[2]))

    def newest(self) -> Path | None:
        """The checkpoint to go on from."""
        return next(reversed(self.whole()), None)

    def open(self, key: dict[str, Any], slug: str, *, resume: bool) -> None:
        """Make ready for the run of `key`: for a new one, or with `resume` for one that was started before.

        A run killed before its first checkpoint is resumed from its start. Raises TrainingError where there is nothing to
        resume, StorageError.
        """
        note = self.path / KEY
        if not resume:
            shutil.rmtree(self.path, ignore_errors=True)
            write_json(note, key)
        elif not note.exists() or read_json(note) != key:
            raise TrainingError(
                f"{slug} has no run to resume with this recipe, base model and pairs",
                mend=f"Give the options and the number of processes it was started with, or start anew: "
                f"style-clone train {slug}",
            )
        self.tidy()
        if self.whole():
            story = self.story()
            self.tell(replace(story, resumed=story.resumed + 1))

    def story(self) -> Story:
        """What was told of the run so far."""
        note = self.path / STORY
        return Story(**read_json(note)) if note.exists() else Story()

    def tell(self, story: Story) -> None:
        """Keep what is known of the run. Raises StorageError."""
        write_json(self.path / STORY, asdict(story))

    def seal(self, new: Path, keep: Iterable[Path | None]) -> None:
        """Declare `new`, whose files are all written, complete; then delete others, but for those of `keep`."""
        for file in new.rglob("*"):
            sync(file)
        (new / MARK).touch()
        for path in (new / MARK, new, self.path, self.path.parent):
            sync(path)
        kept = {new, *keep}
        for old in self.whole():
            if old not in kept:
                (old / MARK).unlink()
                shutil.rmtree(old, ignore_errors=True)

    def tidy(self) -> None:
        """Delete what was cut short while it was written or deleted."""
        for folder in self.path.glob("checkpoint-*"):
            if not (folder / MARK).exists():
                shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> None:
        """Delete everything: the run is over."""
        (self.path / KEY).unlink(missing_ok=True)  # first: without it there is nothing to resume
        shutil.rmtree(self.path, ignore_errors=True)
