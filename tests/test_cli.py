"""The command line: what is printed where, and the exit codes other programs rely on."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from style_clone import __version__
from style_clone.cli import COMMANDS, main
from style_clone.persona import USUAL_TOKENS, Persona, Sampling
from style_clone.settings import PRIVATE_ENVIRONMENT
from style_clone.workspace import PersonaFolder, Workspace
from tests.pairs_chats import many_chats, persona

PROGRAM = Path(sys.executable).with_name("style-clone")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Call the program in this process; its exit code and what it printed."""
    environment = dict(os.environ)

    def call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["style-clone", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Ended(int(ended.value.code or 0), out, err)

    yield call
    for name in set(os.environ) - set(environment):
        del os.environ[name]


def spawn(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """The installed program as a process of its own."""
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False, **more)


@pytest.fixture
def nell(workspace: Workspace) -> PersonaFolder:
    return persona(workspace, many_chats(16, replies=2), "Nell Quayle", "Nell")


def test_the_installed_program_and_the_module_are_the_same() -> None:
    version = spawn("--version")
    assert (version.returncode, version.stdout, version.stderr) == (0, f"style-clone, version {__version__}\n", "")
    module = subprocess.run(
        [sys.executable, "-m", "style_clone", "--version"], capture_output=True, text=True, check=True
    )
    assert module.stdout == version.stdout


def test_a_process_ends_with_the_code_of_its_error() -> None:
    unknown = spawn("show", "nobody")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.splitlines()[0] == "error: there is no persona 'nobody' (known: none yet)"
    assert spawn("nonsense").returncode == 2
    empty = spawn("inspect", os.devnull)
    assert empty.returncode in (1, 2)
    assert "Traceback" not in empty.stderr


def test_help_lists_every_command(run: Run) -> None:
    ended = run("--help")
    assert (ended.code, ended.err) == (0, "")
    assert all(name in ended.out for name in COMMANDS)
    assert run("-h").out == ended.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["show", "me", "--nope"], "No such option"),
        (["show"], "Missing argument"),
        (["ingest", "me"], "Missing argument"),
        (["serve", "--port", "99999999"], "is not in the range"),
        (["chat", "me", "--vs", "nobody"], "is not one of"),
        (["train", "me", "--set", "epochs=2"], "there is no persona 'me'"),
        (["show", "../me"], "cannot be a persona's name"),
        (["delete", "nobody", "--yes"], "there is no persona 'nobody'"),
        (["evaluate", "nobody"], "there is no persona 'nobody'"),
        (["pairs", "nobody"], "there is no persona 'nobody'"),
        (["keys", "revoke", "99"], "there is no API key 99"),
        (["ingest", "me", "/no/such/file", "--me", "Nell"], "/no/such/file"),
        (["serve", "--no-key", "--host", "0.0.0.0"], "would let anyone on the network"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_misuse_is_two_told_on_standard_error(run: Run, arguments: list[str], said: str) -> None:
    ended = run(*arguments)
    assert ended.code == 2
    assert said in ended.err
    assert ended.out == ""


def test_sampling_is_shown_changed_and_taken_back(run: Run, nell: PersonaFolder) -> None:
    assert run("sampling", "nell").out.splitlines()[:2] == ["temperature         0.7", "top_p               1"]
    changed = run("sampling", "nell", "--set", "temperature=0.5", "--set", "max_tokens=40", "--json")
    assert changed.json["sampling"] == Sampling(temperature=0.5, max_tokens=40).settings
    assert "temperature         0.5     (usually 0.7)" in run("sampling", "nell").out.splitlines()
    assert Persona.load(nell).sampling == Sampling(temperature=0.5, max_tokens=40)
    assert run("sampling", "nell", "--reset").code == 0
    assert Persona.load(nell).sampling == Sampling()


def test_room_for_a_reply_is_what_training_found_unless_somebody_chose(run: Run, nell: PersonaFolder) -> None:
    def shown(*options: str) -> str:
        return run("sampling", "nell", *options).out.splitlines()[-1]

    assert shown() == f"max_tokens          {USUAL_TOKENS}"
    Persona.load(nell).with_room(290).save(nell)
    assert shown() == "max_tokens          290"
    assert shown("--set", "max_tokens=40") == "max_tokens          40      (usually 290)"
    assert shown("--set", "max_tokens=0") == "max_tokens          290"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "temperature"], "--set temperature: expected KEY=VALUE"),
        (["--set", "temperature=hot"], "temperature=hot: expected a number from 0 to 2"),
        (["--set", "temperature=3"], "temperature=3: expected a number from 0 to 2"),
        (["--set", "min_p=nan"], "min_p=nan: expected a number from 0 to 1"),
        (["--set", "max_tokens=1.5"], "max_tokens=1.5: expected a whole number from 0 to 4096"),
        (["--set", "stop=x"], "stop is none of the settings that can be changed here"),
        (["--set", "temperature=1", "--reset"], "--reset and --set exclude each other"),
    ],
)
def test_sampling_that_cannot_be_changes_nothing(
    run: Run, nell: PersonaFolder, arguments: list[str], said: str
) -> None:
    ended = run("sampling", "nell", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert Persona.load(nell).sampling == Sampling()


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("epochs", "expected KEY=VALUE"),
        ("epochs=many", "expected a int"),
        ("lr=1", "there is no such setting"),
        ("epochs=0", "must be above 0"),
    ],
)
def test_a_bad_setting_is_told_before_a_base_model_is_fetched(
    run: Run, nell: PersonaFolder, workspace: Workspace, assignment: str, said: str
) -> None:
    assert run("pairs", "nell").code == 0
    ended = run("train", "nell", "--set", assignment)
    assert ended.code == 2
    assert said in ended.err
    assert not workspace.models.exists()


def test_training_without_pairs_or_on_stale_ones_fails_before_a_base_model_is_fetched(
    run: Run, nell: PersonaFolder, workspace: Workspace
) -> None:
    ended = run("train", "nell")
    assert (ended.code, ended.err.splitlines()[0]) == (1, "error: nell has no pairs yet")
    assert run("pairs", "nell").code == 0
    persona(workspace, many_chats(17, replies=2))
    ended = run("train", "nell")
    assert ended.code == 1
    assert ended.err.splitlines() == [
        "error: nell's pairs are older than its messages or your changes to them",
        "Make them anew: style-clone pairs nell",
    ]
    assert not workspace.models.exists()


def test_a_failure_is_one_with_problem_and_mend(run: Run, nell: PersonaFolder) -> None:
    ended = run("evaluate", "nell")
    assert ended.code == 1
    assert ended.err.splitlines() == ["error: nell has no adapter yet", "Train one: style-clone train nell"]


def test_personas_before_and_after_there_is_one(run: Run, workspace: Workspace) -> None:
    assert "There is no persona yet" in run("personas").out
    assert run("personas", "--json").json == []
    persona(workspace, many_chats(16, replies=2))
    assert run("personas").out.split() == ["nell", "Nell", "next:", "style-clone", "pairs", "nell"]
    assert [row["persona"] for row in run("personas", "--json").json] == ["nell"]


def test_show_says_what_is_there_what_is_stale_and_what_is_next(
    run: Run, nell: PersonaFolder, workspace: Workspace
) -> None:
    row = run("show", "nell", "--json").json
    assert (row["pairs"], row["adapter"], row["scorecard"]) == ("missing", "missing", "missing")
    assert row["aliases"] == "Nell Quayle, Nell"
    assert row["next"] == "style-clone pairs nell"
    run("pairs", "nell")
    assert run("show", "nell", "--json").json["next"] == "style-clone train nell"
    persona(workspace, many_chats(17, replies=2))
    row = run("show", "nell", "--json").json
    assert (row["pairs"], row["next"]) == ("stale", "style-clone pairs nell")
    assert "stale" in run("show", "nell").out


def test_a_result_as_json_is_one_document_and_nothing_else(run: Run, nell: PersonaFolder) -> None:
    for arguments in (["pairs", "nell"], ["personas"], ["show", "nell"], ["keys", "create"], ["keys", "list"]):
        ended = run(*arguments, "--json")
        assert ended.code == 0
        assert ended.json
        assert ended.err == ""


def test_delete_purges_the_persona(run: Run, nell: PersonaFolder, home: Path) -> None:
    assert run("delete", "nell", "--json").code == 2, "a machine must say --yes"
    assert run("delete", "nell", "--yes", "--json").json == {"deleted": "nell"}
    assert os.listdir(home / "personas") == []
    assert run("delete", "nell", "--json").code == 2


def test_delete_asks_and_no_means_no(nell: PersonaFolder) -> None:
    for answer in ("n\n", ""):
        done = spawn("delete", "nell", input=answer)
        assert done.returncode == 130
        assert str(nell.root) in done.stdout
        assert nell.persona.exists()
    assert spawn("delete", "nell", input="y\n").returncode == 0
    assert not nell.root.exists()


def test_a_persona_in_training_is_not_deleted(run: Run, nell: PersonaFolder) -> None:
    """The training would write it anew when it ends."""
    nell.runs.mkdir()
    with (nell.runs / "train.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = run("delete", "nell", "--yes")
    assert ended.code == 1
    assert "is being trained" in ended.err
    assert nell.persona.exists()
    assert run("delete", "nell", "--yes").code == 0


def test_one_persona_s_deletion_leaves_the_others(run: Run, nell: PersonaFolder, workspace: Workspace) -> None:
    Persona("nelly", "Nelly", ("Nelly",)).save(workspace.folder("nelly"))
    run("delete", "nell", "--yes")
    assert [folder.slug for folder in workspace.personas()] == ["nelly"]


def test_interrupted_is_130_and_one_word(run: Run, nell: PersonaFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(folder: PersonaFolder) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("style_clone.cli.show.describe", interrupted)
    ended = run("show", "nell")
    assert (ended.code, ended.out, ended.err.strip()) == (130, "", "stopped")


def test_a_real_interrupt_at_a_question(nell: PersonaFolder) -> None:
    process = subprocess.Popen(
        [PROGRAM, "delete", "nell"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.read(6) == b"Delete"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (130, b"stopped")
    assert nell.persona.exists()


def test_a_bug_is_two_lines_and_no_traceback(run: Run, nell: PersonaFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: PersonaFolder) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("style_clone.cli.show.describe", broken)
    ended = run("show", "nell")
    assert ended.code == 1
    assert ended.err.splitlines() == [
        "error: something went wrong inside style-clone: ZeroDivisionError: division by zero",
        "This is a bug. Set STYLE_CLONE_DEBUG=1 and run again to see where.",
    ]
    monkeypatch.setenv("STYLE_CLONE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main()


def test_a_damaged_file_is_named(run: Run, nell: PersonaFolder) -> None:
    nell.persona.write_text('{"slug": ')
    ended = run("show", "nell")
    assert ended.code == 1
    assert str(nell.persona) in ended.err


def test_a_home_that_is_a_file_is_misuse(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STYLE_CLONE_HOME", str(tmp_path / "file"))
    ended = run("personas")
    assert ended.code == 2
    assert "is not a folder" in ended.err


def test_usage_reporting_is_off_for_everything_a_command_starts(run: Run) -> None:
    run("personas")
    assert {name: os.environ.get(name) for name in PRIVATE_ENVIRONMENT} == PRIVATE_ENVIRONMENT
