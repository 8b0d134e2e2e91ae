"""Blind preference, metric 7: "Which did they write?", asked of the author, of people who know them, and of strangers.

A ballot is N votes (20 to 100, fixed when it is begun) of the clone against the best prompted candidate, with catch trials
among them. Nothing of how it stands is told before its last trial is answered: not by a function here, nor by the command or
the page. A tie ("can't tell") is half a vote for either. The interval is Wilson's.

What counts, decided beforehand:
- of each voter (kind and name) the first complete ballot; nobody votes again until they like the outcome;
- ballots on the adapter, test pairs and prompted candidate of the replies there are. Those of another adapter are kept and
  told as such, but not counted;
- ballots whose voter passed at least PASS_SHARE of the catch trials. The others are told, but not counted.
Ballots of several voters of one kind are pooled.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from style_clone.conversation import Turn, read_pairs
from style_clone.errors import MissingStage, UsageError
from style_clone.evaluate.kept import CLONE, REAL, KeptReplies, replies_hash
from style_clone.evaluate.statistics import Interval, wilson
from style_clone.evaluate.trials import choose, rendered, text_of
from style_clone.train import artifact
from style_clone.votes import NAME_LENGTH, VOTERS, Ballot, Plan, Vote, Voter
from style_clone.workspace import PersonaFolder, atomic_file

if TYPE_CHECKING:
    from style_clone.store import Store

SHOWN, LEAST_SHOWN, MOST_SHOWN = 6, 20, 300
"""Texts of the author that strangers are shown, and how long those are, in characters."""
PASS_SHARE = 0.75
"""Share of a ballot's catch trials its voter must pass, a tie being a miss: 4 of 5, 3 of 3, 10 of 13. Who answers by chance
does that on one ballot in 5, 8 and 22."""
Standing = Literal["counted", "careless", "again", "incomplete", "earlier replies", "another adapter"]
"""What becomes of a ballot: "again" is a voter's second one, "earlier replies" are of another test or prompted candidate, or
were replaced before the ballot was complete."""
REASONS: Mapping[Standing, str] = {
    "counted": "",
    "careless": "Too many of those were missed: these votes are kept, but not counted.",
    "again": "The same voter's first ballot is the one that counts.",
    "incomplete": "",
    "earlier replies": "It is on replies to other prompts, or of another prompted candidate: kept, but not counted.",
    "another adapter": "It is of another adapter than there is now: kept, but not counted.",
}
"""Why a ballot does not count, for people."""
CSV_COLUMNS = (
    "ballot", "standing", "voter", "name", "adapter_sha256", "replies_sha256", "number", "kind", "prompt", "left",
    "right", "choice", "chosen", "seconds", "when",
)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A trial as a voter sees it: `number` of `total`, from 1, the turns before and two replies. Not what they are."""

    number: int
    total: int
    prompt: tuple[Turn, ...]
    left: str
    right: str


@dataclass(frozen=True)
class Result:
    """A complete ballot, or several of one kind together. `preferred` is the share of the clone with its 95% interval, ties
    half; `passed` of `catches` catch trials were passed."""

    preferred: Interval
    votes: int
    wins: int
    ties: int
    passed: int
    catches: int

    @property
    def is_careful(self) -> bool:
        """Whether enough catch trials were passed for the votes to count."""
        return self.passed >= ceil(PASS_SHARE * self.catches)


def open_ballot(store: Store, folder: PersonaFolder, voter: Voter, name: str = "", votes: int | None = None) -> Ballot:
    """The voter's ballot on the replies there are: the one begun, or complete, or else a new one of `votes` votes.

    `votes` None takes what a ballot has, or for a new one the usual number. Raises MissingStage where there are no replies,
    they are of another adapter than there is, or too few; UsageError for a number that cannot be, or is not the ballot's.
    """
    kept, name = _current(folder), _clean(name)
    digest = replies_hash(folder)
    known = [ballot for ballot in store.votes.of(folder.slug) if _same(ballot, kept, voter, name)]
    for ballot in known:
        if ballot.is_complete or ballot.replies_sha256 == digest:
            return _of_size(ballot, votes)
    seed = "\n".join((folder.slug, digest, voter, name))
    trials = choose(kept, votes, seed)
    fixed = sum(not trial.catch for trial in trials)
    hashes = (kept.adapter_sha256, kept.test_sha256, digest)
    return _of_size(store.votes.begin(Plan(folder.slug, voter, name, fixed, *hashes, kept.prompted, trials)), votes)


def show(store: Store, folder: PersonaFolder, ballot: int) -> Shown | None:
    """The first trial of a ballot without an answer, None where it is complete.

    Raises UsageError where the ballot is gone, MissingStage where its replies are.
    """
    found = store.votes.find(ballot)
    if found.next is None:
        return None
    if replies_hash(folder) != found.replies_sha256:
        raise MissingStage(
            "the replies of this ballot were replaced by a new evaluation",
            mend="Begin again: a new ballot is made of them.",
        )
    prompts = {prompt.key: prompt for prompt in _current(folder).prompts}
    trial = found.trials[found.next]
    sides = (text_of(trial.left, prompts), text_of(trial.right, prompts))
    return Shown(found.next + 1, len(found.trials), prompts[trial.prompt].prompt, *sides)


def writing(folder: PersonaFolder) -> list[str]:
    """Some of what the author really wrote, rendered, for voters who do not know them: of TRAIN, so of no trial; the same at
    every ballot, and short ones where there are enough. Empty where there are no pairs."""
    train = folder.split("train")
    replies = {rendered(pair.reply): None for pair in read_pairs(train)} if train.exists() else {}
    by_length = sorted(replies, key=len)
    shown = [text for text in by_length if LEAST_SHOWN <= len(text) <= MOST_SHOWN] or by_length
    return random.Random(0).sample(shown, min(SHOWN, len(shown)))


def result(store: Store, ballot: int) -> Result:
    """What came of a complete ballot. Raises UsageError while anything is left to answer."""
    return _result(store.votes.revealed(ballot))


def tally(store: Store, folder: PersonaFolder) -> dict[str, Any]:
    """The scorecard's "votes": for each kind of voter with a ballot on the clone there is, all ballots that count together.

    `{"author": {"votes", "preferred", "low", "high", "fixed", "complete", "caught"}, ...}`. Where no ballot is complete yet,
    "votes" is 0 and all but "fixed" and "complete" are null; where none counts, so are the share and its bounds. "caught" are
    the catch trials passed, of num_catches(fixed).
    """
    judged = standings(store, folder)
    found: dict[str, Any] = {}
    for voter in VOTERS:
        own = [(ballot, standing) for ballot, standing in judged if ballot.voter == voter]
        if entry := _entry(store, own):
            found[voter] = entry
    return found


def standings(store: Store, folder: PersonaFolder) -> list[tuple[Ballot, Standing]]:
    """Every ballot of the persona, oldest first, with what becomes of it."""
    kept = _if_current(folder)
    digest = replies_hash(folder) if kept else ""
    counted: set[tuple[Voter, str]] = set()
    judged: list[tuple[Ballot, Standing]] = []
    for ballot in store.votes.of(folder.slug):
        standing = _standing(store, ballot, kept, digest, again=(ballot.voter, ballot.name) in counted)
        if standing in ("counted", "careless"):
            counted.add((ballot.voter, ballot.name))
        judged.append((ballot, standing))
    return judged


def describe(store: Store, folder: PersonaFolder) -> list[dict[str, Any]]:
    """Every ballot for people and machines to read: how far it is and, where it is complete, what came of it."""
    rows = []
    for ballot, standing in standings(store, folder):
        row = {
            "ballot": ballot.id,
            "voter": ballot.voter,
            "name": ballot.name,
            "standing": standing,
            "fixed": ballot.fixed,
            "trials": len(ballot.trials),
            "answered": len(ballot.answered),
            "complete": ballot.is_complete,
            "adapter_sha256": ballot.adapter_sha256,
        }
        rows.append({**row, "result": _spelled(result(store, ballot.id)) if ballot.is_complete else None})
    return rows


def summary(store: Store, folder: PersonaFolder, ballot: int) -> list[str]:
    """A complete ballot in sentences: what was preferred, how carefully, and whether it counts. Raises UsageError before."""
    found = result(store, ballot)
    share = found.preferred
    half = f" and {found.ties} ties, half each," if found.ties else ""
    lines = [
        f"The clone was preferred in {found.wins}{half} of {found.votes}: {share['value']:.0%} "
        f"(95% {share['low']:.0%} to {share['high']:.0%}).",
        _verdict(share),
        f"Catch trials, a real reply against a false one: {found.passed} of {found.catches} passed.",
    ]
    reasons = [REASONS[standing] for known, standing in standings(store, folder) if known.id == ballot]
    return [*lines, *filter(None, reasons)]


def _verdict(share: Interval) -> str:
    if share["low"] > 0.5:
        return "The clone reads more like the author than the best prompt does."
    if share["high"] < 0.5:
        return "The best prompt reads more like the author than the clone does."
    return "Clone and best prompt cannot be told apart by these votes."


def export_csv(store: Store, folder: PersonaFolder, path: Path) -> tuple[int, int]:
    """Write every vote of every complete ballot; returns how many votes were written and how many ballots withheld.

    Columns are CSV_COLUMNS; `choice` is left, right or tie, `chosen` a candidate's id, "real" in catch trials. No text of
    anybody's is in it. Raises StorageError.
    """
    judged = standings(store, folder)
    rows = [row for ballot, standing in judged if ballot.is_complete for row in _csv_rows(store, ballot, standing)]
    with atomic_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([CSV_COLUMNS, *rows])
    return len(rows), sum(not ballot.is_complete for ballot, _ in judged)


def _csv_rows(store: Store, ballot: Ballot, standing: Standing) -> Iterator[tuple[Any, ...]]:
    whose = (ballot.id, standing, ballot.voter, _inert(ballot.name), ballot.adapter_sha256, ballot.replies_sha256)
    for vote in store.votes.revealed(ballot.id):
        trial = vote.trial
        kind = "catch" if trial.catch else "vote"
        seconds = "" if vote.seconds is None else round(vote.seconds, 2)
        sides = (_inert(trial.prompt), trial.left.candidate, trial.right.candidate)
        yield (*whose, vote.number + 1, kind, *sides, vote.choice, vote.chosen or "", seconds, vote.moment.isoformat())


def _entry(store: Store, judged: Sequence[tuple[Ballot, Standing]]) -> dict[str, Any]:
    """One kind of voter's part of the tally; empty where they have voted on nothing there is."""
    by: dict[str, list[Ballot]] = {}
    for ballot, standing in judged:
        by.setdefault(standing, []).append(ballot)
    chosen = by.get("counted") or by.get("careless") or by.get("incomplete")
    if not chosen:
        return {}
    entry: dict[str, Any] = {
        "votes": 0,
        "preferred": None,
        "low": None,
        "high": None,
        "fixed": sum(ballot.fixed for ballot in chosen),
    }
    if chosen == by.get("incomplete"):
        return {**entry, "complete": False, "caught": None}
    found = _result([vote for ballot in chosen for vote in store.votes.revealed(ballot.id)])
    if chosen == by.get("counted"):
        share = found.preferred
        entry |= {"votes": found.votes, "preferred": share["value"], "low": share["low"], "high": share["high"]}
    return {**entry, "complete": True, "caught": found.passed}


def _result(votes: Sequence[Vote]) -> Result:
    catches = [vote for vote in votes if vote.trial.catch]
    real = [vote for vote in votes if not vote.trial.catch]
    wins, ties = (sum(vote.chosen == name for vote in real) for name in (CLONE, None))
    passed = sum(vote.chosen == REAL for vote in catches)
    return Result(wilson(wins + ties / 2, len(real)), len(real), wins, ties, passed, len(catches))


def _spelled(found: Result) -> dict[str, Any]:
    return {
        "preferred": found.preferred,
        "votes": found.votes,
        "wins": found.wins,
        "ties": found.ties,
        "passed": found.passed,
        "catches": found.catches,
        "careful": found.is_careful,
    }


def _standing(store: Store, ballot: Ballot, kept: KeptReplies | None, digest: str, *, again: bool) -> Standing:
    if kept is None or ballot.adapter_sha256 != kept.adapter_sha256:
        return "another adapter"
    if not _same(ballot, kept, ballot.voter, ballot.name):
        return "earlier replies"
    if not ballot.is_complete:
        return "incomplete" if ballot.replies_sha256 == digest else "earlier replies"
    if again:
        return "again"
    return "counted" if result(store, ballot.id).is_careful else "careless"


def _same(ballot: Ballot, kept: KeptReplies, voter: Voter, name: str) -> bool:
    """Whether a ballot is that voter's, and on the same adapter against the same prompted candidate and test pairs.

    Not whether it is on the very same samples: a second evaluation draws others, and what was voted still holds.
    """
    wanted = (kept.adapter_sha256, kept.test_sha256, kept.prompted, voter, name)
    return (ballot.adapter_sha256, ballot.test_sha256, ballot.prompted, ballot.voter, ballot.name) == wanted


def _current(folder: PersonaFolder) -> KeptReplies:
    """The kept replies. Raises MissingStage where there are none, or the adapter is another now."""
    kept = KeptReplies.read(folder)
    if artifact.load_run(folder)["adapter_sha256"] != kept.adapter_sha256:
        raise MissingStage(
            f"the replies of {folder.slug} to vote on are an earlier adapter's",
            mend=f"Measure the one there is: style-clone evaluate {folder.slug}",
        )
    return kept


def _if_current(folder: PersonaFolder) -> KeptReplies | None:
    try:
        return _current(folder)
    except MissingStage:
        return None


def _of_size(ballot: Ballot, votes: int | None) -> Ballot:
    if votes not in (None, ballot.fixed):
        raise UsageError(
            f"this ballot was begun with {ballot.fixed} votes, which is fixed",
            mend="Go on with it without a number, or vote under another name.",
        )
    return ballot


def _clean(name: str) -> str:
    """A voter's name on one line. Raises UsageError where it is too long."""
    clean = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    if len(clean) > NAME_LENGTH:
        raise UsageError(f"the voter's name is longer than {NAME_LENGTH} characters", mend="Give a shorter one.")
    return clean


def _inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell
