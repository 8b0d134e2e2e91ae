"""A chat that is too long for the model is shortened, and the client is told; the vLLM here counts letters as tokens."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.prompt import clone_system
from style_clone.serving.fitting import STEPS_OF_CONTEXT, Fitted, Fitting
from style_clone.serving.refusal import Refusal
from style_clone.workspace import PersonaFolder, Workspace
from tests.serving_fakes import BASE, GUIDE, FakeVllm, make_persona, tokens_of, user
from tests.test_serving_gateway import CHAT, ask, chat, error_of

LEFT_OUT = "x-style-clone-left-out"
CUT = "x-style-clone-cut"
SYSTEM = {"role": "system", "content": "Answer in rhymes."}


@pytest.fixture
def vllm() -> FakeVllm:
    fake = FakeVllm()
    fake.context = 1000
    return fake


@pytest.fixture(autouse=True)
def ann(workspace: Workspace) -> PersonaFolder:
    return make_persona(workspace)


def talk(count: int, length: int = 50) -> list[dict[str, str]]:
    """So many turns of that many letters, told apart by their number, the user's first and last."""
    return [
        {"role": "assistant" if number % 2 else "user", "content": f"{number:<{length}}"} for number in range(count)
    ]


def asked_with(workspace: Workspace, vllm: FakeVllm, messages: list[dict[str, str]], **more: Any) -> httpx.Response:
    response = ask(workspace, vllm, {"model": "ann", "messages": messages, **more})
    assert response.status_code == 200, response.text
    return response


def test_an_ordinary_chat_is_neither_counted_nor_changed(workspace: Workspace, vllm: FakeVllm) -> None:
    response = asked_with(workspace, vllm, talk(3))
    assert vllm.counted == []
    assert LEFT_OUT not in response.headers
    assert [turn["content"] for turn in vllm.asked[0]["messages"][1:]] == [turn["content"] for turn in talk(3)]


def test_a_chat_long_in_bytes_alone_is_counted_once_and_left_as_it_is(workspace: Workspace, vllm: FakeVllm) -> None:
    messages = [user("é" * 500)]
    response = asked_with(workspace, vllm, messages)
    assert len(vllm.counted) == 1
    assert LEFT_OUT not in response.headers
    assert vllm.asked[0]["messages"][1:] == messages


@pytest.mark.parametrize("stream", [False, True])
def test_oldest_turns_go_first_and_the_header_says_how_many(workspace: Workspace, vllm: FakeVllm, stream: bool) -> None:
    messages = [SYSTEM, *talk(41)]
    response = asked_with(workspace, vllm, messages, stream=stream)
    sent = vllm.asked[0]
    system, *kept = sent["messages"]
    assert system["content"] == f"{clone_system('Ann')}\n\n{SYSTEM['content']}"
    assert kept == messages[-len(kept) :]
    assert kept[0]["role"] == "user"
    assert response.headers[LEFT_OUT] == str(41 - len(kept))
    assert CUT not in response.headers
    assert tokens_of(sent) + sent["max_tokens"] <= vllm.context
    # No more goes than a step and an exchange.
    assert tokens_of(sent) > vllm.context - 33 - vllm.context // STEPS_OF_CONTEXT - 2 * 54


def test_the_next_question_begins_with_the_same_turn(workspace: Workspace, vllm: FakeVllm) -> None:
    """vLLM has read it already: a beginning that moved with each question would be read anew each time."""
    firsts = []
    for count in range(41, 61, 2):
        asked_with(workspace, vllm, talk(count, 20))
        firsts.append(vllm.asked[-1]["messages"][1]["content"].strip())
    assert 2 <= len(set(firsts)) <= 5
    assert firsts == sorted(firsts, key=int)


def test_the_exemplars_of_the_baseline_stay(workspace: Workspace, vllm: FakeVllm) -> None:
    asked_with(workspace, vllm, talk(41), model="ann@prompted")
    head = GUIDE.messages([])
    sent = vllm.asked[0]["messages"]
    assert sent[: len(head)] == head
    assert sent[-1] == talk(41)[-1]


def test_the_plain_base_model_keeps_system_turns_wherever_they_stand(workspace: Workspace, vllm: FakeVllm) -> None:
    messages = [*talk(20), SYSTEM, *talk(41)]
    response = asked_with(workspace, vllm, messages, model=BASE.name)
    sent = vllm.asked[0]["messages"]
    assert sent[0] == SYSTEM
    assert sent[-1] == messages[-1]
    assert int(response.headers[LEFT_OUT]) == len(messages) - len(sent)


@pytest.mark.parametrize("before", [0, 6])
def test_a_last_turn_too_long_by_itself_loses_its_beginning(workspace: Workspace, vllm: FakeVllm, before: int) -> None:
    long = "".join(f"{number:05}" for number in range(5000))
    response = asked_with(workspace, vllm, [*talk(before), user(long)])
    sent = vllm.asked[0]
    [_, last] = sent["messages"]
    assert long.endswith(last["content"])
    assert response.headers[LEFT_OUT] == str(before)
    assert int(response.headers[CUT]) == len(long) - len(last["content"])
    assert 900 < tokens_of(sent) <= vllm.context - 33


def test_what_follows_the_last_question_stays(workspace: Workspace, vllm: FakeVllm) -> None:
    begun = {"role": "assistant", "content": "well, "}
    asked_with(workspace, vllm, [*talk(41), begun])
    assert vllm.asked[0]["messages"][-2:] == [talk(41)[-1], begun]
    asked_with(workspace, vllm, [{**turn, "role": "assistant"} for turn in talk(41)])
    assert vllm.asked[1]["messages"][-1]["content"] == talk(41)[-1]["content"]


def test_a_system_message_that_leaves_no_room_is_told(workspace: Workspace, vllm: FakeVllm) -> None:
    body = {"model": "ann", "messages": [{"role": "system", "content": "x" * 2000}, *talk(3)]}
    response = ask(workspace, vllm, body)
    assert response.status_code == 400
    error = error_of(response)
    assert (error["code"], error["param"]) == ("context_length_exceeded", "messages")
    assert "shorten the system message" in error["message"]


@pytest.mark.parametrize("wanted", [500, 5000])
def test_more_than_fits_may_be_asked_for(workspace: Workspace, vllm: FakeVllm, wanted: int) -> None:
    """Many clients ask for thousands of tokens; a quarter of the context is kept for the reply, and no turn goes for more."""
    response = asked_with(workspace, vllm, talk(11), max_tokens=wanted, min_tokens=wanted)
    sent = vllm.asked[0]
    assert LEFT_OUT not in response.headers
    assert sent["max_tokens"] == sent["min_tokens"] == min(wanted, vllm.context - tokens_of(sent))
    asked_with(workspace, vllm, talk(41), max_tokens=wanted)
    assert tokens_of(vllm.asked[1]) <= vllm.context * 3 // 4
    asked_with(workspace, vllm, talk(1), max_tokens=wanted)
    assert vllm.asked[2]["max_tokens"] <= vllm.context


def test_what_vllm_refuses_although_it_seemed_short_is_shortened_too(
    workspace: Workspace, vllm: FakeVllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a tokenizer that makes more tokens than there are bytes."""
    monkeypatch.setattr("style_clone.serving.fitting._longest", lambda messages: 0)
    response = asked_with(workspace, vllm, talk(41))
    assert int(response.headers[LEFT_OUT]) > 20
    assert tokens_of(vllm.asked[0]) <= vllm.context - 33


def test_an_engine_that_cannot_count_gets_the_chat_as_it_is(workspace: Workspace, vllm: FakeVllm) -> None:
    vllm.tokenizes = False
    response = ask(workspace, vllm, {"model": "ann", "messages": talk(41)})
    assert response.status_code == 400
    assert error_of(response)["code"] == "context_length_exceeded"


def test_an_engine_started_with_another_context_is_believed(workspace: Workspace, vllm: FakeVllm) -> None:
    vllm.context = 4000

    def smaller(body: dict[str, Any]) -> httpx.Response:
        return httpx.Response(200, json={"count": tokens_of(body), "max_model_len": 2000, "tokens": []})

    vllm.tokenize = smaller  # type: ignore[method-assign]
    asked_with(workspace, vllm, talk(73))
    assert tokens_of(vllm.asked[0]) <= 2000


def test_a_raw_completion_is_not_shortened(workspace: Workspace, vllm: FakeVllm) -> None:
    ask(workspace, vllm, {"model": "ann", "prompt": "x" * 5000, "max_tokens": 5000}, "/v1/completions")
    assert vllm.asked[0]["prompt"] == "x" * 5000
    assert vllm.asked[0]["max_tokens"] == vllm.context
    assert vllm.counted == []


def test_a_caller_s_own_system_messages_stand_below_the_persona_s(workspace: Workspace, vllm: FakeVllm) -> None:
    """All of them, in their order, wherever they stood: a caller can add an instruction, not lose the persona."""
    messages = [SYSTEM, user("hello"), {"role": "developer", "content": "Be brief."}]
    asked_with(workspace, vllm, messages)
    system, *rest = vllm.asked[0]["messages"]
    assert system["content"] == f"{clone_system('Ann')}\n\nAnswer in rhymes.\n\nBe brief."
    assert rest == [user("hello")]


ROLES = st.sampled_from(["user", "user", "assistant", "assistant", "system"])
TURNS = st.lists(
    st.builds(lambda role, text: {"role": role, "content": text}, ROLES, st.text(max_size=80)), max_size=40
)


@given(head=TURNS, turns=TURNS, last=st.text(max_size=900), wanted=st.integers(1, 2000), refused=st.booleans())
def test_whatever_is_said_fits_and_nothing_but_the_oldest_is_lost(
    head: list[Any], turns: list[Any], last: str, wanted: int, refused: bool
) -> None:
    vllm = FakeVllm()
    vllm.context = 400
    messages: list[Any] = [*head[:3], *turns, {"role": "user", "content": last}]
    said = sum(turn["role"] != "system" for turn in messages) - sum(turn["role"] != "system" for turn in head[:3])
    protected = [turn for turn in [*head[:3], *turns] if turn["role"] == "system"] + [
        turn for turn in head[:3] if turn["role"] != "system"
    ]

    async def go() -> Fitted:
        async with vllm.client() as client:
            return await Fitting(client, "tiny", vllm.context).fit(messages, said, wanted, refused=refused)

    most = vllm.context - min(wanted, vllm.context // 4)
    try:
        fitted = asyncio.run(go())
    except Refusal as refusal:
        assert refusal.code == "context_length_exceeded"
        assert tokens_of({"messages": [*protected, {"role": "user", "content": ""}]}) > most
        return
    kept = fitted.messages
    assert tokens_of({"messages": kept}) <= most
    assert len(kept) == len(messages) - fitted.left_out
    assert kept[-1]["content"] == last[fitted.cut :]
    assert all(turn in kept for turn in protected)
    spoken = [turn for turn in messages if turn["role"] != "system"]
    left = [turn for turn in kept if turn["role"] != "system"]
    first = len(spoken) - said
    assert left[:first] == spoken[:first]
    assert left[first:-1] == spoken[first + fitted.left_out : -1]
    assert fitted.cut == 0 or left[first:-1] == []
    assert bool(fitted.left_out or fitted.cut) <= (tokens_of({"messages": messages}) > most)


def test_chats_that_were_too_long_are_counted(workspace: Workspace, vllm: FakeVllm) -> None:
    from tests.test_serving_gateway import run

    async def go(client: httpx.AsyncClient, gateway: Any) -> None:
        await client.post(CHAT, json=chat("ann"))
        await client.post(CHAT, json={"model": "ann", "messages": talk(41)})
        text = (await client.get("/metrics")).text
        assert 'style_clone_trimmed_chats_total{kind="clone",persona="ann"} 1.0' in text

    run(workspace, vllm, go)
