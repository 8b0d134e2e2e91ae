"""The fifth step: a blind vote on the clone against the best prompt, trial by trial, and in the end what came of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from style_clone.errors import MissingStage, UsageError
from style_clone.evaluate import blind
from style_clone.evaluate.recount import recount
from style_clone.persona import Persona
from style_clone.store import Store
from style_clone.ui.vote_markup import arena, outcome, writing
from style_clone.votes import VOTERS, Ballot
from style_clone.workspace import PersonaFolder, Workspace

KINDS: Mapping[str, str] = {"author": "Authors", "acquaintance": "People who know them", "stranger": "Strangers"}


@dataclass(frozen=True)
class Booth:
    """Whose ballot is open in a window, and when its trial was put up, in seconds of a clock that only goes forward.

    `writing` is what a stranger is shown of the author's.
    """

    slug: str
    ballot: int
    number: int
    since: float
    writing: Sequence[str] = ()


@dataclass(frozen=True)
class View:
    """What the tab shows: a trial while `booth` is there, else what came of the ballot."""

    html: str
    booth: Booth | None


def enter(workspace: Workspace, database_url: str, slug: str | None, voter: str, name: str, votes: int | None) -> View:
    """Begin a ballot, or go on with the voter's; a complete one shows what came of it.

    `votes` None leaves the number to the ballot. Raises UsageError, MissingStage, StorageError.
    """
    if not slug:
        raise MissingStage(
            "there is nobody to vote on yet", mend="Read your writing in step 1 and train on it in step 3."
        )
    if voter not in VOTERS:
        raise UsageError("who votes is not known", mend="Say whether you are the author, know them, or do not.")
    folder = workspace.existing(slug)
    with Store(database_url) as store:
        ballot = blind.open_ballot(store, folder, voter, name, votes)
        return _view(store, folder, ballot, blind.writing(folder) if voter == "stranger" else ())


def answer(workspace: Workspace, database_url: str, booth: Booth, number: int, choice: Any) -> View:
    """Keep the answer to trial `number`, from 1, and go on. One that was answered in another window stays as it is.

    Raises UsageError for what is no answer or where the ballot is gone, MissingStage where its replies are, StorageError.
    """
    seconds = time.monotonic() - booth.since if number == booth.number else None
    folder = workspace.existing(booth.slug)
    with Store(database_url) as store:
        store.votes.cast(booth.ballot, number - 1, choice, seconds)
        return _view(store, folder, store.votes.find(booth.ballot), booth.writing)


def _view(store: Store, folder: PersonaFolder, ballot: Ballot, texts: Sequence[str]) -> View:
    author = Persona.load(folder).author
    shown = blind.show(store, folder, ballot.id)
    if shown is None:
        recount(store, folder)
        return View(_outcome(store, folder, ballot), None)
    question = f"Which did {'you' if ballot.voter == 'author' else author} write?"
    html = arena(shown.number, shown.total, shown.prompt, (shown.left, shown.right), author, question)
    if texts:
        html = writing(author, texts, is_open=shown.number == 1) + html
    return View(html, Booth(folder.slug, ballot.id, shown.number, time.monotonic(), texts))


def _outcome(store: Store, folder: PersonaFolder, ballot: Ballot) -> str:
    own = blind.result(store, ballot.id)
    shares: dict[str, Mapping[str, Any]] = {"This ballot": own.preferred}
    tally = {KINDS[voter]: row for voter, row in blind.tally(store, folder).items() if row["votes"]}
    if len(tally) > 1 or any(row["votes"] > own.votes for row in tally.values()):
        shares |= {
            f"{name}, {row['votes']} votes": {"value": row["preferred"], "low": row["low"], "high": row["high"]}
            for name, row in tally.items()
        }
    return outcome("What came of it", blind.summary(store, folder, ballot.id), shares)
