"""Personas with a vLLM of their own, whose weights hold the adapter: on a CPU about three times as fast as an adapter.

What an adapter costs there is not arithmetic but vLLM's code for it, which can be neither compiled nor left out for the
requests that need none. So a few personas get their weights merged and an engine without adapters. Nobody waits for one: it
is made in the background, and until it is ready, or where it fails, or right after a new training, the persona is served by
its adapter on the base's engine.

"Apart", the base's engine has no room for adapters either, and is as fast with whatever the base is asked: for evaluations,
which ask it the most. There whoever wants a persona does wait for its engine.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from style_clone.errors import EngineError, StyleCloneError
from style_clone.models import BaseModel
from style_clone.progress import Event, Report, silent
from style_clone.serving import tuning
from style_clone.serving.catalogue import Adapter
from style_clone.serving.engine import Engine, client_of
from style_clone.serving.refusal import Refusal, later, not_loaded
from style_clone.settings import Settings
from style_clone.workspace import Workspace, read_json, write_json

MOST = 2
"""Personas that get an engine of their own: each holds the model's weights and a cache once more."""
NOTE = "style-clone.json"
"""In the merged folder: which adapter it was made from."""
ENGINE_STARTING = "engine_starting"
_MAKING_SECONDS = 15
_SHARE_FOR_A_WHILE = 2 / 3
_COMPILING_SECONDS = 3600.0
"""Nobody waits in vain for it: it is compiled beside engines that answer, and two busy cores took more than ten minutes."""
_TICK_SECONDS = 1.0
_TRIES = 2


@dataclass
class _Running:
    engine: Engine
    client: httpx.AsyncClient
    users: int = 0


class Merged:
    """The engines of merged personas, made and ended during `kept`."""

    def __init__(self, base: BaseModel, workspace: Workspace, most: int = MOST) -> None:
        self._base = base
        self._workspace = workspace
        self._most = most
        self._running: dict[str, _Running] = {}
        self._failures: dict[str, int] = {}
        self._passed_over: set[str] = set()
        self._starting: Engine | None = None
        self._merging: subprocess.Popen[str] | None = None
        self._closed = False

    @contextmanager
    def use(self, adapter: Adapter) -> Iterator[httpx.AsyncClient | None]:
        """Whom to ask for this version of a persona, kept during the block; None where its adapter must serve."""
        running = self._running.get(adapter.name)
        if running is None or not running.engine.alive:
            yield None
            return
        running.users += 1
        try:
            yield running.client
        finally:
            running.users -= 1

    def refusal(self, adapter: Adapter) -> Refusal:
        """What to say of a version that `use` has nobody for, where no adapter can serve instead."""
        if adapter.name in self._passed_over:
            return not_loaded(adapter.slug, f"the {self._most} trained last have engines, and nobody else")
        if self._failures.get(adapter.name, 0) >= _TRIES:
            return not_loaded(adapter.slug, "no engine could be made for it (--serve-as adapters needs none)")
        words = f"the engine of {adapter.slug} is being made, which takes a minute or two"
        return later(503, words, ENGINE_STARTING, _MAKING_SECONDS)

    def names(self) -> list[str]:
        """The versions that are served merged at this moment."""
        return [name for name, running in self._running.items() if running.engine.alive]

    @asynccontextmanager
    async def kept(self, newest: Callable[[], Sequence[Adapter]], report: Report = silent) -> AsyncIterator[None]:
        """During the block, in the background: an engine for each of the first adapters that `newest` gives, and none for
        others; none at all after it."""
        keeping = asyncio.create_task(self._keep(newest, report))
        try:
            yield
        finally:
            keeping.cancel()
            await self._close()
            await asyncio.wait([keeping])

    async def _keep(self, newest: Callable[[], Sequence[Adapter]], report: Report) -> None:
        while True:
            with suppress(
                OSError, StyleCloneError
            ):  # a folder that is being written or deleted; the next look will tell
                found = await asyncio.to_thread(newest)
                wanted = {adapter.name: adapter for adapter in found[: self._most]}
                self._passed_over = {adapter.name for adapter in found[self._most :]}
                await self._retire(wanted)
                missing = (name for name in wanted if name not in self._running)
                if name := next((name for name in missing if self._failures.get(name, 0) < _TRIES), ""):
                    await self._start(
                        wanted[name], report
                    )  # one, then look again at what is wanted: it may take a minute
            await asyncio.sleep(_TICK_SECONDS)

    async def _close(self) -> None:
        self._closed = True
        if self._merging is not None:
            self._merging.kill()
        engines = [running.engine for running in self._running.values()]
        starting = [self._starting] if self._starting else []
        await asyncio.gather(*(asyncio.to_thread(engine.stop) for engine in [*engines, *starting]))
        for running in self._running.values():
            await running.client.aclose()
        self._running.clear()

    async def _retire(self, wanted: dict[str, Adapter]) -> None:
        """End what died, and what nobody wants any more once its last reply is written."""
        for name, running in list(self._running.items()):
            if not running.engine.alive:
                self._failures[name] = self._failures.get(name, 0) + 1
            elif name in wanted or running.users:
                continue
            del self._running[name]
            await asyncio.to_thread(running.engine.stop)
            await running.client.aclose()

    async def _start(self, adapter: Adapter, report: Report) -> None:
        try:
            folder = await asyncio.to_thread(self._merge, adapter)
            self._starting = engine = Engine(folder, adapter.name, self._workspace, merged=True)
            if self._closed:
                return
            await asyncio.to_thread(engine.start, deadline_seconds=_COMPILING_SECONDS)
        except StyleCloneError as error:
            self._failures[adapter.name] = self._failures.get(adapter.name, 0) + 1
            report(Event("engine", f"{adapter.slug} is not served merged: {error.problem}"))
            return
        finally:
            self._starting = None
        self._running[adapter.name] = _Running(engine, client_of(engine))
        report(Event("engine", f"{adapter.slug} is served merged"))

    def _merge(self, adapter: Adapter) -> Path:
        """The folder with the merged model, kept with the persona, so that it goes when the persona does; with the persona
        itself where this home only refers to it."""
        out = adapter.path.resolve().parent / "merged"
        told = {"adapter": adapter.name, "base_sha256": self._base.sha256}
        if (out / NOTE).exists() and read_json(out / NOTE) == told:
            return out
        shutil.rmtree(out, ignore_errors=True)
        command = [
            sys.executable,
            "-m",
            "style_clone.serving.merging",
            str(self._base.path),
            str(adapter.path),
            str(out),
        ]
        environment = tuning.merging_environment()
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as self._merging:
            _, said = self._merging.communicate()
        if self._merging.returncode:
            last = next(iter(said.strip().splitlines()[-1:]), "it said nothing")
            raise EngineError(f"its adapter could not be merged ({last.removeprefix('error: ')})")
        write_json(out / NOTE, told)
        return out


def room_for(base: BaseModel) -> int:
    """How many personas can have an engine of their own on this machine, MOST at most: none on a GPU, where an adapter
    costs little; none without a C++ compiler, without which vLLM is no faster for it; else as memory allows."""
    return min(MOST, tuning.engines_that_fit(base.path)) if _gains() else 0


def apart_pays(settings: Settings, base: BaseModel, personas: int) -> bool:
    """Whether the base and so many personas should each have an engine of their own for a while: there is room, the machine
    gains by it, and nothing else was asked for."""
    free_to_choose = settings.engine_url is None and settings.serve_as in (None, "auto", "apart")
    return free_to_choose and _gains() and tuning.engines_that_fit(base.path, _SHARE_FOR_A_WHILE) > personas


def _gains() -> bool:
    return tuning.on_cpu() and tuning.has_compiler()
