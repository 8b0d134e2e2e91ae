"""Keys: shown once, kept as a hash, gone the moment they are revoked or expired."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from style_clone.cli.keys import command
from style_clone.errors import StorageError, UsageError
from style_clone.store import KEY_MARK, Store
from style_clone.workspace import Workspace


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
            return store.accepts(store.create_key(str(number))[1])

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
