"""Who may ask for what: every route with every sort of key, and nothing told of personas a key is not for."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from style_clone.serving.gateway import Gateway
from style_clone.store import Store
from style_clone.workspace import Workspace, write_json
from tests.serving_fakes import BASE, FakeVllm, make_gateway, make_persona, user

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
OPEN = {"/health", "/ready"}
"""Routes that ask for no key and tell nothing of any persona."""
CONTACTS = {"ann": {"Zoë Quayle": "Zoë"}, "bob": {"Gwendolyn Price": "Gwen"}}
BOBS = ("bob", "Gwendolyn", "Gwen", "Price")
Talk = Callable[[httpx.AsyncClient, Gateway], Awaitable[None]]
Asked = tuple[str, str, dict[str, Any] | None]


def about(model: str) -> list[Asked]:
    """Every way to ask for a model."""
    chat = {"model": model, "messages": [{**user("hello"), "name": "Gwen"}]}
    return [
        ("GET", f"/v1/models/{model}", None),
        ("POST", CHAT, chat),
        ("POST", CHAT, {**chat, "stream": True}),
        ("POST", TEXT, {"model": model, "prompt": "hello"}),
    ]


ANNS = [*about("ann"), *about("ann@memory")[:3], *about("ann@prompted")[:3], ("GET", "/v1/models", None)]
HIDDEN = [*about("bob"), *about("bob@memory"), *about("bob@prompted"), *about(BASE.name), *about("bob@nonsense")]
METRICS: Asked = ("GET", "/metrics", None)
EVERYTHING = [*ANNS, *HIDDEN, METRICS]


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    with Store(workspace.database_url) as store:
        yield store


@pytest.fixture
def both(workspace: Workspace) -> Workspace:
    for slug, contacts in CONTACTS.items():
        write_json(make_persona(workspace, slug).adapter / "run.json", {"registers": contacts})
    return workspace


def talk_with(workspace: Workspace, keys: Any, talk: Talk) -> None:
    async def go() -> None:
        gateway, client = make_gateway(workspace, FakeVllm(), keys=keys)
        async with client, gateway.upstream:
            await talk(client, gateway)

    asyncio.run(go())


def answers(workspace: Workspace, store: Store, secret: str | None, asked: list[Asked]) -> list[httpx.Response]:
    found: list[httpx.Response] = []

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        headers = {"authorization": f"Bearer {secret}"} if secret is not None else {}
        for method, path, body in asked:
            found.append(await client.request(method, path, json=body, headers=headers))

    talk_with(workspace, store, talk)
    return found


def all_of(response: httpx.Response) -> str:
    return f"{response.status_code} {response.headers} {response.text}"


def test_the_matrix_knows_every_route(both: Workspace, store: Store) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        app = client._transport.app  # type: ignore[attr-defined]
        paths = {route.path.replace("{model:path}", "ann") for route in app.routes if isinstance(route, Route)}
        assert paths - OPEN == {path for _, path, _ in [*about("ann"), ("GET", "/v1/models", None), METRICS]}

    talk_with(both, store, talk)


@pytest.mark.parametrize("sort", ["none", "empty", "wrong", "revoked", "expired"])
def test_without_a_good_key_nothing_is_told(both: Workspace, store: Store, sort: str) -> None:
    revoked, revoked_secret = store.create_key("a")
    store.revoke_key(revoked.id)
    secrets = {
        "none": None,
        "empty": "",
        "wrong": store.create_key("b")[1][:-4] + "AAAA",
        "revoked": revoked_secret,
        "expired": store.create_key("c", timedelta(seconds=-1))[1],
    }
    told = answers(both, store, secrets[sort], EVERYTHING)
    assert len(told) == len(EVERYTHING)
    for response in told:
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_api_key"
        assert not any(word in all_of(response) for word in ("ann", *BOBS, "Quayle", BASE.name))
    assert len({response.text for response in told}) == 1


def test_a_key_for_everything_gets_everything(both: Workspace, store: Store) -> None:
    _, secret = store.create_key("a")
    there = [asked for asked in EVERYTHING if "nonsense" not in str(asked)]
    for asked, response in zip(there, answers(both, store, secret, there), strict=True):
        prompts = asked[1] == TEXT and asked[2] is not None and "@" in asked[2]["model"]
        assert response.status_code == (400 if prompts else 200), asked
    (listed,) = answers(both, store, secret, [("GET", "/v1/models", None)])
    assert [card["id"] for card in listed.json()["data"]][-1] == BASE.name
    assert "Gwendolyn" in listed.text


def test_a_key_gets_its_persona(both: Workspace, store: Store) -> None:
    _, secret = store.create_key("a", personas=["ann"])
    for response in answers(both, store, secret, ANNS):
        assert response.status_code == 200
        assert not any(word in all_of(response) for word in (*BOBS, BASE.name))
    (listed,) = answers(both, store, secret, [("GET", "/v1/models", None)])
    assert [card["id"] for card in listed.json()["data"]] == ["ann", "ann@memory", "ann@prompted"]
    assert "Quayle" in listed.text


def test_what_a_key_is_not_for_is_as_if_it_were_not_there(both: Workspace, store: Store) -> None:
    """Byte for byte what the endpoint says where there is no such persona."""
    _, secret = store.create_key("a", personas=["ann"])
    hidden = answers(both, store, secret, EVERYTHING)
    both.delete("bob")
    absent = answers(both, store, secret, EVERYTHING)
    assert [all_of(response) for response in hidden] == [all_of(response) for response in absent]
    for asked, response in zip(EVERYTHING, hidden, strict=True):
        if asked not in HIDDEN:
            continue
        model = asked[2]["model"] if asked[2] else asked[1].removeprefix("/v1/models/")
        assert response.status_code == 404
        error = response.json()["error"]
        assert error["message"] == f"there is no model {model!r}; there are: ann, ann@memory, ann@prompted"
        assert error["code"] == "model_not_found"


def test_figures_of_all_need_a_key_for_all(both: Workspace, store: Store) -> None:
    _, secret = store.create_key("a", personas=["ann", "bob"])
    (refused,) = answers(both, store, secret, [METRICS])
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "insufficient_permissions"
    assert "style_clone_" not in refused.text


def test_a_key_for_two_personas_gets_both_and_not_the_base(both: Workspace, store: Store) -> None:
    make_persona(both, "cyd")
    _, secret = store.create_key("a", personas=["bob", "ann"])
    listed, chat, base = answers(
        both, store, secret, [("GET", "/v1/models", None), about("bob")[1], about(BASE.name)[1]]
    )
    assert {card["id"].partition("@")[0] for card in listed.json()["data"]} == {"ann", "bob"}
    assert (chat.status_code, base.status_code) == (200, 404)
    assert "cyd" not in listed.text + base.text


def test_a_persona_called_like_the_base_does_not_open_the_base(workspace: Workspace, store: Store) -> None:
    make_persona(workspace, BASE.name)
    _, secret = store.create_key("a", personas=[BASE.name])
    for response in answers(workspace, store, secret, about(BASE.name)):
        assert response.status_code == 404
        assert response.json()["error"]["message"].endswith("there are: none")


def test_a_key_made_for_a_deleted_persona_does_not_open_a_new_one(both: Workspace, store: Store) -> None:
    alone, one = store.create_key("a", personas=["bob"])
    _, two = store.create_key("b", personas=["ann", "bob"])
    both.delete("bob")
    store.forget_persona("bob")
    make_persona(both, "bob")
    assert answers(both, store, one, [("GET", "/v1/models", None)])[0].status_code == 401
    kept = store.keys()
    assert [key.state for key in kept if key.id == alone.id] == ["revoked"]
    bobs, anns = answers(both, store, two, [about("bob")[1], about("ann")[1]])
    assert (bobs.status_code, anns.status_code) == (404, 200)


def test_a_revoked_key_stops_between_two_requests(both: Workspace, store: Store) -> None:
    key, secret = store.create_key("a", personas=["ann"])

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        headers = {"authorization": f"Bearer {secret}"}
        assert (await client.get("/v1/models", headers=headers)).status_code == 200
        store.revoke_key(key.id)
        assert (await client.get("/v1/models", headers=headers)).status_code == 401

    talk_with(both, store, talk)


def test_a_locked_store_is_told_as_such(both: Workspace, home: Path) -> None:
    """Another process holds the database: no key is taken on trust, none is called wrong."""
    with Store(f"{both.database_url}?timeout=0.2") as store:
        _, secret = store.create_key("a")
        with contextlib.closing(sqlite3.connect(home / "store.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            (refused,) = answers(both, store, secret, [("GET", "/v1/models", None)])
            other.execute("COMMIT")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "keys_unavailable"
        assert int(refused.headers["retry-after"]) > 0
        assert str(home) not in refused.text
        assert answers(both, store, secret, [("GET", "/v1/models", None)])[0].status_code == 200
