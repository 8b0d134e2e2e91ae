"""Bad clients before a real uvicorn: slow ones, silent ones, greedy ones; a good one is answered all the while."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from style_clone.serving import limits, run, wire
from style_clone.serving.gateway import Gateway
from style_clone.workspace import Workspace
from tests.serving_fakes import BASE, FakeVllm, make_gateway, user

CHAT = "/v1/chat/completions"
BODY = {"model": BASE.name, "messages": [user("hello")]}
Bad = Callable[[int, Gateway], Awaitable[None]]


@asynccontextmanager
async def listening(gateway_client: tuple[Gateway, Any]) -> AsyncIterator[int]:
    """A uvicorn as `style-clone serve` sets it up; yields its port."""
    gateway, client = gateway_client
    async with client, gateway.upstream:
        with run.listen("127.0.0.1", None) as listener:
            port = int(listener.getsockname()[1])
            server = run._server(client._transport.app)
            task = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started:
                await asyncio.sleep(0.01)
            try:
                yield port
            finally:
                server.should_exit = True
                await task


def serve(workspace: Workspace, vllm: FakeVllm, bad: Bad, accepts: Callable[[str], bool] | None = None) -> None:
    async def go() -> None:
        pair = make_gateway(workspace, vllm, accepts)
        async with listening(pair) as port:
            await bad(port, pair[0])

    asyncio.run(go())


async def connect(port: int, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    return reader, writer


async def ended(reader: asyncio.StreamReader, seconds: float = 5) -> bytes:
    """What is read until the other side closes."""
    read = b""
    with contextlib.suppress(ConnectionError):
        while part := await asyncio.wait_for(reader.read(65536), seconds):
            read += part
    return read


async def good(port: int) -> float:
    """Seconds a well-behaved client's question takes."""
    began = time.monotonic()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client:
        response = await client.post(CHAT, json=BODY)
        assert response.status_code == 200
    return time.monotonic() - began


def head(*lines: str, length: int = 0, path: str = CHAT) -> bytes:
    fixed = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    return "\r\n".join([*fixed, f"Content-Length: {length}", *lines, "", ""]).encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def code(answer: bytes) -> str:
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"])


@pytest.mark.parametrize("sent", [b"", b"POST /v1/chat", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: "])
def test_a_head_that_does_not_come_ends_the_connection(
    workspace: Workspace, vllm: FakeVllm, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(wire, "HEAD_SECONDS", 0.5)

    async def bad(port: int, gateway: Gateway) -> None:
        reader, writer = await connect(port, sent)
        began = time.monotonic()

        async def drip() -> None:
            for _ in range(100):
                await asyncio.sleep(0.05)
                writer.write(b"x" if sent else b"")

        dripping = asyncio.create_task(drip())
        assert await ended(reader) == b""
        assert 0.4 < time.monotonic() - began < 3
        dripping.cancel()
        writer.close()
        assert await good(port) < 3

    serve(workspace, vllm, bad)


@pytest.mark.parametrize(
    "sent",
    [
        head(f"X-A: {'a' * 40_000}"),
        head(*(f"X-{number}: a" for number in range(120))),
        head("X-A: " + "a" * 400_000)[:-4],
        head(path="/" + "a" * 40_000),
    ],
    ids=["bytes", "count", "endless", "path"],
)
def test_heads_have_a_size(workspace: Workspace, vllm: FakeVllm, sent: bytes) -> None:
    async def bad(port: int, gateway: Gateway) -> None:
        reader, writer = await connect(port, sent)
        answer = await ended(reader)
        assert status(answer) == 431
        assert code(answer) == "headers_too_large"
        writer.close()
        assert await good(port) < 3

    serve(workspace, vllm, bad)


def test_what_is_no_http_is_told_so_in_openais_form(workspace: Workspace, vllm: FakeVllm) -> None:
    async def bad(port: int, gateway: Gateway) -> None:
        for sent in (b"\x16\x03\x01\x02\x00\x01\x00", b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n"):
            reader, writer = await connect(port, sent)
            answer = await ended(reader)
            assert (status(answer), code(answer)) == (400, "invalid_request")
            writer.close()

    serve(workspace, vllm, bad)


@pytest.mark.parametrize("drips", [False, True])
def test_a_slow_body_is_not_waited_for(
    workspace: Workspace, vllm: FakeVllm, monkeypatch: pytest.MonkeyPatch, drips: bool
) -> None:
    monkeypatch.setattr(limits, "BODY_IDLE_SECONDS", 0.4)
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.8)

    async def bad(port: int, gateway: Gateway) -> None:
        reader, writer = await connect(port, head(length=5000) + b"{")

        async def drip() -> None:
            while drips:
                await asyncio.sleep(0.1)
                writer.write(b" ")

        dripping = asyncio.create_task(drip())
        answer = await ended(reader)
        assert (status(answer), code(answer)) == (408, "request_timeout")
        assert b"connection: close" in answer.lower()
        dripping.cancel()
        writer.close()
        assert gateway.seats.free == limits.SEATS

    serve(workspace, vllm, bad)


def test_a_client_that_leaves_in_its_body_is_no_error_of_ours(
    workspace: Workspace, vllm: FakeVllm, caplog: pytest.LogCaptureFixture
) -> None:
    async def bad(port: int, gateway: Gateway) -> None:
        _, writer = await connect(port, head(length=5000) + b"{")
        await asyncio.sleep(0.1)
        writer.close()
        await asyncio.sleep(0.2)
        assert await good(port) < 3

    serve(workspace, vllm, bad)
    assert caplog.text == ""


def test_a_body_after_a_refusal_does_not_keep_the_connection(
    workspace: Workspace, vllm: FakeVllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(wire, "KEEP_ALIVE_SECONDS", 0.3)

    async def bad(port: int, gateway: Gateway) -> None:
        reader, writer = await connect(port, head(length=500_000))

        async def drip() -> None:
            while True:
                await asyncio.sleep(0.05)
                writer.write(b" " * 2000)

        dripping = asyncio.create_task(drip())
        answer = await ended(reader)
        assert status(answer) == 401
        dripping.cancel()
        writer.close()

    serve(workspace, vllm, bad, lambda secret: False)


def test_a_large_body_sent_with_a_wrong_key_still_hears_why(workspace: Workspace, vllm: FakeVllm) -> None:
    async def bad(port: int, gateway: Gateway) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            for _ in range(3):
                response = await client.post(CHAT, json={**BODY, "user": "x" * 900_000})
                assert response.status_code == 401

    serve(workspace, vllm, bad, lambda secret: False)


def test_connections_are_used_again_and_idle_ones_end(
    workspace: Workspace, vllm: FakeVllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "KEEP_ALIVE_SECONDS", 0.5)
    one = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def bad(port: int, gateway: Gateway) -> None:
        reader, writer = await connect(port, one)
        await reader.readuntil(b'"list"')
        await asyncio.sleep(0.2)
        writer.write(one + one)
        began = time.monotonic()
        assert (await ended(reader)).count(b"HTTP/1.1 200") == 2
        assert 0.3 < time.monotonic() - began < 3
        writer.close()

    serve(workspace, vllm, bad)


def test_a_stream_nobody_reads_gives_its_seat_back(
    workspace: Workspace, vllm: FakeVllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "WRITE_SECONDS", 0.5)
    chunk = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * 60_000 + b'"}}]}\n\n'
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield chunk
                await asyncio.sleep(0)
        finally:
            closed.set()

    async def bad(port: int, gateway: Gateway) -> None:
        vllm.answer = lambda body: httpx.Response(200, content=endless())
        body = json.dumps({**BODY, "stream": True}).encode()
        _, writer = await connect(port, head(length=len(body)) + body)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        while gateway.seats.free == limits.SEATS:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(closed.wait(), 10)
        await asyncio.sleep(0.1)
        assert gateway.seats.free == limits.SEATS
        vllm.answer = None
        assert await good(port) < 3
        writer.transport.abort()

    serve(workspace, vllm, bad)


def test_where_there_are_too_many_the_longest_silent_makes_room(
    workspace: Workspace, vllm: FakeVllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "raise_file_limit", lambda: 20)

    async def bad(port: int, gateway: Gateway) -> None:
        silent = [await connect(port) for _ in range(20)]
        assert await good(port) < 3
        assert await ended(silent[0][0], 2) == b""
        with pytest.raises(TimeoutError):
            await ended(silent[10][0], 0.2)
        for _, writer in silent:
            writer.close()

    serve(workspace, vllm, bad)


FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from style_clone.serving.wire import raise_file_limit
print(raise_file_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_as_many_files_are_allowed_as_can_be() -> None:
    done = subprocess.run([sys.executable, "-c", FILES], capture_output=True, text=True, check=True)
    room, soft, hard = map(int, done.stdout.split())
    assert soft == wire.MOST_FILES if hard == resource.RLIM_INFINITY else soft == min(hard, wire.MOST_FILES)
    assert soft // 2 <= room < soft


SERVER = """
import asyncio, sys
from pathlib import Path
from style_clone.workspace import Workspace
from tests.serving_fakes import FakeVllm, make_gateway
from tests.test_serving_wire import listening

async def go():
    async with listening(make_gateway(Workspace(Path(sys.argv[1])), FakeVllm())) as port:
        print(port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(go())
"""


@pytest.mark.parametrize("count", [2000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_half_open_connections_do_not_stop_a_good_client(workspace: Workspace, count: int) -> None:
    """In a process of its own, as each side needs a file for every connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 1000:
        pytest.skip(f"this test opens {count} connections, and only {hard} files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 1000), hard))
    command = [sys.executable, "-c", SERVER, str(workspace.home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        opened = []
        try:
            for number in range(count):
                each = socket.create_connection(("127.0.0.1", port), timeout=10)
                each.sendall(b"" if number % 2 else b"POST /v1/chat/completions HTTP/1.1\r\nHost: local")
                opened.append(each)
            assert asyncio.run(good(port)) < 5
        finally:
            for each in opened:
                each.close()
            server.communicate("")
        assert server.returncode == 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
