"""A stage's events as a generator, so that a page can show them while the stage runs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from style_clone.progress import Event, Report

Result = TypeVar("Result")


def watch(work: Callable[[Report], Result]) -> Iterator[Event | Result]:
    """The events `work` reports, then its result; what it raises is raised here.

    The work runs in a thread and is seen through even if nobody listens any more: stages end with a file saved whole.
    """
    told: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    ended: list[Result | BaseException] = []

    def run() -> None:
        try:
            ended.append(work(told.put))
        except BaseException as error:
            ended.append(error)
        finally:
            told.put(None)

    threading.Thread(target=run, daemon=True).start()
    while (event := told.get()) is not None:
        yield event
    if isinstance(ended[0], BaseException):
        raise ended[0]
    yield ended[0]
