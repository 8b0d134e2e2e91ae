"""The chat's handlers against an endpoint that streams words: two models at once, each with its own history."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr
import pytest

from style_clone.client import base_url, connect, personas, stream_reply
from style_clone.conversation import Turn
from style_clone.errors import MissingStage, ServingError
from style_clone.ui.handlers.chatting import WAITING, Side, bubbles, converse, find_personas
from style_clone.ui.views.chatting import _without_others
from tests.fake_endpoint import FakeEndpoint, fake_endpoint

MODELS = ("me", "me@prompted")
NEW = (Side(), Side())


@dataclass(frozen=True)
class Somewhere:
    url: str
    key: str | None = None


@pytest.fixture
def endpoint() -> Iterator[FakeEndpoint]:
    with fake_endpoint() as fake:
        yield fake


def talk(endpoint: FakeEndpoint, text: str, sides: tuple[Side, ...] = NEW) -> list[list[Side]]:
    """Every state of the page while the models answer."""

    async def collect() -> list[list[Side]]:
        return [sides async for sides in converse(endpoint, MODELS, text, sides)]

    return asyncio.run(collect())


def user(text: str) -> Turn:
    return {"role": "user", "content": text}


def assistant(text: str) -> Turn:
    return {"role": "assistant", "content": text}


def test_both_answer_at_once_and_word_by_word(endpoint: FakeEndpoint) -> None:
    endpoint.word_seconds = 0.03
    states = talk(endpoint, "hi")
    assert [bubbles(side)[-1]["content"] for side in states[0]] == [WAITING, WAITING]
    assert [side.turns[-1]["content"] for side in states[-1]] == [endpoint.reply(model) for model in MODELS]
    assert endpoint.most_at_once == 2
    lengths = [len(left.turns[-1]["content"]) for left, _ in states]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) >= 4


def test_each_side_is_sent_its_own_history(endpoint: FakeEndpoint) -> None:
    first = talk(endpoint, "hi")[-1]
    talk(endpoint, "and?", tuple(first))
    for model in MODELS:
        assert endpoint.asked(model)[1]["messages"] == [user("hi"), assistant(endpoint.reply(model)), user("and?")]
        assert "temperature" not in endpoint.asked(model)[1]


def test_both_are_told_who_is_speaking(endpoint: FakeEndpoint) -> None:
    async def ask(to: str | None, *sides: Side) -> list[Side]:
        return [states async for states in converse(endpoint, MODELS, "hi", sides, to)][-1]

    asyncio.run(ask(None, *asyncio.run(ask("Ann", *NEW))))
    for model in MODELS:
        first, second = ([turn.get("name") for turn in asked["messages"]] for asked in endpoint.asked(model))
        assert (first, second) == (["Ann"], [None, None, None])


def test_one_sides_failure_leaves_the_other_alone(endpoint: FakeEndpoint) -> None:
    endpoint.failing["me@prompted"] = 500
    clone, prompted = talk(endpoint, "hi")[-1]
    assert clone.turns[-1] == assistant(endpoint.reply("me"))
    assert clone.problem == ""
    assert "me@prompted is having a bad day" in prompted.problem
    assert prompted.turns == (user("hi"),)
    endpoint.failing.clear()
    talk(endpoint, "again", (clone, prompted))
    assert endpoint.asked("me@prompted")[-1]["messages"] == [user("again")]


def test_a_reply_of_nothing_is_said_to_be_nothing(endpoint: FakeEndpoint) -> None:
    endpoint.replies["me"] = ""
    clone, prompted = talk(endpoint, "hi")[-1]
    assert clone == Side((user("hi"),), "It had nothing to say to that.")
    assert prompted.problem == ""


def test_stopping_hangs_up_on_the_endpoint(endpoint: FakeEndpoint) -> None:
    endpoint.replies = dict.fromkeys(MODELS, "word " * 500)

    async def start_and_stop() -> list[Side]:
        conversation = converse(endpoint, MODELS, "hi", NEW)
        async for sides in conversation:
            if all(side.turns[-1]["content"] for side in sides):
                break
        await conversation.aclose()  # type: ignore[attr-defined]
        return sides

    began = time.monotonic()
    sides = asyncio.run(start_and_stop())
    assert all("word" in side.settled().turns[-1]["content"] for side in sides)
    while endpoint.hung_up < 2:
        assert time.monotonic() < began + 3, "the streams were left running"
        time.sleep(0.02)


def test_stopped_before_the_first_word_leaves_no_waiting_bubble() -> None:
    side = Side().asked("hi").settled()
    assert bubbles(side) == [user("hi")]


def test_nobody_goes_on_with_somebody_elses_conversation(endpoint: FakeEndpoint) -> None:
    own = [side.facing("me") for side in NEW]
    clone, prompted = talk(endpoint, "hi", (own[0], own[1]))[-1]
    assert (clone.persona, prompted.persona) == ("me", "me")
    assert clone.facing("me") is clone
    assert clone.facing("ann") == Side(persona="ann")


def test_choosing_again_leaves_ones_own_conversation_untouched() -> None:
    mine = Side(persona="me").asked("hi")
    assert all(update == gr.skip() for update in _without_others("me", mine, Side()))
    assert _without_others("ann", mine, Side())[0] == Side()


def test_lines_of_a_reply_are_bubbles() -> None:
    side = Side((user("two\nlines"), assistant("ok\n\nfine *then*\n")))
    assert bubbles(side) == [user("two\nlines"), assistant("ok"), assistant("fine *then*")]


def test_personas_are_those_with_a_baseline_beside_them(endpoint: FakeEndpoint) -> None:
    assert asyncio.run(find_personas(endpoint)) == {"me": {}}
    endpoint.models += ["ann", "ann@prompted"]
    endpoint.registers = {"ann": {"Tam Reed": "Tam"}}
    assert asyncio.run(find_personas(endpoint)) == {"ann": {"Tam Reed": "Tam"}, "me": {}}
    endpoint.registers = {"ann": {"Tam Reed": 3}}
    assert asyncio.run(find_personas(endpoint)) == {"ann": {}, "me": {}}, "an endpoint of another version"
    assert personas([]) == []


def test_errors_are_in_plain_words(endpoint: FakeEndpoint) -> None:
    with pytest.raises(ServingError, match="refused the API key") as refused:
        asyncio.run(find_personas(Somewhere(endpoint.url, "wrong")))
    assert "keys create" in refused.value.mend
    with pytest.raises(ServingError, match="does not answer") as absent:
        asyncio.run(find_personas(Somewhere("http://127.0.0.1:9")))
    assert "style-clone serve" in absent.value.mend

    async def ask_nobody() -> None:
        async with connect(endpoint) as client:
            async for _ in stream_reply(client, "nobody", [user("hi")]):
                pass

    with pytest.raises(MissingStage, match="there is no model 'nobody'"):
        asyncio.run(ask_nobody())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://127.0.0.1:1/", "http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1/"]
)
def test_base_url_ends_in_v1_once(url: str) -> None:
    assert base_url(Somewhere(url)) == "http://127.0.0.1:1/v1"
