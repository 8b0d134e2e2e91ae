"""Many replies at once for a long time through the gateway: how many broke off, and what the gateway's memory did."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence

import psutil
from serve_places import Place

from style_clone.serving.bench import Answer, Target, ask, connected

REPLY_SECONDS = 8.0
"""About how long one reply lasts; whoever has it asks for the next."""
MEGABYTE = 1e6


async def streams(places: Sequence[Place], count: int, seconds: float, gap_ms: float) -> dict[str, float]:
    """Keep `count` replies of the clone open for `seconds`. Memory is compared from the second reply on: the first ones
    make room for all connections."""
    place = next(place for place in places if place.name == "clone")
    target = Target(place.url, place.key, place.model, max(2, round(1000 * REPLY_SECONDS / gap_ms)))
    answers: list[Answer] = []
    memory: list[float] = []
    process, end = place.processes()[0], time.monotonic() + seconds
    used = process.cpu_times().user + process.cpu_times().system
    async with connected(target) as client:

        async def one() -> None:
            while time.monotonic() < end:
                answers.append(await ask(client, target, [{"role": "user", "content": "hello"}]))

        watching = asyncio.create_task(watch(process, memory))
        began = time.monotonic()
        await asyncio.gather(*(one() for _ in range(count)))
        took = time.monotonic() - began
        watching.cancel()
    if broken := Counter(answer.error for answer in answers if answer.error):
        print(f"broken off: {dict(broken)}", file=sys.stderr)
    settled = memory[len(memory) // 3 :]
    cpu = process.cpu_times().user + process.cpu_times().system - used
    return {
        "streams": count,
        "streams_seconds": round(took, 1),
        "streams_replies": len(answers),
        "streams_broken": sum(bool(answer.error) for answer in answers),
        "streams_tokens_per_second": round(sum(answer.tokens for answer in answers) / took, 1),
        "streams_first_ms": round(
            1000 * statistics.median(answer.first_seconds for answer in answers if not answer.error), 1
        ),
        "streams_gateway_cpu_share": round(cpu / took, 3),
        "streams_memory_mb_start": round(memory[0], 1),
        "streams_memory_mb_settled": round(settled[0], 1),
        "streams_memory_mb_end": round(settled[-1], 1),
        "streams_memory_mb_peak": round(max(memory), 1),
    }


async def watch(process: psutil.Process, memory: list[float]) -> None:
    """Note the process's memory, in megabytes, twice a second."""
    while True:
        memory.append(process.memory_info().rss / MEGABYTE)
        await asyncio.sleep(0.5)
