"""How long work tells what it is doing: events, handed to whoever listens (a bar, a page, a file)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

EVENTS_VARIABLE = "STYLE_CLONE_EVENTS"
"""Names the file a command appends its events to, when it is the child process of a job."""
WARNING = "warning: "
"""What the text of an event begins with that is worth a look."""


@dataclass(frozen=True)
class Event:
    """One step of a stage: `done` of `total` units, a line of text, and figures such as loss or tokens/s.

    `sample` shows what the clone writes by now: a held-out message ("prompt"), its reply ("clone") and the author's
    ("author"); empty where there is none to show. A `text` that begins with WARNING is one.
    """

    stage: str
    text: str = ""
    done: float = 0
    total: float = 0
    figures: dict[str, float] = field(default_factory=dict)
    time: float = field(default_factory=time.time)
    sample: dict[str, str] = field(default_factory=dict)


Report = Callable[[Event], None]


def silent(event: Event) -> None:
    """A listener that does not listen."""


def to_file(file: IO[str]) -> Report:
    """A listener that appends each event to `file` as a JSON line, at once."""

    def write(event: Event) -> None:
        file.write(json.dumps(asdict(event)) + "\n")
        file.flush()

    return write


def read_events(path: Path, start: int = 0) -> Iterator[Event]:
    """The events in a file from byte `start` on; a last line still being written is left for later."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        file.seek(start)
        for line in file:
            if line.endswith("\n"):
                yield Event(**json.loads(line))
