"""Contestants that take turns: each trains in a process of its own, and waits before every pass until it is told to go on.

A process of its own keeps what one contestant does to its allocator, its threads or its libraries from the others, and makes
its peak memory its own.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any
from unittest.mock import patch

import torch

from style_clone.train.machine import peak_memory_bytes

Work = Callable[[Any, "Line"], dict[str, float]]
"""What a contestant's process runs: it takes its task, and a line to wait on between passes, and returns its last figures."""


class Line:
    """The child's end: waits for the next turn, and says what the last one brought."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def wait(self) -> None:
        """Block until it is this contestant's turn."""
        self.connection.recv()

    def tell(self, figure: float) -> None:
        """End the turn."""
        self.connection.send(figure)


class Contestant:
    """The parent's end of a contestant."""

    def __init__(self, work: Work, task: Any, environment: Mapping[str, str] | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(work, task, theirs), daemon=True)
        with patch.dict(os.environ, environment or {}):
            self.process.start()
        theirs.close()

    def turn(self) -> float:
        """Let it do one pass; what it says of it."""
        self.connection.send(None)
        return float(self.connection.recv())

    def end(self) -> dict[str, float]:
        """Wait for it to finish: its last figures, and its peak memory in MB."""
        figures: dict[str, float] = self.connection.recv()
        self.process.join()
        return figures

    def stop(self) -> None:
        """End it where it stands."""
        self.process.terminate()
        self.process.join()


def _serve(work: Work, task: Any, connection: Connection) -> None:
    os.dup2(2, 1)  # what libraries print is not part of the result
    figures = work(task, Line(connection))
    connection.send({**figures, "peak_memory_mb": peak_memory_bytes() / 1e6})


class Clock:
    """Seconds spent in training steps, from a step's begin to its end: forward, backward, optimiser."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.began = 0.0

    def start(self) -> None:
        """A step begins."""
        self.began = _now()

    def stop(self) -> float:
        """A step ends; what it took."""
        took = _now() - self.began
        self.seconds += took
        return took


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
