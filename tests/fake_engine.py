"""An engine elsewhere, as a server of a few lines: vLLM with its adapters, or a server of OpenAI's wire format without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.fake_endpoint import listening

ENGINE_KEY = "k" * 32


@dataclass
class FakeEngine:
    """What it serves, how it behaves and what it was asked. Change it while it runs."""

    url: str = ""
    models: list[str] = field(default_factory=lambda: ["tiny-base"])
    vllm: bool = True
    device: str = ""
    ready: bool = True
    takes_adapters: bool = True
    adapters: set[str] = field(default_factory=set)
    loads: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and JSON for a request that has shown the key."""
        if path == "/v1/models":
            owner = "vllm" if self.vllm else "somebody"
            return 200, {"data": [{"id": name, "owned_by": owner} for name in [*self.models, *sorted(self.adapters)]]}
        if path == "/v1/load_lora_adapter" and self.takes_adapters:
            return self._load(body)
        if method == "POST" and path.endswith("completions"):
            self.asked.append(body)
            if body["model"] not in [*self.models, *self.adapters]:
                return 404, {"error": {"message": "no such model", "type": "NotFoundError"}}
            said = {"role": "assistant", "content": "hi there"}
            part = "delta" if body.get("stream") else "message"
            return 200, {"model": body["model"], "choices": [{"index": 0, part: said, "finish_reason": "stop"}]}
        return 404, {"detail": "Not Found"}

    def _load(self, body: dict[str, Any]) -> tuple[int, Any]:
        if not Path(body["lora_path"]).is_dir():
            return 404, {"error": {"message": "No adapter found", "type": "NotFoundError"}}
        self.loads += 1
        self.adapters.add(body["lora_name"])
        return 200, "Success"


@contextmanager
def fake_engine(port: int = 0, **changes: Any) -> Iterator[FakeEngine]:
    """One that runs for the block; on `port` where it is to come back in the place of another."""
    fake = FakeEngine(**changes)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            if self.path != "/health":
                self._answer("GET", {})
            elif not fake.vllm:
                self._send(404, {})
            else:
                self._send(200 if fake.ready else 503, {}, {"x-style-clone-device": fake.device})

        def do_POST(self) -> None:
            self._answer("POST", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, method: str, body: dict[str, Any]) -> None:
            if self.headers["Authorization"] != f"Bearer {ENGINE_KEY}":
                self._send(401, {})
            elif not fake.ready:
                self._send(503, {})
            else:
                status, row = fake.answer(method, self.path, body)
                self._send(status, row, stream=status == 200 and bool(body.get("stream")))

        def _send(self, status: int, row: Any, headers: dict[str, str] | None = None, *, stream: bool = False) -> None:
            data = json.dumps(row).encode()
            if stream:
                data = b"data: " + data + b"\n\ndata: [DONE]\n\n"
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True

    with listening(Server(("127.0.0.1", port), Handler)) as fake.url:
        yield fake
