"""Progress in the terminal: one bar per stage, with its figures; plain lines where there is no terminal.

A command that runs as the child of a job writes its events to the job's file instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from style_clone.progress import EVENTS_VARIABLE, Event, Report, silent, to_file


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Report]:
    """A listener that draws on standard error; silent with `quiet`. In a job, one that appends to the job's file."""
    events = os.environ.get(EVENTS_VARIABLE)
    if events:
        with Path(events).open("a", encoding="utf-8") as file:
            yield to_file(file)
    elif quiet:
        yield silent
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield _Drawer(bars)
    else:
        yield _Lines()


def _bars() -> Progress:
    columns = (
        TextColumn("{task.fields[stage]:>9}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    return Progress(*columns, console=Console(stderr=True))


class _Drawer:
    """One bar per stage, made when its first event comes."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        if event.stage not in self.tasks:
            self.tasks[event.stage] = self.bars.add_task("", stage=event.stage, total=None)
        task = self.tasks[event.stage]
        total = event.total or None
        self.bars.update(task, completed=event.done, total=total, description=_describe(event))


class _Lines:
    """A line for each text, and for each tenth of a stage."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[str, int]] = {}

    def __call__(self, event: Event) -> None:
        # Where the share is known, ten lines a stage are enough; else each new text is news.
        news = ("", int(10 * event.done / event.total)) if event.total else (event.text, 0)
        if self.last.get(event.stage) != news:
            self.last[event.stage] = news
            share = f"{100 * event.done / event.total:3.0f}% " if event.total else ""
            click.echo(f"{event.stage}: {share}{_describe(event)}", err=True)


def _describe(event: Event) -> str:
    figures = [
        f"{name} {value:.3g}" if abs(value) < 100 else f"{name} {value:,.0f}" for name, value in event.figures.items()
    ]
    return "  ".join(filter(None, [event.text, *figures]))
