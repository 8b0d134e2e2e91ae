"""The memory: facts of train only, found by content words, in files that hold no pickles."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.conversation import read_pairs
from style_clone.errors import MissingStage
from style_clone.memory.facts import MAX_FACT_CHARACTERS, content_words, facts_of
from style_clone.memory.run import build, load
from style_clone.pairs.run import build as build_pairs
from style_clone.workspace import PersonaFolder, Workspace
from tests.pairs_chats import MORNING, chat, many_chats, persona

SAID = [
    "my dog biscuit has three legs",
    "i tune pianos for a living",
    "gerald is my van, he failed his mot",
    "i live above the chip shop in grindle",
    "haha yes",
    "are you coming to the piano thing?",
]


@pytest.fixture
def folder(workspace: Workspace) -> PersonaFolder:
    """A persona whose first days, which become train, hold what was SAID; the last hold a secret."""
    messages = []
    for day, line in enumerate(SAID):
        messages += chat(f"Ann: question{day}", f"Nell: {line}", start=MORNING - timedelta(days=30 - day))
    messages += many_chats(20)
    secret = "the vault code is zanzibar and nobody else has it"
    messages += chat("Ann: well", f"Nell: {secret}", start=MORNING + timedelta(days=60))
    made = persona(workspace, messages)
    build_pairs(made)
    return made


def test_facts_are_found_by_what_they_are_about(folder: PersonaFolder) -> None:
    assert build(folder) > 4
    memory = load(folder)
    assert memory.facts("what do you do with pianos?")[0] == "i tune pianos for a living"
    assert memory.facts("tell me about Gerald", limit=1) == ["gerald is my van, he failed his mot"]
    assert memory.facts("how many legs has the dog")[0] == "my dog biscuit has three legs"


@pytest.mark.parametrize("query", ["", "and the of", "zebra", "???"])
def test_where_nothing_fits_there_is_nothing(folder: PersonaFolder, query: str) -> None:
    build(folder)
    assert load(folder).facts(query) == []


def test_the_limit_holds(folder: PersonaFolder) -> None:
    build(folder)
    memory = load(folder)
    assert len(memory.facts("alpha0x0 alpha1x1 alpha2x2 beta0x1")) == 3
    assert len(memory.facts("alpha0x0 alpha1x1 alpha2x2 beta0x1", limit=2)) == 2
    assert memory.facts("dog", limit=0) == []


def test_judge_and_test_text_never_reach_it(folder: PersonaFolder) -> None:
    assert any("zanzibar" in pair.reply for pair in read_pairs(folder.split("test")))
    build(folder)
    memory = load(folder)
    assert memory.facts("vault code zanzibar") == []
    train = " ".join(pair.reply for pair in read_pairs(folder.split("train")))
    assert all(fact in train for fact in memory.texts)
    assert not any(b"zanzibar" in path.read_bytes() for path in folder.memory.iterdir())


def test_its_files_are_arrays_and_json(folder: PersonaFolder) -> None:
    build(folder)
    assert {path.suffix for path in folder.memory.iterdir()} == {".npy", ".json", ".jsonl"}
    assert all(path.read_bytes()[:6] == b"\x93NUMPY" for path in folder.memory.glob("*.npy"))


def test_it_is_missing_then_there_then_stale(folder: PersonaFolder, workspace: Workspace) -> None:
    with pytest.raises(MissingStage, match="no memory"):
        load(folder)
    build(folder)
    assert load(folder).texts == load(folder).texts
    persona(workspace, many_chats(30))
    build_pairs(folder)
    with pytest.raises(MissingStage, match="older pairs"):
        load(folder)
    build(folder)
    assert load(folder).facts("dog biscuit") == []


def test_without_pairs_and_without_facts(workspace: Workspace) -> None:
    made = persona(workspace, [])
    with pytest.raises(MissingStage, match="no pairs"):
        build(made)
    made.pairs.mkdir()
    made.split("train").write_text("")
    assert build(made) == 0
    assert load(made).facts("anything") == []


def test_questions_and_chatter_are_no_facts_and_repeats_count_once() -> None:
    assert facts_of([*SAID, "My dog Biscuit has three legs!"]) == SAID[:4]


def test_bubbles_of_a_reply_stay_together_while_they_fit() -> None:
    assert facts_of(["i moved to leeds\nin may\nwhere else?\nwith the cat."]) == [
        "i moved to leeds, in may, with the cat."
    ]
    long = "\n".join(f"the cupboard number {n} holds green jam jars" for n in range(10))
    assert len(facts_of([long])) == 3


@given(st.lists(st.text(max_size=600), max_size=4))
def test_facts_are_short_and_say_something(texts: list[str]) -> None:
    for fact in facts_of(texts):
        assert 0 < len(fact) <= MAX_FACT_CHARACTERS
        assert "\n" not in fact
        assert len(set(content_words(fact))) >= 2


def test_a_plural_finds_its_singular() -> None:
    assert content_words("The pianos and the glass") == ["piano", "glass"]
