"""A vLLM without a model, in a process of its own: `python benchmarks/fake_vllm.py [--port P] [--gap MS] [--first MS]`.

It answers in vLLM's wire format and as steadily as a clock, so that what stands in front of it can be measured, and killed
without waiting a minute for the next one. A reply begins with the prompt's last word and goes on "word1 word2 ...", a token
each. Adapters are loaded as vLLM does: one whose weights are no safetensors is refused. Prints its URL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn

DEFAULT_TOKENS = 16
CONTEXT_TOKENS = 8192
JSON = b"application/json"
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class FakeVllm:
    """ASGI, without a framework: it must cost less than what is measured."""

    def __init__(self, gap_seconds: float, first_seconds: float) -> None:
        self.gap = gap_seconds
        self.first = first_seconds
        self.adapters: set[str] = set()
        self.answering = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        path = scope["path"]
        if scope["method"] == "GET":
            await _send(send, 200, {"answering": self.answering} if path == "/answering" else {})
            return
        body = json.loads(await _body(receive))
        if path == "/v1/load_lora_adapter":
            await _send(send, *self.load(body))
        elif path == "/v1/unload_lora_adapter":
            self.adapters.discard(body["lora_name"])
            await _send(send, 200, "Success")
        elif _length(body) > CONTEXT_TOKENS:
            told = f"This model's maximum context length is {CONTEXT_TOKENS} tokens. However, you requested more."
            await _send(send, 400, _error(told, "BadRequestError", 400))
        elif "--" in body["model"] and body["model"] not in self.adapters:
            await _send(send, 404, _error(f"The model `{body['model']}` does not exist.", "NotFoundError", 404))
        elif (body.get("n") or 1) > 1 and body.get("temperature") == 0:
            await _send(send, 400, _error("n must be 1 when using greedy sampling.", "BadRequestError", 400))
        elif body.get("stream"):
            await self.stream(body, path, receive, send)
        else:
            await asyncio.sleep(self.first + self.gap * _tokens(body))
            await _send(send, 200, _whole(body, path))

    def load(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and answer."""
        try:
            _check_weights(Path(body["lora_path"]) / "adapter_model.safetensors")
        except (OSError, ValueError) as error:
            return 500, _error(str(error), "InternalServerError", 500)
        self.adapters.add(body["lora_name"])
        return 200, "Success"

    async def stream(self, body: dict[str, Any], path: str, receive: Receive, send: Send) -> None:
        """Server-sent events until the last token, or until whoever asked is gone."""
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        self.answering += 1
        gone = asyncio.ensure_future(_gone(receive))
        try:
            async for event in self.events(body, path):
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})
        finally:
            gone.cancel()
            self.answering -= 1

    async def events(self, body: dict[str, Any], path: str) -> AsyncIterator[bytes]:
        """The chunks of every choice, at the clock's pace however long sending takes."""
        loop, count = asyncio.get_running_loop(), body.get("n") or 1
        due = loop.time() + self.first
        for number, word in enumerate(_words(body)):
            if (left := due - loop.time()) > 0:
                await asyncio.sleep(left)
            due += self.gap
            for index in range(count):
                if number == 0 and path.endswith("/chat/completions"):
                    yield _event(body, path, {"index": index, "delta": {"role": "assistant", "content": ""}})
                yield _event(body, path, {"index": index, **_piece(path, word)})
        for index in range(count):
            yield _event(body, path, {"index": index, **_piece(path, ""), "finish_reason": "length"})
        if (body.get("stream_options") or {}).get("include_usage"):
            yield _event(body, path, None)


def _piece(path: str, word: str) -> dict[str, Any]:
    said = {"delta": {"content": word}} if path.endswith("/chat/completions") else {"text": word}
    return {**said, "logprobs": None, "finish_reason": None}


def _event(body: dict[str, Any], path: str, choice: dict[str, Any] | None) -> bytes:
    chat = path.endswith("/chat/completions")
    row = {
        **{"id": "chatcmpl-1" if chat else "cmpl-1", "created": 1},
        **{"object": "chat.completion.chunk" if chat else "text_completion", "model": body["model"]},
        "choices": [] if choice is None else [choice],
        **({"usage": _usage(body)} if choice is None else {}),
    }
    return b"data: " + json.dumps(row, separators=(",", ":")).encode() + b"\n\n"


def _whole(body: dict[str, Any], path: str) -> dict[str, Any]:
    text, chat = "".join(_words(body)), path.endswith("/chat/completions")
    said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {
        **{"id": "chatcmpl-1" if chat else "cmpl-1", "object": "chat.completion" if chat else "text_completion"},
        **{"created": 1, "model": body["model"], "usage": _usage(body)},
        "choices": [
            {"index": index, **said, "logprobs": None, "finish_reason": "length"} for index in range(body.get("n") or 1)
        ],
    }


def _words(body: dict[str, Any]) -> list[str]:
    return [*_prompt(body).split()[-1:], *(f" word{number}" for number in range(1, _tokens(body)))][: _tokens(body)]


def _tokens(body: dict[str, Any]) -> int:
    return int(body.get("max_tokens") or DEFAULT_TOKENS)


def _prompt(body: dict[str, Any]) -> str:
    if "messages" in body:
        return " ".join(str(message["content"]) for message in body["messages"])
    return str(body["prompt"])


def _length(body: dict[str, Any]) -> int:
    return len(_prompt(body).split()) + _tokens(body)


def _usage(body: dict[str, Any]) -> dict[str, int]:
    prompt, reply = len(_prompt(body).split()), _tokens(body) * (body.get("n") or 1)
    return {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}


def _check_weights(path: Path) -> None:
    """Read the header as safetensors' format has it: its length in eight bytes, then JSON."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    if length > len(data) - 8:
        raise ValueError("Error while deserializing header: header too large")
    json.loads(data[8 : 8 + length])


def _error(message: str, kind: str, code: int) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, status: int, value: Any) -> None:
    data = json.dumps(value).encode()
    headers = [(b"content-type", JSON), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="port to listen on; a free one if not given")
    parser.add_argument("--gap", type=float, default=5, help="milliseconds between tokens")
    parser.add_argument("--first", type=float, default=20, help="milliseconds before the first")
    parser.add_argument("--core", type=int, help="run on this core only")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", options.port))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        app: Any = FakeVllm(options.gap / 1000, options.first / 1000)
        config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", ws="none", backlog=4096)
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
