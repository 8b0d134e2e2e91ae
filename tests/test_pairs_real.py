"""What must hold of pairs, on real writing: chat, mailing lists, office mail, letters, essays."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from style_clone.conversation import SPLITS, Split, read_lines, read_pairs
from style_clone.ingest.run import ingest
from style_clone.pairs.documents.chunking import MAX_CHUNK_WORDS
from style_clone.pairs.run import build
from style_clone.pairs.summary import PairsSummary
from style_clone.pairs.units import MIN_POST_WORDS
from style_clone.preparation import prepare
from style_clone.words import count_words
from style_clone.workspace import PersonaFolder, Workspace
from tests.test_pairs_run import check_pairs

CORPORA = {
    "chat/duraspace-irc/messages.jsonl": "tdonohue",
    "email/r-sig-lists/messages.jsonl": "Dirk Eddelbuettel",
    "email/enron-ucb/messages.jsonl": "Steven Kean",
    "letters/john-keats/letters.jsonl": "John Keats",
    "essays/g-k-chesterton/essays.jsonl": "G. K. Chesterton",
}
DATED = [name for name in CORPORA if "essays" not in name]


def persona(workspace: Workspace, path: Path, author: str) -> PersonaFolder:
    folder = workspace.folder("real")
    ingest(folder, [path], [author])
    return folder


def owners(folder: PersonaFolder) -> dict[str, Split]:
    return {pair.conversation: name for name in SPLITS for pair in read_pairs(folder.split(name))}


def check_counts(summary: PairsSummary) -> None:
    assert summary.author_messages == summary.used_messages + sum(summary.dropped.values())
    assert summary.used_messages > 0.9 * summary.author_messages
    for part in summary.splits.values():
        assert part.pairs == sum(part.origins.values()) == sum(part.asked_by.values())


@pytest.mark.parametrize("name", CORPORA)
def test_real_writing_becomes_sound_pairs(workspace: Workspace, corpora: Path, name: str) -> None:
    folder = persona(workspace, corpora / "authors" / name, CORPORA[name])
    summary = build(folder)
    check_counts(summary)
    check_pairs(folder)
    for split in SPLITS:
        for pair in read_pairs(folder.split(split)):
            if pair.origin == "document":
                assert MIN_POST_WORDS <= count_words(pair.reply) <= MAX_CHUNK_WORDS
    first = {path.name: path.read_bytes() for path in folder.pairs.iterdir()}
    build(folder)
    assert {path.name: path.read_bytes() for path in folder.pairs.iterdir()} == first


@pytest.mark.parametrize("name", DATED)
def test_the_newest_are_tested(workspace: Workspace, corpora: Path, name: str) -> None:
    folder = persona(workspace, corpora / "authors" / name, CORPORA[name])
    build(folder)
    began: dict[tuple[bool, Split], list[str]] = {}
    for split in SPLITS:
        for pair in read_pairs(folder.split(split)):
            _, at, date = pair.conversation.rpartition("@")
            if at and date[:1].isdigit() and "T" in date:
                began.setdefault((pair.origin == "document", split), []).append(date[:10])
    found = [(max(began[False, "train"]), min(began[False, "test"]))] if (False, "test") in began else []
    assert all(train <= test for train, test in found)


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_what_is_added_moves_nothing_old_between_train_and_test(
    workspace: Workspace, corpora: Path, tmp_path: Path, name: str, share: float
) -> None:
    path = corpora / "authors" / name
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    early = tmp_path / path.name
    early.write_text("".join(lines[: int(share * len(lines))]), encoding="utf-8")
    folder = persona(workspace, early, CORPORA[name])
    build(folder)
    before = owners(folder)
    persona(workspace, path, CORPORA[name])
    summary = build(folder)
    after = owners(folder)
    moves = Counter((before[unit], after[unit]) for unit in before.keys() & after.keys())
    assert not moves.keys() & {("test", "train"), ("train", "test")}
    assert len(before.keys() & after.keys()) > 0.7 * len(before)
    check_counts(summary)


def test_nothing_that_looks_private_is_left_in_office_mail(workspace: Workspace, corpora: Path) -> None:
    name = "email/enron-ucb/messages.jsonl"
    folder = persona(workspace, corpora / "authors" / name, CORPORA[name])
    prepare(folder)
    said = "\n".join(pair.reply for split in SPLITS for pair in read_pairs(folder.split(split)))
    made = (folder.baseline.read_text(), *(path.read_text() for path in folder.memory.glob("*.json*")))
    senders = {row["author"] for row in read_lines(corpora / "authors" / name)}
    for person in [who for who in senders if who != CORPORA[name] and " " in who]:
        assert person not in said
        assert not any(person in text for text in made)
    assert json.loads(folder.redactions.read_text())["person"] > 100
