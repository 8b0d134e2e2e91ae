"""A small endpoint in OpenAI's wire format that answers chat completions from a function; for tests of back-translation."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fake_endpoint import listening

Answer = Callable[[dict[str, Any]], tuple[int, Any]]


@dataclass
class FakeOpenAI:
    """What it was asked, with which key, and how many requests it had open at most."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    open: int = 0
    most_open: int = 0


def saying(*texts: str) -> tuple[int, Any]:
    """A chat completion with these choices."""
    return 200, {"choices": [{"index": n, "message": {"content": text}} for n, text in enumerate(texts)]}


@contextmanager
def fake_openai(answer: Answer) -> Iterator[FakeOpenAI]:
    fake, lock = FakeOpenAI(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                fake.bodies.append({**body, "path": self.path})
                fake.keys.append(self.headers["Authorization"])
                fake.open += 1
                fake.most_open = max(fake.most_open, fake.open)
            status, value = answer(body)
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            with lock:
                fake.open -= 1
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    with listening(Server(("127.0.0.1", 0), Handler)) as root:
        fake.url = f"{root}/v1"
        yield fake
