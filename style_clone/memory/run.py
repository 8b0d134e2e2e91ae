"""The memory: a BM25 index over what the author wrote in train. Judge and test text never reaches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from style_clone.conversation import read_lines, read_pairs, write_lines
from style_clone.errors import MissingStage
from style_clone.workspace import PersonaFolder, atomic_folder, file_hash, read_json, write_json

if TYPE_CHECKING:
    from bm25s import BM25

FACTS = "facts.jsonl"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Memory:
    """Facts and the index over them; `index` is None where there are no facts."""

    texts: tuple[str, ...]
    index: BM25 | None

    def facts(self, query: str, limit: int = 3) -> list[str]:
        """At most `limit` facts that share content words with `query`, the best first; often none."""
        from style_clone.memory.facts import content_words

        asked = content_words(query)
        if self.index is None or not asked or limit < 1:
            return []
        scores: list[float] = self.index.get_scores(asked).tolist()
        hits = [number for number, score in enumerate(scores) if score > 0]
        best = sorted(hits, key=lambda number: (-scores[number], number))
        return [self.texts[number] for number in best[:limit]]


def build(folder: PersonaFolder) -> int:
    """Write memory/ from the train pairs, all or nothing; returns the number of facts.

    Raises MissingStage without pairs, StorageError where it cannot be saved.
    """
    from style_clone.memory.facts import content_words, facts_of

    train = folder.split("train")
    if not train.exists():
        raise MissingStage(f"{folder.slug} has no pairs yet", mend=f"Make them with: style-clone pairs {folder.slug}")
    facts = facts_of(pair.reply for pair in read_pairs(train))
    with atomic_folder(folder.memory) as temporary:
        with (temporary / FACTS).open("w", encoding="utf-8") as file:
            write_lines(file, ({"text": fact} for fact in facts))
        if facts:
            _indexed([content_words(fact) for fact in facts]).save(temporary, show_progress=False)
        write_json(temporary / MANIFEST, {"facts": len(facts), "train_sha256": file_hash(train)})
    return len(facts)


def load(folder: PersonaFolder) -> Memory:
    """The memory as `build` left it, its arrays mapped, not read. Raises MissingStage where it is absent or stale."""
    if not (folder.memory / MANIFEST).exists():
        raise _missing(folder, "has no memory yet")
    manifest: dict[str, Any] = read_json(folder.memory / MANIFEST)
    train = folder.split("train")
    if train.exists() and file_hash(train) != manifest["train_sha256"]:
        raise _missing(folder, "has a memory made from older pairs")
    texts = tuple(row["text"] for row in read_lines(folder.memory / FACTS))
    return Memory(texts, _loaded(folder) if texts else None)


def _indexed(tokens: list[list[str]]) -> BM25:
    from bm25s import BM25

    index = BM25()
    index.index(tokens, show_progress=False)
    return index


def _loaded(folder: PersonaFolder) -> BM25:
    from bm25s import BM25

    return BM25.load(folder.memory, mmap=True, show_progress=False)


def _missing(folder: PersonaFolder, what: str) -> MissingStage:
    return MissingStage(f"{folder.slug} {what}", mend=f"Make it with: style-clone pairs {folder.slug}")
