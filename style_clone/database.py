"""The database below the store: opening it, making what it lacks, and telling what goes wrong. SQLite in the home folder by
default, any SQLAlchemy URL by setting. A database made by an earlier version gets the tables and columns it lacks when it is
opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, DateTime, Dialect, Engine, Integer, Table, create_engine, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import TypeDecorator

from style_clone.errors import StorageError, UsageError

NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""The type of a row's own number, which the database gives."""
_LOCKS = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7105320161)"}
"""Makes whoever else prepares the same database wait until the transaction is over."""


class Moment(TypeDecorator[datetime]):
    """A moment in UTC; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """With its zone, UTC."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """What every table is declared on."""


class Database:
    """An open database; safe to use from several threads."""

    def __init__(self, url: str) -> None:
        """Open it, making its tables where they are not there yet. Raises UsageError, StorageError."""
        self.engine = _open(url)
        with self.errors():
            _prepare(self.engine)
        _keep_private(self.engine)

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session whose work is kept when the block ends well, all of it or none. Raises StorageError."""
        with self.errors(), Session(self.engine) as session, session.begin():
            yield session

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn SQLAlchemy's errors into StorageError."""
        try:
            yield
        except SQLAlchemyError as error:
            place = self.engine.url.render_as_string(hide_password=True)
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
        Base.metadata.create_all(connection)
        for table, column in _missing(connection):
            definition = CreateColumn(column).compile(dialect=engine.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {definition}")


def _missing(connection: Connection) -> list[tuple[Table, Column[Any]]]:
    """The columns the database lacks; all of them where it lacks the table."""
    there = inspect(connection)
    names = set(there.get_table_names())
    found = {
        table: {column["name"] for column in there.get_columns(table.name)} if table.name in names else set()
        for table in Base.metadata.sorted_tables
    }
    return [(table, column) for table, known in found.items() for column in table.columns if column.name not in known]


def _keep_private(engine: Engine) -> None:
    if engine.url.get_backend_name() == "sqlite" and engine.url.database and engine.url.database != ":memory:":
        Path(engine.url.database).chmod(0o600)


def _cause(error: Exception) -> str:
    """The driver's own words, without SQLAlchemy's statement and parameters."""
    inner = getattr(error, "orig", None) or error
    return next(iter(str(inner).splitlines()), type(inner).__name__)
