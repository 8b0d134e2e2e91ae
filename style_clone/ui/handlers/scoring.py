"""The fourth step: measure the clone as a job, tell which candidate it is at, and show the scorecard."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from style_clone import jobs
from style_clone.errors import JobError, MissingStage, StorageError, UsageError
from style_clone.evaluate.page.run import render
from style_clone.ui.handlers.following import Follower, Story
from style_clone.ui.markup import failure, notice, progress_bar
from style_clone.ui.run_markup import warning
from style_clone.units import spell_seconds
from style_clone.workspace import PersonaFolder, Workspace, read_json

GRACE_SECONDS = 15.0
"""What a measurement that is cancelled is given to end."""
STAGES = {"model": "Getting the base model ready", "evaluate": "Measuring"}
OFFER = "The clone has not been measured yet."
HINT = (
    "Measure takes half an hour, or an hour and more on a slower machine: the clone, the base model and the best prompts "
    "answer messages none of them has seen, and voice, habits, fit and guardrails say which is nearest. Quick takes about a "
    "minute, and looks at held-out fit only."
)
"""What the two buttons do."""
STALE = "This scorecard is of another adapter or other test replies than there are now."
UNREADABLE = "The scorecard on file cannot be read."


@dataclass(frozen=True)
class View:
    """What the tab shows at a moment. `running` says whether to look again in a second, `busy` that no job can be started.

    `page` holds the scorecard with its downloads; None says that it is as it was.
    """

    status: str = ""
    page: str | None = ""
    running: bool = False
    busy: bool = False


def begin(workspace: Workspace, slug: str | None, *, quick: bool) -> None:
    """Start measuring. Raises UsageError, PersonaNotFound, MissingStage without a clone, JobError while a job runs."""
    if not slug:
        raise UsageError("there is no clone to measure", mend="Read your writing in step 1 and train on it in step 3.")
    folder = workspace.existing(slug)
    if not (folder.adapter / "run.json").exists():
        raise MissingStage(f"{slug} has no clone yet", mend="Train one in step 3.")
    jobs.start(workspace, folder, ["evaluate", slug, *(["--quick"] if quick else []), "--json"])


def stop(workspace: Workspace, slug: str | None) -> None:
    """Cancel the measurement, if one runs; returns once it has ended. Other jobs go on."""
    job = jobs.running(workspace.existing(slug)) if slug else None
    if job is not None and job.command == "evaluate":
        job.cancel(grace_seconds=GRACE_SECONDS)


def look(workspace: Workspace, slug: str | None, follower: Follower, *, with_page: bool = True) -> View:
    """How the persona's measurement stands, whoever started it, and the last scorecard. Raises StyleCloneError for damage.

    While a measurement runs, and without `with_page`, the scorecard is left as it was.
    """
    if not slug:
        return View(
            notice("There is nothing to measure yet.", "Read your writing in step 1 and train on it in step 3.")
        )
    folder = workspace.existing(slug)
    busy = jobs.running(folder)
    if busy is not None and busy.command == "evaluate":
        shown = scorecard(folder) if with_page else None
        return View(bar(follower.story(busy), stopping=busy.cancel_mark.exists()), shown, running=True, busy=True)
    waiting = notice(f"{busy.record().command} is running.", "Measure when it is done.") if busy is not None else ""
    return View(waiting or _ended(folder), scorecard(folder), running=busy is not None, busy=busy is not None)


def bar(story: Story, *, stopping: bool = False) -> str:
    """How far it is, candidate by candidate, and below what it warned of."""
    warned, last = warning(story.warnings), story.last
    if stopping:
        return progress_bar(None, "Stopping", ["What was there before has not changed."]) + warned
    if last is None:
        return progress_bar(None, "Starting") + warned
    left = story.seconds_left()
    lines = [*(f"✓ {text}" for text in story.told[:-1]), *story.told[-1:]]
    if left is not None:
        lines.append("under a minute left" if left < 50 else f"about {spell_seconds(max(left, 90))} left")
    share = last.done / last.total if last.total else None
    return progress_bar(share, STAGES.get(last.stage, last.stage.capitalize()), lines) + warned


def scorecard(folder: PersonaFolder) -> str:
    """The last scorecard in a frame in which nothing can run, with its downloads; what to do where there is none."""
    if not folder.scorecard.exists():
        has_clone = (folder.adapter / "run.json").exists()
        return (
            notice(OFFER, "Press Measure.")
            if has_clone
            else notice("There is no clone to measure yet.", "Train one in step 3.")
        )
    found = read_json(folder.scorecard)
    if not isinstance(found, Mapping):
        return notice(UNREADABLE, "Measure again.")
    try:
        page = render(found)
    except (KeyError, TypeError, ValueError, AttributeError):
        return notice(UNREADABLE, "Measure again.")
    stale = "" if _is_fresh(folder) else notice(STALE, "Measure again.")
    # Same origin so that the page can see how long it is; no scripts, no forms, no pop-ups.
    frame = (
        f'<iframe class="sc-scorecard" title="Scorecard" sandbox="allow-same-origin" srcdoc="{escape(page)}"></iframe>'
    )
    return f"{stale}{_downloads(folder, page)}{frame}"


def _downloads(folder: PersonaFolder, page: str) -> str:
    """Both files as links that hold them."""
    files = (
        ("scorecard.html", "text/html", page),
        ("scorecard.json", "application/json", folder.scorecard.read_text("utf-8")),
    )
    links = "".join(
        f'<a class="sc-act" download="{folder.slug}-{name}" href="data:{kind};charset=utf-8;base64,'
        f'{b64encode(content.encode()).decode()}">Download {name}</a>'
        for name, kind, content in files
    )
    return f'<p class="sc-downloads">{links}</p>'


def _is_fresh(folder: PersonaFolder) -> bool:
    from style_clone.evaluate.run import is_fresh

    try:
        return is_fresh(folder)
    except (KeyError, FileNotFoundError, StorageError):
        return False


def _ended(folder: PersonaFolder) -> str:
    """How the last measurement ended."""
    job: Any = jobs.latest(folder, "evaluate")
    if job is None:
        return ""
    state = job.state()
    if state == "cancelled":
        return notice("Measuring was cancelled.", "What was there before has not changed.")
    try:
        job.result(timeout_seconds=0)
    except JobError as error:
        return failure(error)
    return ""
