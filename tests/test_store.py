"""Keys: shown once, kept as a hash, gone the moment they are revoked or expired."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from style_clone import database
from style_clone.cli.keys import command
from style_clone.errors import StorageError, UsageError
from style_clone.store import KEY_MARK, KeyLimits, Store
from style_clone.workspace import Workspace

OLD_SCHEMA = """
CREATE TABLE api_keys (
    id INTEGER NOT NULL, name VARCHAR(100) NOT NULL, hash VARCHAR(64) NOT NULL, prefix VARCHAR(9) NOT NULL,
    created DATETIME NOT NULL, expires DATETIME, revoked DATETIME, PRIMARY KEY (id), UNIQUE (hash)
);
CREATE INDEX ix_api_keys_prefix ON api_keys (prefix);
"""
"""What version 0.1 made."""
OLD_SECRET = KEY_MARK + "o" * 43
LIMITS = KeyLimits(10, 1000, 2, 5000)
DAY = date(2026, 3, 1)


@pytest.fixture
def url(workspace: Workspace) -> str:
    return workspace.database_url


def test_a_key_works_until_it_is_revoked(url: str) -> None:
    with Store(url) as store, Store(url) as other:
        key, secret = store.create_key("laptop")
        assert secret.startswith(KEY_MARK)
        assert len(secret) == len(KEY_MARK) + 43
        assert other.accepts(secret)
        revoked = store.revoke_key(key.id)
        assert not other.accepts(secret)
        assert revoked.state == "revoked"
        assert store.revoke_key(key.id).revoked == revoked.revoked


def test_a_key_stops_when_it_expires(url: str) -> None:
    with Store(url) as store:
        _, good = store.create_key("a", timedelta(hours=1))
        old, expired = store.create_key("b", timedelta(seconds=-1))
        assert store.accepts(good)
        assert not store.accepts(expired)
        assert old.state == "expired"


def test_what_is_not_a_key_is_refused(url: str) -> None:
    with Store(url) as store:
        _, secret = store.create_key("a")
        for wrong in (
            "",
            "sc-",
            secret[:-1],
            secret + "x",
            secret[:-1] + "é",
            secret.removeprefix("sc-"),
            "' OR 1=1 --",
        ):
            assert not store.accepts(wrong)


def test_only_the_hash_is_kept_and_the_file_is_private(url: str, home: Path) -> None:
    with Store(url) as store:
        key, secret = store.create_key("a")
    path = home / "store.sqlite3"
    assert path.stat().st_mode & 0o077 == 0
    assert secret.encode() not in path.read_bytes()
    with sqlite3.connect(path) as raw:
        (digest,) = raw.execute("select hash from api_keys").fetchone()
    raw.close()
    assert digest == hashlib.sha256(secret.encode()).hexdigest()
    assert key.prefix == secret[:9]


def test_keys_outlive_the_store_and_moments_are_utc(url: str) -> None:
    before = datetime.now(UTC)
    with Store(url) as store:
        made, _ = store.create_key("a", timedelta(days=2))
    with Store(url) as store:
        (found,) = store.keys()
    assert found == made
    assert before <= found.created <= datetime.now(UTC)
    assert found.expires is not None
    assert found.expires - found.created == timedelta(days=2)


def test_stores_opened_and_used_at_once(url: str) -> None:
    def work(number: int) -> bool:
        with Store(url) as store:
            return store.accepts(store.create_key(str(number))[1]) is not None

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(16)))
    with Store(url) as store:
        made = store.keys()
    assert len({key.id for key in made}) == 16


def test_unusable_urls_are_told(home: Path) -> None:
    for url in ("nonsense", "nosuch://x/y"):
        with pytest.raises(UsageError, match="STYLE_CLONE_DATABASE_URL"):
            Store(url)
    home.mkdir()
    damaged = home / "damaged.sqlite3"
    damaged.write_bytes(b"not a database, but long enough to look like one " * 20)
    with pytest.raises(StorageError, match=r"damaged\.sqlite3"):
        Store(f"sqlite:///{damaged}")


@pytest.fixture
def old(home: Path) -> Iterator[Path]:
    """A database as version 0.1 left it, with one key in it."""
    home.mkdir()
    path = home / "store.sqlite3"
    digest = hashlib.sha256(OLD_SECRET.encode()).hexdigest()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript(OLD_SCHEMA)
        row = (7, "old", digest, OLD_SECRET[:9], "2026-01-01 00:00:00.000000", None, None)
        raw.execute("INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    yield path


def test_a_database_of_an_earlier_version_goes_on_working(url: str, old: Path) -> None:
    with Store(url) as store:
        key = store.accepts(OLD_SECRET)
        assert key is not None
        assert (key.id, key.personas, key.limits, key.tokens_today) == (7, None, KeyLimits(), 0)
        new, secret = store.create_key("new", personas=["b", "a"], limits=LIMITS)
        store.count_tokens({(new.id, datetime.now(UTC).date()): 5})
    with Store(url) as store:
        found = store.accepts(secret)
        assert found is not None
        assert (found.personas, found.limits, found.tokens_today) == (("a", "b"), LIMITS, 5)
        store.revoke_key(7)
        assert store.accepts(OLD_SECRET) is None


OPENING = """
import sys, time
from style_clone.store import Store
time.sleep(max(0, float(sys.argv[2]) - time.time()))
with Store(sys.argv[1]) as store:
    assert store.accepts(sys.argv[3]), "the old key is not taken"
"""


def test_processes_that_open_an_old_database_at_once_all_can(url: str, old: Path) -> None:
    begin = str(datetime.now(UTC).timestamp() + 3)
    command = [sys.executable, "-c", OPENING, url, begin, OLD_SECRET]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in running:
        _, told = process.communicate(timeout=60)
        assert process.returncode == 0, told


def test_two_that_find_the_same_columns_missing_do_not_both_add_them(
    url: str, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They look at the same moment, as far as whoever prepares the database lets them."""
    look, together = database._missing, threading.Barrier(2)

    def looking(connection: Any) -> Any:
        found = look(connection)
        with suppress(threading.BrokenBarrierError):
            together.wait(1)
        return found

    monkeypatch.setattr(database, "_missing", looking)
    with ThreadPoolExecutor(2) as pool:
        for store in pool.map(lambda _: Store(url), range(2)):
            assert store.accepts(OLD_SECRET)
            store.close()


def test_opening_a_store_that_is_up_to_date_waits_for_no_writer(url: str, home: Path) -> None:
    Store(url).close()
    with closing(sqlite3.connect(home / "store.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with Store(f"{url}?timeout=0.1") as store:
            assert store.keys() == []


def test_tokens_add_up_by_key_and_day(url: str) -> None:
    today = datetime.now(UTC).date()
    with Store(url) as store, Store(url) as other:
        key, secret = store.create_key("a", limits=LIMITS)
        unused, _ = store.create_key("b")
        for each in (store, other, store):
            each.count_tokens({(key.id, today): 3, (key.id, DAY): 100})
        found = store.accepts(secret)
        assert found is not None
        assert (found.tokens_today, found.day) == (9, today)
        kept = other.keys()
        assert {each.id: each.tokens_today for each in kept} == {key.id: 9, unused.id: 0}


def test_tokens_counted_at_once_are_all_counted(url: str) -> None:
    with Store(url) as store:
        key, _ = store.create_key("a")
        today = datetime.now(UTC).date()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: store.count_tokens({(key.id, today): 2}), range(40)))
        assert store.keys()[0].tokens_today == 80


def test_a_locked_store_says_so_and_counts_nothing_by_halves(url: str, home: Path) -> None:
    with Store(f"{url}?timeout=0.1") as store:
        key, _ = store.create_key("a")
        today = datetime.now(UTC).date()
        with closing(sqlite3.connect(home / "store.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StorageError, match="locked"):
                store.count_tokens({(key.id, today): 2})
            other.execute("COMMIT")
        store.count_tokens({(key.id, today): 2})
        assert store.keys()[0].tokens_today == 2


def test_a_persona_that_is_forgotten_leaves_every_scope(url: str) -> None:
    with Store(url) as store:
        _, alone = store.create_key("a", personas=["me"])
        _, both = store.create_key("b", personas=["me", "ann"])
        _, every = store.create_key("c")
        store.forget_persona("me")
        assert store.accepts(alone) is None
        assert [key.personas for key in map(store.accepts, (both, every)) if key] == [("ann",), None]


def test_the_command_creates_lists_and_revokes(url: str) -> None:
    runner = CliRunner()
    made = json.loads(runner.invoke(command, ["create", "--name", "ci", "--days", "1", "--json"]).stdout)
    with Store(url) as store:
        assert store.accepts(made["key"])
    listed = runner.invoke(command, ["list"]).stdout
    assert made["key"] not in listed
    assert made["prefix"] in listed
    assert "active" in listed
    (row,) = json.loads(runner.invoke(command, ["list", "--json"]).stdout)
    assert "hash" not in row
    assert runner.invoke(command, ["revoke", str(made["id"])]).exit_code == 0
    with Store(url) as store:
        assert not store.accepts(made["key"])
    assert "revoked" in runner.invoke(command, ["list"]).stdout


def test_a_key_on_standard_output_is_nothing_but_the_key() -> None:
    secret = CliRunner().invoke(command, ["create"]).stdout
    assert secret.startswith("sc-")
    assert len(secret.split()) == 1


def test_an_unknown_key_is_misuse() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "style_clone", "keys", "revoke", "7"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no API key 7" in done.stderr
