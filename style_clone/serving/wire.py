"""What a connection may do before the gateway sees a request, and when it takes no answer: uvicorn's protocol with deadlines.

uvicorn by itself waits for ever for the head of a first request, keeps heads of any size in memory, and waits for ever for a
client that does not read. Here a head has a size, a number of headers and a deadline, an answer that cannot be sent for a
while ends with its connection (and with it the seat it held), and when there are too many connections the one that has
waited longest without asking anything makes room for a new one.
"""

from __future__ import annotations

import json
import resource
from asyncio import TimerHandle, Transport
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from style_clone.serving.refusal import Refusal

HEAD_BYTES = 32 << 10
HEAD_COUNT = 100
HEAD_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 30
"""Longer than the 5 s after which most clients let go themselves, so that none sends into a connection being closed."""
WRITE_SECONDS = 30.0
MOST_FILES = 65536
SPARE_FILES = 512
"""Descriptors kept for what is no client's connection: vLLM's, the store's, files."""


class Wire(HttpToolsProtocol):
    """One connection. `quiet` are those without a request under way, longest first; `most` connections are kept open."""

    def __init__(self, *, quiet: dict[Wire, None], most: int, **given: Any) -> None:
        super().__init__(**given)
        self._quiet = quiet
        self._most = most
        self._deadline: TimerHandle | None = None
        self._unread: TimerHandle | None = None
        self._in_head = False
        self._head = 0
        self._status = HTTPStatus.BAD_REQUEST

    def connection_made(self, transport: Transport) -> None:
        """A client has come."""
        super().connection_made(transport)
        if len(self.connections) > self._most:
            longest = next(iter(self._quiet), self)
            self._quiet.pop(longest, None)
            longest.transport.abort()
        self._await_head(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        began_before = self._in_head
        super().data_received(data)
        if began_before and self._in_head:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """The first byte of a request's head."""
        self._in_head, self._head = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        self._stop_waiting()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEAD_BYTES or len(self.headers) > HEAD_COUNT:
            self._status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise ValueError("the head is too large")  # the parser then stops, and uvicorn calls send_400_response
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """An answer has been sent."""
        super().on_response_complete()
        if self.cycle.response_complete:
            # Also ends a body that goes on and on after its request has been refused, and an answer nobody takes.
            self._await_head(KEEP_ALIVE_SECONDS + HEAD_SECONDS)

    def pause_writing(self) -> None:
        """The client takes nothing at the moment."""
        super().pause_writing()
        self._unread = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It takes what it is sent again."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, in OpenAI's form, and close."""
        if self._status == HTTPStatus.BAD_REQUEST:
            words, code = "this is not HTTP", "invalid_request"
        else:
            words = f"the request's head is larger than {HEAD_BYTES} bytes or {HEAD_COUNT} headers"
            code = "headers_too_large"
        body = json.dumps(Refusal(self._status, words, code=code).body).encode()
        head = (
            f"HTTP/1.1 {self._status.value} {self._status.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
        self._await_head(HEAD_SECONDS)

    def _await_head(self, seconds: float) -> None:
        self._stop_waiting()
        self._quiet[self] = None
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        self._quiet.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def raise_file_limit() -> int:
    """Let this process open as many files as it may, up to MOST_FILES; returns how many connections that leaves room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    files = MOST_FILES if soft == resource.RLIM_INFINITY else soft
    return max(files // 2, files - SPARE_FILES)
