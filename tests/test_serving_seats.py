"""Seats and their queue: bounded, patient for a while, and fair between holders."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from style_clone.serving.limits import Seats
from style_clone.serving.refusal import Refusal


class Room:
    """Holders come and go by name; `seated` says who has a seat, in the order they got it."""

    def __init__(self, seats: Seats) -> None:
        self.seats = seats
        self.seated: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, holder: int | None = None) -> asyncio.Task[None]:
        """Ask for a seat and keep it until `go`; returns when it is had, waited for or refused."""
        self._leave[name] = asyncio.Event()

        async def stay() -> None:
            async with self.seats.take(holder):
                self.seated.append(name)
                await self._leave[name].wait()

        self.tasks[name] = asyncio.create_task(stay())
        await settled()
        return self.tasks[name]

    async def go(self, name: str) -> None:
        self._leave[name].set()
        await self.tasks[name]
        await settled()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def run(work: Callable[[Room], Awaitable[None]], count: int = 1, queue: int = 2, patience: float = 5) -> None:
    async def go() -> None:
        room = Room(Seats(count, queue, patience))
        await work(room)
        left = [name for name, task in room.tasks.items() if not task.done()]
        for name in left:
            room._leave[name].set()
        await asyncio.gather(*(room.tasks[name] for name in left))
        assert (room.seats.free, room.seats.waiting) == (count, 0)

    asyncio.run(go())


def refusal(task: asyncio.Task[None]) -> Refusal:
    error = task.exception()
    assert isinstance(error, Refusal)
    assert error.status == 429
    assert int(error.headers["Retry-After"]) > 0
    return error


def test_who_comes_too_many_waits_and_gets_the_seat_that_gets_free() -> None:
    async def work(room: Room) -> None:
        for name in "abc":
            await room.come(name)
        assert (room.seated, room.seats.waiting) == (["a"], 2)
        await room.go("a")
        await room.go("b")
        assert room.seated == ["a", "b", "c"]

    run(work)


def test_the_queue_is_bounded() -> None:
    async def work(room: Room) -> None:
        for name in "abc":
            await room.come(name)
        assert refusal(await room.come("d")).code == "rate_limit_exceeded"
        assert room.seats.waiting == 2

    run(work)


def test_nobody_waits_for_ever() -> None:
    async def work(room: Room) -> None:
        await room.come("a")
        waiting = await room.come("b")
        await asyncio.wait([waiting], timeout=5)
        refusal(waiting)

    run(work, patience=0.05)


def test_without_a_queue_the_seats_are_all_there_is() -> None:
    async def work(room: Room) -> None:
        await room.come("a")
        refusal(await room.come("b", 7))

    run(work, queue=0)


def test_a_flood_of_one_does_not_keep_another_waiting() -> None:
    async def work(room: Room) -> None:
        for name in ("f1", "f2", "f3", "f4"):
            await room.come(name, 1)
        await room.come("single", 2)
        await room.go("f1")
        assert room.seated[-1] == "single"
        await room.go("f2")
        assert room.seated[-1] == "f3"

    run(work, count=2, queue=10)


def test_a_full_queue_lets_in_who_has_less_and_sends_the_latest_of_the_greediest_away() -> None:
    async def work(room: Room) -> None:
        for name in ("f1", "f2", "f3"):
            await room.come(name, 1)
        await room.come("single", 2)
        refusal(room.tasks["f3"])
        assert not room.tasks["f2"].done()
        refusal(await room.come("f4", 1))
        refusal(await room.come("second", 2))
        await room.go("f1")
        assert room.seated == ["f1", "single"]

    run(work, count=1, queue=2)


def test_who_leaves_the_queue_takes_no_seat() -> None:
    async def work(room: Room) -> None:
        await room.come("a")
        waiting = await room.come("b")
        await room.come("c")
        waiting.cancel()
        await settled()
        assert room.seats.waiting == 1
        await room.go("a")
        assert room.seated == ["a", "c"]

    run(work)


@pytest.mark.parametrize("first", ["seat", "cancel"])
def test_a_seat_given_in_the_moment_its_holder_leaves_is_not_lost(first: str) -> None:
    async def work(room: Room) -> None:
        await room.come("a")
        waiting = await room.come("b")
        await room.come("c")
        if first == "cancel":
            waiting.cancel()
        room._leave["a"].set()
        await asyncio.sleep(0)
        assert room.seats.waiting == (1 if first == "seat" else 0)
        waiting.cancel()
        await settled()
        assert room.seated == ["a", "c"]

    run(work)
