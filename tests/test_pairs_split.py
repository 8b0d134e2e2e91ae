"""The four splits: whole units, in time order, stable when writing is added."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.conversation import SPLITS, Message, Split, read_pairs
from style_clone.errors import StorageError
from style_clone.pairs.choosing.split import SHARES, share_out
from style_clone.pairs.choosing.table import Entry
from style_clone.pairs.options import Options
from style_clone.pairs.reading.stretches import Stretch
from style_clone.pairs.run import REMEMBERED, build
from style_clone.workspace import PersonaFolder, Workspace
from tests.pairs_chats import MORNING, chat, many_chats, message, persona

_firsts = count()


def unit(name: str, size: int = 1, day: int | None = None, document: bool = False) -> Entry:
    date = None if day is None else MORNING + timedelta(days=day)
    return Entry(name, document, date, Stretch(np.empty(0, np.int64), document, 0), next(_firsts), size)


def sizes(parts: dict[Split, list[Entry]]) -> list[int]:
    return [sum(one.size for one in parts[name]) for name in SPLITS]


def test_the_oldest_half_trains_and_the_newest_tests() -> None:
    units = [unit(f"u{day}", 1, day) for day in range(100)]
    parts = share_out(units[::-1], seed=0)
    assert sizes(parts) == [50, 10, 25, 15]
    assert [one.id for name in SPLITS for one in parts[name]] == [one.id for one in units]


def test_units_are_never_cut_and_shares_count_pairs() -> None:
    parts = share_out([unit("big", 50, 0), *(unit(f"u{day}", 1, day) for day in range(1, 51))], seed=0)
    assert [one.id for one in parts["train"]] == ["big"]
    assert sizes(parts) == [50, 10, 25, 15]


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [1, 0, 0, 0]), (2, [1, 0, 0, 1]), (3, [1, 1, 0, 1]), (4, [1, 1, 1, 1])]
)
@pytest.mark.parametrize("dated", [True, False])
def test_few_units_fill_the_splits_most_needed(count: int, expected: list[int], dated: bool) -> None:
    assert sizes(share_out([unit(f"u{n}", 1, n if dated else None) for n in range(count)], seed=0)) == expected


@given(st.lists(st.integers(1, 30), min_size=4, max_size=60))
def test_no_split_is_empty_and_nothing_is_lost(counts: list[int]) -> None:
    units = [unit(f"u{day}", size, day) for day, size in enumerate(counts)]
    parts = share_out(units, seed=0)
    assert all(parts.values())
    assert [one for name in SPLITS for one in parts[name]] == units


def test_undated_units_stay_in_their_split_when_writing_is_added() -> None:
    before = share_out([unit(f"u{n}") for n in range(200)], seed=3)
    after = share_out([unit(f"u{n}") for n in range(400)], seed=3)
    assert all({one.id for one in before[name]} <= {one.id for one in after[name]} for name in SPLITS)
    assert all(abs(len(after[name]) / 400 - SHARES[name]) < 0.08 for name in SPLITS)
    assert share_out([unit(f"u{n}") for n in range(200)], seed=4) != before


def split_of(folder: PersonaFolder) -> dict[str, Split]:
    """The split of every conversation that is in one."""
    return {pair.conversation: name for name in SPLITS for pair in read_pairs(folder.split(name))}


def test_documents_and_conversations_are_shared_out_apart(workspace: Workspace) -> None:
    posts = [
        message("Nell", " ".join(f"word{n}x{each}" for each in range(30)), MORNING, f"post{n}", kind="document")
        for n in range(40)
    ]
    folder = persona(workspace, [*many_chats(40), *posts])
    build(folder)
    for name in SPLITS:
        assert {pair.origin for pair in read_pairs(folder.split(name))} == {"reply", "document"}


def test_no_conversation_is_in_two_splits(workspace: Workspace) -> None:
    folder = persona(workspace, many_chats(40))
    summary = build(folder)
    assert summary.conversations == len(split_of(folder)) == 40


PER_CHAT = 6


@pytest.mark.parametrize("more", [60, 100, 400])
def test_writing_that_is_added_moves_nothing_between_train_and_test(workspace: Workspace, more: int) -> None:
    messages = many_chats(more)
    folder = persona(workspace, messages[: 40 * PER_CHAT])
    build(folder)
    before = split_of(folder)
    persona(workspace, messages)
    build(folder)
    after = split_of(folder)
    assert not {(split, after[name]) for name, split in before.items()} & {("test", "train"), ("train", "test")}
    newest = max(after, key=lambda name: name.split("@")[1])
    assert (newest in before, after[newest]) == (False, "test")
    if more == 400:  # by time alone what was test is long since old enough to be learnt
        assert {after[name] for name, split in before.items() if split == "test"} == {"judge"}


def test_what_was_in_test_is_never_learnt_however_often_writing_is_added(workspace: Workspace) -> None:
    once: dict[str, set[str]] = {"train": set(), "test": set()}
    messages = many_chats(151)
    for size in (20, 20, 35, 60, 150, 151):
        folder = persona(workspace, messages[: size * PER_CHAT])
        build(folder)
        for name, split in split_of(folder).items():
            if split in once:
                once[split].add(name)
    assert once["train"]
    assert once["test"]
    assert not once["train"] & once["test"]


def test_another_gap_cuts_otherwise_and_still_moves_nothing(workspace: Workspace) -> None:
    messages: list[Message] = []
    for day in range(60):
        start = MORNING + timedelta(days=day)
        for part in range(3):
            said = chat(f"Ann: what{day}x{part} is up", f"Nell: some thing{day} of sort{part} and kind{day}x{part}")
            messages += [
                message(each.author, each.text, start + timedelta(hours=part, minutes=n), id=f"{day}/{part}/{n}")
                for n, each in enumerate(said)
            ]
    folder = persona(workspace, messages)
    build(folder, options=Options(gap_seconds=12 * 3600))
    before = {pair.id: name for name in SPLITS for pair in read_pairs(folder.split(name))}
    build(folder, options=Options(gap_seconds=1800))
    after = {pair.id: name for name in SPLITS for pair in read_pairs(folder.split(name))}
    assert not {(before[id], after[id]) for id in before} & {("train", "test"), ("test", "train")}


def test_another_seed_shares_everything_out_anew(workspace: Workspace) -> None:
    chats = many_chats(200)
    undated = [message(each.author, each.text, None, each.date.isoformat() if each.date else "") for each in chats]
    folder = persona(workspace, undated)
    build(folder)
    before = split_of(folder)
    build(folder, options=Options(seed=1))
    assert any((before.get(name), split) == ("test", "train") for name, split in split_of(folder).items())


def test_a_damaged_memory_of_the_splits_is_an_error_that_says_what_to_do(workspace: Workspace) -> None:
    folder = persona(workspace, many_chats(20))
    build(folder)
    (folder.pairs / REMEMBERED).write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(StorageError, match="remembered.npz is damaged") as error:
        build(folder)
    assert "Delete it" in error.value.mend
    assert Path(folder.pairs / REMEMBERED).exists()
