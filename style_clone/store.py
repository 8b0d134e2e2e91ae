"""What is kept in a database: API keys and the tokens spent with them, and beside them the votes of votes.py.

A key is 32 random bytes, shown once, kept only as its SHA-256. A fast hash is right here: slow, salted hashes protect
secrets people choose, which can be guessed; 256 random bits cannot, and every request must be checked.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import JSON, BigInteger, Date, Select, String, and_, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from style_clone.database import NUMBER, Base, Database, Moment
from style_clone.errors import UsageError
from style_clone.votes import Votes

KEY_MARK = "sc-"
KEY_BYTES = 32
PREFIX_LENGTH = 9
"""Characters of a key that are kept readable, to find it again in a list: the mark and 6 of its 43 random ones."""


class _KeyRow(Base):
    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(NUMBER, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    prefix: Mapped[str] = mapped_column(String(PREFIX_LENGTH), index=True)
    created: Mapped[datetime] = mapped_column(Moment)
    expires: Mapped[datetime | None] = mapped_column(Moment)
    revoked: Mapped[datetime | None] = mapped_column(Moment)
    # Added later than those above, so each may be missing in a database and be NULL in a row: no limit of that sort.
    personas: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    requests_per_minute: Mapped[int | None] = mapped_column(BigInteger)
    tokens_per_minute: Mapped[int | None] = mapped_column(BigInteger)
    concurrent: Mapped[int | None] = mapped_column(BigInteger)
    tokens_per_day: Mapped[int | None] = mapped_column(BigInteger)


class _UsageRow(Base):
    """Tokens spent with one key on one day in UTC."""

    __tablename__ = "key_usage"

    key_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    tokens: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True)
class KeyLimits:
    """How much may be asked with a key; None is without end. Tokens are those of prompt and reply together."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None
    tokens_per_day: int | None = None


@dataclass(frozen=True)
class ApiKey:
    """A key as it can be shown: never the secret, nor its hash. Moments are in UTC.

    `personas` are the slugs it may ask for, None for everything there is. `tokens_today` were spent on `day` in UTC; they
    are counted only for a key with a limit on them.
    """

    id: int
    name: str
    prefix: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    personas: tuple[str, ...] | None = None
    limits: KeyLimits = field(default_factory=KeyLimits)
    tokens_today: int = 0
    day: date = date.min

    @property
    def state(self) -> str:
        """What the key is good for now: "active", "expired" or "revoked"."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= datetime.now(UTC) else "active"


class Store:
    """The database. Use as a context manager, or `close()` it; safe to use from several threads.

    `votes` are the ballots of blind preference and what was voted on them.
    """

    def __init__(self, url: str) -> None:
        """Open it, making its tables where they are not there yet. Raises UsageError, StorageError."""
        self._database = Database(url)
        self.votes = Votes(self._database)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._database.close()

    def create_key(
        self,
        name: str,
        lifetime: timedelta | None = None,
        *,
        personas: Sequence[str] | None = None,
        limits: KeyLimits | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key and its secret, which cannot be shown again. `personas` None may ask for everything."""
        secret = KEY_MARK + secrets.token_urlsafe(KEY_BYTES)
        now = datetime.now(UTC)
        row = _KeyRow(
            name=name[:100],
            hash=_hash(secret),
            prefix=secret[:PREFIX_LENGTH],
            created=now,
            expires=now + lifetime if lifetime is not None else None,
            revoked=None,
            personas=None if personas is None else sorted(set(personas)),
            **asdict(limits or KeyLimits()),
        )
        with self._database.session() as session:
            session.add(row)
            session.flush()
            return _shown(row), secret

    def keys(self) -> list[ApiKey]:
        """Every key there ever was, oldest first."""
        with self._database.session() as session:
            return [_shown(row, usage) for row, usage in session.execute(_keys_today().order_by(_KeyRow.id))]

    def revoke_key(self, number: int) -> ApiKey:
        """Stop a key at once; one already revoked stays as it was. Raises UsageError for an unknown number."""
        with self._database.session() as session:
            row = session.get(_KeyRow, number)
            if row is None:
                raise UsageError(f"there is no API key {number}", mend="See them with: style-clone keys list")
            row.revoked = row.revoked or datetime.now(UTC)
            session.flush()
            return _shown(row)

    def accepts(self, secret: str) -> ApiKey | None:
        """The key with that secret; None where there is none, or it has expired or been revoked.

        Asked anew each time, so that a revocation holds at once.
        """
        if not secret.startswith(KEY_MARK):
            return None
        # Looked up by the public prefix and then compared in constant time, so that timing tells nothing of the hash.
        query = _keys_today().where(_KeyRow.prefix == secret[:PREFIX_LENGTH])
        wanted = _hash(secret)
        with self._database.session() as session:
            matching = [found for found in session.execute(query) if hmac.compare_digest(found[0].hash, wanted)]
            keys = [_shown(row, usage) for row, usage in matching]
        return next((key for key in keys if key.state == "active"), None)

    def count_tokens(self, spent: Mapping[tuple[int, date], int]) -> None:
        """Add to the tokens spent by each key on each day, all of them or, where that raises StorageError, none."""
        with self._database.errors():
            try:
                self._count(spent)
            except IntegrityError:
                # Another process made the row of the day between our look and our own.
                self._count(spent)

    def forget_persona(self, slug: str) -> None:
        """Take a persona out of every key's scope, so that one made later under its name is not open to old keys.

        A key for that persona alone is revoked, and its votes are deleted.
        """
        self.votes.forget(slug)
        with self._database.session() as session:
            for row in session.scalars(select(_KeyRow).where(_KeyRow.personas.is_not(None))):
                if slug in (row.personas or ()):
                    row.personas = [other for other in row.personas or () if other != slug]
                    row.revoked = row.revoked or (None if row.personas else datetime.now(UTC))

    def _count(self, spent: Mapping[tuple[int, date], int]) -> None:
        with self._database.engine.begin() as connection:
            for (key, day), tokens in spent.items():
                row = and_(_UsageRow.key_id == key, _UsageRow.day == day)
                more = update(_UsageRow).where(row).values(tokens=_UsageRow.tokens + tokens)
                if connection.execute(more).rowcount == 0:
                    connection.execute(insert(_UsageRow).values(key_id=key, day=day, tokens=tokens))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _keys_today() -> Select[_KeyRow, _UsageRow]:
    """Every key, and what was spent with it on this day in UTC, None where that is nothing."""
    today = and_(_UsageRow.key_id == _KeyRow.id, _UsageRow.day == datetime.now(UTC).date())
    return select(_KeyRow, _UsageRow).outerjoin(_UsageRow, today)


def _shown(row: _KeyRow, usage: _UsageRow | None = None) -> ApiKey:
    return ApiKey(
        row.id,
        row.name,
        row.prefix,
        row.created,
        row.expires,
        row.revoked,
        None if row.personas is None else tuple(row.personas),
        KeyLimits(row.requests_per_minute, row.tokens_per_minute, row.concurrent, row.tokens_per_day),
        *((usage.tokens, usage.day) if usage is not None else ()),
    )
