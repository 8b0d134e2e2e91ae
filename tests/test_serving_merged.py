"""Personas with an engine of their own, with a small program in vLLM's place; test_serving_real.py has the real one."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from style_clone.errors import EngineError
from style_clone.models import LOCAL, BaseModel
from style_clone.progress import Event
from style_clone.serving import merged as serving
from style_clone.serving.catalogue import Adapter
from style_clone.serving.merged import Merged
from style_clone.settings import ServeAs, Settings
from style_clone.workspace import Workspace, write_json
from tests.test_serving_engine import ANSWERING, CONFIG, DYING, run_instead
from tests.waiting import until

MERGE = Merged._merge


@pytest.fixture
def base(tmp_path: Path) -> BaseModel:
    """The least that an engine is planned for."""
    write_json(tmp_path / "model" / "config.json", {**CONFIG, "max_position_embeddings": 8192})
    return BaseModel("tiny", tmp_path / "model", LOCAL, "abc")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, base: BaseModel) -> None:
    monkeypatch.setattr(serving, "_TICK_SECONDS", 0.05)
    monkeypatch.setattr(Merged, "_merge", lambda self, adapter: base.path)


def version(slug: str, digest: str, tmp_path: Path) -> Adapter:
    return Adapter(slug, tmp_path / slug, f"{slug}--{digest}")


def processes() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_an_engine_each_made_in_the_background_and_ended_with_the_rest(
    base: BaseModel, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_instead(monkeypatch, ANSWERING)
    wanted = [version(slug, "1", tmp_path) for slug in ("me", "ann", "bob")]

    async def story() -> None:
        own = Merged(base, workspace, most=2)
        async with own.kept(lambda: wanted):
            with own.use(wanted[0]) as client:
                assert client is None, "nobody waits for it"
            await until(lambda: len(own.names()) == 2)
            assert own.names() == ["me--1", "ann--1"], "no more than asked for"
            assert "the 2 trained last" in own.refusal(wanted[2]).message
            soon = own.refusal(version("me", "2", tmp_path))
            assert (soon.status, soon.code, soon.headers) == (503, serving.ENGINE_STARTING, {"Retry-After": "15"})
            with own.use(wanted[1]) as client:
                assert client is not None
                assert (await client.get("/health")).status_code == 200

    asyncio.run(story())
    assert processes() == []


def test_a_new_version_takes_over_and_the_old_one_writes_its_reply_to_the_end(
    base: BaseModel, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_instead(monkeypatch, ANSWERING)
    wanted = [version("me", "1", tmp_path)]

    async def story() -> None:
        own = Merged(base, workspace)
        async with own.kept(lambda: wanted):
            await until(lambda: own.names() == ["me--1"])
            with own.use(wanted[0]) as old:
                wanted[0] = version("me", "2", tmp_path)
                await until(lambda: "me--2" in own.names())
                assert old is not None
                assert (await old.get("/health")).status_code == 200, "it is still in use"
            await until(lambda: own.names() == ["me--2"])
            wanted.clear()
            await until(lambda: own.names() == [])

    asyncio.run(story())
    assert processes() == []


def test_where_it_dies_the_adapter_serves_until_there_is_another(
    base: BaseModel, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_instead(monkeypatch, ANSWERING)
    mine = version("me", "1", tmp_path)

    async def story() -> None:
        own = Merged(base, workspace)
        async with own.kept(lambda: [mine]):
            for _ in range(2):
                await until(lambda: own.names() == ["me--1"])
                for child in processes():
                    os.kill(child.pid, signal.SIGKILL)
                await until(lambda: own.names() == [])
                with own.use(mine) as client:
                    assert client is None
            await asyncio.sleep(0.5)
            assert own.names() == [], "twice is enough"

    asyncio.run(story())


@pytest.mark.parametrize("fails", ["merging", "starting"])
def test_where_it_cannot_be_made_that_is_told_and_the_adapter_serves(
    fails: str, base: BaseModel, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_instead(monkeypatch, DYING)
    told: list[Event] = []

    def merge(self: Merged, adapter: Adapter) -> Path:
        raise EngineError("its adapter could not be merged (no weights)")

    if fails == "merging":
        monkeypatch.setattr(Merged, "_merge", merge)

    async def story() -> None:
        own = Merged(base, workspace)
        async with own.kept(lambda: [version("me", "1", tmp_path)], told.append):
            await until(lambda: len(told) == 2)
            await asyncio.sleep(0.3)
            assert own.names() == []
            assert "no engine could be made" in own.refusal(version("me", "1", tmp_path)).message

    asyncio.run(story())
    assert [event.text.partition(":")[0] for event in told] == ["me is not served merged"] * 2, "tried twice"
    assert "no weights" in told[0].text
    assert processes() == []


def test_what_cannot_be_merged_says_so_and_what_was_is_not_merged_again(
    base: BaseModel, workspace: Workspace, tmp_path: Path
) -> None:
    own = Merged(base, workspace)
    mine = version("me", "1", tmp_path)
    with pytest.raises(EngineError, match=r"could not be merged \(.+\)"):
        MERGE(own, mine)
    kept = mine.path.resolve().parent / "merged"
    write_json(kept / serving.NOTE, {"adapter": mine.name, "base_sha256": base.sha256})
    assert MERGE(own, mine) == kept


@pytest.mark.parametrize(("compiler", "cpu", "room"), [(True, True, True), (False, True, False), (True, False, False)])
def test_by_itself_only_where_there_is_something_to_gain(
    compiler: bool, cpu: bool, room: bool, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.tuning, "on_cpu", lambda: cpu)
    monkeypatch.setattr(serving.tuning, "has_compiler", lambda: compiler)
    monkeypatch.setattr(serving.tuning, "engines_that_fit", lambda model, share=0.5: 5)
    assert serving.room_for(base) == (serving.MOST if room else 0)
    settings = Settings.from_environment({})
    assert serving.apart_pays(settings, base, 4) == room
    assert not serving.apart_pays(settings, base, 5), "the base needs one too"


@pytest.mark.parametrize("serve_as", [None, "auto", "apart", "adapters", "merged"])
def test_apart_only_where_nothing_else_was_asked_for(
    serve_as: ServeAs | None, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.tuning, "on_cpu", lambda: True)
    monkeypatch.setattr(serving.tuning, "has_compiler", lambda: True)
    monkeypatch.setattr(serving.tuning, "engines_that_fit", lambda model, share: 5)
    settings = replace(Settings.from_environment({}), serve_as=serve_as)
    assert serving.apart_pays(settings, base, 1) == (serve_as not in ("adapters", "merged"))
    assert not serving.apart_pays(replace(settings, engine_url="http://127.0.0.1:9"), base, 1)
