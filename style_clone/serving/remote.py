"""An engine that runs elsewhere, vLLM or any server of OpenAI's wire format: awaited and watched, never started or ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from style_clone.errors import EngineError
from style_clone.progress import Event, Report, silent
from style_clone.serving.engine import START_SECONDS
from style_clone.serving.guard import DEVICE_HEADER
from style_clone.serving.tuning import CONTEXT_TOKENS, IGNORED_ON_CPU

WATCH_SECONDS = 2.0
HEALTH, MODELS = "/health", "/v1/models"
BEYOND_OPENAI = frozenset({"top_k", "min_p", "repetition_penalty", "min_tokens", "stop_token_ids", "ignore_eos"})
"""Sampling options of vLLM's own, which a server that is no vLLM is not told: some refuse what they do not know."""
_POLL_SECONDS = 1.0
_ANSWER_SECONDS = 5.0


class RemoteEngine:
    """Where an engine is and what it has been found to be. `url` is its root, without /v1.

    `context_tokens` is the longest prompt and reply it takes, where it tells, once it is ready.
    """

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url
        self._key = key
        self._probe = HEALTH
        self._on_cpu = False
        self._is_vllm = False
        self.context_tokens = CONTEXT_TOKENS

    @property
    def headers(self) -> dict[str, str]:
        """What a request to it must carry."""
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    @property
    def ignored(self) -> frozenset[str]:
        """Options of a request that it is better not told; known once it is ready."""
        return (IGNORED_ON_CPU if self._on_cpu else frozenset()) | (frozenset() if self._is_vllm else BEYOND_OPENAI)

    def await_ready(self, name: str, report: Report = silent, deadline_seconds: float = START_SECONDS) -> None:
        """Wait until it answers, and see that it serves the base model `name`.

        Raises EngineError where it does not in time, refuses the key or serves other models.
        """
        report(Event("engine", f"waiting for the engine at {self.url}"))
        deadline = time.monotonic() + deadline_seconds
        with httpx.Client(base_url=self.url, headers=self.headers, trust_env=False, timeout=_ANSWER_SECONDS) as client:
            while not self._is_ready(client):
                if time.monotonic() > deadline:
                    raise EngineError(
                        f"the engine at {self.url} did not answer in time",
                        mend="Start it, or correct --engine-url (or STYLE_CLONE_ENGINE_URL).",
                    )
                time.sleep(_POLL_SECONDS)
            self._check(name, self._served(client))
        report(Event("engine", "ready", 1, 1))

    async def route(self, request: httpx.Request) -> None:
        """Ask a server that has no /health for its models instead: a hook of the gateway's client."""
        if self._probe != HEALTH and request.url.path.endswith(HEALTH):
            request.url = request.url.copy_with(path=request.url.path.removesuffix(HEALTH) + self._probe)

    async def watch(
        self, upstream: httpx.AsyncClient, changed: Callable[[set[str]], Awaitable[None]], report: Report = silent
    ) -> None:
        """Look for ever what it has: `changed` is told the names it serves each time it answers.

        An engine that was started anew has lost its adapters, and may be back before anybody missed it.
        """
        was_there = True
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            names = await self._now(upstream)
            if (names is not None) != was_there:
                was_there = names is not None
                report(
                    Event("engine", f"the engine at {self.url} {'answers again' if was_there else 'does not answer'}")
                )
            if names is not None:
                await changed(names)

    def stop(self) -> None:
        """Nothing: whoever started it ends it."""

    def _is_ready(self, client: httpx.Client) -> bool:
        try:
            answer = client.get(self._probe)
            if self._probe == HEALTH and answer.status_code in (404, 405):
                self._probe = MODELS
                answer = client.get(self._probe)
        except httpx.TransportError:
            return False
        if answer.status_code in (401, 403):
            raise self._refused()
        self._on_cpu = answer.headers.get(DEVICE_HEADER) == "cpu"
        return answer.status_code == 200

    def _served(self, client: httpx.Client) -> list[dict[str, Any]]:
        try:
            answer = client.get(MODELS)
            if answer.status_code in (401, 403):
                raise self._refused()
            return _cards(answer)
        except (httpx.TransportError, ValueError) as error:
            raise EngineError(
                f"the server at {self.url} does not tell its models, as OpenAI's /v1/models would",
                mend="Give --engine-url the root of vLLM or of another server of OpenAI's wire format, without /v1.",
            ) from error

    def _check(self, name: str, cards: list[dict[str, Any]]) -> None:
        names = [str(card["id"]) for card in cards]
        if name not in names:
            raise EngineError(
                f"the engine at {self.url} does not serve {name}; it serves: {', '.join(names) or 'nothing'}",
                mend="Name one of these with --base, or start the engine with the model the personas were trained on.",
            )
        card = cards[names.index(name)]
        self._is_vllm = card.get("owned_by") == "vllm"
        self.context_tokens = int(card.get("max_model_len") or CONTEXT_TOKENS)

    def _refused(self) -> EngineError:
        return EngineError(
            f"the engine at {self.url} refuses {'the' if self._key else 'to answer without a'} key",
            mend="Set STYLE_CLONE_ENGINE_KEY to the key it was started with.",
        )

    @staticmethod
    async def _now(upstream: httpx.AsyncClient) -> set[str] | None:
        """The names it serves at this moment; None where it does not answer."""
        try:
            return {str(card["id"]) for card in _cards(await upstream.get(MODELS, timeout=_ANSWER_SECONDS))}
        except (httpx.TransportError, ValueError):
            return None


def _cards(answer: httpx.Response) -> list[dict[str, Any]]:
    """The rows of /v1/models. Raises ValueError for anything else."""
    row = answer.json() if answer.status_code == 200 else None
    cards = row.get("data") if isinstance(row, dict) else None
    if not isinstance(cards, list) or not all(isinstance(card, dict) and "id" in card for card in cards):
        raise ValueError("no list of models")
    return cards
