"""The third step: start a training job, tell how it goes, and say what came out of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from style_clone import jobs
from style_clone.errors import JobError, MissingStage, StyleCloneError, UsageError
from style_clone.progress import Event
from style_clone.ui.chart import Point, line_chart
from style_clone.ui.handlers.writing import advice
from style_clone.ui.markup import card, failure, notice, progress_bar, table
from style_clone.workspace import PersonaFolder, Workspace, read_json

STAGES = {
    "model": "Getting the base model ready",
    "train": "Training",
    "evaluate": "Measuring on held-out writing",
}


@dataclass(frozen=True)
class View:
    """What the tab shows at a moment. `running` says whether to look again in a second."""

    status: str = ""
    chart: str = ""
    result: str = ""
    running: bool = False
    done: bool = False


def facts(workspace: Workspace, slug: str | None) -> str:
    """The card above the button: what there is to train on. Raises StyleCloneError where a file is damaged."""
    from style_clone.pairs.run import load_summary

    if not slug:
        return notice("There is nothing to train on yet.", "Read your writing in step 1.")
    try:
        folder = workspace.existing(slug)
        summary = load_summary(folder)
    except MissingStage as error:
        return notice(error.problem, "Read your writing in step 1.")
    stale = notice("The pairs are not up to date.", "Apply your changes in step 2.") if _is_stale(folder) else ""
    train = summary.splits["train"]
    figures = [
        ("Pairs to train on", f"{train.pairs:,}"),
        ("Words to learn from", f"{train.words:,}"),
        ("Tokens, about", f"{round(1.35 * train.words, -2):,.0f}"),
        ("Held back to check", f"{summary.pairs - train.pairs:,}"),
    ]
    return card(f"{slug}: {summary.author}", figures, [advice(summary.pairs)]) + stale


def begin(workspace: Workspace, slug: str | None, base: str) -> View:
    """Start training, which ends with the quick evaluation. Raises UsageError, MissingStage for stale pairs, JobError."""
    if not slug:
        raise UsageError("there is no persona to train", mend="Read your writing in step 1.")
    named = ["--base", base.strip()] if base.strip() else []
    folder = workspace.existing(slug)
    if _is_stale(folder):
        raise MissingStage(
            "the pairs are not up to date with your changes and your writing", mend="Apply your changes in step 2."
        )
    jobs.start(workspace, folder, ["train", slug, *named])
    return look(workspace, slug)


def stop(workspace: Workspace, slug: str | None) -> View:
    """Cancel what runs, if anything does."""
    job = jobs.running(workspace.existing(slug)) if slug else None
    if job is not None:
        job.cancel()
    return look(workspace, slug)


def look(workspace: Workspace, slug: str | None) -> View:
    """How the persona's newest job stands, whoever started it, and what is known of its clone."""
    if not slug:
        return View()
    folder = workspace.existing(slug)
    job = jobs.latest(folder)
    if job is None:
        return View(result=_result(folder))
    state, events = job.state(), job.events()
    steps = max((event.total for event in events if event.stage == "train"), default=0)
    chart = line_chart(curves(events), x_name="steps", y_name="loss", x_end=steps)
    if state == "running":
        return View(_bar(events), chart, running=True)
    told = _ended(job, state)
    return View(told, chart, _result(folder) if state == "done" else "", done=state == "done")


def curves(events: Sequence[Event]) -> dict[str, list[Point]]:
    """Loss over steps, on the training pairs (smoothed) and on the pairs held back.

    An event repeats the newest of each figure, so a point is where a figure is another than before.
    """
    steps = [event for event in events if event.stage == "train"]
    return {"Training loss": smooth(_changes(steps, "loss")), "Held-out loss": _changes(steps, "dev loss")}


def smooth(curve: Sequence[Point], weight: float = 0.8) -> list[Point]:
    """An exponential average that starts at the first value; single batches jump too much to be read."""
    average, smoothed = math.nan, []
    for x, y in curve:
        average = y if math.isnan(average) else weight * average + (1 - weight) * y
        smoothed.append((x, average))
    return smoothed


def minutes_left(events: Sequence[Event]) -> str:
    """How long the last event's stage will take yet, from its pace so far; empty before a pace can be told."""
    stage = [event for event in events if event.stage == events[-1].stage and event.total]
    if len(stage) < 2 or stage[-1].done <= stage[0].done:
        return ""
    pace = (stage[-1].time - stage[0].time) / (stage[-1].done - stage[0].done)
    seconds = pace * (stage[-1].total - stage[-1].done)
    return "under a minute left" if seconds < 50 else f"about {round(seconds / 60) or 1} min left"


def verdict(scorecard: dict[str, Any]) -> str:
    """The held-out table and the scorecard's sentence about it."""
    bits = {name: float(value) for name, value in scorecard.get("bits_per_byte", {}).items()}
    if not {"plain", "prompted", "clone"} <= set(bits):
        return ""
    names = {"plain": "The plain model", "prompted": "The same model, prompted", "clone": "The clone"}
    rows = [(names[name], f"{bits[name]:.2f}") for name in names]
    kind = "good" if bits["clone"] < min(bits["plain"], bits["prompted"]) else "info"
    told = notice(scorecard.get("verdict", "Measured."), "Bits per byte: how surprising; lower is better.", kind=kind)
    return told + table(("Replies never seen in training", "Bits per byte"), rows, numbers=(1,))


def _is_stale(folder: PersonaFolder) -> bool:
    """Whether there are pairs, but made from something else than there is now."""
    from style_clone.pairs.run import SUMMARY, is_fresh

    return (folder.pairs / SUMMARY).exists() and not is_fresh(folder)


def _bar(events: Sequence[Event]) -> str:
    if not events:
        return progress_bar(None, "Starting")
    last = events[-1]
    figures = {name: value for event in events if event.stage == last.stage for name, value in event.figures.items()}
    share = last.done / last.total if last.total else None
    named = [_spell(name, figures[name]) for name in sorted(figures, key=_rank)]
    told = [last.text, *named, minutes_left(events)]
    return progress_bar(share, STAGES.get(last.stage, last.stage.capitalize()), [line for line in told if line])


def _changes(events: Sequence[Event], figure: str) -> list[Point]:
    points: list[Point] = []
    for event in events:
        value = event.figures.get(figure)
        if value is not None and (not points or value != points[-1][1]):
            points.append((event.done, value))
    return points


def _rank(figure: str) -> int:
    """Where a figure stands in the line: those known first, in this order."""
    known = ("loss", "dev loss", "tokens/s")
    return known.index(figure) if figure in known else len(known)


def _spell(name: str, value: float) -> str:
    number = f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"
    plain = name.replace("dev loss", "held-out loss")
    return f"{number} {plain}" if "/" in name else f"{plain} {number}"


def _ended(job: jobs.Job, state: jobs.State) -> str:
    if state == "done":
        return notice("The clone is ready.", "Talk to it in step 4.", kind="good")
    if state == "cancelled":
        return notice("Training was cancelled.", "Nothing that was there before has changed.")
    try:
        job.result(timeout_seconds=0)
    except JobError as error:
        return failure(error)
    return ""


def _result(folder: PersonaFolder) -> str:
    if not folder.scorecard.exists():
        return ""
    try:
        return verdict(read_json(folder.scorecard))
    except StyleCloneError as error:
        return failure(error)
