"""What is kept in a database: API keys and the tokens spent with them. SQLite in the home folder by default, any SQLAlchemy
URL by setting. A database made by an earlier version gets the columns it lacks when it is opened.

A key is 32 random bytes, shown once, kept only as its SHA-256. A fast hash is right here: slow, salted hashes protect
secrets people choose, which can be guessed; 256 random bits cannot, and every request must be checked.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Date,
    DateTime,
    Dialect,
    Engine,
    Integer,
    Select,
    String,
    Table,
    and_,
    create_engine,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import TypeDecorator

from style_clone.errors import StorageError, UsageError

KEY_MARK = "sc-"
KEY_BYTES = 32
PREFIX_LENGTH = 9
"""Characters of a key that are kept readable, to find it again in a list: the mark and 6 of its 43 random ones."""
_LOCKS = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7105320161)"}
"""Makes whoever else prepares the same database wait until the transaction is over."""


class _Moment(TypeDecorator[datetime]):
    """A moment in UTC; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _Base(DeclarativeBase):
    pass


class _KeyRow(_Base):
    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    prefix: Mapped[str] = mapped_column(String(PREFIX_LENGTH), index=True)
    created: Mapped[datetime] = mapped_column(_Moment)
    expires: Mapped[datetime | None] = mapped_column(_Moment)
    revoked: Mapped[datetime | None] = mapped_column(_Moment)
    # Added later than those above, so each may be missing in a database and be NULL in a row: no limit of that sort.
    personas: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    requests_per_minute: Mapped[int | None] = mapped_column(BigInteger)
    tokens_per_minute: Mapped[int | None] = mapped_column(BigInteger)
    concurrent: Mapped[int | None] = mapped_column(BigInteger)
    tokens_per_day: Mapped[int | None] = mapped_column(BigInteger)


class _UsageRow(_Base):
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
    """The database. Use as a context manager, or `close()` it; safe to use from several threads."""

    def __init__(self, url: str) -> None:
        """Open it, making its tables where they are not there yet. Raises UsageError, StorageError."""
        self._engine = _open(url)
        with self._errors():
            _prepare(self._engine)
        _keep_private(self._engine)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

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
        with self._session() as session:
            session.add(row)
            session.flush()
            return _shown(row), secret

    def keys(self) -> list[ApiKey]:
        """Every key there ever was, oldest first."""
        with self._session() as session:
            return [_shown(row, usage) for row, usage in session.execute(_keys_today().order_by(_KeyRow.id))]

    def revoke_key(self, number: int) -> ApiKey:
        """Stop a key at once; one already revoked stays as it was. Raises UsageError for an unknown number."""
        with self._session() as session:
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
        with self._session() as session:
            matching = [found for found in session.execute(query) if hmac.compare_digest(found[0].hash, wanted)]
            keys = [_shown(row, usage) for row, usage in matching]
        return next((key for key in keys if key.state == "active"), None)

    def count_tokens(self, spent: Mapping[tuple[int, date], int]) -> None:
        """Add to the tokens spent by each key on each day, all of them or, where that raises StorageError, none."""
        with self._errors():
            try:
                self._count(spent)
            except IntegrityError:
                # Another process made the row of the day between our look and our own.
                self._count(spent)

    def forget_persona(self, slug: str) -> None:
        """Take a persona out of every key's scope, so that one made later under its name is not open to old keys.

        A key for that persona alone is revoked.
        """
        with self._session() as session:
            for row in session.scalars(select(_KeyRow).where(_KeyRow.personas.is_not(None))):
                if slug in (row.personas or ()):
                    row.personas = [other for other in row.personas or () if other != slug]
                    row.revoked = row.revoked or (None if row.personas else datetime.now(UTC))

    def _count(self, spent: Mapping[tuple[int, date], int]) -> None:
        with self._engine.begin() as connection:
            for (key, day), tokens in spent.items():
                row = and_(_UsageRow.key_id == key, _UsageRow.day == day)
                more = update(_UsageRow).where(row).values(tokens=_UsageRow.tokens + tokens)
                if connection.execute(more).rowcount == 0:
                    connection.execute(insert(_UsageRow).values(key_id=key, day=day, tokens=tokens))

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with self._errors(), Session(self._engine) as session, session.begin():
            yield session

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            place = self._engine.url.render_as_string(hide_password=True)
            raise StorageError(
                f"the store at {place} cannot be used: {_cause(error)}",
                mend="Check STYLE_CLONE_DATABASE_URL, and that the database is reachable and may be written.",
            ) from error


def _open(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        return create_engine(parsed)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise UsageError(
            f"STYLE_CLONE_DATABASE_URL cannot be used: {_cause(error)}",
            mend="Give an SQLAlchemy URL such as sqlite:////path/store.sqlite3, with its driver installed.",
        ) from error
    except OSError as error:
        raise StorageError(f"the store's folder cannot be made: {error}", mend="Set STYLE_CLONE_HOME.") from error


def _prepare(engine: Engine) -> None:
    """Make the tables and columns that are missing. Commands may open one store at the same moment: all but one wait."""
    with engine.connect() as connection:
        if not _missing(connection):
            return
    with engine.begin() as connection:
        if lock := _LOCKS.get(engine.dialect.name):
            connection.exec_driver_sql(lock)
        _Base.metadata.create_all(connection)
        for table, column in _missing(connection):
            definition = CreateColumn(column).compile(dialect=engine.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {definition}")


def _missing(connection: Connection) -> list[tuple[Table, Column[Any]]]:
    """The columns the database lacks; all of them where it lacks the table."""
    there = inspect(connection)
    names = set(there.get_table_names())
    found = {
        table: {column["name"] for column in there.get_columns(table.name)} if table.name in names else set()
        for table in _Base.metadata.sorted_tables
    }
    return [(table, column) for table, known in found.items() for column in table.columns if column.name not in known]


def _keep_private(engine: Engine) -> None:
    if engine.url.get_backend_name() == "sqlite" and engine.url.database and engine.url.database != ":memory:":
        Path(engine.url.database).chmod(0o600)


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


def _cause(error: Exception) -> str:
    """The driver's own words, without SQLAlchemy's statement and parameters."""
    inner = getattr(error, "orig", None) or error
    return next(iter(str(inner).splitlines()), type(inner).__name__)
