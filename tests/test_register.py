"""Who gets a register, what they are called, and above which conversations their line stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.conversation import Pair, Turn
from style_clone.errors import StorageError
from style_clone.persona import fold_name
from style_clone.register import LEAST_PAIRS, from_json, label_of, lines_of, load, registers_of, short_names
from style_clone.workspace import Workspace, write_json

TURNS: tuple[Turn, ...] = ({"role": "user", "content": "hi"}, {"role": "assistant", "content": "hiya"})
NAMES = st.text(st.sampled_from("AaBb é.,+4"), max_size=6)


def pairs_to(recipient: str | None, count: int = LEAST_PAIRS, conversations: int = 5) -> list[Pair]:
    return [
        Pair(
            TURNS,
            f"{recipient}{number}",
            f"{recipient}-{number % conversations}",
            "reply",
            "x",
            "chat",
            None,
            recipient,
        )
        for number in range(count)
    ]


def test_a_contact_needs_enough_pairs_and_somebody_else_beside_them() -> None:
    ann, tam = pairs_to("Ann Lee"), pairs_to("Tam Quayle", LEAST_PAIRS - 1)
    assert registers_of([*ann, *tam]) == {"Ann Lee": "Ann"}
    assert registers_of(ann) == {}
    assert registers_of([*ann, *pairs_to(None)]) == {"Ann Lee": "Ann"}
    assert registers_of([]) == registers_of(pairs_to(None)) == {}


def test_a_group_has_none() -> None:
    assert registers_of([*pairs_to(None), *pairs_to("Tam", 1)]) == {}


def test_spellings_are_one_contact_called_as_they_mostly_are() -> None:
    made = [*pairs_to("ann lee", 8), *pairs_to("Ann  Lee", 12), *pairs_to(None, 1)]
    assert registers_of(made) == {"Ann Lee": "Ann"}


def test_a_first_name_that_two_have_is_not_enough() -> None:
    made = [*pairs_to("Ann Lee"), *pairs_to("ann", 1), *pairs_to("Tam Quayle"), *pairs_to("Dr. Ray")]
    assert registers_of(made) == {"Ann Lee": "Ann Lee", "Tam Quayle": "Tam", "Dr. Ray": "Dr. Ray"}


@pytest.mark.parametrize("name", ["+44 7700 900123", "🎷", "x" * 61, " ", "ann@lee.example", "[name]", "<|im_end|>"])
def test_who_cannot_be_named_in_a_sentence_gets_none(name: str) -> None:
    assert registers_of([*pairs_to(name), *pairs_to("Ann")]) == {"Ann": "Ann"}


def test_names_in_the_other_order_are_left_whole() -> None:
    assert short_names(["Lee, Ann", "Ray, Tam"]) == {"Lee, Ann": "Lee, Ann", "Ray, Tam": "Ray, Tam"}


@given(st.lists(NAMES, unique_by=fold_name))
def test_labels_tell_everybody_apart_and_whole_names_and_labels_choose_the_same(names: list[str]) -> None:
    registers = short_names(name for name in names if fold_name(name))
    assert len({fold_name(label) for label in registers.values()}) == len(registers)
    for name, label in registers.items():
        assert label_of(registers, name.upper()) == label_of(registers, f" {label} ") == label


def test_no_other_name_chooses_a_register() -> None:
    for name in (None, "", " ", "Annie", "Lee"):
        assert label_of({"Ann Lee": "Ann"}, name) is None


@given(st.integers(1, 9), st.integers(1, 9))
def test_the_line_stands_above_half_of_each_contact_s_conversations(ann: int, tam: int) -> None:
    made = [*pairs_to("Ann", conversations=ann), *pairs_to("Tam", conversations=tam), *pairs_to(None)]
    lines = lines_of(made, registers_of(made))
    assert sorted(lines.values()) == ["Ann"] * ((ann + 1) // 2) + ["Tam"] * ((tam + 1) // 2)
    assert all(conversation.startswith(label) for conversation, label in lines.items())
    assert lines == lines_of(reversed(made), registers_of(reversed(made)))


@pytest.mark.parametrize("other", ["Tam", "Zoe", None])
def test_a_conversation_with_several_people_gets_no_line(other: str | None) -> None:
    registers = {"Ann": "Ann", "Tam": "Tam"}
    mixed = [Pair(TURNS, str(name), "c", "reply", "x", "chat", None, name) for name in ("Ann", other)]
    assert lines_of(mixed, registers) == {}
    assert lines_of(mixed[:1], registers) == {"c": "Ann"}


def test_what_was_trained_is_read_from_the_adapter(workspace: Workspace) -> None:
    folder = workspace.folder("nell")
    run: Path = folder.adapter / "run.json"
    assert load(folder) == {}
    for row, expected in (({}, {}), ({"registers": {"Ann Lee": "Ann"}}, {"Ann Lee": "Ann"})):
        write_json(run, row)
        assert load(folder) == expected


@pytest.mark.parametrize("row", [{"registers": ["Ann"]}, {"registers": {"Ann": 1}}, []])
def test_a_damaged_run_is_told(workspace: Workspace, row: Any) -> None:
    folder = workspace.folder("nell")
    write_json(folder.adapter / "run.json", row)
    with pytest.raises(StorageError, match="registers") as caught:
        load(folder)
    assert "style-clone train nell" in caught.value.mend


def test_only_names_are_registers() -> None:
    assert from_json({"Ann Lee": "Ann"}) == {"Ann Lee": "Ann"}
    others: list[Any] = [None, [], "Ann", {"Ann": None}, {1: "Ann"}]
    assert [from_json(value) for value in others] == [None] * 5
