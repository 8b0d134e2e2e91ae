"""How much one request may be, how long it may take to send, and how many are answered at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from style_clone.serving.refusal import Refusal, too_fast
from style_clone.serving.relay import CLIENT_GONE

BODY_BYTES = 1 << 20
"""A full context of 8,192 tokens is about 40 kB of text."""
BODY_IDLE_SECONDS = 30.0
"""Longer than a client takes that sends a thousand requests at once from one busy core; nginx waits 60."""
BODY_SECONDS = 60.0
SEATS = 64
QUEUE = 64
QUEUE_SECONDS = 10.0


async def read_body(request: Request, most: int = BODY_BYTES) -> bytes:
    """The request's body. Raises Refusal: 415 where it is not JSON, 413 where it is longer than `most` bytes, 408 where
    nothing of it comes for BODY_IDLE_SECONDS, or not all of it in BODY_SECONDS.

    Asking for the JSON content type also keeps web pages out: a browser sends it across sites only after asking leave.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "the body must be JSON, with Content-Type: application/json", code="unsupported_media_type")
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most:
        raise _too_large(most)
    now = asyncio.get_running_loop().time
    end = now() + BODY_SECONDS
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_IDLE_SECONDS) as patience:
            async for part in request.stream():
                patience.reschedule(min(end, now() + BODY_IDLE_SECONDS))
                body += part
                if len(body) > most:
                    raise _too_large(most)
    except TimeoutError as error:
        raise Refusal(
            408, "the body came too slowly", code="request_timeout", headers={"Connection": "close"}
        ) from error
    except ClientDisconnect as error:
        raise Refusal(CLIENT_GONE, "the client went away", code="client_gone") from error
    return bytes(body)


@dataclass(eq=False)
class _Waiting:
    """One in the queue. `called` becomes True with a seat, False where it has to make room for another."""

    holder: int | None
    called: asyncio.Future[bool]


class Seats:
    """At most `count` answers under way; `queue` more wait up to `patience` seconds, the rest are asked to come again.

    Fair between holders (keys): a seat that gets free goes to whoever of the queue has the fewest, the longest waiting first
    among equals; and a full queue lets one in whose holder has less than another, whose latest then goes.
    """

    def __init__(self, count: int = SEATS, queue: int = QUEUE, patience: float = QUEUE_SECONDS) -> None:
        self._free = count
        self._most = queue
        self._patience = patience
        self._taken: Counter[int | None] = Counter()
        self._queue: list[_Waiting] = []

    @property
    def free(self) -> int:
        """Seats nobody has."""
        return self._free

    @property
    def waiting(self) -> int:
        """How long the queue is."""
        return len(self._queue)

    @asynccontextmanager
    async def take(self, holder: int | None = None) -> AsyncIterator[None]:
        """One seat during the block. Raises Refusal (429) where none gets free in time."""
        if self._free:
            self._free -= 1
            self._taken[holder] += 1
        else:
            await self._wait(holder)
        try:
            yield
        finally:
            self._leave(holder)

    async def _wait(self, holder: int | None) -> None:
        if len(self._queue) >= self._most:
            self._make_room(holder)
        waiting = _Waiting(holder, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        try:
            async with asyncio.timeout(self._patience):
                seated = await waiting.called
        except (TimeoutError, asyncio.CancelledError) as error:
            if waiting in self._queue:
                self._queue.remove(waiting)
            elif not waiting.called.cancelled() and waiting.called.result():
                self._leave(holder)
            if isinstance(error, TimeoutError):
                raise _full() from error
            raise
        if not seated:
            raise _full()

    def _leave(self, holder: int | None) -> None:
        """Give a seat back, to the queue first."""
        # One that has just been cancelled is still in the queue for a moment. The seat is still counted as its holder's, so
        # that others come before the rest of what that holder asks.
        if present := [each for each in self._queue if not each.called.done()]:
            following = min(present, key=lambda each: self._taken[each.holder])
            self._queue.remove(following)
            self._taken[following.holder] += 1
            following.called.set_result(True)
        else:
            self._free += 1
        self._taken[holder] -= 1
        if not self._taken[holder]:
            del self._taken[holder]

    def _make_room(self, holder: int | None) -> None:
        """Send the latest of the greediest holder away. Raises Refusal where `holder` would itself be that."""
        shares = self._taken + Counter(each.holder for each in self._queue)
        greediest = max((each for each in reversed(self._queue)), key=lambda each: shares[each.holder], default=None)
        if greediest is None or shares[greediest.holder] <= shares[holder] + 1:
            raise _full()
        self._queue.remove(greediest)
        if not greediest.called.done():
            greediest.called.set_result(False)


def _full() -> Refusal:
    return too_fast("too many requests at a time")


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"the body is larger than {most} bytes", code="request_too_large")
