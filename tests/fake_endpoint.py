"""A small stand-in for the endpoint: OpenAI's wire format, words streamed one by one, no model."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-test"


@dataclass
class FakeEndpoint:
    """What it serves and what it was asked; an Endpoint to the client."""

    url: str = ""
    key: str | None = KEY
    models: list[str] = field(default_factory=lambda: ["me", "me@memory", "me@prompted", "smollm2-135m"])
    replies: dict[str, str] = field(default_factory=dict)
    voice: Callable[[dict[str, Any]], str] | None = None
    registers: dict[str, Any] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)
    word_seconds: float = 0.01
    requests: list[dict[str, Any]] = field(default_factory=list)
    answering: int = 0
    most_at_once: int = 0
    hung_up: int = 0

    def reply(self, model: str) -> str:
        return self.replies.get(model, f"hello from {model}\nhow are you?")

    def asked(self, model: str) -> list[dict[str, Any]]:
        return [request for request in self.requests if request["model"] == model]


@contextmanager
def fake_endpoint() -> Iterator[FakeEndpoint]:
    fake = FakeEndpoint()
    with listening(_Server(("127.0.0.1", 0), fake)) as fake.url:
        yield fake


@contextmanager
def listening(server: ThreadingHTTPServer) -> Iterator[str]:
    """Answer in a thread for the block; gives the server's root."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], fake: FakeEndpoint) -> None:
        super().__init__(address, _Handler)
        self.fake = fake

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self._is_let_in():
            card = {"object": "model", "created": 0, "owned_by": "x"}
            registers = self.server.fake.registers
            rows = [
                {**card, "id": model, "registers": registers.get(model.partition("@")[0])}
                for model in self.server.fake.models
            ]
            self._send(200, {"object": "list", "data": rows})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._is_let_in():
            return
        fake, model = self.server.fake, body["model"]
        fake.requests.append(body)
        if model in fake.failing:
            self._send(fake.failing[model], {"error": {"message": f"{model} is having a bad day"}})
        elif model not in fake.models:
            self._send(404, {"error": {"message": f"there is no model {model!r}"}})
        elif body.get("stream"):
            self._stream(model)
        else:
            self._whole(body)

    def _is_let_in(self) -> bool:
        if self.headers["Authorization"] == f"Bearer {KEY}":
            return True
        self._send(401, {"error": {"message": "wrong key"}})
        return False

    def _send(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _whole(self, body: dict[str, Any]) -> None:
        """By `voice`, which is given the whole request, where there is one."""
        fake, model = self.server.fake, body["model"]
        text = fake.voice(body) if fake.voice else fake.reply(model)
        read = sum(len(turn["content"].split()) for turn in body["messages"])
        self._send(
            200,
            {
                **{"id": "x", "object": "chat.completion", "created": 0, "model": model},
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": read, "completion_tokens": len(text.split()), "total_tokens": 0},
            },
        )

    def _stream(self, model: str) -> None:
        fake = self.server.fake
        fake.answering += 1
        fake.most_at_once = max(fake.most_at_once, fake.answering)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for word in re.findall(r"\S+\s*", fake.reply(model)):
                self.wfile.write(_chunk(model, {"content": word}, None))
                self.wfile.flush()
                time.sleep(fake.word_seconds)
            self.wfile.write(_chunk(model, {}, "stop") + b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            fake.hung_up += 1
        finally:
            fake.answering -= 1


def _chunk(model: str, delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    row = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": [choice]}
    return f"data: {json.dumps(row)}\n\n".encode()
