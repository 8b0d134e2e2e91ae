"""Waiting for what another process or task is about to do, and no longer than it may take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any


def wait_for(condition: Callable[[], Any], seconds: float = 15, every: float = 0.1) -> None:
    """Block until `condition` holds, looked at every so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(every)


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """The same for a task."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
