"""`style-clone vote`: one key for each answer, stopping and going on, results at the end only."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from style_clone.cli import vote
from style_clone.errors import MissingStage, UsageError
from style_clone.evaluate import trials
from style_clone.store import Store
from style_clone.votes import VOTERS, Ballot
from style_clone.workspace import PersonaFolder, Workspace
from tests.kept_replies import NASTY, choice_of, voted_on, with_writing

GIVEN_AWAY = ("clone", "few_shot", "prompted", "plain", "preferred", "%", "catch", "passed")
"""Words that would tell how it stands, or what a reply is."""


@pytest.fixture
def folder(workspace: Workspace) -> PersonaFolder:
    return voted_on(workspace)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vote, "is_terminal", lambda: True)


def run(*arguments: str, keys: str = "") -> Result:
    return CliRunner().invoke(vote.command, ["nell", *arguments], input=keys)


def ballots(workspace: Workspace) -> list[Ballot]:
    with Store(workspace.database_url) as store:
        return store.votes.of("nell")


def row() -> dict[str, Any]:
    done = run("--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_the_command_knows_the_voters_and_numbers_without_loading_them() -> None:
    assert vote.VOTERS == VOTERS
    assert (vote.LEAST_VOTES, vote.MOST_VOTES) == (trials.LEAST_VOTES, trials.MOST_VOTES)


@pytest.mark.usefixtures("terminal")
def test_strangers_are_shown_how_the_author_writes(folder: PersonaFolder) -> None:
    with_writing(folder, [f"a reply of some length {number}" for number in range(9)])
    assert "How Nell Quayle writes:\n  · a reply of some length" in run("--as", "stranger", keys="q").output
    assert "How Nell Quayle writes" not in run(keys="q").output


@pytest.mark.usefixtures("terminal")
def test_stopping_and_going_on_to_the_result(workspace: Workspace, folder: PersonaFolder) -> None:
    begun = run("--votes", "20", keys="1x2\n0q")
    assert begun.exit_code == 0, begun.output
    assert "1 of 23" in begun.output
    assert "4 of 23" in begun.output
    assert "5 of 23" not in begun.output
    assert "Which did you write?" in begun.output
    assert "Stopped after 3 of 23; 20 to go" in begun.output
    assert not [word for word in GIVEN_AWAY if word in begun.output]
    (ballot,) = ballots(workspace)
    assert ballot.answered == {0, 1, 2}
    wanted = [choice_of(trial, "real" if trial.catch else "clone") for trial in ballot.trials[3:]]
    rest = run(keys="".join({"left": "a", "right": "B"}[choice] for choice in wanted))
    assert rest.exit_code == 0, rest.output
    assert "\n4 of 23" in rest.output
    assert "\n3 of 23" not in rest.output
    told = rest.output.partition("23 of 23")[2]
    assert "The clone was preferred in" in told
    assert not [word for word in GIVEN_AWAY if word in rest.output.partition("23 of 23")[0]]
    again = run(keys="1")
    assert "The clone was preferred in" in again.output
    assert len(ballots(workspace)) == 1


@pytest.mark.usefixtures("terminal")
def test_the_end_of_input_stops_as_well(workspace: Workspace, folder: PersonaFolder) -> None:
    assert "Stopped after 2 of 45" in run(keys="12\x04").output
    assert "Stopped after 2 of 45" in run(keys="\x03").output
    assert ballots(workspace)[0].answered == {0, 1}


@pytest.mark.usefixtures("terminal")
def test_what_is_shown_cannot_steer_the_terminal(workspace: Workspace) -> None:
    folder = voted_on(workspace)
    text = folder.replies.read_text(encoding="utf-8")
    folder.replies.write_text(
        text.replace("omw", "\\u001b[2Jomw").replace("hello", "\\u001b]0;hello"), encoding="utf-8"
    )
    done = run("--as", "stranger", keys="q")
    assert "\x1b" not in done.output
    assert NASTY in done.output
    assert "Nell Quayle: ]0;hello" in done.output
    assert "Which did Nell Quayle write?" in done.output


def test_without_a_terminal_nothing_is_begun(workspace: Workspace, folder: PersonaFolder) -> None:
    command = [sys.executable, "-m", "style_clone", "vote", "nell"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    assert "style-clone ui" in done.stderr
    assert ballots(workspace) == []


@pytest.mark.usefixtures("terminal")
def test_errors_say_what_to_do(workspace: Workspace, folder: PersonaFolder) -> None:
    assert run("--votes", "19").exit_code == 2
    assert run("--as", "friend").exit_code == 2
    assert "20 to 53" in str(run("--votes", "60").exception)
    run("--votes", "20", keys="1q")
    changed = run("--votes", "40", keys="1q")
    assert isinstance(changed.exception, UsageError)
    assert "begun with 20" in str(changed.exception)
    folder.replies.unlink()
    missing = run()
    assert isinstance(missing.exception, MissingStage)
    assert missing.exception.mend == "Make them: style-clone evaluate nell"


@pytest.mark.usefixtures("terminal")
def test_json_and_csv_hide_what_is_not_complete(workspace: Workspace, folder: PersonaFolder, tmp_path: Path) -> None:
    assert row() == {"persona": "nell", "votes": {}, "ballots": []}
    run("--votes", "20", "--as", "stranger", "--name", "Bob", keys="12q")
    found = row()
    assert [(each["name"], each["answered"], each["result"]) for each in found["ballots"]] == [("Bob", 2, None)]
    assert found["votes"]["stranger"]["preferred"] is None
    path = tmp_path / "votes.csv"
    told = run("--csv", str(path)).output
    assert "Wrote 0 answers" in told
    assert "1 ballot is not complete and withheld" in told
    run("--as", "stranger", "--name", "Bob", keys="1" * 21)
    assert "Wrote 23 answers" in run("--csv", str(path)).output
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wins = sum(each["chosen"] == "clone" for each in rows)
    after = json.loads(run("--csv", str(path), "--json").stdout)
    assert after["ballots"][0]["result"]["wins"] == wins
    assert after["ballots"][0]["complete"]
