"""The third step: start a training job, tell how it goes, go on with one that was stopped, and say what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from style_clone import jobs
from style_clone.errors import JobError, MissingStage, StyleCloneError, UsageError
from style_clone.evaluate.page.card import headline
from style_clone.ui.chart import line_chart
from style_clone.ui.handlers.following import Follower, Story
from style_clone.ui.handlers.planning import arguments, is_planned, is_stale, planned, ready
from style_clone.ui.handlers.writing import advice
from style_clone.ui.markup import card, failure, notice, progress_bar, table
from style_clone.ui.run_markup import run_card, voice, warning
from style_clone.units import spell_seconds
from style_clone.workspace import PersonaFolder, Workspace, read_json

STAGES = {
    "model": "Getting the base model ready",
    "plan": "Planning",
    "probe": "Trying a few steps",
    "train": "Training",
    "leaks": "Checking for leaks",
    "evaluate": "Measuring on held-out writing",
}
LEFT = "seconds left"
"""A figure that is told in words."""
GRACE_SECONDS = 30.0
"""What a training that is cancelled is given to end its step and keep the best so far."""


@dataclass(frozen=True)
class View:
    """What the tab shows at a moment. `running` says whether to look again in a second, `done` whether to talk to the clone.

    `can_go_on` says whether a training that was broken off can be taken up, `plan_first` that there is no plan of the pairs.
    """

    plan: str = ""
    status: str = ""
    chart: str = ""
    voice: str = ""
    result: str = ""
    running: bool = False
    planning: bool = False
    done: bool = False
    can_go_on: bool = False
    plan_first: bool = False

    @property
    def next_step(self) -> Literal["go on", "talk", "plan", "train"]:
        """What most would do now: its button stands out."""
        if self.can_go_on:
            return "go on"
        return "talk" if self.done else "plan" if self.plan_first else "train"


def facts(workspace: Workspace, slug: str | None) -> str:
    """The card at the top: what there is to train on, until a plan says it better. Raises StyleCloneError for damage."""
    from style_clone.pairs.run import load_summary

    if not slug:
        return notice("There is nothing to train on yet.", "Read your writing in step 1.")
    try:
        folder = workspace.existing(slug)
        summary = load_summary(folder)
    except MissingStage as error:
        return notice(error.problem, "Read your writing in step 1.")
    stale = notice("The pairs are not up to date.", "Apply your changes in step 2.") if is_stale(folder) else ""
    if is_planned(folder):
        return stale
    train = summary.splits["train"]
    figures = [
        ("Pairs to train on", f"{train.pairs:,}"),
        ("Words to learn from", f"{train.words:,}"),
        ("Tokens, about", f"{round(1.35 * train.words, -2):,.0f}"),
        ("Held back to check", f"{summary.pairs - train.pairs:,}"),
    ]
    return card(f"{slug}: {summary.author}", figures, [advice(summary.pairs)]) + stale


def begin(workspace: Workspace, slug: str | None, base: str, changes: str = "") -> None:
    """Start training, which ends with the quick evaluation. Raises UsageError, MissingStage for stale pairs, JobError."""
    folder = ready(workspace, slug)
    jobs.start(workspace, folder, ["train", folder.slug, *arguments(base, changes)])


def go_on(workspace: Workspace, slug: str | None) -> None:
    """Take up the newest training where it was broken off, with the base model and the settings it had.

    Raises UsageError where there is nothing to take up, MissingStage for stale pairs, JobError.
    """
    folder = ready(workspace, slug)
    job = jobs.latest(folder, "train")
    if job is None or not _can_go_on(folder, job, job.state()):
        raise UsageError("there is no training to go on with", mend="Start one.")
    argv = [part for part in job.record().argv if part != "--resume"]
    jobs.start(workspace, folder, [*argv, "--resume"])


def stop(workspace: Workspace, slug: str | None) -> None:
    """Cancel what runs, if anything does; returns once it has ended."""
    job = jobs.running(workspace.existing(slug)) if slug else None
    if job is not None:
        job.cancel(grace_seconds=GRACE_SECONDS)


def look(workspace: Workspace, slug: str | None, follower: Follower) -> View:
    """How the persona's newest plan and training stand, whoever started them, and what is known of its clone."""
    if not slug:
        return View()
    folder = workspace.existing(slug)
    busy = jobs.running(folder)
    planning = busy is not None and busy.command == "plan"
    plan = planned(folder, follower.story(busy) if busy is not None and planning else None)
    past = jobs.past(folder, "train")
    first = not is_planned(folder)
    if not past:
        return View(plan, result=_result(folder), running=busy is not None, planning=planning, plan_first=first)
    job, story, state = past[0], follower.joined(past), past[0].state()
    shown = View(plan, chart=chart(story), voice=voice(story.samples), planning=planning, plan_first=first)
    if state == "running":
        return replace(shown, status=bar(story, stopping=job.cancel_mark.exists()), running=True)
    kept = state == "done" or _has_made_adapter(folder, job)
    return replace(
        shown,
        status=_ended(folder, job, state),
        result=_result(folder, is_measured=state == "done") if kept else "",
        running=busy is not None,
        done=kept,
        can_go_on=_can_go_on(folder, job, state),
    )


def chart(story: Story) -> str:
    """Loss over steps, on the training pairs (smoothed) and on the pairs held back, where the best is marked."""
    curves = {"Training loss": story.loss.drawn(), "Held-out loss": story.held_out.drawn()}
    return line_chart(curves, x_name="steps", y_name="loss", x_end=story.steps, best="Held-out loss")


def bar(story: Story, *, stopping: bool = False) -> str:
    """How far the stage is, with its newest figures, and below what it warned of."""
    last, warned = story.last, warning(story.warnings)
    if stopping:
        return progress_bar(None, "Stopping", ["The best so far is being kept."]) + warned
    if last is None:
        return progress_bar(None, "Starting") + warned
    share = last.done / last.total if last.total else None
    named = [_spell(name, story.figures[name]) for name in sorted(story.figures, key=_rank) if name != LEFT]
    left = story.seconds_left()
    lines = [story.text, *named, "" if left is None else f"{_about(left)} left"]
    return progress_bar(share, STAGES.get(last.stage, last.stage.capitalize()), list(filter(None, lines))) + warned


def verdict(scorecard: dict[str, Any]) -> str:
    """The held-out table and the scorecard's sentence about it."""
    bits = {name: float(value) for name, value in scorecard.get("bits_per_byte", {}).items()}
    if not {"plain", "prompted", "clone"} <= set(bits):
        return ""
    names = {"plain": "The plain model", "prompted": "The same model, prompted", "clone": "The clone"}
    rows = [(names[name], f"{bits[name]:.2f}") for name in names]
    kind = "good" if bits["clone"] < min(bits["plain"], bits["prompted"]) else "info"
    told = notice(headline(scorecard) or "Measured.", "Bits per byte: how surprising; lower is better.", kind=kind)
    return told + table(("Replies never seen in training", "Bits per byte"), rows, numbers=(1,))


def _about(seconds: float) -> str:
    return "under a minute" if seconds < 50 else f"about {spell_seconds(max(seconds, 90))}"


def _rank(figure: str) -> int:
    """Where a figure stands in the line: those known first, in this order."""
    known = ("loss", "dev loss", "tokens/s", "memory GB")
    return known.index(figure) if figure in known else len(known)


def _spell(name: str, value: float) -> str:
    number = f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"
    if name == "memory GB":
        return f"memory {value:.1f} GB"
    plain = name.replace("dev loss", "held-out loss")
    return f"{number} {plain}" if "/" in name else f"{plain} {number}"


def _can_go_on(folder: PersonaFolder, job: jobs.Job, state: jobs.State) -> bool:
    """Whether a training was broken off that has left something to go on from."""
    broken_off = state in ("failed", "cancelled") and job.command == "train" and bool(job.record().argv)
    return broken_off and (folder.runs / "checkpoints" / "identity.json").exists()


def _has_made_adapter(folder: PersonaFolder, job: jobs.Job) -> bool:
    """Whether the adapter there is came after the job had begun: one that is cancelled keeps its best so far."""
    path = folder.adapter / "run.json"
    return path.exists() and path.stat().st_mtime >= job.record().started


def _ended(folder: PersonaFolder, job: jobs.Job, state: jobs.State) -> str:
    if state == "done":
        return notice(
            "The clone is ready.", "Talk to it under Chat, or see under Scorecard how near it is.", kind="good"
        )
    can_go_on = _can_go_on(folder, job, state)
    if state == "cancelled":
        return _cancelled(folder, job, can_go_on)
    try:
        job.result(timeout_seconds=0)
    except JobError as error:
        more = "Go on takes the training up from its last checkpoint." if can_go_on else ""
        return failure(JobError(error.problem, mend="\n".join(filter(None, [error.mend, more]))))
    return ""


def _cancelled(folder: PersonaFolder, job: jobs.Job, can_go_on: bool) -> str:
    """What was kept, in the command's own words where it had any."""
    record = job.record()
    taken_up = "Go on takes the training up where it was." if can_go_on else ""
    if record.problem:
        return notice(f"{record.problem[:1].upper()}{record.problem[1:]}", taken_up or record.mend)
    if _has_made_adapter(folder, job):
        mend = f"To measure it: style-clone evaluate {folder.slug}"
        return notice("The clone is trained; what came after that was cancelled.", mend)
    return notice("Training was cancelled.", taken_up or "Nothing that was there before has changed.")


def _result(folder: PersonaFolder, *, is_measured: bool = True) -> str:
    """What the newest run took and gave, and where it `is_measured` how the clone compares."""
    from style_clone.train.artifact import load_run

    try:
        ran = run_card(load_run(folder)) if (folder.adapter / "run.json").exists() else ""
        return ran + (verdict(read_json(folder.scorecard)) if is_measured and folder.scorecard.exists() else "")
    except StyleCloneError as error:
        return failure(error)
