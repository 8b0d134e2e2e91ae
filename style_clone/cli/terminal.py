"""Progress in the terminal: one bar per stage, with its figures; plain lines where there is no terminal.

What is worth keeping, a warning or a sample of what the clone writes by now, is printed above the bar.

A command that runs as the child of a job writes its events to the job's file instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from style_clone.progress import EVENTS_VARIABLE, WARNING, Event, Report, silent, to_file

LEFT = "seconds left"
"""The figure that has a column of its own."""


@contextmanager
def progress(*, quiet: bool = False, bars: bool = True) -> Iterator[Report]:
    """A listener that draws on standard error at a terminal, and writes lines where there is none or `bars` are not wanted.

    With `quiet`, for those who want JSON, there are no lines: who reads both streams as one is to find nothing else there.
    In a job, one that appends to the job's file.
    """
    events = os.environ.get(EVENTS_VARIABLE)
    if events:
        with Path(events).open("a", encoding="utf-8") as file:
            yield to_file(file)
    elif bars and sys.stderr.isatty():
        with _bars() as drawn:
            yield _Drawer(drawn)
    else:
        yield silent if quiet else _Lines()


def _bars() -> Progress:
    columns = (
        TextColumn("{task.fields[stage]:>9}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        _Left(),
        TextColumn("{task.description}"),
    )
    return Progress(*columns, console=Console(stderr=True))


class _Left(TimeRemainingColumn):
    """How long the stage will take yet: what it says itself, else what its pace lets expect."""

    def render(self, task: Task) -> Text:
        """Such as 0:03:20."""
        seconds = task.fields.get("seconds_left")
        if seconds is None:
            return super().render(task)
        return Text(str(timedelta(seconds=round(seconds))), style="progress.remaining")


class _Drawer:
    """One bar per stage, made when its first event comes."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        for line in _lasting(event):
            self.bars.console.print(line, markup=False, highlight=False)
        if event.stage not in self.tasks:
            self.tasks[event.stage] = self.bars.add_task("", stage=event.stage, total=None)
        task = self.tasks[event.stage]
        total, left = event.total or None, event.figures.get(LEFT)
        told = _describe(event, in_bar=True)
        self.bars.update(task, completed=event.done, total=total, description=told, seconds_left=left)


class _Lines:
    """A line for each text, and for each tenth of a stage."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[str, int]] = {}

    def __call__(self, event: Event) -> None:
        for line in _lasting(event):
            click.echo(f"{event.stage}: {line}", err=True)
        # Where the share is known, ten lines a stage are enough; else each new text is news.
        news = ("", int(10 * event.done / event.total)) if event.total else (event.text, 0)
        if self.last.get(event.stage) != news:
            self.last[event.stage] = news
            share = f"{100 * event.done / event.total:3.0f}% " if event.total else ""
            click.echo(f"{event.stage}: {share}{_describe(event)}", err=True)


def _lasting(event: Event) -> list[str]:
    """What of an event is to stay readable: its warning, and its sample on a line each for message and replies."""
    warnings = [event.text] if event.text.startswith(WARNING) else []
    names = {"prompt": "asked", "clone": "clone", "author": "author"}
    told = [(name, " ".join(event.sample[key].split())) for key, name in names.items() if key in event.sample]
    return [*warnings, *(f"{name:>7}: {text}" for name, text in told)]


def _describe(event: Event, *, in_bar: bool = False) -> str:
    text = "" if event.text.startswith(WARNING) else event.text
    figures = {name: value for name, value in event.figures.items() if name != LEFT}
    told = [f"{name} {value:.3g}" if abs(value) < 100 else f"{name} {value:,.0f}" for name, value in figures.items()]
    left = [] if in_bar or LEFT not in event.figures else [f"{spell_minutes(event.figures[LEFT])} left"]
    return "  ".join(filter(None, [text, *told, *left]))


def spell_minutes(seconds: float) -> str:
    """A time to wait, such as "under a minute", "3 min" or "2 h 5 min"."""
    if seconds < 60:
        return "under a minute"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
