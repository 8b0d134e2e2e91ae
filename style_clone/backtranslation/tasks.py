"""What a model is to be asked about: documents that have only a template, and writing to be paraphrased."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from style_clone.conversation import SPLITS, Pair, Split, iterate_pairs
from style_clone.errors import MissingStage
from style_clone.pairs.documents.written import MOST_REWRITES, chunk_hash, rewritable, rows
from style_clone.workspace import PersonaFolder

Kind = Literal["prompt", "rewrite"]


@dataclass(frozen=True)
class Task:
    """A text of the author's a model is asked about; `template` is the prompt it has now, which a new one must beat."""

    kind: Kind
    text: str
    template: str = ""

    @property
    def sha256(self) -> str:
        """What the result is known by."""
        return chunk_hash(self.text)


def tasks(folder: PersonaFolder, kind: Kind, *, again: bool = False, limit: int | None = None) -> list[Task]:
    """What is still to be asked, in an order that is the same each time. Raises MissingStage without pairs.

    Prompts are for documents of every part that have a template; rewrites for train only, as many as can be used. What
    was asked before is left out; with `again` only what was kept.
    """
    if not folder.split("train").exists():
        raise MissingStage(f"{folder.slug} has no pairs yet", mend=f"Make them with: style-clone pairs {folder.slug}")
    known = {row["sha256"]: row.get("prompt") for row in rows(folder) if row.get("kind") == kind}
    found = _prompts(folder) if kind == "prompt" else _rewrites(folder)
    left = {task.sha256: task for task in found if task.sha256 not in known or (again and not known[task.sha256])}
    if kind == "rewrite":
        room = int(MOST_REWRITES * sum(1 for _ in _pairs(folder, "train"))) - sum(map(bool, known.values()))
        limit = max(0, min(room, len(left) if limit is None else limit))
    return [left[key] for key in sorted(left)][:limit]


def _prompts(folder: PersonaFolder) -> Iterator[Task]:
    for name in SPLITS:
        for pair in _pairs(folder, name):
            if pair.origin == "document" and pair.asked_by == "template":
                yield Task("prompt", pair.reply, pair.context[-1]["content"])


def _rewrites(folder: PersonaFolder) -> Iterator[Task]:
    """One part of each pair, the one whose hash comes first."""
    for pair in _pairs(folder, "train"):
        if parts := [Task("rewrite", text) for text in rewritable(pair.reply)]:
            yield min(parts, key=lambda task: task.sha256)


def _pairs(folder: PersonaFolder, name: Split) -> Iterator[Pair]:
    """The pairs of one part but those that are rewrites themselves, one at a time."""
    path = folder.split(name)
    if path.exists():
        yield from (pair for pair in iterate_pairs(path) if pair.origin != "rewrite")
