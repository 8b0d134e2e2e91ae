"""What a request may hold: ordinary clients work, everything else is refused with the parameter's name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.serving.asking import parse, read_chat, read_text
from style_clone.serving.refusal import Refusal

TURN = {"role": "user", "content": "hi"}


def chat(**changes: Any) -> dict[str, Any]:
    return {"model": "ann", "messages": [TURN], **changes}


def test_an_ordinary_request_is_read() -> None:
    question = read_chat(
        chat(stream=True, temperature=0.2, user="me", tools=[], stream_options={"include_usage": True})
    )
    assert (question.model, question.stream, question.turns) == ("ann", True, (TURN,))
    assert question.options == {"temperature": 0.2, "stream_options": {"include_usage": True}}


def test_text_parts_are_joined_and_developer_is_system() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    question = read_chat(chat(messages=[{"role": "developer", "content": "x"}, {"role": "user", "content": parts}]))
    assert question.turns == ({"role": "system", "content": "x"}, {"role": "user", "content": "ab"})


def test_the_name_is_that_of_the_last_user_message() -> None:
    ann, tam, unnamed = {**TURN, "name": "Ann"}, {**TURN, "name": "Tam"}, {**TURN, "name": None}
    answer = {"role": "assistant", "content": "x", "name": "me"}
    for messages, name in (([ann, answer, tam], "Tam"), ([tam, ann, answer], "Ann"), ([ann, unnamed], None)):
        question = read_chat(chat(messages=messages))
        assert question.name == name
        assert all(set(turn) == {"role", "content"} for turn in question.turns)
    assert read_chat(chat(messages=[answer])).name is None


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"model": 3}, "model"),
        ({"model": ""}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [TURN] * 10_001}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [TURN, "x"]}, "messages[1]"),
        ({"messages": [TURN, {**TURN, "name": 3}]}, "messages[1].name"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "assistant", "content": "x", "tool_calls": [{}]}]}, "messages[0].tool_calls"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"functions": [{}]}, "functions"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {}}, "stream_options"),
        ({"n": 99}, "n"),
        ({"n": "two"}, "n"),
        ({"n": True}, "n"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 2.5}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"seed": 0.5}, "seed"),
        ({"seed": 1 << 64}, "seed"),
        ({"stop": ["a", ""]}, "stop"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": {"a": 1}}, "stop"),
        ({"logprobs": 3}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"stream": True, "stream_options": {"continuous_usage_stats": True}}, "stream_options"),
        ({"stream": True, "stream_options": []}, "stream_options"),
        ({"chat_template": "{{ evil }}"}, "chat_template"),
        ({"add_generation_prompt": False}, "add_generation_prompt"),
        ({"guided_json": {}}, "guided_json"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_chat(chat(**changes))
    assert caught.value.status == 400
    assert caught.value.param == param
    assert caught.value.body["error"]["message"].startswith(param)


@pytest.mark.parametrize("prompt", ["hi", ["a", "b"], [1, 2], [[1], [2, 3]]])
def test_every_form_of_a_raw_prompt_is_taken(prompt: Any) -> None:
    assert read_text({"model": "ann", "prompt": prompt, "echo": True}).prompt == prompt


@pytest.mark.parametrize("prompt", [None, "", [], [""][:0], [1, "a"], [[]], [True], [-1], [{}], 5, {"a": 1}])
def test_other_raw_prompts_are_refused(prompt: Any) -> None:
    with pytest.raises(Refusal) as caught:
        read_text({"model": "ann", "prompt": prompt})
    assert caught.value.param == "prompt"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "type", "name"]), inner)
    ),
    max_leaves=8,
)


@given(messages=JSON, extra=st.dictionaries(st.sampled_from(["n", "tools", "stream", "model", "stop"]), JSON))
def test_no_json_makes_anything_but_a_question_or_a_refusal(messages: Any, extra: dict[str, Any]) -> None:
    try:
        question = read_chat({"model": "ann", "messages": messages, **extra})
    except Refusal:
        return
    assert all(set(turn) == {"role", "content"} for turn in question.turns)


def test_null_counts_as_not_given() -> None:
    assert parse(b'{"a": null, "b": 0}') == {"b": 0}
