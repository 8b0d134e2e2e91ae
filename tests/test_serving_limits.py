"""Limits of keys, one by one, by a clock that only the test moves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from style_clone.serving import quotas
from style_clone.serving.gateway import Gateway
from style_clone.serving.quotas import Bucket, Quotas
from style_clone.store import ApiKey, KeyLimits, Store
from style_clone.workspace import Workspace
from tests.serving_fakes import (
    SAMPLING,
    USAGE,
    FakeVllm,
    ending_after,
    make_gateway,
    make_persona,
    post_by_hand,
    spoken,
    user,
)

CHAT = "/v1/chat/completions"
COST = USAGE["total_tokens"]
Talk = Callable[[httpx.AsyncClient, Gateway], Awaitable[None]]


@dataclass
class Clock:
    """Seconds and moments that pass when told."""

    seconds: float = 1000.0
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.began + timedelta(seconds=self.seconds - 1000.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vllm() -> FakeVllm:
    vllm = FakeVllm()
    vllm.costs = USAGE
    return vllm


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    make_persona(workspace)
    with Store(workspace.database_url) as store:
        yield store


def limited(workspace: Workspace, store: Store, vllm: FakeVllm, clock: Clock, limits: KeyLimits, talk: Talk) -> ApiKey:
    """Talk with a key that has those limits; whatever was spent is written when this returns."""
    key, secret = store.create_key("a", limits=limits)

    async def go() -> None:
        gateway, client = make_gateway(workspace, vllm, keys=store)
        gateway.quotas = Quotas(store.count_tokens, clock, clock.now)
        client.headers["authorization"] = f"Bearer {secret}"
        async with client, gateway.upstream:
            await talk(client, gateway)
            await gateway.quotas.settle()

    asyncio.run(go())
    kept = store.keys()
    return next(each for each in kept if each.id == key.id)


def chat(**options: Any) -> dict[str, Any]:
    return {"model": "ann", "messages": [user("hello")], **options}


def refused(response: httpx.Response, code: str = "rate_limit_exceeded") -> int:
    """Seconds after which a refused caller is asked to come again."""
    assert response.status_code == 429
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    return int(response.headers["retry-after"])


def test_a_bucket_fills_evenly_and_may_be_in_debt() -> None:
    bucket = Bucket(60, 0)
    assert bucket.left(0) == 60
    bucket.spend(60, 0)
    assert (bucket.left(0), bucket.seconds(0)) == (0, pytest.approx(1))
    assert (bucket.left(1.5), bucket.seconds(1.5)) == (1, 0)
    bucket.spend(30, 2)
    assert bucket.seconds(2) == pytest.approx(29)
    bucket.spend(-30, 2)
    assert bucket.left(2) == 2
    assert bucket.left(1e9) == 60


def test_requests_a_minute(workspace: Workspace, store: Store, vllm: FakeVllm, clock: Clock) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        for left in (2, 1, 0):
            response = await client.post(CHAT, json=chat(stream=left == 1))
            assert response.status_code == 200
            assert response.headers["x-ratelimit-limit-requests"] == "3"
            assert response.headers["x-ratelimit-remaining-requests"] == str(left)
            assert "x-ratelimit-limit-tokens" not in response.headers
        for path in ("/v1/models", "/metrics"):
            response = await client.get(path)
            assert refused(response) == 20
            assert "3 requests a minute; ask again in 20 s" in response.json()["error"]["message"]
        clock.seconds += 19.9
        assert refused(await client.post(CHAT, json=chat())) == 1
        clock.seconds += 0.2
        assert (await client.post(CHAT, json=chat())).status_code == 200
        assert (await client.post(CHAT, json=chat())).status_code == 429

    limited(workspace, store, vllm, clock, KeyLimits(requests_per_minute=3), talk)
    assert len(vllm.asked) == 4


def test_one_keys_limits_are_not_anothers(workspace: Workspace, store: Store, vllm: FakeVllm, clock: Clock) -> None:
    _, other = store.create_key("other", limits=KeyLimits(requests_per_minute=1))
    _, free = store.create_key("free")

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        assert [(await client.get("/v1/models")).status_code for _ in range(2)] == [200, 429]
        headers = {"authorization": f"Bearer {other}"}
        assert [(await client.get("/v1/models", headers=headers)).status_code for _ in range(2)] == [200, 429]
        for _ in range(5):
            response = await client.get("/v1/models", headers={"authorization": f"Bearer {free}"})
            assert response.status_code == 200
            assert not [name for name in response.headers if name.startswith("x-ratelimit")]

    limited(workspace, store, vllm, clock, KeyLimits(requests_per_minute=1), talk)


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_a_minute(workspace: Workspace, store: Store, vllm: FakeVllm, clock: Clock, stream: bool) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        for _ in range(2):
            response = await client.post(CHAT, json=chat(stream=stream))
            assert response.status_code == 200
            assert response.headers["x-ratelimit-limit-tokens"] == "60"
        response = await client.post(CHAT, json=chat(stream=stream))
        assert refused(response) == 2 * COST - 60 + 1
        assert "60 tokens a minute" in response.json()["error"]["message"]
        assert response.headers["x-ratelimit-remaining-tokens"] == "0"
        clock.seconds += 2 * COST - 60 + 1
        assert (await client.post(CHAT, json=chat(stream=stream))).status_code == 200

    limited(workspace, store, vllm, clock, KeyLimits(tokens_per_minute=60), talk)


def test_a_whole_answer_tells_what_is_left_after_it(
    workspace: Workspace, store: Store, vllm: FakeVllm, clock: Clock
) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        whole = await client.post(CHAT, json=chat())
        assert whole.headers["x-ratelimit-remaining-tokens"] == str(1000 - COST)

    limited(workspace, store, vllm, clock, KeyLimits(tokens_per_minute=1000), talk)


@pytest.mark.parametrize("limits", [KeyLimits(tokens_per_minute=1000), KeyLimits(tokens_per_day=1000)])
def test_answers_under_way_count_with_the_most_they_may_cost(
    workspace: Workspace, store: Store, vllm: FakeVllm, clock: Clock, limits: KeyLimits
) -> None:
    """Else any number of questions asked at once would pass a limit none of them has reached."""
    waiting = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        await waiting.wait()
        yield b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\ndata: [DONE]\n\n"

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        vllm.answer = lambda body: httpx.Response(200, content=slow())
        first = asyncio.create_task(client.post(CHAT, json=chat(stream=True, max_tokens=500, n=2)))
        while not vllm.asked:
            await asyncio.sleep(0.01)
        refused(await client.post(CHAT, json=chat(stream=True)))
        waiting.set()
        await first
        assert (await client.post(CHAT, json=chat(stream=True))).status_code == 200

    limited(workspace, store, vllm, clock, limits, talk)


def test_the_usage_only_we_asked_for_is_not_passed_on(
    workspace: Workspace, store: Store, vllm: FakeVllm, clock: Clock
) -> None:
    vllm.words = ["a", '"usage":', "c"]

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        ours = await client.post(CHAT, json=chat(stream=True, stream_options={"include_usage": False}))
        theirs = await client.post(CHAT, json=chat(stream=True, stream_options={"include_usage": True}))
        assert [row["choices"][0]["delta"]["content"] for row in spoken(ours.text)] == vllm.words
        assert "total_tokens" not in ours.text
        assert spoken(theirs.text)[-1]["usage"] == USAGE
        for each in (ours, theirs):
            assert each.text.endswith("data: [DONE]\n\n")

    key = limited(workspace, store, vllm, clock, KeyLimits(tokens_per_day=1000), talk)
    assert [sent["stream_options"] for sent in vllm.asked] == [{"include_usage": True}] * 2
    assert key.tokens_today == 2 * COST


def test_answers_at_a_time(workspace: Workspace, store: Store, vllm: FakeVllm, clock: Clock) -> None:
    waiting = asyncio.Event()

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        vllm.answer = ending_after(waiting)
        under_way = [asyncio.create_task(client.post(CHAT, json=chat(stream=True))) for _ in range(2)]
        while len(vllm.asked) < 2:
            await asyncio.sleep(0.01)
        response = await client.post(CHAT, json=chat())
        assert refused(response) > 0
        assert "2 answers under way at a time" in response.json()["error"]["message"]
        waiting.set()
        assert {answer.status_code for answer in await asyncio.gather(*under_way)} == {200}
        vllm.answer = None
        assert [(await client.post(CHAT, json=chat())).status_code for _ in range(4)] == [200] * 4

    limited(workspace, store, vllm, clock, KeyLimits(concurrent=2), talk)


def test_tokens_a_day_outlive_the_process_and_end_at_midnight(
    workspace: Workspace, store: Store, vllm: FakeVllm
) -> None:
    clock = Clock()
    clock.began = clock.began.replace(hour=23, minute=0, second=0, microsecond=0)
    key, secret = store.create_key("a", limits=KeyLimits(tokens_per_day=2 * COST - 1))
    headers = {"authorization": f"Bearer {secret}"}

    async def go(work: Talk) -> None:
        gateway, client = make_gateway(workspace, vllm, keys=store)
        gateway.quotas = Quotas(store.count_tokens, clock, clock.now)
        async with client, gateway.upstream:
            await work(client, gateway)
            await gateway.quotas.settle()

    async def before(client: httpx.AsyncClient, gateway: Gateway) -> None:
        for stream in (False, True):
            assert (await client.post(CHAT, json=chat(stream=stream), headers=headers)).status_code == 200
        assert refused(await client.post(CHAT, json=chat(), headers=headers), "insufficient_quota") == 3600

    async def after(client: httpx.AsyncClient, gateway: Gateway) -> None:
        response = await client.post(CHAT, json=chat(), headers=headers)
        assert refused(response, "insufficient_quota") == 3600
        tomorrow = (clock.now() + timedelta(days=1)).date()
        assert f"ask again after {tomorrow} 00:00 UTC" in response.json()["error"]["message"]
        clock.seconds += 3600
        assert (await client.post(CHAT, json=chat(), headers=headers)).status_code == 200

    asyncio.run(go(before))
    (found,) = store.keys()
    assert (found.id, found.tokens_today) == (key.id, 2 * COST)
    asyncio.run(go(after))


def broken_off(kind: str, vllm: FakeVllm) -> dict[str, Any]:
    """What to ask so that the answer ends early in that way."""
    if kind == "refused":
        vllm.answer = lambda body: httpx.Response(400, json={"error": {"message": "no"}})
    elif kind == "down":
        vllm.down = True
    elif kind == "broken":
        vllm.breaks_off = True
    return chat(stream=kind == "broken")


@pytest.mark.parametrize("kind", ["refused", "down", "broken"])
def test_what_the_engine_did_not_finish_is_not_charged(
    workspace: Workspace, store: Store, vllm: FakeVllm, clock: Clock, kind: str
) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        await client.post(CHAT, json=broken_off(kind, vllm))
        response = await client.get("/v1/models")
        assert response.headers["x-ratelimit-remaining-tokens"] == "500"

    key = limited(workspace, store, vllm, clock, KeyLimits(tokens_per_minute=500, tokens_per_day=500), talk)
    assert key.tokens_today == 0


def test_an_answer_the_caller_breaks_off_is_charged_in_full(
    workspace: Workspace, store: Store, vllm: FakeVllm, clock: Clock
) -> None:
    """vLLM tells its usage only at the end, so hanging up just before it must not be free."""

    async def endless() -> AsyncIterator[bytes]:
        yield b'data: {"choices": [{"index": 0, "delta": {"content": "hi"}}]}\n\n'
        await asyncio.sleep(60)

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        vllm.answer = lambda body: httpx.Response(200, content=endless())
        spoke = asyncio.Event()
        messages = [{"type": "http.request", "body": json.dumps(chat(stream=True)).encode(), "more_body": False}]

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop(0)
            await spoke.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if b"hi" in message.get("body", b""):
                spoke.set()

        await post_by_hand(client, receive, send)

    key = limited(workspace, store, vllm, clock, KeyLimits(tokens_per_day=5000), talk)
    assert SAMPLING.max_tokens < key.tokens_today < SAMPLING.max_tokens + 100


def test_a_locked_store_breaks_no_answer_and_loses_no_tokens(
    workspace: Workspace, home: Path, vllm: FakeVllm, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "SAVE_AGAIN_SECONDS", 0.1)
    make_persona(workspace)
    began, locked = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        began.set()
        await locked.wait()
        yield b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\ndata: [DONE]\n\n"

    with (
        Store(f"{workspace.database_url}?timeout=0.1") as store,
        contextlib.closing(sqlite3.connect(home / "store.sqlite3", isolation_level=None)) as other,
    ):

        async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
            vllm.answer = lambda body: httpx.Response(200, content=slow())
            answer = asyncio.create_task(client.post(CHAT, json=chat(stream=True)))
            await began.wait()
            other.execute("BEGIN EXCLUSIVE")
            locked.set()
            response = await asyncio.wait_for(answer, 5)
            assert response.text.endswith("data: [DONE]\n\n")
            await asyncio.sleep(0.3)
            assert (await client.post(CHAT, json=chat())).status_code == 503
            other.execute("COMMIT")
            await gateway.quotas.settle(5)

        key = limited(workspace, store, vllm, clock, KeyLimits(tokens_per_day=5000), talk)
    assert key.tokens_today == COST
