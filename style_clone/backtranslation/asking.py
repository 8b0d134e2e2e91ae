"""Asking any endpoint that speaks OpenAI's wire format, many requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from style_clone.addresses import check_address, is_loopback
from style_clone.conversation import Turn
from style_clone.errors import ServingError

TRIES = 5
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
_TIMEOUT = httpx.Timeout(600, connect=10)
_BUSY = frozenset([408, 409, 425, 429, 500, 502, 503, 504])


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers: the URL that /chat/completions is added to, the model's id there, and a key if it needs one."""

    url: str
    model: str
    key: str | None = None

    @classmethod
    def parse(cls, url: str, model: str, key: str | None = None) -> Endpoint:
        """An endpoint as a user names it: a host alone is completed with /v1. Raises UsageError."""
        whole = url if "//" in url else f"http://{url}"
        check_address(whole, "--endpoint", example="--endpoint http://127.0.0.1:8000/v1", key="OPENAI_API_KEY")
        parts = urlsplit(whole)
        path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
        return cls(f"{parts.scheme}://{parts.netloc}{path}", model, key)

    @property
    def host(self) -> str:
        """Whom the writing is sent to."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(self.host)


class Asker:
    """A client of one endpoint. Use `connected`."""

    def __init__(self, endpoint: Endpoint, client: httpx.AsyncClient) -> None:
        self.endpoint = endpoint
        self._client = client
        self._limit = "max_tokens"

    async def answers(self, turns: Sequence[Turn], count: int, temperature: float, max_tokens: int) -> list[str]:
        """`count` answers to one question; fewer where the model says nothing. Raises ServingError.

        No seed is sent: on a CPU, vLLM 0.32 dies of one when a prompt is read in two steps.
        """
        found: list[str] = []
        for _ in range(count):  # some endpoints give one answer however many are asked for
            body = {"messages": list(turns), "temperature": temperature, "n": count - len(found)}
            reply = await self.post("chat/completions", {**body, self._limit: max_tokens})
            found += [choice["message"].get("content") or "" for choice in reply["choices"]]
            if len(found) >= count:
                break
        return [text for text in found if text.strip()]

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON that comes back; busy or restarting endpoints are asked again. Raises ServingError."""
        problem, wait = "", FIRST_WAIT_SECONDS
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(min(wait, LONGEST_WAIT_SECONDS))
                wait *= 2
            try:
                response = await self._client.post(path, json={"model": self.endpoint.model, **body})
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
                continue
            if response.status_code == 200:
                return self._read(response)
            if response.status_code == 400 and self._other_limit(response, body):
                body = {("max_completion_tokens" if name == "max_tokens" else name): body[name] for name in body}
            elif response.status_code not in _BUSY:
                raise self._refused(response)
            problem, wait = f"status {response.status_code}", max(wait, _asked_to_wait(response))
        raise ServingError(
            f"{self.endpoint.url} does not answer: {problem}",
            mend="What is done so far is kept; run the same command again later.",
        )

    def _read(self, response: httpx.Response) -> Any:
        try:
            row = response.json()
        except ValueError:
            row = None
        if not isinstance(row, dict) or not isinstance(row.get("choices"), list):
            raise ServingError(
                f"{self.endpoint.url} does not speak OpenAI's wire format",
                mend="Check --endpoint; it mostly ends in /v1.",
            )
        return row

    def _other_limit(self, response: httpx.Response, body: dict[str, Any]) -> bool:
        """Whether the endpoint is one of those that call the limit of an answer by its newer name."""
        if "max_tokens" not in body or "max_completion_tokens" not in response.text:
            return False
        self._limit = "max_completion_tokens"
        return True

    def _refused(self, response: httpx.Response) -> ServingError:
        url, code = self.endpoint.url, response.status_code
        if code in (401, 403):
            return ServingError(f"{url} refuses the key", mend="Put the right one into the variable OPENAI_API_KEY.")
        if code == 404:
            return ServingError(
                f"{url} has no model {self.endpoint.model!r}, or is no such endpoint",
                mend="Check --endpoint and --model.",
            )
        return ServingError(f"{url} refuses the request: status {code}", mend="Check --endpoint and --model.")


@asynccontextmanager
async def connected(endpoint: Endpoint) -> AsyncIterator[Asker]:
    """A client for the time of the block. A proxy of the environment is used for other machines only."""
    headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    async with httpx.AsyncClient(
        base_url=endpoint.url,
        headers=headers,
        timeout=_TIMEOUT,
        trust_env=not endpoint.is_loopback,
        limits=httpx.Limits(max_connections=None),
    ) as client:
        yield Asker(endpoint, client)


def _asked_to_wait(response: httpx.Response) -> float:
    try:
        return float(response.headers.get("retry-after", 0))
    except ValueError:
        return 0.0
