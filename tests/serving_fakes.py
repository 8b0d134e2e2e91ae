"""A vLLM of a few lines behind httpx's mock transport, and personas on disk for the gateway to find."""

from __future__ import annotations

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
        self.answer: Callable[[dict[str, Any]], httpx.Response] | None = None
        self.closed = 0

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.handle), base_url="http://vllm")

    async def handle(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        if request.url.path == "/health":
            return httpx.Response(200)
        body = json.loads(request.content)
        if request.url.path == "/v1/load_lora_adapter":
            assert Path(body["lora_path"]).is_dir()
            self.loaded.append(body["lora_name"])
            return httpx.Response(200, text="Success")
        if request.url.path == "/v1/unload_lora_adapter":
            self.unloaded.append(body["lora_name"])
            return httpx.Response(200, text="Success")
        self.asked.append({**body, "path": request.url.path})
        if self.answer is not None:
            return self.answer(body)
        if body["stream"]:
            told = body.get("stream_options", {}).get("include_usage", False)
            return httpx.Response(200, content=self.events(body["model"], told))
        message = {"role": "assistant", "content": "".join(self.words)}
        row = {
            "id": "x",
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
        }
        return httpx.Response(200, json=row)

    async def events(self, model: str, told: bool = False) -> AsyncIterator[bytes]:
        """Server-sent events, cut at places that are no boundaries."""
        rows = [
            {"id": "x", "model": model, "choices": [{"index": 0, "delta": {"content": word}}]} for word in self.words
        ]
        if told and not self.breaks_off:
            rows.append({"id": "x", "model": model, "choices": [], "usage": USAGE})
        data = b"".join(b"data: " + json.dumps(row, ensure_ascii=False).encode() + b"\n\n" for row in rows)
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


def make_gateway(
    workspace: Workspace,
    vllm: FakeVllm,
    accepts: Callable[[str], bool] | None = None,
    ignored: frozenset[str] = frozenset(),
    keys: Keys | None = None,
) -> tuple[Gateway, Any]:
    """The gateway before that vLLM, and a client of it. It asks for a key where it is given `keys`, or `accepts`."""
    base = replace(BASE, ignored=ignored)
    catalogue = Catalogue(workspace, base, lambda folder: GUIDE, lambda folder: lambda query: [FACT, query])
    app = create_app(catalogue, vllm.client(), keys or (SimpleKeys(accepts) if accepts else None))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
    return app.state.gateway, httpx.AsyncClient(transport=transport, base_url="http://localhost")


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def spoken(body: str) -> list[dict[str, Any]]:
    """The JSON rows of a streamed answer."""
    events = [event.removeprefix("data: ") for event in body.split("\n\n") if event]
    return [json.loads(event) for event in events if event != "[DONE]"]
