"""edits.json: what the user left out or rewrote, as it is remembered from build to build."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.conversation import Pair, Turn
from style_clone.errors import StorageError, UsageError
from style_clone.pairs.edits import Edits, Was
from style_clone.workspace import PersonaFolder, Workspace, write_json

TURNS: tuple[Turn, ...] = ({"role": "user", "content": "you there?"}, {"role": "assistant", "content": "yes\nhere"})
PAIR = Pair(TURNS, "m1", "t#1", "reply", "chat.txt", "chat", "2024-03-01T09:00:00", "Ann")
WAS = Was("train", PAIR)
TEXTS = st.text(min_size=1).filter(str.strip)


@pytest.fixture
def folder(workspace: Workspace) -> PersonaFolder:
    return workspace.folder("nell")


def test_without_a_file_there_are_no_edits(folder: PersonaFolder) -> None:
    edits = Edits.load(folder)
    assert edits == Edits()
    assert edits.changed == frozenset()


def test_edits_are_read_back_as_they_were_saved(folder: PersonaFolder) -> None:
    edits = Edits().exclude("t#1#m1", WAS).rewrite("t#2#m9", "  not quite\r\nlike that ").exclude("other")
    edits.save(folder)
    loaded = Edits.load(folder)
    assert loaded == edits
    assert loaded.excluded == {"t#1#m1", "other"}
    assert loaded.replies == {"t#2#m9": "not quite\nlike that"}
    assert loaded.was == {"t#1#m1": WAS}
    on_file = json.loads(folder.edits.read_text(encoding="utf-8"))["pairs"]
    assert on_file["other"] == {"excluded": True}
    assert on_file["t#2#m9"] == {"reply": "not quite\nlike that"}


def test_an_edit_written_by_hand_needs_no_more_than_the_key(folder: PersonaFolder) -> None:
    write_json(folder.edits, {"pairs": {"a": {"excluded": True}, "b": {"reply": "so"}, "c": {"excluded": False}}})
    edits = Edits.load(folder)
    assert (edits.excluded, edits.replies) == ({"a"}, {"b": "so"})


def test_what_is_undone_leaves_no_file(folder: PersonaFolder) -> None:
    untouched = Edits().digest
    edits = Edits().exclude("k", WAS).rewrite("k", "other", WAS)
    edits.save(folder)
    assert folder.edits.exists()
    undone = edits.include("k").undo("k")
    assert undone.digest == untouched
    assert undone.was == {"k": WAS}, "until it is built, what it was is still known"
    undone.forget(["k"]).save(folder)
    assert not folder.edits.exists()
    undone.forget(["k"]).save(folder)


def test_what_is_still_changed_is_not_forgotten() -> None:
    edits = Edits().exclude("k", WAS).rewrite("l", "text", WAS)
    assert edits.forget(["k", "l", "m"]) == edits


def test_the_first_copy_of_a_pair_is_the_authors_own() -> None:
    later = Was(
        "train", Pair((TURNS[0], {"role": "assistant", "content": "edited"}), "m1", "t#1", "reply", "c", "chat")
    )
    assert Edits().rewrite("k", "one", WAS).rewrite("k", "two", later).was == {"k": WAS}


@pytest.mark.parametrize("text", ["", "  \n ", "\r\n"])
def test_an_empty_reply_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be empty"):
        Edits().rewrite("k", text)


def test_an_object_is_never_changed() -> None:
    edits = Edits()
    edits.exclude("a"), edits.rewrite("b", "text"), edits.include("c"), edits.undo("d")
    assert edits == Edits()


@given(st.dictionaries(st.text(), TEXTS, max_size=4), st.sets(st.text(), max_size=4))
def test_the_digest_tells_wishes_apart_and_nothing_else(replies: dict[str, str], excluded: set[str]) -> None:
    edits = Edits(frozenset(excluded), replies)
    turned = Edits(frozenset(excluded), dict(reversed(replies.items())), {"k": WAS})
    assert edits.digest == turned.digest
    assert edits.exclude("new key").digest != edits.digest or "new key" in excluded
    assert edits.rewrite("k", "a text nobody has").digest != edits.digest


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("not json", "damaged"),
        ("[]", 'expected {"pairs"'),
        ('{"pairs": []}', 'expected {"pairs"'),
        ('{"version": 9, "pairs": {}}', "version 9"),
        ('{"pairs": {"k": true}}', "'k'"),
        ('{"pairs": {"k": {"excluded": "yes"}}}', "'k'"),
        ('{"pairs": {"k": {"reply": " "}}}', "'k'"),
        ('{"pairs": {"k": {"reply": 3}}}', "'k'"),
        ('{"pairs": {"k": {"was": {"split": "train"}}}}', "is not a pair"),
        ('{"pairs": {"k": {"was": {"split": "other", "pair": {"messages": [{"content": ""}]}}}}}', "is not a pair"),
        ('{"pairs": {"k": {"was": {"split": "dev", "pair": {"messages": [], "meta": {}}}}}}', "is not a pair"),
        ('{"pairs": {"k": {"was": {"split": "dev", "pair": {"messages": [7], "meta": {}}}}}}', "is not a pair"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_expected(folder: PersonaFolder, content: str, told: str) -> None:
    folder.root.mkdir(parents=True)
    folder.edits.write_text(content, encoding="utf-8")
    with pytest.raises(StorageError) as caught:
        Edits.load(folder)
    assert told in caught.value.problem
    assert "edits.json" in caught.value.problem
    assert "delete it" in caught.value.mend


def test_a_pair_is_kept_whole() -> None:
    row: Any = json.loads(json.dumps(WAS.to_json()))
    assert Was.from_json(row) == WAS
