"""`style-clone chat`: streamed, side by side, for people and for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from style_clone.cli import main
from style_clone.cli.chat import command, printable
from style_clone.errors import MissingStage, PersonaNotFound, ServingError, UsageError
from style_clone.workspace import Workspace, write_json
from tests.fake_endpoint import FakeEndpoint, fake_endpoint

Chat = Callable[..., Result]


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEndpoint]:
    """A running endpoint, named as one that runs elsewhere is."""
    with fake_endpoint() as fake:
        monkeypatch.setenv("STYLE_CLONE_URL", fake.url)
        monkeypatch.setenv("STYLE_CLONE_API_KEY", fake.key)
        yield fake


@pytest.fixture
def chat(endpoint: FakeEndpoint) -> Chat:
    def run(*arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(command, arguments, input=typed, catch_exceptions=True)

    return run


def test_once_prints_the_reply_bubble_under_bubble(chat: Chat) -> None:
    result = chat("me", "--once", "hi")
    assert result.exit_code == 0
    assert result.stdout == "me: hello from me\n    how are you?\n"


def test_once_as_json_is_one_line_for_machines(chat: Chat, endpoint: FakeEndpoint) -> None:
    result = chat("me", "--vs", "prompted", "--once", "hi", "--json")
    assert json.loads(result.stdout) == {
        "message": "hi",
        "replies": {"me": endpoint.reply("me"), "me@prompted": endpoint.reply("me@prompted")},
    }


def test_both_replies_are_labelled(chat: Chat) -> None:
    lines = chat("me", "--vs", "prompted", "--once", "hi").stdout.splitlines()
    assert lines[0] == "         me: hello from me"
    assert lines[2] == "me@prompted: hello from me@prompted"


def test_a_contact_is_named_in_every_question(chat: Chat, endpoint: FakeEndpoint) -> None:
    endpoint.registers = {"me": {"Ann Lee": "Ann"}}
    assert chat("me", "--vs", "prompted", "--to", "ann lee", typed="hi\nand?\n").exit_code == 0
    for model in ("me", "me@prompted"):
        names = [[turn.get("name") for turn in request["messages"]] for request in endpoint.asked(model)]
        assert names == [["Ann"], [None, None, "Ann"]]


@pytest.mark.parametrize(("registers", "mend"), [({"Ann Lee": "Ann", "Mum": "Mum"}, "Ann, Mum"), ({}, "none at all")])
def test_an_unknown_contact_is_told_with_those_there_are(
    chat: Chat, endpoint: FakeEndpoint, registers: dict[str, str], mend: str
) -> None:
    endpoint.registers = {"me": registers}
    error = chat("me", "--to", "Annie", "--once", "hi").exception
    assert isinstance(error, UsageError)
    assert "--to Annie" in error.problem
    assert mend in error.mend
    assert endpoint.requests == []


def test_an_unknown_contact_is_told_before_anything_starts(workspace: Workspace) -> None:
    folder = workspace.folder("me")
    write_json(folder.persona, {"slug": "me", "author": "Ann", "aliases": ["Ann"], "sampling": {}})
    write_json(folder.adapter / "run.json", {"registers": {"Mum": "Mum"}})
    result = CliRunner().invoke(command, ["me", "--to", "Dad", "--once", "hi"])
    assert isinstance(result.exception, UsageError)
    assert not workspace.logs.exists(), "no engine was started"


def test_piped_lines_are_answered_with_history_until_quit(chat: Chat, endpoint: FakeEndpoint) -> None:
    result = chat("me", "--vs", "prompted", typed="hi\n\nand you?\n/quit\nnever asked\n")
    assert result.exit_code == 0
    for model in ("me", "me@prompted"):
        first, second = endpoint.asked(model)
        assert [turn["content"] for turn in first["messages"]] == ["hi"]
        assert [turn["content"] for turn in second["messages"]] == ["hi", endpoint.reply(model), "and you?"]


def test_piped_json_is_a_line_per_message(chat: Chat) -> None:
    rows = [json.loads(line) for line in chat("me", "--json", typed="one\ntwo\n").stdout.splitlines()]
    assert [row["message"] for row in rows] == ["one", "two"]


def test_an_unknown_persona_is_told_with_those_there_are(chat: Chat) -> None:
    error = chat("nobody", "--once", "hi").exception
    assert isinstance(error, PersonaNotFound)
    assert "known: me" in error.problem


def test_a_persona_that_is_not_trained_is_told_so(chat: Chat, workspace: Workspace) -> None:
    write_json(workspace.folder("ann").persona, {})
    error = chat("ann", "--once", "hi").exception
    assert isinstance(error, MissingStage)
    assert "style-clone train ann" in error.mend


def test_a_failing_endpoint_ends_a_script(chat: Chat, endpoint: FakeEndpoint) -> None:
    endpoint.failing["me"] = 500
    error = chat("me", typed="hi\nthere\n").exception
    assert isinstance(error, ServingError)
    assert "bad day" in error.problem


def test_a_reply_cannot_steer_the_terminal(chat: Chat, endpoint: FakeEndpoint) -> None:
    endpoint.replies["me"] = "a\x1b[2Jb \x07 ok\tfine"
    assert chat("me", "--once", "hi").stdout == "me: a[2Jb  ok\tfine\n"
    assert printable("\x9b31mé\n") == "31mé\n"


def test_the_exit_code_is_the_errors(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["style-clone", "chat", "nobody", "--once", "hi"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "error: there is no persona 'nobody'" in capsys.readouterr().err


def test_a_persona_without_an_adapter_is_told_before_anything_starts(workspace: Workspace) -> None:
    write_json(workspace.folder("me").persona, {"slug": "me", "author": "Ann", "aliases": ["Ann"], "sampling": {}})
    result = CliRunner().invoke(command, ["me", "--once", "hi"])
    assert isinstance(result.exception, MissingStage)
    assert "style-clone train me" in result.exception.mend
    assert not workspace.logs.exists(), "no engine was started"
