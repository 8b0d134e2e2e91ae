"""One form of a prompt: a caller may add to it, never replace it, and what is asked is what is tokenised."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.conversation import Turn
from style_clone.persona import Persona
from style_clone.prompt import Prompt, clone_system, prompt_ids, reply_ids, room_for
from tests.tiny_base import byte_tokenizer

PROMPT = Prompt("You are Nell.", (("tea?", "oat milk"), ("plot?", "mega")))
ASKED: Turn = {"role": "user", "content": "coming?"}
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
TURNS = st.lists(
    st.builds(lambda role, content: {"role": role, "content": content}, st.sampled_from(["user", "assistant"]), WORDS),
    max_size=6,
)


def contents(messages: list[Turn], role: str) -> list[str]:
    return [message["content"] for message in messages if message["role"] == role]


def test_system_then_exemplars_then_turns() -> None:
    assert [message["role"] for message in PROMPT.messages([ASKED])] == [
        "system",
        *("user", "assistant") * 2,
        "user",
    ]
    assert PROMPT.messages([ASKED])[-1] == ASKED
    assert contents(PROMPT.messages([ASKED]), "assistant") == ["oat milk", "mega"]


def test_a_caller_adds_an_instruction_and_does_not_lose_the_persona() -> None:
    """Wherever the caller's system turn stands."""
    added: Turn = {"role": "system", "content": "Answer in French."}
    for turns in ([added, ASKED], [ASKED, added]):
        messages = PROMPT.messages(turns)
        assert contents(messages, "system") == ["You are Nell.\n\nAnswer in French."]
        assert messages[-1] == ASKED


def test_facts_stand_between_persona_and_caller() -> None:
    [system] = contents(
        PROMPT.remembering(["the van is Gerald"]).messages([{"role": "system", "content": "Be brief."}, ASKED]),
        "system",
    )
    parts = system.split("\n\n")
    assert parts[0] == "You are Nell."
    assert "- the van is Gerald" in parts[1]
    assert parts[2] == "Be brief."


@given(TURNS)
def test_without_a_persona_the_turns_go_as_they_are(turns: list[Turn]) -> None:
    assert Prompt().messages(turns) == turns


@given(TURNS, st.lists(WORDS, max_size=3))
def test_turns_are_never_changed_dropped_or_reordered(turns: list[Turn], facts: list[str]) -> None:
    before = [dict(turn) for turn in turns]
    prompt = PROMPT.remembering(facts)
    messages = prompt.messages(iter(turns))
    assert messages[1 + 2 * len(PROMPT.exemplars) :] == turns
    assert [dict(turn) for turn in turns] == before
    assert prompt.messages(turns) == messages
    assert facts or prompt == PROMPT


def test_the_clone_is_told_whose_it_is_and_nothing_of_how() -> None:
    persona = Persona("nell", "Nell Quayle", ("Nell Quayle", "nell"))
    assert persona.prompt == Prompt(clone_system("Nell Quayle"))
    assert "Nell Quayle" in persona.prompt.system
    assert len(persona.prompt.system) < 120


def test_a_register_is_one_line_more_and_the_same_for_everybody() -> None:
    persona = Persona("nell", "Nell Quayle", ("Nell Quayle",))
    for prompt in (persona.prompt, PROMPT):
        assert prompt.writing_to("Tam").system == prompt.system + "\n\nYou are writing to Tam."
        assert prompt.writing_to("Tam").exemplars == prompt.exemplars
        assert prompt.writing_to(None) == prompt


def test_a_register_stands_above_facts_and_the_caller_s_own() -> None:
    added: Turn = {"role": "system", "content": "Be brief."}
    [system] = contents(PROMPT.writing_to("Tam").remembering(["the van is Gerald"]).messages([added, ASKED]), "system")
    assert system.index("writing to Tam") < system.index("Gerald") < system.index("Be brief.")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return byte_tokenizer()


def test_ids_are_the_template_s_and_wait_for_a_reply(tokenizer: Any) -> None:
    ids = prompt_ids(tokenizer, PROMPT.messages([ASKED]))
    text = tokenizer.decode(ids)
    assert text.startswith("<|im_start|>system\nYou are Nell.<|im_end|>\n")
    assert text.endswith("<|im_start|>user\ncoming?<|im_end|>\n<|im_start|>assistant\n")
    rendered = tokenizer.apply_chat_template(PROMPT.messages([ASKED]), tokenize=True, add_generation_prompt=True)
    assert ids == list(rendered["input_ids"])


def test_a_reply_ends_its_turn(tokenizer: Any) -> None:
    assert tokenizer.decode(reply_ids(tokenizer, "mega\nta x")) == "mega\nta x<|im_end|>"
    assert reply_ids(tokenizer, "")[-1] == tokenizer.eos_token_id


def test_room_is_made_for_all_but_the_longest_replies(tokenizer: Any) -> None:
    replies = ["x" * 99] * 98 + ["x" * 2000] * 2
    assert room_for(tokenizer, replies[1:]) == 2502, "two of 99 are more than one in fifty"
    assert room_for(tokenizer, [*replies, "x"]) == 125, "100 tokens with the end, and a quarter more"
    assert room_for(tokenizer, ["x"]) == 3


def test_prompt_and_reply_together_are_the_whole_conversation(tokenizer: Any) -> None:
    """No token is lost or added where they meet, so what was trained is what is generated."""
    answered: Turn = {"role": "assistant", "content": "yesss n bring a spade 🫠"}
    together = prompt_ids(tokenizer, PROMPT.messages([ASKED])) + reply_ids(tokenizer, answered["content"])
    whole = tokenizer.apply_chat_template([*PROMPT.messages([ASKED]), answered], tokenize=False)
    assert tokenizer.decode(together) + "\n" == whole
