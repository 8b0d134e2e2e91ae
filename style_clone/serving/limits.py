"""How much one request may be, and how many at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from style_clone.serving.refusal import RETRY_SECONDS, Refusal

BODY_BYTES = 1 << 20
"""A full context of 8,192 tokens is about 40 kB of text."""
SEATS = 64


async def read_body(request: Request, most: int = BODY_BYTES) -> bytes:
    """The request's body. Raises Refusal: 415 where it is not JSON, 413 where it is longer than `most` bytes.

    Asking for the JSON content type also keeps web pages out: a browser sends it across sites only after asking leave.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "the body must be JSON, with Content-Type: application/json", code="unsupported_media_type")
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most:
        raise _too_large(most)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


class Seats:
    """At most so many requests in flight; the rest are asked to come again."""

    def __init__(self, count: int = SEATS) -> None:
        self._free = count

    @contextmanager
    def take(self) -> Iterator[None]:
        """One seat during the block. Raises Refusal (429) where none is free."""
        if self._free < 1:
            raise Refusal(
                429,
                "too many requests at a time",
                code="rate_limit_exceeded",
                kind="rate_limit_error",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"the body is larger than {most} bytes", code="request_too_large")
