"""Adapters come when asked for and go when idle, replaced, or in the way; a damaged one harms nobody else."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from style_clone.serving import tuning
from style_clone.serving.adapters import IDLE_SECONDS, Adapters
from style_clone.serving.catalogue import Adapter
from style_clone.serving.gateway import Gateway
from style_clone.serving.metrics import Metrics
from style_clone.serving.refusal import AGAIN_SECONDS, Refusal, unavailable
from style_clone.workspace import Workspace, write_json
from tests.serving_fakes import FakeVllm, make_persona, train
from tests.test_serving_gateway import CHAT, chat, error_of, run


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """Adapters before a fake vLLM, with room for two."""

    def __init__(self, folder: Path) -> None:
        self.vllm = FakeVllm()
        self.clock = Clock()
        self.metrics = Metrics()
        self.adapters = Adapters(self.vllm.client(), 2, self.metrics, self.clock)
        self._folder = folder

    def adapter(self, slug: str, version: str = "1") -> Adapter:
        return Adapter(slug, self._folder, f"{slug}--{version}")

    async def ask(self, slug: str, version: str = "1") -> None:
        self.clock.now += 1
        async with self.adapters.use(self.adapter(slug, version)) as name:
            assert name in self.there

    @property
    def there(self) -> set[str]:
        """What vLLM has, by what it was told."""
        counts = [*self.vllm.loaded]
        for name in self.vllm.unloaded:
            counts.remove(name)
        assert len(counts) == len(set(counts)), "loaded twice"
        return set(counts)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_one_unused_for_longest_makes_room(bench: Bench) -> None:
    async def go() -> None:
        for slug in ("ann", "bob", "ann", "cy"):
            await bench.ask(slug)
        assert bench.there == {"ann--1", "cy--1"}
        await bench.ask("bob")
        assert bench.there == {"cy--1", "bob--1"}

    asyncio.run(go())
    text = bench.metrics.text().decode()
    assert 'style_clone_adapter_evictions_total{persona="bob",reason="full"} 1.0' in text
    assert 'style_clone_adapter_loads_total{persona="bob",result="loaded"} 2.0' in text
    assert "style_clone_adapters_loaded 2.0" in text


def test_what_is_in_use_never_goes(bench: Bench) -> None:
    async def go() -> None:
        async with AsyncExitStack() as replies:
            for slug in ("ann", "bob", "cy"):
                await replies.enter_async_context(bench.adapters.use(bench.adapter(slug)))
            assert bench.there == {"ann--1", "bob--1", "cy--1"}
        await bench.ask("dee")
        assert len(bench.there) == 2

    asyncio.run(go())


def test_an_idle_one_goes(bench: Bench) -> None:
    async def go() -> None:
        await bench.ask("ann")
        async with bench.adapters.use(bench.adapter("bob")):
            bench.clock.now += IDLE_SECONDS + 1
            await bench.adapters.drop({"ann", "bob"})
            assert bench.there == {"bob--1"}
        await bench.adapters.drop({"ann", "bob"})
        assert bench.there == {"bob--1"}, "it was used a moment ago"
        await bench.ask("ann")
        assert bench.there == {"ann--1", "bob--1"}

    asyncio.run(go())
    assert 'style_clone_adapter_evictions_total{persona="ann",reason="idle"} 1.0' in bench.metrics.text().decode()


@pytest.mark.parametrize(("changed", "taken"), [(["q_proj"], True), (["q_proj", "up_proj"], False), (None, True)])
def test_one_that_would_be_applied_in_part_is_refused(
    bench: Bench, tmp_path: Path, changed: list[str] | None, taken: bool
) -> None:
    write_json(tmp_path / "adapter_config.json", {"r": 8, "target_modules": changed})
    layers = frozenset({"q_proj", "v_proj"})
    bench.adapters = Adapters(bench.vllm.client(), 2, bench.metrics, bench.clock, layers)

    async def go() -> None:
        if taken:
            await bench.ask("ann")
            return
        with pytest.raises(Refusal, match=r"other layers .*\(up_proj\); start the endpoint again") as caught:
            await bench.ask("ann")
        assert caught.value.status == 503

    asyncio.run(go())
    assert bench.there == ({"ann--1"} if taken else set())
    outcome = "loaded" if taken else "refused"
    assert f'style_clone_adapter_loads_total{{persona="ann",result="{outcome}"}} 1.0' in bench.metrics.text().decode()


def test_a_retrained_one_takes_over_while_a_reply_goes_on(bench: Bench) -> None:
    async def go() -> None:
        async with bench.adapters.use(bench.adapter("ann", "1")):
            await bench.ask("ann", "2")
            await bench.ask("ann", "2")
            assert bench.there == {"ann--1", "ann--2"}
        assert bench.there == {"ann--2"}

    asyncio.run(go())
    assert 'style_clone_adapter_evictions_total{persona="ann",reason="replaced"} 1.0' in bench.metrics.text().decode()


def test_many_at_once_lose_nothing(bench: Bench) -> None:
    """Whatever comes and goes meanwhile, an adapter is there for as long as it is used."""

    async def reply(number: int) -> None:
        slug = "abcde"[number * 7 % 5]
        async with bench.adapters.use(bench.adapter(slug, str(number // 40))) as name:
            for _ in range(number % 4):
                await asyncio.sleep(0)
                assert name in bench.there
            bench.clock.now += 1

    async def go() -> None:
        await asyncio.gather(*(reply(number) for number in range(120)))
        await bench.adapters.drop(set("abcde"))
        assert len(bench.there) <= 5, "older versions are gone"
        await bench.adapters.drop(set())
        assert bench.there == set()

    asyncio.run(go())


def test_a_refused_one_is_not_tried_again_at_once(bench: Bench) -> None:
    tries: list[str] = []
    handle = bench.vllm.handle

    async def counting(request: httpx.Request) -> httpx.Response:
        tries.append(request.url.path)
        return await handle(request)

    bench.vllm.handle = counting  # type: ignore[method-assign]
    bench.adapters = Adapters(bench.vllm.client(), 2, bench.metrics, bench.clock)
    bench.vllm.damaged = {"ann"}

    async def go() -> None:
        for _ in range(3):
            with pytest.raises(Refusal, match="style-clone train ann") as caught:
                await bench.ask("ann")
            assert caught.value.status == 503
            assert int(caught.value.headers["Retry-After"]) > 0
        assert len(tries) == 1
        bench.clock.now += AGAIN_SECONDS
        with pytest.raises(Refusal):
            await bench.ask("ann")
        assert len(tries) == 2
        bench.vllm.damaged = set()
        await bench.ask("ann", "2")
        assert bench.there == {"ann--2"}, "a retrained one is tried at once"
        bench.adapters.forget()
        await bench.ask("ann")

    asyncio.run(go())
    text = bench.metrics.text().decode()
    assert 'style_clone_adapter_loads_total{persona="ann",result="refused"} 2.0' in text


def test_one_that_vllm_has_lost_is_loaded_again(bench: Bench) -> None:
    async def go() -> None:
        await bench.ask("ann")
        with pytest.raises(Refusal):
            async with bench.adapters.use(bench.adapter("ann")):
                raise unavailable()
        bench.vllm.unloaded.append("ann--1")
        await bench.ask("ann")
        assert bench.vllm.loaded == ["ann--1", "ann--1"]

    asyncio.run(go())


def test_a_damaged_adapter_stops_its_own_persona_only(workspace: Workspace) -> None:
    vllm = FakeVllm()
    vllm.damaged = {"bob"}
    make_persona(workspace)
    bob = make_persona(workspace, "bob")

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        for stream in (False, True):
            response = await client.post(CHAT, json=chat("bob", stream=stream))
            assert response.status_code == 503
            error = error_of(response)
            assert (error["code"], error["type"]) == ("adapter_not_loaded", "server_error")
            assert "style-clone train bob" in error["message"]
            assert str(workspace.home) not in response.text
            assert (await client.post(CHAT, json=chat("ann", stream=stream))).status_code == 200
            assert (await client.post(CHAT, json=chat("bob@prompted", stream=stream))).status_code == 200
        vllm.damaged = set()
        train(bob, b"trained again")
        assert (await client.post(CHAT, json=chat("bob"))).status_code == 200

    run(workspace, vllm, talk)


def test_a_file_that_cannot_be_read_is_no_failure_of_the_endpoint(workspace: Workspace) -> None:
    vllm = FakeVllm()
    make_persona(workspace)
    bob = make_persona(workspace, "bob")
    (bob.adapter / "adapter_model.safetensors").unlink()
    (bob.adapter / "adapter_model.safetensors").mkdir()

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        response = await client.post(CHAT, json=chat("bob"))
        assert response.status_code == 503
        assert error_of(response)["code"] == "adapter_not_loaded"
        assert (await client.post(CHAT, json=chat("ann"))).status_code == 200

    run(workspace, vllm, talk)


def test_the_engine_s_room_is_kept_through_the_gateway(workspace: Workspace) -> None:
    vllm = FakeVllm()
    vllm.room = 2
    for slug in ("ann", "bob", "cy"):
        make_persona(workspace, slug)

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        for slug in ("ann", "bob", "cy", "ann"):
            assert (await client.post(CHAT, json=chat(slug))).status_code == 200
        assert [name.partition("--")[0] for name in vllm.unloaded] == ["ann", "bob"]
        await gateway.tidy({"ann"})
        assert [name.partition("--")[0] for name in vllm.unloaded] == ["ann", "bob", "cy"]

    run(workspace, vllm, talk)


def test_as_many_are_kept_as_vllm_is_started_with(workspace: Workspace) -> None:
    write_json(workspace.home / "model" / "config.json", {"max_position_embeddings": 2048})
    plan = replace(tuning.plan(workspace.home / "model", "tiny", 1, []), adapters=3)
    command = tuning.arguments(plan)
    assert command[command.index("--max-cpu-loras") + 1] == str(plan.kept_adapters) == "6"
