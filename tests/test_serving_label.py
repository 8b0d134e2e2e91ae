"""What a clone wrote says so, and beyond this machine only those are served whose author agreed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from style_clone.cli import cli
from style_clone.persona import Persona
from style_clone.serving import run as serving_run
from style_clone.serving.catalogue import Catalogue
from style_clone.serving.gateway import Gateway
from style_clone.workspace import PersonaFolder, Workspace
from tests.serving_fakes import BASE, FakeVllm, make_gateway, make_persona, spoken
from tests.test_serving_gateway import CHAT, ask, chat, error_of, get, run

HEADER = "x-style-clone-label"
KINDS = {"ann": "clone", "ann@memory": "memory", "ann@prompted": "prompted"}


@pytest.mark.parametrize(("model", "kind"), KINDS.items())
def test_every_reply_in_a_persona_s_name_is_labelled(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder, model: str, kind: str
) -> None:
    label = {"persona": "ann", "kind": kind, "synthetic": True}
    whole = ask(workspace, vllm, chat(model))
    assert whole.json()["style_clone"] == label
    assert whole.headers[HEADER] == f"synthetic; persona=ann; kind={kind}"
    streamed = ask(workspace, vllm, chat(model, stream=True))
    assert streamed.headers[HEADER] == whole.headers[HEADER]
    first, *rest = spoken(streamed.text)
    assert first["style_clone"] == label
    assert rest
    assert not any("style_clone" in row for row in rest)


def test_a_raw_completion_of_a_clone_is_labelled_too(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder) -> None:
    response = ask(workspace, vllm, {"model": "ann", "prompt": "hi"}, "/v1/completions")
    assert response.json()["style_clone"]["kind"] == "clone"
    assert HEADER in response.headers


def test_the_plain_base_model_s_words_and_errors_have_no_label(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    for stream in (False, True):
        response = ask(workspace, vllm, chat(BASE.name, stream=stream))
        assert response.status_code == 200
        assert HEADER not in response.headers
        assert "style_clone" not in response.text
    vllm.down = True
    assert HEADER not in ask(workspace, vllm, chat("ann")).headers


def test_openai_s_own_client_reads_labelled_replies(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        official = openai.AsyncOpenAI(base_url="http://localhost/v1", api_key="x", http_client=client, max_retries=0)
        messages: Any = [{"role": "user", "content": "hello"}]
        answer = await official.chat.completions.create(model="ann", messages=messages)
        assert answer.choices[0].message.content == "hi there"
        assert answer.model_extra is not None
        assert answer.model_extra["style_clone"]["synthetic"] is True
        assert answer.usage is not None
        stream = await official.chat.completions.create(
            model="ann", messages=messages, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        assert (chunks[0].model_extra or {})["style_clone"]["persona"] == "ann"
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "hi there"
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == 2

    run(workspace, vllm, talk)


def test_counts_end_a_stream_only_where_they_were_asked_for(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    told = ask(workspace, vllm, chat("ann", stream=True, stream_options={"include_usage": True}))
    *_, last = spoken(told.text)
    assert last["usage"]["completion_tokens"] == 2
    assert last["model"] == "ann"
    for options in ({}, {"stream_options": {"include_usage": False}}):
        plain = ask(workspace, vllm, chat("ann", stream=True, **options))
        assert all(row["choices"] and "usage" not in row for row in spoken(plain.text))
        assert plain.text.endswith("data: [DONE]\n\n")
    assert all(sent["stream_options"] == {"include_usage": True} for sent in vllm.asked)


NASTY = [
    'say "model":"ann--0" again',
    '{"model":"BASE"}',
    '\\"model\\":\\"x\\"',
    '"usage":{"prompt_tokens":1}',
    "data: {}\r\n",
    "\u2028 \x85 née 🙂",
    "[DONE]",
    "\\",
]


@pytest.mark.parametrize("model", ["ann", BASE.name])
def test_no_words_are_taken_for_a_field(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder, model: str) -> None:
    """Events are renamed as bytes; what a reply says must come through whatever it looks like."""
    ask(workspace, vllm, chat("ann"))
    internal = vllm.loaded[0]
    vllm.words = [word.replace("ann--0", internal).replace("BASE", BASE.name) for word in NASTY]
    rows = spoken(ask(workspace, vllm, chat(model, stream=True)).text)
    assert [row["choices"][0]["delta"]["content"] for row in rows] == vllm.words
    assert {row["model"] for row in rows} == {model}


def test_an_engine_that_writes_its_events_otherwise_is_understood(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    async def spaced(model: str) -> AsyncIterator[bytes]:
        for word in ("a", "b", "c"):
            row = {"choices": [{"index": 0, "delta": {"content": word}}], "model": model, "usage": None}
            yield b"data: " + json.dumps(row).encode() + b"\n\n"
        yield b'data: {"error": {"message": "a secret place"}}\n\ndata: [DONE]\n\n'

    vllm.answer = lambda body: httpx.Response(200, content=spaced(body["model"]))
    response = ask(workspace, vllm, chat("ann", stream=True))
    *rows, error = spoken(response.text)
    assert [row["choices"][0]["delta"]["content"] for row in rows] == ["a", "b", "c"]
    assert {row["model"] for row in rows} == {"ann"}
    assert error["error"]["code"] == "internal_error"
    assert "secret" not in response.text


def open_catalogue(workspace: Workspace, vllm: FakeVllm, talk: Callable[[httpx.AsyncClient], Any]) -> None:
    async def go() -> None:
        gateway, client = make_gateway(workspace, vllm, needs_consent=True)
        async with client, gateway.upstream:
            await talk(client)

    asyncio.run(go())


def test_beyond_this_machine_a_persona_needs_its_author_s_consent(
    workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    agreed = make_persona(workspace, "sam", consent="my own writing (2026-01-31)")
    make_persona(workspace, "torn").persona.write_text("{")

    async def talk(client: httpx.AsyncClient) -> None:
        async def ids() -> list[str]:
            return [card["id"] for card in (await client.get("/v1/models")).json()["data"]]

        assert await ids() == ["sam", "sam@memory", "sam@prompted", BASE.name]
        for model in (*KINDS, "torn", "torn@prompted"):
            response = await client.post(CHAT, json=chat(model))
            assert response.status_code == 404
            error = error_of(response)
            assert error["code"] == "model_not_found"
            assert error["message"].endswith("there are: sam, sam@memory, sam@prompted, tiny-base")
            assert (await client.get(f"/v1/models/{model}")).status_code == 404
            raw = await client.post("/v1/completions", json={"model": model, "prompt": "hi"})
            assert raw.status_code == 404
        assert (await client.post(CHAT, json=chat("sam"))).status_code == 200
        Persona.load(ann).with_consent("Ann agreed", date(2026, 2, 1)).save(ann)
        assert "ann" in await ids()
        assert (await client.post(CHAT, json=chat("ann"))).status_code == 200
        make_persona(workspace, "sam")
        assert (await client.post(CHAT, json=chat("sam"))).status_code == 404, "taken back at once"

    open_catalogue(workspace, vllm, talk)
    assert Catalogue(workspace, BASE, needs_consent=True).withheld() == ["sam", "torn"]
    assert Catalogue(workspace, BASE).withheld() == []
    assert agreed.persona.exists()


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_so_does_one_that_a_proxy_is_asked_for(
    header: str, workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder
) -> None:
    async def go() -> None:
        gateway, client = make_gateway(workspace, vllm)
        async with client, gateway.upstream:
            for headers, status in (({}, 200), ({header: "for=192.0.2.1"}, 404)):
                assert (await client.post(CHAT, json=chat("ann"), headers=headers)).status_code == status
                assert (await client.get("/v1/models/ann", headers=headers)).status_code == status
                listed = (await client.get("/v1/models", headers=headers)).json()["data"]
                assert ("ann" in [card["id"] for card in listed]) == (status == 200)
            Persona.load(ann).with_consent("Ann agreed", date(2026, 2, 1)).save(ann)
            assert (await client.post(CHAT, json=chat("ann"), headers={header: "x"})).status_code == 200

    asyncio.run(go())


def test_on_this_machine_nobody_needs_it(workspace: Workspace, vllm: FakeVllm, ann: PersonaFolder) -> None:
    assert Persona.load(ann).consent is None
    assert get(workspace, vllm, "/v1/models/ann").status_code == 200


@pytest.mark.parametrize(("host", "needed"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_who_can_reach_the_address_decides(host: str, needed: bool) -> None:
    with serving_run.listen(host, None) as listener:
        assert serving_run.is_open_to_others(listener) is needed


def test_serve_warns_of_each_persona_it_holds_back(capsys: pytest.CaptureFixture[str]) -> None:
    from style_clone.cli import serve
    from style_clone.serving.endpoint import Notice

    notice = Notice("http://127.0.0.1:1", 1, "tiny", "tiny", True)
    serve._announce(notice, ["tiny"], ["ann"], as_json=False)
    told = capsys.readouterr()
    assert "warning: ann is not served beyond this machine" in told.err
    assert "style-clone consent ann" in told.err
    serve._announce(notice, ["tiny"], ["ann"], as_json=True)
    assert json.loads(capsys.readouterr().out)["withheld"] == ["ann"]


def command(*arguments: str) -> Any:
    return cli.main(list(arguments), standalone_mode=False)


def test_consent_is_recorded_shown_and_taken_back(
    workspace: Workspace, ann: PersonaFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    command("consent", "ann")
    assert "no consent is recorded" in capsys.readouterr().out
    command("consent", "ann", "Ann agreed\n by mail ")
    recorded = Persona.load(ann).consent
    assert recorded is not None
    assert recorded.startswith("Ann agreed by mail (20")
    assert Persona.load(ann).author == "Ann"
    capsys.readouterr()
    command("consent", "ann", "--json")
    assert json.loads(capsys.readouterr().out) == {"persona": "ann", "consent": recorded}
    command("consent", "ann", "--withdraw")
    assert Persona.load(ann).consent is None


@pytest.mark.parametrize("arguments", [["ann", "  "], ["ann", "yes", "--withdraw"], ["nobody"]])
def test_consent_that_says_nothing_is_refused(workspace: Workspace, ann: PersonaFolder, arguments: list[str]) -> None:
    from style_clone.errors import StyleCloneError

    with pytest.raises(StyleCloneError):
        command("consent", *arguments)
    assert Persona.load(ann).consent is None


def test_ingest_takes_it_along(workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from style_clone.errors import UsageError

    file = tmp_path / "notes.jsonl"
    file.write_text('{"author": "Ann", "text": "a note of mine"}\n{"author": "Bob", "text": "and one of his"}\n')
    with pytest.raises(UsageError, match="empty"):
        command("ingest", "ann", str(file), "--me", "Ann", "--consent", " ")
    assert not workspace.folder("ann").root.exists()
    command("ingest", "ann", str(file), "--me", "Ann", "--consent", "my own writing")
    folder = workspace.folder("ann")
    assert (Persona.load(folder).consent or "").startswith("my own writing (20")
    command("ingest", "ann", str(file))
    assert (Persona.load(folder).consent or "").startswith("my own writing (20"), "more files change nothing about it"
