"""`style-clone keys`: scope and limits, in words and in JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from style_clone.cli import delete
from style_clone.cli.keys import command
from style_clone.errors import PersonaNotFound, UsageError
from style_clone.store import KeyLimits, Store
from style_clone.workspace import Workspace
from tests.serving_fakes import make_persona

LIMITS = [
    "--requests-per-minute",
    "60",
    "--tokens-per-minute",
    "5000",
    "--concurrent",
    "2",
    "--tokens-per-day",
    "90000",
]


@pytest.fixture(autouse=True)
def personas(workspace: Workspace) -> None:
    for slug in ("ann", "me"):
        make_persona(workspace, slug)


def keys(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def made(*arguments: str) -> dict[str, Any]:
    done = keys("create", *arguments, "--json")
    assert done.exit_code == 0, done.output
    row = json.loads(done.stdout)
    assert isinstance(row, dict)
    return row


def test_a_key_has_no_scope_and_no_limits_unless_asked(workspace: Workspace) -> None:
    row = made()
    assert row["personas"] is None
    assert set(row["limits"].values()) == {None}
    assert "every model" in keys("list").stdout


def test_scope_and_limits_are_kept_and_shown(workspace: Workspace) -> None:
    row = made("--persona", "me", "--persona", "ann", *LIMITS)
    assert row["personas"] == ["ann", "me"]
    with Store(workspace.database_url) as store:
        found = store.accepts(row["key"])
    assert found is not None
    assert found.personas == ("ann", "me")
    assert found.limits == KeyLimits(60, 5000, 2, 90000)
    (listed,) = json.loads(keys("list", "--json").stdout)
    assert listed == {name: value for name, value in row.items() if name != "key"}
    shown = keys("list").stdout
    for words in ("only ann, me", "60 requests a minute", "5000 tokens a minute", "2 at a time", "90000 tokens a day"):
        assert words in shown


def test_tokens_used_today_are_shown(workspace: Workspace) -> None:
    row = made("--tokens-per-day", "10")
    with Store(workspace.database_url) as store:
        key = store.accepts(row["key"])
        assert key is not None
        store.count_tokens({(key.id, datetime.now(UTC).date()): 7})
    assert "10 tokens a day, 7 used today" in keys("list").stdout


def test_an_unknown_persona_is_misuse_that_names_those_there_are(workspace: Workspace) -> None:
    done = keys("create", "--persona", "me", "--persona", "bob")
    assert isinstance(done.exception, PersonaNotFound)
    assert "ann, me" in str(done.exception)
    assert isinstance(keys("create", "--persona", "../x").exception, UsageError)
    with Store(workspace.database_url) as store:
        assert store.keys() == []


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5", "99999999999999999999"])
def test_limits_are_whole_numbers_from_one(limit: str) -> None:
    for option in LIMITS[::2]:
        done = keys("create", option, limit)
        assert done.exit_code == 2
        assert option in done.stderr


def test_deleting_a_persona_revokes_the_keys_for_it_alone(workspace: Workspace) -> None:
    alone, both, every = made("--persona", "me"), made("--persona", "me", "--persona", "ann"), made()
    assert CliRunner().invoke(delete.command, ["me", "--yes"]).exit_code == 0
    with Store(workspace.database_url) as store:
        assert store.accepts(alone["key"]) is None
        left = store.accepts(both["key"])
        assert left is not None
        assert left.personas == ("ann",)
        assert store.accepts(every["key"]) is not None
