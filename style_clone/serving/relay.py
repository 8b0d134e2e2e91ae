"""Passes a question to vLLM and its answer back, as it comes, under the model id that was asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import httpx
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from style_clone.serving.metrics import Watch
from style_clone.serving.refusal import CONTEXT_LENGTH, Refusal, failed, unavailable

Value = TypeVar("Value")
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
CLIENT_GONE = 499
_BOUNDARY = b"\n\n"
_USAGE = b'"usage":{'


@dataclass(frozen=True)
class Signature:
    """What an answer goes out under: the model id that was asked for instead of vLLM's own `internal`, and the label.

    `tells_usage` is whether the client asked for the counts that end a stream; vLLM is always asked for them.
    """

    model: str
    internal: str
    label: dict[str, Any]
    tells_usage: bool = False


async def ask(upstream: httpx.AsyncClient, path: str, payload: dict[str, Any], stack: AsyncExitStack) -> httpx.Response:
    """Send `payload`; the answer's body is still to be read, and closed with `stack`. Raises Refusal, also vLLM's own."""
    try:
        answer = await upstream.send(upstream.build_request("POST", path, json=payload), stream=True)
        stack.push_async_callback(answer.aclose)
        if answer.status_code != 200:
            await answer.aread()
    except httpx.TransportError as error:
        raise unavailable() from error
    if answer.status_code != 200:
        raise refusal_of(answer)
    return answer


async def whole(answer: httpx.Response, signature: Signature, watch: Watch) -> dict[str, Any]:
    """The answer's JSON, signed. Raises Refusal."""
    try:
        row: dict[str, Any] = json.loads(await answer.aread())
    except httpx.TransportError as error:
        raise unavailable() from error
    except ValueError as error:
        raise failed() from error
    watch.used(row.get("usage") or {})
    return {**row, "model": signature.model, **signature.label}


async def chunks(answer: httpx.Response, signature: Signature, watch: Watch) -> AsyncIterator[bytes]:
    """The answer's server-sent events, each signed and passed on as it comes; an error event where vLLM breaks off."""
    signing = _Signing(signature, watch)
    try:
        async for events in _events(answer):
            if passed := b"".join(map(signing.passed, events)):
                yield passed
    except httpx.TransportError:
        watch.status = 503
        yield _event(unavailable().body)


async def unless_gone(request: Request, work: Coroutine[Any, Any, Value]) -> Value:
    """The result of `work`, which is cancelled when the client goes away. Raises Refusal then. The body must be read."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Refusal(CLIENT_GONE, "the client went away", code="client_gone")
        return task.result()
    finally:
        for left in (task, gone):
            left.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


class Passing(StreamingResponse):
    """A stream that gives back all it holds (vLLM's answer, a seat, an adapter) however it ends, even before it began."""

    def __init__(self, content: AsyncIterator[bytes], headers: Mapping[str, str], held: AsyncExitStack) -> None:
        super().__init__(content, media_type="text/event-stream", headers={**STREAM_HEADERS, **headers})
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Shielded, since a client that goes away has this task cancelled.
            with anyio.CancelScope(shield=True):
                await self._held.aclose()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Signing:
    """Makes vLLM's events ours: under the id that was asked for, the first with the label of what wrote them."""

    def __init__(self, signature: Signature, watch: Watch) -> None:
        self._signature = signature
        self._watch = watch
        self._label = signature.label
        self._theirs = _named(signature.internal)
        self._ours = _named(signature.model)

    def passed(self, event: bytes) -> bytes:
        """The event as the client gets it; nothing where the client did not ask for it.

        An event that is only one more word has its model replaced as bytes, 7 times as fast as reading and writing it. That
        is safe: inside of JSON's strings a quotation mark has a backslash before it, so only a field reads like one.
        """
        if self._watch.has_spoken and self._theirs in event and _USAGE not in event:
            return event.replace(self._theirs, self._ours, 1) + _BOUNDARY
        data = event.removeprefix(b"data: ")
        if data == event or not data.startswith(b"{"):
            return event + _BOUNDARY
        return self._read(json.loads(data))

    def _read(self, row: dict[str, Any]) -> bytes:
        if "error" in row:
            self._watch.status = 500
            return _event(failed("the engine failed while it replied").body)
        if any(_says_something(choice) for choice in row.get("choices", ())):
            self._watch.first_token()
        if row.get("usage"):
            self._watch.used(row["usage"])
            if not self._signature.tells_usage:
                return b""
        label, self._label = self._label, {}
        return _event({**row, "model": self._signature.model, **label})


async def _events(answer: httpx.Response) -> AsyncIterator[list[bytes]]:
    """Events without their boundary, as many as come at once, split at bytes: httpx's lines also end at U+2028, which a
    reply may hold."""
    left = b""
    async for part in answer.aiter_bytes():
        *events, left = (left + part).split(_BOUNDARY)
        if events:
            yield events


def _event(row: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + _BOUNDARY


def _named(model: str) -> bytes:
    return f'"model":{json.dumps(model)}'.encode()


def _says_something(choice: dict[str, Any]) -> bool:
    return bool(choice.get("text") or choice.get("delta", {}).get("content"))


def refusal_of(answer: httpx.Response) -> Refusal:
    """vLLM's refusal in OpenAI's own form; what went wrong inside is not told."""
    if answer.status_code >= 500:
        return unavailable() if answer.status_code == 503 else failed("the engine failed; its log says more")
    if answer.status_code in (401, 404):
        # Our key or our adapter is unknown to it: it has been started anew since.
        return unavailable()
    try:
        error = answer.json()["error"]
        message, param = str(error["message"]), error.get("param")
    except (ValueError, KeyError, TypeError):
        return failed()
    too_long = "maximum context length" in message or "context length is only" in message
    code = CONTEXT_LENGTH if too_long else "invalid_value"
    return Refusal(answer.status_code, message, param=param, code=code)
