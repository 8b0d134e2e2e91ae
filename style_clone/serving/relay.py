"""Passes a question to vLLM and its answer back, chunk by chunk, under the model id that was asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import anyio
import httpx
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from style_clone.serving.metrics import Watch
from style_clone.serving.refusal import Refusal, failed, unavailable

Value = TypeVar("Value")
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
CLIENT_GONE = 499
_BOUNDARY = b"\n\n"


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
        raise _passed_on(answer)
    return answer


async def whole(answer: httpx.Response, model: str) -> dict[str, Any]:
    """The answer's JSON, renamed. Raises Refusal."""
    try:
        row: dict[str, Any] = json.loads(await answer.aread())
    except httpx.TransportError as error:
        raise unavailable() from error
    except ValueError as error:
        raise failed() from error
    return {**row, "model": model}


async def chunks(answer: httpx.Response, model: str, watch: Watch) -> AsyncIterator[bytes]:
    """The answer's server-sent events, each renamed and passed on as it comes; an error event where vLLM breaks off."""
    try:
        async for event in _events(answer):
            yield _renamed(event, model, watch)
    except httpx.TransportError:
        watch.status = 503
        yield b"data: " + json.dumps(unavailable().body).encode() + _BOUNDARY


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

    def __init__(self, content: AsyncIterator[bytes], held: AsyncExitStack) -> None:
        super().__init__(content, media_type="text/event-stream", headers=STREAM_HEADERS)
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


async def _events(answer: httpx.Response) -> AsyncIterator[bytes]:
    """Events without their boundary, split at bytes: httpx's lines also end at U+2028, which a reply may hold."""
    left = b""
    async for part in answer.aiter_bytes():
        *events, left = (left + part).split(_BOUNDARY)
        for event in events:
            yield event


def _renamed(event: bytes, model: str, watch: Watch) -> bytes:
    data = event.removeprefix(b"data: ")
    if data == event or not data.startswith(b"{"):
        return event + _BOUNDARY
    row = json.loads(data)
    if "error" in row:
        watch.status = 500
        row = failed("the engine failed while it replied").body
    else:
        row["model"] = model
        if any(_says_something(choice) for choice in row.get("choices", ())):
            watch.first_token()
    return b"data: " + json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + _BOUNDARY


def _says_something(choice: dict[str, Any]) -> bool:
    return bool(choice.get("text") or choice.get("delta", {}).get("content"))


def _passed_on(answer: httpx.Response) -> Refusal:
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
    code = "context_length_exceeded" if too_long else "invalid_value"
    return Refusal(answer.status_code, message, param=param, code=code)
