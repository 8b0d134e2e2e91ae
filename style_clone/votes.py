"""Ballots and votes, kept beside the API keys: who votes on what, and what they chose. No text of anybody's is kept here.

A ballot is a fixed list of trials, made once. What was chosen is given out by `revealed` alone, and only of ballots on which
nothing is left to answer: who sees how it stands may stop where they like it, and then no interval means what it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from sqlalchemy import JSON, BigInteger, Float, Integer, Select, String, UniqueConstraint, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from style_clone.database import NUMBER, Base, Database, Moment
from style_clone.errors import UsageError

Voter = Literal["author", "acquaintance", "stranger"]
"""What the voter is to the author: the author, somebody who knows how they write, or somebody who does not."""
VOTERS: tuple[Voter, ...] = get_args(Voter)
Choice = Literal["left", "right", "tie"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
NAME_LENGTH = 100


class _BallotRow(Base):
    __tablename__ = "ballots"
    # Two windows that begin at the same moment get one ballot.
    __table_args__ = (UniqueConstraint("persona", "replies_sha256", "voter", "name"),)

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    persona: Mapped[str] = mapped_column(String(63), index=True)
    voter: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    begun: Mapped[datetime] = mapped_column(Moment)
    fixed: Mapped[int] = mapped_column(Integer)
    adapter_sha256: Mapped[str] = mapped_column(String(64))
    test_sha256: Mapped[str] = mapped_column(String(64))
    replies_sha256: Mapped[str] = mapped_column(String(64))
    prompted: Mapped[str] = mapped_column(String(100))
    trials: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


class _VoteRow(Base):
    """One answer. The key is what keeps two windows from answering one trial twice."""

    __tablename__ = "votes"

    ballot_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    moment: Mapped[datetime] = mapped_column(Moment)
    choice: Mapped[str] = mapped_column(String(10))
    seconds: Mapped[float | None] = mapped_column(Float)


@dataclass(frozen=True, slots=True)
class Side:
    """A reply on a ballot: the candidate's (or "real", the author's own), which of its samples, and the prompt it answers."""

    candidate: str
    prompt: str
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """Two replies below one prompt. In a catch trial one is real and the other plainly is not."""

    prompt: str
    left: Side
    right: Side
    catch: bool = False

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Trial:
        """The inverse of `dataclasses.asdict`."""
        return cls(row["prompt"], Side(**row["left"]), Side(**row["right"]), bool(row["catch"]))

    def chosen(self, choice: Choice) -> str | None:
        """The candidate that was chosen, None for a tie."""
        return None if choice == "tie" else self.left.candidate if choice == "left" else self.right.candidate


@dataclass(frozen=True)
class Plan:
    """A ballot before it is kept: whose vote, on which replies of which adapter, and the trials in their order.

    `fixed` is how many of them count as votes; the others are catch trials. `prompted` is the candidate the clone stands
    against. `name` tells voters of one kind apart and may be empty.
    """

    persona: str
    voter: Voter
    name: str
    fixed: int
    adapter_sha256: str
    test_sha256: str
    replies_sha256: str
    prompted: str
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Ballot(Plan):
    """A ballot that is kept. `answered` are the places of trials, from 0, that have a vote; `begun` is in UTC."""

    id: int
    begun: datetime
    answered: frozenset[int]

    @property
    def next(self) -> int | None:
        """The first trial without an answer; None where there is none left."""
        return next((number for number in range(len(self.trials)) if number not in self.answered), None)

    @property
    def is_complete(self) -> bool:
        """Whether every trial has been answered."""
        return self.next is None


@dataclass(frozen=True, slots=True)
class Vote:
    """An answer to a trial. `seconds` is how long it took, None where that is not known; `moment` is in UTC."""

    number: int
    trial: Trial
    choice: Choice
    moment: datetime
    seconds: float | None

    @property
    def chosen(self) -> str | None:
        """The candidate that was chosen, None for a tie."""
        return self.trial.chosen(self.choice)


class Votes:
    """The ballots in a database. Every method raises StorageError where the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, plan: Plan) -> Ballot:
        """Keep a ballot; where that voter has one on the same replies already, that one is returned as it is."""
        with self._database.errors():
            try:
                return self._add(plan)
            except IntegrityError:
                pass
        with self._database.session() as session:
            same = _ballots(plan.persona).where(
                _BallotRow.replies_sha256 == plan.replies_sha256,
                _BallotRow.voter == plan.voter,
                _BallotRow.name == plan.name,
            )
            return _shown(session, session.scalars(same).one())

    def of(self, persona: str) -> list[Ballot]:
        """Every ballot of a persona, oldest first."""
        with self._database.session() as session:
            return [_shown(session, row) for row in session.scalars(_ballots(persona))]

    def find(self, number: int) -> Ballot:
        """The ballot with that id as it stands. Raises UsageError where there is none, or none any more."""
        with self._database.session() as session:
            return _shown(session, _row(session, number))

    def cast(self, ballot: int, number: int, choice: Choice, seconds: float | None = None) -> bool:
        """Keep the answer to a trial; False, with nothing changed, where it has one already.

        Raises UsageError where there is no such ballot, trial or choice.
        """
        with self._database.errors():
            try:
                with Session(self._database.engine) as session, session.begin():
                    if choice not in CHOICES or number not in range(len(_row(session, ballot).trials)):
                        raise UsageError(f"there is nothing to answer at {number + 1} with {choice!r}")
                    now = datetime.now(UTC)
                    session.add(_VoteRow(ballot_id=ballot, number=number, moment=now, choice=choice, seconds=seconds))
            except IntegrityError:
                return False
        return True

    def revealed(self, ballot: int) -> list[Vote]:
        """What was voted on a ballot, in the trials' order. Raises UsageError while anything is left to answer."""
        with self._database.session() as session:
            found = _shown(session, _row(session, ballot))
            if not found.is_complete:
                left = len(found.trials) - len(found.answered)
                raise UsageError(
                    f"the votes of this ballot are hidden until it is complete ({left} to go)",
                    mend=f"Go on with: style-clone vote {found.persona} --as {found.voter}",
                )
            query = select(_VoteRow).where(_VoteRow.ballot_id == ballot).order_by(_VoteRow.number)
            return [
                Vote(row.number, found.trials[row.number], row.choice, row.moment, row.seconds)  # type: ignore[arg-type]
                for row in session.scalars(query)
            ]

    def forget(self, persona: str) -> None:
        """Delete every ballot and vote of a persona."""
        with self._database.session() as session:
            ballots = select(_BallotRow.id).where(_BallotRow.persona == persona)
            session.execute(delete(_VoteRow).where(_VoteRow.ballot_id.in_(ballots)))
            session.execute(delete(_BallotRow).where(_BallotRow.persona == persona))

    def _add(self, plan: Plan) -> Ballot:
        with Session(self._database.engine) as session, session.begin():
            fields = {**vars(plan), "trials": [asdict(trial) for trial in plan.trials]}
            row = _BallotRow(begun=datetime.now(UTC), **fields)
            session.add(row)
            session.flush()
            return _shown(session, row)


def _ballots(persona: str) -> Select[_BallotRow]:
    return select(_BallotRow).where(_BallotRow.persona == persona).order_by(_BallotRow.id)


def _row(session: Session, number: int) -> _BallotRow:
    row = session.get(_BallotRow, number)
    if row is None:
        raise UsageError("this ballot is no longer there", mend="The persona was deleted: begin anew.")
    return row


def _shown(session: Session, row: _BallotRow) -> Ballot:
    answered = session.scalars(select(_VoteRow.number).where(_VoteRow.ballot_id == row.id))
    return Ballot(
        persona=row.persona,
        voter=row.voter,  # type: ignore[arg-type]
        name=row.name,
        fixed=row.fixed,
        adapter_sha256=row.adapter_sha256,
        test_sha256=row.test_sha256,
        replies_sha256=row.replies_sha256,
        prompted=row.prompted,
        trials=_trials(row.trials),
        id=row.id,
        begun=row.begun,
        answered=frozenset(answered),
    )


def _trials(rows: Sequence[Mapping[str, Any]]) -> tuple[Trial, ...]:
    return tuple(map(Trial.from_json, rows))
