"""Before training: what it would take and give, worked out by `style-clone plan` as a job and shown as a card."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from style_clone import jobs
from style_clone.errors import JobError, MissingStage, UsageError
from style_clone.ui.handlers.following import Story
from style_clone.ui.markup import failure, folded, notice, progress_bar
from style_clone.ui.plan_markup import plan_card, plan_line
from style_clone.workspace import PersonaFolder, Workspace

OFFER = "Plan it first: in half a minute you see how long it takes, whether it fits this machine, and what to expect."
STALE = "This plan is from before the pairs changed."
UNREADABLE = "The plan on file cannot be read."


def arguments(base: str, changes: str) -> list[str]:
    """What the page's fields are on the command line; `changes` as in "epochs=3 learning_rate=5e-4", left to it to check."""
    named = ["--base", base.strip()] if base.strip() else []
    return [*named, *(part for change in changes.split() for part in ("--set", change))]


def ready(workspace: Workspace, slug: str | None) -> PersonaFolder:
    """The persona, if it can be planned and trained now. Raises UsageError, PersonaNotFound, MissingStage for stale pairs."""
    if not slug:
        raise UsageError("there is no persona to train", mend="Read your writing in step 1.")
    folder = workspace.existing(slug)
    if is_stale(folder):
        raise MissingStage(
            "the pairs are not up to date with your changes and your writing", mend="Apply your changes in step 2."
        )
    return folder


def is_stale(folder: PersonaFolder) -> bool:
    """Whether there are pairs, but made from something else than there is now."""
    from style_clone.pairs.run import SUMMARY, is_fresh

    return (folder.pairs / SUMMARY).exists() and not is_fresh(folder)


def begin_plan(workspace: Workspace, slug: str | None, base: str, changes: str) -> None:
    """Start planning. Raises UsageError, MissingStage for stale pairs, JobError while another job runs."""
    folder = ready(workspace, slug)
    jobs.start(workspace, folder, ["plan", folder.slug, *arguments(base, changes), "--json"])


def planned(folder: PersonaFolder, story: Story | None) -> str:
    """The newest plan: its bar (from `story`) while it is made, then its card; folded up once a training came after it.

    Where there is none yet, one is offered. Raises StorageError where the job's record is damaged.
    """
    job = jobs.latest(folder, "plan")
    if job is None:
        return notice(OFFER) if _has_pairs(folder) and jobs.latest(folder, "train") is None else ""
    state = job.state()
    if state == "running":
        return _bar(story)
    try:
        plan = json.loads(job.result(timeout_seconds=0))
        return _shown(plan, folder, job)
    except JobError as error:
        return notice("Planning was cancelled.") if state == "cancelled" else failure(error)
    except (ValueError, KeyError, TypeError, AttributeError):
        return notice(UNREADABLE, "Plan again.")


def is_planned(folder: PersonaFolder) -> bool:
    """Whether there is a plan of the pairs as they are."""
    job = jobs.latest(folder, "plan")
    return job is not None and job.state() == "done" and not _is_outdated(folder, job)


def _shown(plan: Any, folder: PersonaFolder, job: jobs.Job) -> str:
    trained = jobs.latest(folder, "train")
    old = notice(STALE, "Plan again.") if _is_outdated(folder, job) else ""
    card = plan_card(plan)
    if trained is not None and trained.id > job.id:
        return folded(plan_line(plan), f'<div class="sc-inside">{old}{card}</div>')
    return old + card


def _bar(story: Story | None) -> str:
    last = story.last if story else None
    if story is None or last is None:
        return progress_bar(None, "Planning")
    return progress_bar(last.done / last.total if last.total else None, "Planning", [story.text] if story.text else [])


def _is_outdated(folder: PersonaFolder, job: jobs.Job) -> bool:
    """Whether the pairs were made after the plan was begun."""
    from style_clone.pairs.run import SUMMARY

    path = folder.pairs / SUMMARY
    return path.exists() and path.stat().st_mtime > datetime.fromisoformat(job.record().created).timestamp() + 1


def _has_pairs(folder: PersonaFolder) -> bool:
    return folder.split("train").exists()
