"""Keeps the adapters in vLLM in step with those on disk: loaded when first asked for, the old version unloaded after."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from style_clone.serving.catalogue import Adapter
from style_clone.serving.refusal import Refusal, unavailable

_LOGGER = logging.getLogger(__name__)
_LOAD_SECONDS = 120.0


class Adapters:
    """What is loaded in vLLM. One lock a persona, so that two first requests load its adapter once."""

    def __init__(self, upstream: httpx.AsyncClient) -> None:
        self._upstream = upstream
        self._present: dict[str, set[str]] = defaultdict(set)
        self._newest: dict[str, str] = {}
        self._users: Counter[str] = Counter()
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def use(self, adapter: Adapter) -> AsyncIterator[str]:
        """The internal name of the adapter, loaded and kept loaded during the block. Raises Refusal."""
        await self._load(adapter)
        self._users[adapter.name] += 1
        try:
            yield adapter.name
        finally:
            self._users[adapter.name] -= 1
            await self._sweep(adapter.slug)

    def forget(self) -> None:
        """vLLM was started anew: nothing is loaded."""
        self._present.clear()

    def keep(self, names: set[str]) -> None:
        """vLLM has nothing loaded beyond these names."""
        for slug, present in self._present.items():
            self._present[slug] = present & names

    async def drop(self, living: set[str]) -> None:
        """Unload the adapters of personas that are no longer there."""
        for slug in [slug for slug, names in self._present.items() if names and slug not in living]:
            self._newest.pop(slug, None)
            await self._sweep(slug)

    async def _load(self, adapter: Adapter) -> None:
        async with self._locks[adapter.slug]:
            if adapter.name not in self._present[adapter.slug]:
                await self._post_load(adapter)
                self._present[adapter.slug].add(adapter.name)
            self._newest[adapter.slug] = adapter.name
        await self._sweep(adapter.slug)

    async def _post_load(self, adapter: Adapter) -> None:
        body = {"lora_name": adapter.name, "lora_path": str(adapter.path)}
        try:
            answer = await self._upstream.post("/v1/load_lora_adapter", json=body, timeout=_LOAD_SECONDS)
        except httpx.TransportError as error:
            raise unavailable() from error
        # Left from a request that was cancelled while it loaded: the name says that the content is the same.
        if answer.status_code == 400 and "already been" in answer.text:
            return
        if answer.status_code != 200:
            _LOGGER.error("the engine refused the adapter of %s (status %d)", adapter.slug, answer.status_code)
            raise _not_loaded(adapter.slug, answer)

    async def _sweep(self, slug: str) -> None:
        """Unload versions that are neither the newest nor in use: they would be read again from files that are now others."""
        if not self._old(slug):
            return
        async with self._locks[slug]:
            for name in self._old(slug):
                self._present[slug].discard(name)
                with suppress(httpx.TransportError):
                    await self._upstream.post("/v1/unload_lora_adapter", json={"lora_name": name})

    def _old(self, slug: str) -> list[str]:
        names = self._present.get(slug, set())
        return [name for name in names if name != self._newest.get(slug) and self._users[name] <= 0]


def _not_loaded(slug: str, answer: httpx.Response) -> Refusal:
    """Why an engine has refused an adapter, as far as its answer tells. The first two are of engines that run elsewhere."""
    if answer.status_code in (404, 405) and "NotFoundError" not in answer.text:
        reason = (
            "it takes none while it runs. Start it with style-clone engine, or start vLLM with --enable-lora and "
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"
        )
    elif answer.status_code == 404:
        reason = "it does not see the files: give it the same STYLE_CLONE_HOME, at the same path"
    else:
        reason = "if it was trained after the engine started, with a larger rank, start that again. Its log says more"
    return Refusal(
        500,
        f"the adapter of {slug} could not be loaded into the running engine: {reason}",
        code="adapter_not_loaded",
        kind="server_error",
    )
