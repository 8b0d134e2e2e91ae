"""Keeps the adapters in vLLM in step with those on disk: loaded when first asked for, taken out when no longer needed.

vLLM keeps so many adapters in memory and reads an older one again from its folder, which by then may hold another training.
So no more are held here than vLLM has room for: the one unused for longest goes when a new one comes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import httpx

from style_clone.serving.catalogue import Adapter
from style_clone.serving.metrics import Metrics
from style_clone.serving.refusal import AGAIN_SECONDS, ENGINE_UNAVAILABLE, Refusal, not_loaded, unavailable
from style_clone.serving.tuning import AdapterShape

IDLE_SECONDS = 1800.0
"""An adapter nobody asked for in that time is taken out."""
_LOGGER = logging.getLogger(__name__)
_LOAD_SECONDS = 120.0


@dataclass
class _Held:
    """One version of an adapter in vLLM. `users` are the replies being written with it."""

    slug: str
    used: float
    users: int = 0


class Adapters:
    """What is loaded in vLLM: at most `room` adapters, more only while all of those are in use, that change no layers but
    `layers`, any where it is empty."""

    def __init__(
        self,
        upstream: httpx.AsyncClient,
        room: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        layers: frozenset[str] = frozenset(),
    ) -> None:
        self._upstream = upstream
        self._room = room
        self._metrics = metrics
        self._clock = clock
        self._layers = layers
        self._held: dict[str, _Held] = {}
        self._newest: dict[str, str] = {}
        self._refused: dict[str, tuple[float, str]] = {}
        # One for all: vLLM loads one at a time anyway, and an adapter that is there is used without it.
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def use(self, adapter: Adapter) -> AsyncIterator[str]:
        """The internal name of the adapter, loaded and kept loaded during the block. Raises Refusal."""
        held = self._held.get(adapter.name) or await self._load(adapter)
        held.users += 1
        self._newest[adapter.slug] = adapter.name
        try:
            yield adapter.name
        except Refusal as refusal:
            if refusal.code == ENGINE_UNAVAILABLE:
                # vLLM may have been started anew without our knowing: loaded again when next asked for.
                self._held.pop(adapter.name, None)
            raise
        finally:
            held.users -= 1
            held.used = self._clock()
            await self._sweep()

    def forget(self) -> None:
        """vLLM was started anew: nothing is loaded."""
        self._held.clear()
        self._refused.clear()
        self._metrics.loaded.set(0)

    def keep(self, names: set[str]) -> None:
        """vLLM has nothing loaded beyond these names."""
        self._held = {name: held for name, held in self._held.items() if name in names}
        self._metrics.loaded.set(len(self._held))

    async def drop(self, living: set[str]) -> None:
        """Take out what is idle, and the adapters of personas that are no longer there."""
        for slug in self._newest.keys() - living:
            del self._newest[slug]
        await self._sweep()

    async def _load(self, adapter: Adapter) -> _Held:
        async with self._lock:
            # Two first requests at once: the second finds it loaded.
            if held := self._held.get(adapter.name):
                return held
            self._check_refused(adapter)
            self._check_layers(adapter)
            await self._post_load(adapter)
            await self._make_room()
            held = self._held[adapter.name] = _Held(adapter.slug, self._clock())
            self._metrics.loaded.set(len(self._held))
            return held

    async def _make_room(self) -> None:
        """For one that vLLM has just taken, and for which it has given up the one unused for longest."""
        free = sorted((held.used, name) for name, held in self._held.items() if not held.users)
        for _, name in free[: max(len(self._held) + 1 - self._room, 0)]:
            await self._unload(name, "full")

    async def _post_load(self, adapter: Adapter) -> None:
        body = {"lora_name": adapter.name, "lora_path": str(adapter.path)}
        try:
            answer = await self._upstream.post("/v1/load_lora_adapter", json=body, timeout=_LOAD_SECONDS)
        except httpx.TransportError as error:
            raise unavailable() from error
        # Left from a request that was cancelled while it loaded: the name says that the content is the same.
        good = answer.status_code == 200 or (answer.status_code == 400 and "already been" in answer.text)
        self._count(adapter, "loaded" if good else "refused")
        if not good:
            _LOGGER.error("the engine refused the adapter of %s (status %d)", adapter.slug, answer.status_code)
            self._refused[adapter.name] = (self._clock(), _why_refused(answer))
            self._check_refused(adapter)

    def _check_refused(self, adapter: Adapter) -> None:
        """Raises Refusal for an adapter that vLLM has refused a moment ago; a retrained one has another name."""
        since, why = self._refused.get(adapter.name, (-float("inf"), ""))
        if self._clock() - since < AGAIN_SECONDS:
            raise not_loaded(adapter.slug, why)

    def _check_layers(self, adapter: Adapter) -> None:
        """Raises Refusal for an adapter that vLLM would take and apply in part."""
        shape = AdapterShape.of(adapter.path)
        if self._layers and shape is not None and not shape.layers <= self._layers:
            self._count(adapter, "refused")
            beyond = ", ".join(sorted(shape.layers - self._layers))
            _LOGGER.error("the adapter of %s changes layers the engine was started without: %s", adapter.slug, beyond)
            raise not_loaded(
                adapter.slug,
                f"it was trained after the endpoint started, and changes other layers than those of the adapters there were "
                f"then ({beyond}); start the endpoint again",
            )

    def _count(self, adapter: Adapter, outcome: str) -> None:
        self._metrics.note(adapter.slug)
        self._metrics.loads.labels(adapter.slug, outcome).inc()

    async def _sweep(self) -> None:
        """Take out what is idle, and versions that are not the newest: they would be read again from changed files."""
        if not self._spare():
            return
        async with self._lock:
            for name, reason in self._spare().items():
                await self._unload(name, reason)

    async def _unload(self, name: str, reason: str) -> None:
        """Have vLLM forget it. The lock is held: whoever asks for it meanwhile waits, and loads it anew."""
        held = self._held.get(name)
        if held is None or held.users:
            return
        del self._held[name]
        self._metrics.loaded.set(len(self._held))
        self._metrics.evictions.labels(held.slug, reason).inc()
        with suppress(httpx.TransportError):
            await self._upstream.post("/v1/unload_lora_adapter", json={"lora_name": name})

    def _spare(self) -> dict[str, str]:
        """What nobody uses and nobody will: names, and why."""
        now = self._clock()
        reasons = {name: self._reason(name, held, now) for name, held in self._held.items() if not held.users}
        return {name: reason for name, reason in reasons.items() if reason}

    def _reason(self, name: str, held: _Held, now: float) -> str:
        newest = self._newest.get(held.slug)
        if newest != name:
            return "replaced" if newest else "deleted"
        return "idle" if now - held.used >= IDLE_SECONDS else ""


def _why_refused(answer: httpx.Response) -> str:
    """Why an engine has refused an adapter, as far as its answer tells. The first two are of engines that run elsewhere."""
    if answer.status_code in (404, 405) and "NotFoundError" not in answer.text:
        return (
            "the engine takes none while it runs (start it with style-clone engine, or start vLLM with --enable-lora and "
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1)"
        )
    if answer.status_code == 404:
        return "the engine does not see its files (give it the same STYLE_CLONE_HOME, at the same path)"
    return (
        "its file is damaged, or it was trained after the endpoint started, with a larger rank (start the endpoint again "
        "then); the engine's log says more"
    )
