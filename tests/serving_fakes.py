"""A vLLM of a few lines behind httpx's mock transport, and personas on disk for the gateway to find."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx

from style_clone.persona import Persona, Sampling
from style_clone.prompt import Prompt
from style_clone.serving.auth import Keys
from style_clone.serving.catalogue import Base, Catalogue
from style_clone.serving.gateway import Gateway, create_app
from style_clone.store import ApiKey
from style_clone.workspace import PersonaFolder, Workspace, write_json

BASE = Base("tiny-base", "ab" * 32)
GUIDE = Prompt("You are Ann. Write short.", (("hello?", "hi x"),))
FACT = "I live in Leeds"
SAMPLING = Sampling(temperature=0.5, top_p=0.9, repetition_penalty=1.1, max_tokens=33)
USAGE = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}


def make_persona(
    workspace: Workspace, slug: str = "ann", *, weights: bytes | None = b"one", **changes: Any
) -> PersonaFolder:
    """A persona with everything the gateway looks for; `weights` None leaves it untrained."""
    folder = workspace.folder(slug)
    fields = {
        "base_model": BASE.name,
        "base_revision": "r",
        "base_sha256": BASE.sha256,
        "sampling": SAMPLING,
        **changes,
    }
    Persona(slug=slug, author="Ann", aliases=("Ann",), **fields).save(folder)
    write_json(folder.baseline, {})
    folder.memory.mkdir(exist_ok=True)
    if weights is not None:
        train(folder, weights)
    return folder


def train(folder: PersonaFolder, weights: bytes) -> None:
    """Put an adapter with those bytes in place."""
    write_json(folder.adapter / "adapter_config.json", {"r": 8})
    (folder.adapter / "adapter_model.safetensors").write_bytes(weights)


class FakeVllm:
    """Records what it is asked; answers `words` in as many chunks."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.loaded: list[str] = []
        self.unloaded: list[str] = []
        self.words = ["hi", " there"]
        self.down = False
        self.breaks_off = False
        self.context = BASE.context_tokens
        self.tokenizes = True
        self.room = BASE.adapters
        self.counted: list[int] = []
        self.damaged: set[str] = set()
        self.answer: Callable[[dict[str, Any]], httpx.Response] | None = None
        self.closed = 0
        self.costs: dict[str, int] | None = None

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.handle), base_url="http://vllm")

    async def handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        if path == "/health":
            return httpx.Response(200)
        body = json.loads(request.content)
        if "completions" not in path:
            return self.tokenize(body) if path == "/tokenize" else self.hold(path, body)
        if tokens_of(body) > self.context:
            message = f"This model's maximum context length is {self.context} tokens. However, you sent more."
            return httpx.Response(400, json={"error": {"message": message, "type": "X", "param": "input_tokens"}})
        self.asked.append({**body, "path": path})
        if self.answer is not None:
            return self.answer(body)
        if body["stream"]:
            return httpx.Response(200, content=self.events(body["model"], tokens_of(body)))
        message = {"role": "assistant", "content": "".join(self.words)}
        row = {
            "id": "x",
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": self.usage(tokens_of(body)),
        }
        return httpx.Response(200, json=row)

    def hold(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Load or unload an adapter."""
        name = body["lora_name"]
        if path == "/v1/unload_lora_adapter":
            self.unloaded.append(name)
        elif name.partition("--")[0] in self.damaged:
            return httpx.Response(500, json={"error": {"message": f"invalid header in {body['lora_path']}"}})
        else:
            assert Path(body["lora_path"]).is_dir()
            self.loaded.append(name)
        return httpx.Response(200, text="Success")

    def tokenize(self, body: dict[str, Any]) -> httpx.Response:
        if not self.tokenizes:
            return httpx.Response(404)
        self.counted.append(tokens_of(body))
        return httpx.Response(200, json={"count": self.counted[-1], "max_model_len": self.context, "tokens": []})

    def usage(self, prompt_tokens: int) -> dict[str, int]:
        if self.costs is not None:
            return self.costs
        written = len(self.words)
        return {"prompt_tokens": prompt_tokens, "completion_tokens": written, "total_tokens": prompt_tokens + written}

    async def events(self, model: str, prompt_tokens: int = 0) -> AsyncIterator[bytes]:
        """Server-sent events, cut at places that are no boundaries."""
        rows = [
            {"id": "x", "model": model, "choices": [{"index": 0, "delta": {"content": word}}]} for word in self.words
        ]
        if not self.breaks_off:
            rows.append({"id": "x", "model": model, "choices": [], "usage": self.usage(prompt_tokens)})
        data = b"".join(b"data: " + _compact(row) + b"\n\n" for row in rows)
        try:
            for start in range(0, len(data), 7):
                yield data[start : start + 7]
            if self.breaks_off:
                raise httpx.ReadError("gone")
            yield b"data: [DONE]\n\n"
        finally:
            self.closed += 1


@dataclass(frozen=True)
class SimpleKeys:
    """Keys without a database, for everything and without limits: those `good` says yes to."""

    good: Callable[[str], bool]

    def accepts(self, secret: str) -> ApiKey | None:
        return ApiKey(1, "test", "sc-", datetime.now(UTC), None, None) if self.good(secret) else None

    def count_tokens(self, spent: Mapping[tuple[int, date], int]) -> None:
        raise AssertionError


def ending_after(event: asyncio.Event) -> Callable[[dict[str, Any]], httpx.Response]:
    """For `answer`: a stream that says nothing, and ends once `event` has come."""

    async def stream() -> AsyncIterator[bytes]:
        await event.wait()
        yield b"data: [DONE]\n\n"

    return lambda body: httpx.Response(200, content=stream())


async def post_by_hand(client: httpx.AsyncClient, receive: Any, send: Any, seconds: float = 5) -> None:
    """A chat's request to the client's application by ASGI's own `receive` and `send`: one that can be left half-way."""
    secret = client.headers.get("authorization", "").encode()
    headers = [(b"content-type", b"application/json"), (b"host", b"localhost"), (b"authorization", secret)]
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "raw_path": b"", "query_string": b""}
    app = client._transport.app  # type: ignore[attr-defined]
    await asyncio.wait_for(
        app({**scope, "headers": headers, "scheme": "http", "root_path": ""}, receive, send), seconds
    )


def tokens_of(body: dict[str, Any]) -> int:
    """Every letter is a token, and every turn takes four more."""
    turns = body.get("messages", [])
    return 10 + sum(4 + len(turn["content"]) for turn in turns)


def _facts(query: str) -> list[str]:
    return [FACT, query]


def _compact(row: Any) -> bytes:
    """As vLLM writes it."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


def make_gateway(
    workspace: Workspace,
    vllm: FakeVllm,
    accepts: Callable[[str], bool] | None = None,
    ignored: frozenset[str] = frozenset(),
    keys: Keys | None = None,
    **catalogue_options: Any,
) -> tuple[Gateway, Any]:
    """The gateway before that vLLM, and a client of it. It asks for a key where it is given `keys`, or `accepts`."""
    base = replace(BASE, ignored=ignored, context_tokens=vllm.context, adapters=vllm.room)
    catalogue = Catalogue(workspace, base, lambda folder: GUIDE, lambda folder: _facts, **catalogue_options)
    app = create_app(catalogue, vllm.client(), keys or (SimpleKeys(accepts) if accepts else None))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
    return app.state.gateway, httpx.AsyncClient(transport=transport, base_url="http://localhost")


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def spoken(body: str) -> list[dict[str, Any]]:
    """The JSON rows of a streamed answer."""
    events = [event.removeprefix("data: ") for event in body.split("\n\n") if event]
    return [json.loads(event) for event in events if event != "[DONE]"]
