"""What is kept in a database: API keys. SQLite in the home folder by default, any SQLAlchemy URL by setting.

A key is 32 random bytes, shown once, kept only as its SHA-256. A fast hash is right here: slow, salted hashes protect
secrets people choose, which can be guessed; 256 random bits cannot, and every request must be checked.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Engine, Integer, String, create_engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import TypeDecorator

from style_clone.errors import StorageError, UsageError

KEY_MARK = "sc-"
KEY_BYTES = 32
PREFIX_LENGTH = 9
"""Characters of a key that are kept readable, to find it again in a list: the mark and 6 of its 43 random ones."""


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


@dataclass(frozen=True)
class ApiKey:
    """A key as it can be shown: never the secret, nor its hash. Moments are in UTC."""

    id: int
    name: str
    prefix: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None

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
        with self._errors(), self._engine.begin() as connection:
            # IF NOT EXISTS rather than SQLAlchemy's own check: two commands may open a new store at the same moment.
            for table in _Base.metadata.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(CreateIndex(index, if_not_exists=True))
        _keep_private(self._engine)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    def create_key(self, name: str, lifetime: timedelta | None = None) -> tuple[ApiKey, str]:
        """A new key and its secret, which cannot be shown again."""
        secret = KEY_MARK + secrets.token_urlsafe(KEY_BYTES)
        now = datetime.now(UTC)
        row = _KeyRow(
            name=name[:100],
            hash=_hash(secret),
            prefix=secret[:PREFIX_LENGTH],
            created=now,
            expires=now + lifetime if lifetime is not None else None,
            revoked=None,
        )
        with self._session() as session:
            session.add(row)
            session.flush()
            return _shown(row), secret

    def keys(self) -> list[ApiKey]:
        """Every key there ever was, oldest first."""
        with self._session() as session:
            return [_shown(row) for row in session.scalars(select(_KeyRow).order_by(_KeyRow.id))]

    def revoke_key(self, number: int) -> ApiKey:
        """Stop a key at once; one already revoked stays as it was. Raises UsageError for an unknown number."""
        with self._session() as session:
            row = session.get(_KeyRow, number)
            if row is None:
                raise UsageError(f"there is no API key {number}", mend="See them with: style-clone keys list")
            row.revoked = row.revoked or datetime.now(UTC)
            session.flush()
            return _shown(row)

    def accepts(self, secret: str) -> bool:
        """Whether a key is known, not expired and not revoked. Asked anew each time, so that a revocation holds at once."""
        if not secret.startswith(KEY_MARK):
            return False
        # Looked up by the public prefix and then compared in constant time, so that timing tells nothing of the hash.
        query = select(_KeyRow).where(_KeyRow.prefix == secret[:PREFIX_LENGTH])
        wanted = _hash(secret)
        with self._session() as session:
            matching = [row for row in session.scalars(query) if hmac.compare_digest(row.hash, wanted)]
            return any(_shown(row).state == "active" for row in matching)

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


def _keep_private(engine: Engine) -> None:
    if engine.url.get_backend_name() == "sqlite" and engine.url.database and engine.url.database != ":memory:":
        Path(engine.url.database).chmod(0o600)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _shown(row: _KeyRow) -> ApiKey:
    return ApiKey(row.id, row.name, row.prefix, row.created, row.expires, row.revoked)


def _cause(error: Exception) -> str:
    """The driver's own words, without SQLAlchemy's statement and parameters."""
    inner = getattr(error, "orig", None) or error
    return next(iter(str(inner).splitlines()), type(inner).__name__)
