"""The gateway before a vLLM of a few lines; tests/test_serving_real.py holds the same against the real one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from style_clone.conversation import Turn
from style_clone.errors import MissingStage
from style_clone.models import LOCAL, BaseModel
from style_clone.persona import Persona
from style_clone.prompt import Prompt, clone_system
from style_clone.serving.auth import Keys
from style_clone.serving.gateway import Gateway
from style_clone.serving.limits import SEATS, Seats
from style_clone.serving.merged import ENGINE_STARTING, Merged
from style_clone.store import Store
from style_clone.workspace import PersonaFolder, Workspace, write_json
from tests.serving_fakes import (
    BASE,
    FACT,
    GUIDE,
    SAMPLING,
    FakeVllm,
    ending_after,
    make_gateway,
    make_persona,
    post_by_hand,
    spoken,
    train,
    user,
)
from tests.waiting import until

CHAT = "/v1/chat/completions"
REGISTERS = {"Zoë Quayle": "Zoë", "Mum": "Mum"}
Talk = Callable[[httpx.AsyncClient, Gateway], Awaitable[None]]


def run(
    workspace: Workspace,
    vllm: FakeVllm,
    talk: Talk,
    accepts: Callable[[str], bool] | None = None,
    ignored: frozenset[str] = frozenset(),
    keys: Keys | None = None,
) -> None:
    async def go() -> None:
        gateway, client = make_gateway(workspace, vllm, accepts, ignored, keys)
        async with client, gateway.upstream:
            await talk(client, gateway)

    asyncio.run(go())


def ask(workspace: Workspace, vllm: FakeVllm, body: Any, path: str = CHAT, **options: Any) -> httpx.Response:
    found: list[httpx.Response] = []

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        found.append(await client.post(path, json=body, **options))

    run(workspace, vllm, talk)
    return found[0]


def get(workspace: Workspace, vllm: FakeVllm, path: str) -> httpx.Response:
    found: list[httpx.Response] = []

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        found.append(await client.get(path))

    run(workspace, vllm, talk)
    return found[0]


def chat(model: str, *texts: str, **options: Any) -> dict[str, Any]:
    return {"model": model, "messages": [user(text) for text in texts or ("hello",)], **options}


def error_of(response: httpx.Response) -> dict[str, Any]:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return dict(error)


def test_the_clone_gets_the_personas_prompt_and_its_adapter(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    response = ask(workspace, vllm, chat("ann"))
    assert response.status_code == 200
    assert response.json()["model"] == "ann"
    sent = vllm.asked[0]
    assert sent["model"] == vllm.loaded[0]
    assert sent["model"].startswith("ann--")
    assert sent["messages"] == [{"role": "system", "content": clone_system("Ann")}, user("hello")]


def test_memory_adds_facts_for_the_last_thing_said(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder) -> None:
    ask(workspace, vllm, chat("ann@memory", "first", "where do you live?"))
    sent = vllm.asked[0]
    assert sent["model"] == vllm.loaded[0]
    assert FACT in sent["messages"][0]["content"]
    assert "where do you live?" in sent["messages"][0]["content"]
    assert "first" not in sent["messages"][0]["content"]


def test_the_prompted_baseline_never_touches_the_adapter(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    for stream in (False, True):
        response = ask(workspace, vllm, chat("ann@prompted", stream=stream))
        assert response.status_code == 200
    assert vllm.loaded == []
    assert {sent["model"] for sent in vllm.asked} == {BASE.name}
    assert vllm.asked[0]["messages"] == GUIDE.messages([{"role": "user", "content": "hello"}])


def test_the_plain_base_gets_the_callers_turns_and_nothing_else(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    turns = [{"role": "system", "content": "be brief"}, user("hello")]
    ask(workspace, vllm, {"model": BASE.name, "messages": turns})
    assert vllm.asked[0]["messages"] == turns
    assert vllm.loaded == []


def named(model: str, name: str, **options: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{**user("hello"), "name": name}], **options}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["Zoë", "zoë quayle"])
def test_a_name_chooses_a_register_for_clone_memory_and_baseline_alike(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder, name: str, stream: bool
) -> None:
    write_json(ann.adapter / "run.json", {"registers": REGISTERS})
    for model in ("ann", "ann@memory", "ann@prompted"):
        response = ask(workspace, vllm, named(model, name, stream=stream))
        assert response.headers["x-style-clone-to"] == "Zo%C3%AB"
    clone, memory, prompted = ([turn for turn in sent["messages"] if "name" not in turn] for sent in vllm.asked)
    asked: Turn = {"role": "user", "content": "hello"}
    assert clone == Persona.load(ann).prompt.writing_to("Zoë").messages([asked])
    assert prompted == GUIDE.writing_to("Zoë").messages([asked])
    assert "You are writing to Zoë." in memory[0]["content"]
    assert FACT in memory[0]["content"]


def test_a_name_that_chooses_nothing_changes_nothing_and_is_told(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    first = ask(workspace, vllm, named("ann", "Zoë"))
    write_json(ann.adapter / "run.json", {"registers": REGISTERS})
    second = ask(workspace, vllm, named("ann", "customer-7"))
    third = ask(workspace, vllm, named(BASE.name, "Zoë"))
    assert [each.headers["x-style-clone-to"] for each in (first, second, third)] == ["none"] * 3
    unnamed = ask(workspace, vllm, chat("ann"))
    assert "x-style-clone-to" not in unnamed.headers
    assert vllm.asked[0]["messages"] == vllm.asked[1]["messages"] == vllm.asked[3]["messages"]


def test_registers_are_listed_with_the_models_that_take_them(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    def listed() -> dict[str, Any]:
        return {card["id"]: card.get("registers") for card in get(workspace, vllm, "/v1/models").json()["data"]}

    assert set(listed().values()) == {None}
    write_json(ann.adapter / "run.json", {"registers": REGISTERS})
    assert listed() == {**dict.fromkeys(("ann", "ann@memory", "ann@prompted"), REGISTERS), BASE.name: None}
    assert get(workspace, vllm, "/v1/models/ann").json()["registers"] == REGISTERS
    (ann.adapter / "run.json").write_text("{")
    assert set(listed().values()) == {None}, "a damaged persona must not hide the others"
    assert ask(workspace, vllm, named("ann", "Zoë")).status_code == 500


def test_a_retrained_persona_has_its_new_registers_at_once(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        for registers, expected in (({}, "none"), ({"Tam": "Tam"}, "Tam"), (REGISTERS, "none")):
            write_json(ann.adapter / "run.json", {"registers": registers})
            response = await client.post(CHAT, json=named("ann", "Tam"))
            assert response.headers["x-style-clone-to"] == expected

    run(workspace, vllm, talk)


def test_what_the_engine_cannot_take_is_not_passed_on(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        await client.post(CHAT, json=chat("ann", seed=3, temperature=0))

    run(workspace, vllm, talk, ignored=frozenset({"seed"}))
    (asked,) = vllm.asked
    assert "seed" not in asked
    assert asked["temperature"] == 0


def test_sampling_defaults_fill_in_and_the_caller_wins(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    ask(workspace, vllm, chat("ann"))
    ask(workspace, vllm, chat("ann", temperature=0, max_completion_tokens=7, seed=3, stop=["\n"], top_p=None))
    first, second = vllm.asked
    assert [first[name] for name in ("temperature", "top_p", "min_p", "repetition_penalty", "max_tokens")] == [
        SAMPLING.temperature,
        SAMPLING.top_p,
        SAMPLING.min_p,
        SAMPLING.repetition_penalty,
        SAMPLING.max_tokens,
    ]
    assert (second["temperature"], second["max_tokens"], second["seed"], second["stop"]) == (0, 7, 3, ["\n"])
    assert second["top_p"] == SAMPLING.top_p
    assert "max_completion_tokens" not in second


def test_sampling_that_is_changed_is_heeded_at_once(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        await client.post(CHAT, json=chat("ann"))
        Persona.load(ann).with_sampling(replace(SAMPLING, temperature=0.25)).save(ann)
        await client.post(CHAT, json=chat("ann"))

    run(workspace, vllm, talk)
    assert [asked["temperature"] for asked in vllm.asked] == [SAMPLING.temperature, 0.25]


def test_a_stream_is_passed_on_chunk_by_chunk_under_the_id_asked_for(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    vllm.words = ["née", "\u2028line", " sep", "\x85\x0b", " 🙂"]
    response = ask(workspace, vllm, chat("ann", stream=True))
    assert response.headers["content-type"].startswith("text/event-stream")
    rows = spoken(response.text)
    assert [row["choices"][0]["delta"]["content"] for row in rows] == vllm.words
    assert {row["model"] for row in rows} == {"ann"}
    assert response.text.endswith("data: [DONE]\n\n")
    assert vllm.closed == 1


def test_a_stream_that_breaks_off_ends_in_an_error_event(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    vllm.breaks_off = True
    response = ask(workspace, vllm, chat("ann", stream=True))
    rows = spoken(response.text)
    assert rows[-1]["error"]["code"] == "engine_unavailable"
    assert "[DONE]" not in response.text


def test_models_are_listed_as_they_are_now(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        async def ids() -> list[str]:
            return [card["id"] for card in (await client.get("/v1/models")).json()["data"]]

        assert await ids() == ["ann", "ann@memory", "ann@prompted", BASE.name]
        bob = make_persona(workspace, "bob", weights=None)
        assert await ids() == ["ann", "ann@memory", "ann@prompted", "bob@prompted", BASE.name]
        assert (await client.post(CHAT, json=chat("bob"))).status_code == 404
        train(bob, b"bobs")
        assert (await client.post(CHAT, json=chat("bob"))).status_code == 200
        assert (await client.get("/v1/models/bob@memory")).json()["id"] == "bob@memory"
        await client.post(CHAT, json=chat("ann"))
        workspace.delete("ann")
        assert await ids() == ["bob", "bob@memory", "bob@prompted", BASE.name]
        assert [name.partition("--")[0] for name in vllm.unloaded] == ["ann"]

    run(workspace, vllm, talk)


@pytest.mark.parametrize("model", ["nobody", "ann@other", "ann@", "@memory", "../ann", "ann@memory@x", "ANN"])
def test_unknown_models_are_told_which_there_are(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder, model: str
) -> None:
    response = ask(workspace, vllm, chat(model))
    assert response.status_code == 404
    error = error_of(response)
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "ann@prompted" in error["message"]
    assert vllm.asked == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"base_model": "other"}, "other"),
        ({"base_sha256": "cd" * 32}, "other weights"),
        ({"base_model": None}, "unknown"),
    ],
)
def test_a_clone_trained_on_another_base_is_refused(
    workspace: Workspace, vllm: FakeVllm, changes: dict[str, Any], word: str
) -> None:
    make_persona(workspace, **changes)
    assert [card["id"] for card in get(workspace, vllm, "/v1/models").json()["data"]] == ["ann@prompted", BASE.name]
    response = ask(workspace, vllm, chat("ann"))
    assert response.status_code == 404
    assert word in error_of(response)["message"]
    assert vllm.loaded == []


def test_an_untrained_persona_says_what_to_run(workspace: Workspace, vllm: FakeVllm) -> None:
    folder = make_persona(workspace, weights=None)
    assert "style-clone train ann" in error_of(ask(workspace, vllm, chat("ann")))["message"]
    folder.baseline.unlink()
    assert "style-clone pairs ann" in error_of(ask(workspace, vllm, chat("ann@prompted")))["message"]


def test_a_new_adapter_takes_over_and_the_old_one_goes(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        for weights in (None, None, b"two", None):
            if weights:
                shutil.rmtree(ann.adapter)
                train(ann, weights)
            assert (await client.post(CHAT, json=chat("ann"))).status_code == 200

    run(workspace, vllm, talk)
    first, second = vllm.loaded
    assert first != second
    assert vllm.unloaded == [first]
    assert [sent["model"] for sent in vllm.asked] == [first, first, second, second]


def test_an_adapter_in_use_stays_until_its_reply_is_over(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    """vLLM would otherwise read the new weights in the middle of an old reply."""
    waiting = asyncio.Event()

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        vllm.answer = ending_after(waiting)
        first = asyncio.create_task(client.post(CHAT, json=chat("ann", stream=True)))
        while not vllm.asked:
            await asyncio.sleep(0.01)
        vllm.answer = None
        train(ann, b"newer weights")
        assert (await client.post(CHAT, json=chat("ann"))).status_code == 200
        assert vllm.unloaded == []
        waiting.set()
        await first
        assert vllm.unloaded == vllm.loaded[:1]

    run(workspace, vllm, talk)


def test_first_requests_at_once_load_the_adapter_once(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        answers = await asyncio.gather(*(client.post(CHAT, json=chat("ann")) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}

    run(workspace, vllm, talk)
    assert len(vllm.loaded) == 1


def test_an_engine_started_anew_gets_its_adapters_again(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        assert (await client.post(CHAT, json=chat("ann"))).status_code == 200
        vllm.down = True
        response = await client.post(CHAT, json=chat("ann"))
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert error_of(response)["code"] == "engine_unavailable"
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["service"]) == (503, "style-clone")
        assert int(ready.headers["retry-after"]) > 0
        assert (await client.get("/health")).json() == {"service": "style-clone", "status": "ok"}
        gateway.adapters.forget()
        assert (await client.post(CHAT, json=chat("ann"))).status_code == 503
        vllm.down = False
        assert (await client.post(CHAT, json=chat("ann"))).status_code == 200
        assert (await client.get("/ready")).json() == {"service": "style-clone", "status": "ready"}

    run(workspace, vllm, talk)
    assert len(vllm.loaded) == 2


def test_an_adapter_vllm_refuses_is_a_clear_error(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = vllm.handle

    async def refusing(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/load_lora_adapter":
            return httpx.Response(500, json={"error": {"message": f"rank too large in {ann.adapter}"}})
        return await handle(request)

    monkeypatch.setattr(vllm, "handle", refusing)
    response = ask(workspace, vllm, chat("ann"))
    assert response.status_code == 503
    error = error_of(response)
    assert error["code"] == "adapter_not_loaded"
    assert str(ann.root) not in error["message"]


def test_vllms_own_refusals_come_in_openais_form(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder) -> None:
    refused = {"message": "This model's maximum context length is 8 tokens.", "type": "X", "param": None, "code": 400}
    vllm.answer = lambda body: httpx.Response(400, json={"error": refused})
    response = ask(workspace, vllm, chat("ann", stream=True))
    assert response.status_code == 400
    assert error_of(response)["code"] == "context_length_exceeded"
    vllm.answer = lambda body: httpx.Response(500, json={"error": {"message": "a secret place"}})
    response = ask(workspace, vllm, chat("ann"))
    assert response.status_code == 500
    assert "secret" not in response.text


def test_raw_completions_run_base_or_adapter_without_a_prompt(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    for model in ("ann", BASE.name):
        assert ask(workspace, vllm, {"model": model, "prompt": "hi"}, "/v1/completions").status_code == 200
    assert [sent["model"] for sent in vllm.asked] == [vllm.loaded[0], BASE.name]
    assert all(sent["prompt"] == "hi" and "messages" not in sent for sent in vllm.asked)
    for model in ("ann@memory", "ann@prompted"):
        response = ask(workspace, vllm, {"model": model, "prompt": "hi"}, "/v1/completions")
        assert response.status_code == 400
        assert error_of(response)["param"] == "model"


def test_bodies_are_limited_and_must_be_json(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder) -> None:
    json_type = {"content-type": "application/json"}

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 65536

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        assert (await client.post(CHAT, json=chat("ann", "x" * 2_000_000))).status_code == 413
        assert (await client.post(CHAT, content=endless(), headers=json_type)).status_code == 413
        for body in (b"{", b"[]", b"\xff", b"[" * 100_000):
            assert (await client.post(CHAT, content=body, headers=json_type)).status_code == 400
        plain = await client.post(CHAT, content=json.dumps(chat("ann")), headers={"content-type": "text/plain"})
        assert plain.status_code == 415

    run(workspace, vllm, talk)
    assert vllm.asked == []


def test_keys_are_asked_for_everywhere_but_health_and_ready(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    good = {"sc-good"}

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        for path in ("/v1/models", "/v1/models/ann", "/metrics"):
            for headers in ({}, {"authorization": "Bearer sc-bad"}, {"authorization": "Basic sc-good"}):
                response = await client.get(path, headers=headers)
                assert response.status_code == 401
                assert response.headers["www-authenticate"] == "Bearer"
        for path in (CHAT, "/v1/completions"):
            assert (await client.post(path, json=chat("ann"))).status_code == 401
        for path in ("/health", "/ready"):
            assert (await client.get(path)).status_code == 200
        key = {"authorization": "Bearer sc-good"}
        assert (await client.post(CHAT, json=chat("ann"), headers=key)).status_code == 200
        good.clear()
        response = await client.post(CHAT, json=chat("ann"), headers=key)
        assert response.status_code == 401
        assert error_of(response)["code"] == "invalid_api_key"

    run(workspace, vllm, talk, good.__contains__)


def test_without_keys_only_this_machines_names_are_answered(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    for host, status in {"localhost:8000": 200, "127.0.0.1": 200, "[::1]:80": 200, "evil.example": 403}.items():
        assert ask(workspace, vllm, chat("ann"), headers={"host": host}).status_code == status


def test_other_paths_are_refused_in_openais_form(workspace: Workspace, vllm: FakeVllm) -> None:
    for path in ("/", "/invocations", "/docs", "/v1/load_lora_adapter", "/tokenize"):
        response = ask(workspace, vllm, {}, path)
        assert response.status_code == 404
        assert error_of(response)["code"] == "unknown_url"
    assert get(workspace, vllm, CHAT).status_code == 405


def test_failures_of_ours_tell_nothing_of_what_was_written(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        def broken(folder: PersonaFolder) -> Prompt:
            raise ValueError("my private words")

        gateway.catalogue.baseline_of = broken
        response = await client.post(CHAT, json=chat("ann@prompted", "my private words"))
        assert response.status_code == 500
        assert "private" not in response.text

        def stale(folder: PersonaFolder) -> Prompt:
            raise MissingStage("ann has a prompted baseline made from older pairs", mend="Run: style-clone pairs ann")

        gateway.catalogue.baseline_of = stale
        response = await client.post(CHAT, json=chat("ann@prompted"))
        assert response.status_code == 404
        assert "style-clone pairs ann" in error_of(response)["message"]

    run(workspace, vllm, talk)
    assert "ValueError" in caplog.text
    assert "private" not in caplog.text


def test_a_damaged_persona_hurts_nobody_else(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder) -> None:
    make_persona(workspace, "bob").persona.write_text("{")
    assert "ann" in [card["id"] for card in get(workspace, vllm, "/v1/models").json()["data"]]
    assert ask(workspace, vllm, chat("ann")).status_code == 200
    assert ask(workspace, vllm, chat("bob")).status_code == 500


def test_a_persona_called_like_the_base_leaves_the_name_to_the_base(workspace: Workspace, vllm: FakeVllm) -> None:
    make_persona(workspace, BASE.name)
    ask(workspace, vllm, chat(BASE.name))
    assert vllm.asked[0]["model"] == BASE.name
    assert vllm.loaded == []


def test_changed_files_are_noticed_and_unchanged_ones_not_read_again(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    reads = []

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        gateway.catalogue.baseline_of = lambda folder: reads.append(folder) or GUIDE  # type: ignore[func-returns-value]
        for _ in range(3):
            await client.post(CHAT, json=chat("ann@prompted"))
        assert len(reads) == 1
        os.utime(ann.baseline, ns=(1, 1))
        await client.post(CHAT, json=chat("ann@prompted"))
        assert len(reads) == 2

    run(workspace, vllm, talk)


def test_more_than_the_seats_are_asked_to_come_again(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        gateway.seats = Seats(count=0, queue=0)
        response = await client.post(CHAT, json=chat("ann"))
        assert response.status_code == 429
        assert "retry-after" in response.headers
        gateway.seats = Seats(count=1)
        for stream in (True, False, True):
            assert (await client.post(CHAT, json=chat("ann", stream=stream))).status_code == 200
        assert gateway.seats.free == 1

    run(workspace, vllm, talk)


def test_a_single_request_passes_a_flood_with_another_key(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    """Two seats and a queue of four; the flood has taken all of both when the other key asks."""
    going_on = asyncio.Event()

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        def ask(secret: str, text: str) -> asyncio.Task[httpx.Response]:
            headers = {"authorization": f"Bearer {secret}"}
            return asyncio.create_task(client.post(CHAT, json=chat("ann", text, stream=True), headers=headers))

        gateway.seats = Seats(count=2, queue=4)
        vllm.answer = ending_after(going_on)
        flood = [ask(flooding, "flood") for _ in range(6)]
        await until(lambda: len(vllm.asked) == 2 and gateway.seats.waiting == 4)
        single = ask(modest, "single")
        await until(lambda: any(task.done() for task in flood))
        assert gateway.seats.waiting == 4
        figures = await client.get("/metrics", headers={"authorization": f"Bearer {modest}"})
        assert "style_clone_requests_waiting 4.0" in figures.text
        going_on.set()
        assert (await single).status_code == 200
        assert sorted([(await task).status_code for task in flood]) == [200] * 5 + [429]
        assert [sent["messages"][-1]["content"] for sent in vllm.asked].index("single") == 2
        assert (gateway.seats.free, gateway.seats.waiting) == (2, 0)

    with Store(workspace.database_url) as store:
        (_, flooding), (_, modest) = store.create_key("a"), store.create_key("b")
        run(workspace, vllm, talk, keys=store)


def test_a_client_that_goes_away_while_it_waits_for_a_seat_leaves_the_queue(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        gateway.seats = Seats(count=0)
        messages = [{"type": "http.request", "body": json.dumps(chat("ann")).encode(), "more_body": False}]
        sent: list[int] = []

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop(0)
            while not gateway.seats.waiting:
                await asyncio.sleep(0.01)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message.get("status", 0))

        await post_by_hand(client, receive, send)
        assert sent[0] == 499
        assert gateway.seats.waiting == 0

    run(workspace, vllm, talk)
    assert vllm.asked == []


def test_a_client_that_goes_away_has_its_question_cancelled(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    cancelled = asyncio.Event()

    async def endless(request: httpx.Request) -> httpx.Response:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()
        raise AssertionError

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        gateway.upstream._transport = httpx.MockTransport(endless)
        body = json.dumps(chat(BASE.name)).encode()
        messages = [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0.05)
            return messages.pop(0)

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                assert message["status"] == 499

        await post_by_hand(client, receive, send)
        assert cancelled.is_set()
        assert gateway.seats.free == SEATS

    run(workspace, vllm, talk)


def test_a_client_that_leaves_a_stream_ends_the_reply_upstream(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    written, closed = [], asyncio.Event()

    async def endless(model: str) -> AsyncIterator[bytes]:
        try:
            while True:
                row = {"model": model, "choices": [{"index": 0, "delta": {"content": "word "}}]}
                written.append(row)
                yield b"data: " + json.dumps(row).encode() + b"\n\n"
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    vllm.answer = lambda body: httpx.Response(200, content=endless(body["model"]))

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        body = json.dumps(chat("ann", stream=True)).encode()
        heard = asyncio.Event()
        questions = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if questions:
                return questions.pop()
            await heard.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message.get("body"):
                heard.set()

        await post_by_hand(client, receive, send)
        assert closed.is_set()
        count = len(written)
        await asyncio.sleep(0.05)
        assert len(written) == count
        text = (await client.get("/metrics")).text
        assert "style_clone_requests_in_flight 1.0" in text
        train(ann, b"newer weights")
        vllm.answer = None
        await client.post(CHAT, json=chat("ann"))
        assert vllm.unloaded == vllm.loaded[:1], "the adapter was given back"

    run(workspace, vllm, talk)


def test_no_web_page_of_another_site_is_let_in(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder) -> None:
    """CORS is off: no answer allows another origin, and a browser's question whether it may is refused."""

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        origin = {"origin": "https://evil.example"}
        asking = {**origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
        answers = [
            await client.options(CHAT, headers=asking),
            await client.options("/v1/models", headers=asking),
            await client.post(CHAT, json=chat("ann"), headers=origin),
            await client.post(CHAT, json=chat("ann", stream=True), headers=origin),
            await client.get("/v1/models", headers=origin),
            await client.get("/health", headers=origin),
        ]
        assert [answer.status_code for answer in answers] == [405, 405, 200, 200, 200, 200]
        for answer in answers:
            assert not [name for name in answer.headers if name.startswith("access-control")]

    run(workspace, vllm, talk)


@pytest.mark.parametrize(("given", "sent"), [(None, ["###"]), ("\n", ["\n", "###"]), (["a", "b"], ["a", "b", "###"])])
def test_a_persona_s_stops_are_added_to_the_caller_s(
    workspace: Workspace, vllm: FakeVllm, given: Any, sent: list[str]
) -> None:
    make_persona(workspace, sampling=replace(SAMPLING, stop=("###",)))
    ask(workspace, vllm, chat("ann", stop=given))
    ask(workspace, vllm, chat(BASE.name, stop=given))
    assert vllm.asked[0]["stop"] == sent
    assert vllm.asked[1].get("stop") == (None if given is None else sent[:-1])


def test_openai_s_options_reach_the_engine_as_they_are(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    options = {
        "n": 2,
        "seed": 5,
        "logprobs": True,
        "top_logprobs": 3,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "logit_bias": {"7": -100},
        "max_tokens": 9,
    }
    response = ask(workspace, vllm, chat("ann", **options, user="me", tools=[], tool_choice="none", store=False))
    assert response.status_code == 200
    sent = vllm.asked[0]
    assert {name: sent[name] for name in options} == options
    assert not {"user", "tools", "tool_choice", "store"} & set(sent)


def test_tools_are_refused_as_openai_refuses_what_a_model_cannot(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    response = ask(workspace, vllm, chat("ann", tools=tools))
    assert response.status_code == 400
    assert error_of(response) == {
        "message": "tools: tools are not supported: a persona only writes",
        "type": "invalid_request_error",
        "param": "tools",
        "code": "unsupported_parameter",
    }


def test_apart_a_persona_waits_for_its_own_engine_and_no_adapter_is_loaded(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder, tmp_path: Path
) -> None:
    vllm.room = 0
    answers: dict[str, httpx.Response] = {}

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        gateway.merged = Merged(BaseModel(BASE.name, tmp_path, LOCAL, BASE.sha256), workspace)
        for model in ("ann", "ann@memory", "ann@prompted", BASE.name):
            answers[model] = await client.post(CHAT, json={"model": model, "messages": [user("hi")]})

    run(workspace, vllm, talk)
    for clone in ("ann", "ann@memory"):
        assert answers[clone].status_code == 503
        assert answers[clone].json()["error"]["code"] == ENGINE_STARTING
        assert int(answers[clone].headers["retry-after"]) > 0
    assert answers["ann@prompted"].status_code == answers[BASE.name].status_code == 200
    assert not vllm.loaded
