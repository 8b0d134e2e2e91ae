"""What a job has told so far, read on from where the last look ended: a second's look costs what a second has brought."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from style_clone import jobs
from style_clone.progress import WARNING, Event
from style_clone.ui.chart import Point

MOST_POINTS = 400
"""Of one curve: more than a screen has room for."""
MOST_SAMPLES = 4
"""Messages whose replies are shown, those told last."""
MOST_REPLIES = 4
"""Replies shown of one message: the first and the latest."""
MOST_TEXTS = 12
"""Texts of a stage that are kept, those told last."""
_SMOOTHING = 0.8
_KEPT_JOBS = 8


@dataclass
class Curve:
    """A curve that grows and stays small: when it is full every other point goes, and so of those to come."""

    points: list[Point] = field(default_factory=list)
    newest: Point | None = None
    every: int = 1
    count: int = 0

    def add(self, point: Point) -> None:
        """One more point, to the right of the others."""
        self.newest = point
        if self.count % self.every == 0:
            self.points.append(point)
        self.count += 1
        if len(self.points) >= MOST_POINTS:
            self.points, self.every = self.points[::2], 2 * self.every

    def drawn(self) -> list[Point]:
        """The points kept, and the newest at the end."""
        extra = [self.newest] if self.newest is not None and self.points[-1:] != [self.newest] else []
        return [*self.points, *extra]


@dataclass
class Sample:
    """A held-out message, what its author wrote back, and what the clone has written at which step."""

    prompt: str
    author: str
    replies: list[tuple[float, str]] = field(default_factory=list)

    def add(self, step: float, reply: str) -> None:
        """One more reply; between the first and the latest the older ones go."""
        self.replies.append((step, reply))
        if len(self.replies) > MOST_REPLIES:
            del self.replies[1]


@dataclass
class Story:
    """All that is shown of a job's events. `figures`, `began` and `told`, each text once, are of the stage it is in."""

    last: Event | None = None
    began: Event | None = None
    text: str = ""
    told: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    steps: float = 0
    loss: Curve = field(default_factory=Curve)
    held_out: Curve = field(default_factory=Curve)
    samples: list[Sample] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seen: dict[str, float] = field(default_factory=dict, repr=False)

    def add(self, event: Event) -> None:
        """What one more event says."""
        if self.last is None or event.stage != self.last.stage:
            self.began, self.figures, self.told = None, {}, []
        if self.began is None and event.total:
            self.began = event
        if event.text.startswith(WARNING):
            self._warn(event.text.removeprefix(WARNING))
        else:
            self.text = event.text
            self._tell(event.text)
        self.last = event
        self.figures |= event.figures
        if event.stage == "train":
            self._draw(event)
        if event.sample:
            self._hear(event)

    def seconds_left(self) -> float | None:
        """Of the stage it is in: as it says itself, else from its pace so far; None before a pace can be told."""
        if self.last is None or not self.last.total:
            return None
        if "seconds left" in self.last.figures:
            return max(0.0, self.last.figures["seconds left"])
        if self.began is None or self.last.done <= self.began.done:
            return None
        pace = (self.last.time - self.began.time) / (self.last.done - self.began.done)
        return pace * (self.last.total - self.last.done)

    def _draw(self, event: Event) -> None:
        """An event repeats the newest of each figure, so a point is where a figure is another than before.

        Single batches jump too much to be read: the training loss is an exponential average that starts at the first.
        """
        self.steps = max(self.steps, event.total)
        for name in ("loss", "dev loss"):
            value = event.figures.get(name)
            if value is None or value == self.seen.get(name) or not math.isfinite(value):
                continue
            self.seen[name] = value
            if name == "dev loss":
                self.held_out.add((event.done, value))
            else:
                before = self.loss.newest[1] if self.loss.newest else value
                self.loss.add((event.done, _SMOOTHING * before + (1 - _SMOOTHING) * value))

    def _hear(self, event: Event) -> None:
        """The message told last comes last."""
        prompt, author = (str(event.sample.get(name, "")) for name in ("prompt", "author"))
        found = next((each for each in self.samples if each.prompt == prompt), None) or Sample(prompt, author)
        found.add(event.done, str(event.sample.get("clone", "")))
        self.samples = [*(each for each in self.samples if each is not found), found][-MOST_SAMPLES:]

    def _tell(self, text: str) -> None:
        if text and text not in self.told:
            self.told = [*self.told, text][-MOST_TEXTS:]

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)


def told(events: Sequence[Event]) -> Story:
    """The story of these events."""
    story = Story()
    for event in events:
        story.add(event)
    return story


class Follower:
    """Stories of the jobs a page looks at; every event is read once, however many windows look."""

    def __init__(self) -> None:
        self._stories: OrderedDict[Path, tuple[Story, int]] = OrderedDict()
        self._lock = threading.Lock()

    def story(self, job: jobs.Job) -> Story:
        """All the job has told by now, as a copy that does not change any more."""
        with self._lock:
            story, place = self._stories.pop(job.folder, (Story(), 0))
            events, place = job.events_since(place)
            for event in events:
                story.add(event)
            self._stories[job.folder] = (story, place)
            while len(self._stories) > _KEPT_JOBS:
                self._stories.popitem(last=False)
            return deepcopy(story)

    def joined(self, past: Sequence[jobs.Job]) -> Story:
        """The story of the first of `past`, newest first; where it went on with the one before, with that one's curve."""
        story = self.story(past[0])
        if len(past) > 1 and "--resume" in past[0].record().argv:
            before = self.joined(past[1:])
            # From the step it went on at, what it says itself counts.
            begin = min(
                (curve.points[0][0] for curve in (story.loss, story.held_out) if curve.points), default=math.inf
            )
            for curve, earlier in ((story.loss, before.loss), (story.held_out, before.held_out)):
                curve.points = [point for point in earlier.drawn() if point[0] < begin] + curve.points
            story.samples = _heard(before.samples, story.samples, begin)
            story.steps = max(story.steps, before.steps)
        return story


def _heard(before: Sequence[Sample], after: Sequence[Sample], begin: float) -> list[Sample]:
    """The samples of both runs, a message that is in both told once, and of the first only what it said before `begin`."""
    joined: dict[str, Sample] = {}
    for each in (*before, *after):
        found = joined.pop(each.prompt, Sample(each.prompt, each.author))
        for step, reply in each.replies:
            if step < begin or each in after:
                found.add(step, reply)
        joined[each.prompt] = found
    return list(joined.values())[-MOST_SAMPLES:]
