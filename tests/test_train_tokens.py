"""Pairs become tokens: the right ones carry loss, shared context is computed once, nothing is dropped unsaid."""

from __future__ import annotations

from typing import Any

import pytest

from style_clone.conversation import Pair, Turn
from style_clone.models import BaseModel, load_tokenizer
from style_clone.prompt import Prompt, prompt_ids, reply_ids
from style_clone.train.tokens import NO_LOSS, Tokeniser

PROMPT = Prompt("You are Nell.")


@pytest.fixture(scope="session")
def tokenizer(base_model: BaseModel) -> Any:
    return load_tokenizer(base_model)


def chat(*texts: str, conversation: str = "a") -> list[Pair]:
    """Turns in alternation, user first; one pair for each reply."""
    turns: list[Turn] = [
        {"role": "assistant" if index % 2 else "user", "content": text} for index, text in enumerate(texts)
    ]
    return [
        Pair(tuple(turns[: end + 1]), f"{conversation}{end}", conversation, "reply", "x.txt", "test")
        for end in range(1, len(turns), 2)
    ]


def spoken(tokenizer: Any, example: Any) -> str:
    return str(tokenizer.decode([i for i, carries in zip(example.ids, example.mask, strict=True) if carries]))


def test_only_the_reply_and_its_end_carry_loss(tokenizer: Any) -> None:
    [example] = Tokeniser(tokenizer, PROMPT, 512)(chat("how's the dog??", "mega\nta x")).examples
    assert spoken(tokenizer, example) == "mega\nta x<|im_end|>"
    assert len(example.ids) == len(example.mask)


def test_a_conversation_is_one_example_and_each_reply_is_learned_once(tokenizer: Any) -> None:
    pairs = chat("hi", "hiya", "plot later??", "yesss\nbring a spade", "ok", "night x")
    tokenised = Tokeniser(tokenizer, PROMPT, 512)(pairs)
    [example] = tokenised.examples
    assert spoken(tokenizer, example) == "hiya<|im_end|>yesss\nbring a spade<|im_end|>night x<|im_end|>"
    assert sorted(set(example.owner) - {NO_LOSS}) == [0, 1, 2]


def test_joined_or_apart_a_reply_stands_after_the_same_tokens(tokenizer: Any) -> None:
    pairs = chat("hi", "hiya", "tea?", "oat milk pleeease")
    [joined] = Tokeniser(tokenizer, PROMPT, 512)(pairs).examples
    expected = prompt_ids(tokenizer, PROMPT.messages(pairs[1].context)) + reply_ids(tokenizer, pairs[1].reply)
    assert joined.ids == expected


def test_a_register_s_line_stands_above_its_conversation_and_no_other(tokenizer: Any) -> None:
    """The same tokens as serving makes for it, for the first reply and, joined on, for the last."""
    texts = ("hi", "hiya", "tea?", "oat milk pleeease")
    pairs = [*chat(*texts), *chat(*texts, conversation="b")]
    with_line, without = Tokeniser(tokenizer, PROMPT, 512, {"a": "Tam"})(pairs).examples
    for example, prompt in ((with_line, PROMPT.writing_to("Tam")), (without, PROMPT)):
        last = pairs[1]
        assert example.ids == prompt_ids(tokenizer, prompt.messages(last.context)) + reply_ids(tokenizer, last.reply)
        assert spoken(tokenizer, example) == "hiya<|im_end|>oat milk pleeease<|im_end|>"
    assert "writing to Tam" in tokenizer.decode(with_line.ids)


def test_conversations_are_never_joined(tokenizer: Any) -> None:
    pairs = [*chat("hi", "hiya"), *chat("hi", "hiya", "and?", "owt else", conversation="b")]
    assert len(Tokeniser(tokenizer, PROMPT, 512)(pairs).examples) == 2


def test_a_long_conversation_loses_its_oldest_turns_and_says_so(tokenizer: Any) -> None:
    texts = [f"line number {index} of a conversation that goes on n on" for index in range(40)]
    pairs = chat(*texts)
    tokenised = Tokeniser(tokenizer, PROMPT, 128)(pairs)
    assert all(len(example.ids) <= 128 for example in tokenised.examples)
    assert tokenised.dropped_turns > 0
    assert tokenised.cut_replies == 0
    owners = [owner for example in tokenised.examples for owner in example.owner if owner != NO_LOSS]
    assert sorted(set(owners)) == list(range(len(pairs)))
    assert tokenised.num_tokens < 3 * len(prompt_ids(tokenizer, PROMPT.messages(pairs[-1].turns)))


def test_a_reply_longer_than_the_window_is_cut_without_an_end_and_counted(tokenizer: Any) -> None:
    tokenised = Tokeniser(tokenizer, PROMPT, 64)(chat("tell me everything", "courgettes n spades " * 60))
    [example] = tokenised.examples
    assert tokenised.cut_replies == 1
    assert len(example.ids) == 64
    assert any(example.mask), "a full prompt must never leave an example without loss"
    assert example.ids[-1] != tokenizer.eos_token_id


def test_a_prompt_longer_than_the_window_still_leaves_loss(tokenizer: Any) -> None:
    [example] = Tokeniser(tokenizer, PROMPT, 48)(chat("why " * 200, "becuase")).examples
    assert len(example.ids) <= 48
    assert any(example.mask)


def test_a_message_longer_than_the_window_loses_its_beginning_and_not_the_system_prompt(tokenizer: Any) -> None:
    [example] = Tokeniser(tokenizer, PROMPT, 96)(chat("why " * 200 + "then?", "becuase")).examples
    text = tokenizer.decode(example.ids)
    assert text.startswith("<|im_start|>system\nYou are Nell.<|im_end|>\n<|im_start|>user\n")
    assert text.endswith(" why then?<|im_end|>\n<|im_start|>assistant\nbecuase<|im_end|>")
    assert 48 <= len(example.ids) <= 96


def test_a_context_that_begins_anew_begins_a_new_example(tokenizer: Any) -> None:
    """Even without a system prompt, where skipping as much as before would leave nothing at all."""
    long = chat(*(f"line number {index} of a conversation that goes on" for index in range(20)))
    anew = chat("something else", "rightio")
    tokenised = Tokeniser(tokenizer, Prompt(), 96)([*long, *anew])
    assert spoken(tokenizer, tokenised.examples[-1]) == "rightio<|im_end|>"
    assert tokenised.examples[-1].ids == [
        *prompt_ids(tokenizer, [{"role": "user", "content": "something else"}]),
        *reply_ids(tokenizer, "rightio"),
    ]
